"""ComiRec-DR (Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020): dynamic routing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as np

from benchmarks.settings import Few, Name, Positive
from benchmarks.specs import sequences
from benchmarks.specs.base import Arrays, OnLadder, Parameter, Sizes


@dataclass(frozen=True)
class ComiRecDR(sequences.SequenceSpec):
    """A user is several interests, capsules that the last items are routed to, with a matrix a place and interest.

    As in the authors' code, only the last pass of the routing is differentiated: its coupling coefficients are
    constants. The paper trains with a sampled softmax, we with the full one. Diversity is left out: lists are merged by
    score.
    """

    model: ClassVar[str] = "comirec-dr"
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={
            "trains_on": ("cuts", "prefixes"),
            "n_interests": (1, 2, 5),
            "n_routing": (1, 2, 3, 5),
            "warmup_steps": (0, 5),
            "weight_decay": (0.0, 0.1),
            "clip_norm": (0.0, 0.02),
        },
        is_mean_of_rows=True,
        wide={"batch_size": 1500, "length": 40, "cuts_per_sequence": 1, "embedding_dim": 66},
        far_back={"length": 300},
        starts={"extreme": ({"batch_size": 200, "cuts_per_sequence": 1},), "tied": ({},)},
        tiniest=1e-9,
    )
    variant: Name = "softmax"
    n_interests: Few = 4
    n_routing: Few = 3  # passes
    squash_epsilon: Positive = 1e-9

    @classmethod
    def for_ladder(cls) -> tuple[ComiRecDR, ...]:
        """Small, no two sizes alike, with epsilons that show where they are misplaced or left out.

        Large batches, since it learns by heart what it can.
        """
        small = cls(
            n_interests=2,
            squash_epsilon=1e-2,
            embedding_dim=10,
            length=6,
            batch_size=128,
            cuts_per_sequence=16,
            min_history=4,
            epochs=4,
            learning_rate=0.02,
            epsilon=1e-4,
        )
        return (small,)

    def table(self, sizes: Sizes) -> tuple[Parameter, ...]:
        dim = self.embedding_dim
        return (
            Parameter("item_embedding", (sizes.n_items + 1, dim), dim**-0.5),
            Parameter("bilinear", (self.length, self.n_interests, dim, dim), dim**-0.5),
        )

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:
        return {"coupling": self._coupling(self._votes(p, batch))}

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        """Eq. 8 and 9: the interest closest to the target is the user; -log softmax(<user, target>) over all items."""
        interests = sequences.capsules(self._votes(p, batch), batch["coupling"], self.squash_epsilon)
        user = sequences.closest(interests, p["item_embedding"][batch["target"] + 1])
        return sequences.softmax_loss(user @ p["item_embedding"][1:].T, batch["target"])

    def _votes(self, p: Arrays, inputs: Arrays) -> Any:
        """Eq. 1: e_hat = W e, with a W for each place and interest: float64[batch, interests, length, dim]."""
        items = sequences.lookup(p["item_embedding"], inputs["history"])
        return np.einsum("lkde,ble->bkld", p["bilinear"], items)

    def _coupling(self, votes: Any) -> Any:
        """Eq. 2 to 4, from logits of zero."""
        return sequences.coupling(votes, np.zeros(votes.shape[:-1]), self.n_routing, self.squash_epsilon)

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        """float64[n, interests, dim]."""
        votes = self._votes(p, inputs)
        return sequences.capsules(votes, self._coupling(votes), self.squash_epsilon)
