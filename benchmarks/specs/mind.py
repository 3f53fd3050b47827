"""MIND (Li et al., "Multi-Interest Network with Dynamic Routing", CIKM 2019): capsules and label-aware attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import autograd.numpy as np

from benchmarks.settings import Few, Name, Positive, whole
from benchmarks.specs import sequences
from benchmarks.specs.base import Arrays, OnLadder, Parameter, Sizes


@dataclass(frozen=True)
class MIND(sequences.SequenceSpec):
    """A user is several interests, capsules that the last items are routed to with one matrix for all of them.

    The routing starts from logits that are drawn once and never learnt; from zeros all interests would be the same. As
    in ComiRec, only the last pass is differentiated: its coupling coefficients are constants. The paper trains with a
    sampled softmax, we with the full one. The user's profile is left out, and every user has the same number of
    interests.
    """

    model: ClassVar[str] = "mind"
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={
            "trains_on": ("cuts", "prefixes"),
            "n_interests": (1, 3, 5),
            "n_routing": (1, 2, 3, 5),
            "power": (1, 2, 3, 4),
            "warmup_steps": (0, 5),
            "weight_decay": (0.0, 0.1),
            "clip_norm": (0.0, 0.04),
        },
        is_mean_of_rows=True,
        wide={"batch_size": 1500, "length": 40, "cuts_per_sequence": 1, "embedding_dim": 66},
        far_back={"length": 300},
        starts={"extreme": ({"batch_size": 200, "cuts_per_sequence": 1},)},
        tiniest=1e-9,
    )
    unlearnt: ClassVar[tuple[str, ...]] = ("routing_logits",)
    variant: Name = "softmax"
    n_interests: Few = 4
    n_routing: Few = 3  # passes
    squash_epsilon: Positive = 1e-9
    power: Annotated[int, whole(1, 100)] = 2  # of the inner products in the label-aware attention; they may be negative

    @classmethod
    def for_ladder(cls) -> tuple[MIND, ...]:
        """Small, no two sizes alike, with epsilons and a power that show where they are misplaced or left out."""
        small = cls(
            n_interests=3,
            squash_epsilon=1e-2,
            power=3,
            embedding_dim=8,
            length=6,
            batch_size=32,
            cuts_per_sequence=4,
            min_history=4,
            epochs=8,
            learning_rate=0.01,
            epsilon=1e-4,
        )
        return (small,)

    def table(self, sizes: Sizes) -> tuple[Parameter, ...]:
        dim = self.embedding_dim
        return (
            Parameter("item_embedding", (sizes.n_items + 1, dim), dim**-0.5),
            Parameter("bilinear", (dim, dim), dim**-0.5),
            Parameter("routing_logits", (self.n_interests, self.length), 3**0.5),  # the variance of a standard normal
            Parameter("dense_weight", (dim, dim), dim**-0.5),
            Parameter("dense_bias", (dim,), 0.0),
        )

    def carried(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - the other specs' arguments
        return {}

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:
        return {"coupling": self._coupling(p, self._votes(p, batch))}

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        """Eq. 11 and 12: interests weighted by softmax(<interest, target>^power); -log softmax(<user, target>)."""
        interests = self._dense(p, self._votes(p, batch), batch["coupling"])
        target = p["item_embedding"][batch["target"] + 1]
        attention = sequences.softmax(np.sum(interests * target[:, None], -1) ** self.power, 1)
        user = np.sum(attention[..., None] * interests, 1)
        return sequences.softmax_loss(user @ p["item_embedding"][1:].T, batch["target"])

    def _votes(self, p: Arrays, inputs: Arrays) -> Any:
        """S e of every item, the same for all interests: float64[batch, 1, length, dim]."""
        return (sequences.lookup(p["item_embedding"], inputs["history"]) @ p["bilinear"].T)[:, None]

    def _coupling(self, p: Arrays, votes: Any) -> Any:
        """Algorithm 1."""
        return sequences.coupling(votes, p["routing_logits"], self.n_routing, self.squash_epsilon)

    def _dense(self, p: Arrays, votes: Any, coupling: Any) -> Any:
        """The capsules through one ReLU layer: float64[batch, interests, dim]."""
        z = sequences.capsules(votes, coupling, self.squash_epsilon) @ p["dense_weight"].T + p["dense_bias"]
        return z * (z > 0)

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        """float64[n, interests, dim]."""
        votes = self._votes(p, inputs)
        return self._dense(p, votes, self._coupling(p, votes))
