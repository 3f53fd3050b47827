"""ComiRec-SA (Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020): self-attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as np

from benchmarks.settings import Few, Name, Width
from benchmarks.specs import sequences
from benchmarks.specs.base import Arrays, OnLadder, Parameter, Sizes


@dataclass(frozen=True)
class ComiRecSA(sequences.SequenceSpec):
    """A user is several interests, each a sum of the last items, weighted by an attention of its own.

    As in the authors' code, positions are attended with but not summed: summed, they let an interest be the same for
    everybody, and the choice of the closest one tell the target (recall@50 of ML-1M fell from 0.20 to 0.13).
    The paper trains with a sampled softmax, we with the full one. Diversity is left out: lists are merged by score.
    """

    model: ClassVar[str] = "comirec-sa"
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={
            "trains_on": ("cuts", "prefixes"),
            "n_interests": (1, 3, 5),
            "warmup_steps": (0, 5),
            "weight_decay": (0.0, 0.1),
            "clip_norm": (0.0, 0.08),
        },
        is_mean_of_rows=True,
        wide={"batch_size": 1500, "length": 40, "cuts_per_sequence": 1, "embedding_dim": 66},
        far_back={"length": 300},
        starts={"extreme": ({"batch_size": 200, "cuts_per_sequence": 1},), "lowered": ({},), "tied": ({},)},
    )
    variant: Name = "softmax"
    n_interests: Few = 4
    attention_dim: Width = 256  # published as 4 times embedding_dim

    @classmethod
    def for_ladder(cls) -> tuple[ComiRecSA, ...]:
        """Small, no two sizes alike, with an epsilon that shows where it is misplaced."""
        small = cls(
            n_interests=3,
            embedding_dim=8,
            attention_dim=10,
            length=6,
            batch_size=32,
            cuts_per_sequence=4,
            min_history=4,
            epochs=12,
            learning_rate=0.01,
            epsilon=1e-4,
        )
        return (small,)

    def table(self, sizes: Sizes) -> tuple[Parameter, ...]:
        dim = self.embedding_dim
        return (
            Parameter("item_embedding", (sizes.n_items + 1, dim), dim**-0.5),
            Parameter("position_embedding", (self.length, dim), dim**-0.5),
            Parameter("attention_hidden", (self.attention_dim, dim), dim**-0.5),
            Parameter("attention_interests", (self.n_interests, self.attention_dim), self.attention_dim**-0.5),
        )

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        """Eq. 8 and 9: the interest closest to the target is the user; -log softmax(<user, target>) over all items."""
        user = sequences.closest(self.user_vectors(p, batch), p["item_embedding"][batch["target"] + 1])
        return sequences.softmax_loss(user @ p["item_embedding"][1:].T, batch["target"])

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        """Eq. 5 to 7: A = softmax(W2 tanh(W1 H')) over the places, V = A H: float64[n, interests, dim]."""
        known = (inputs["history"] > 0)[..., None]
        items = sequences.lookup(p["item_embedding"], inputs["history"])
        scores = np.tanh((items + p["position_embedding"]) @ p["attention_hidden"].T) @ p["attention_interests"].T
        attention = sequences.softmax(np.where(known, scores, -1e9), 1)  # even for an empty history, whose items are 0
        return np.swapaxes(attention, 1, 2) @ items
