"""YouTubeDNN (Covington, Adams and Sargin, "Deep Neural Networks for YouTube Recommendations", RecSys 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks import negatives
from benchmarks.settings import Batch, NonNegative, Positive, Width, WidthOrNone
from benchmarks.specs import two_tower
from benchmarks.specs.base import OnLadder


@dataclass(frozen=True)
class YouTubeDNN(two_tower.TwoTower):
    """A tower for the user alone: an item is its embedding.

    The defaults are those published for MovieLens-1M with leave-one-out: profile and history, and a softmax over one
    positive and three negatives.
    """

    model: ClassVar[str] = "youtube-dnn"
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={
            "pooling": ("mean", "concat"),
            "user_tower": ((6,), (10, 8, 6)),
            "scaling": ("none", "length"),
            "batch_norm": (False, True),
            "l2": (0.0, 1e-3),
            "n_negatives": (1, 3, 5),
            "user_features": (("user", "region", "zip_code", "history"), ("history",)),
            "activation": ("prelu", "leaky-relu"),
        },
        plain={"epsilon": 1e-2},
        wide={"batch_size": 1500, "history_length": 40, "embedding_dim": 66, "user_tower": (66,)},
        steps_from_extreme=False,
        far_back={"history_length": 300, "pooling": "mean"},
        starts={
            "extreme": ({"temperature": 0.02, "embedding_bound": 3**0.5 * 1e-4},),
            "shifted": ({"batch_size": 5000},),
        },
    )
    user_features: two_tower.Features = ("user", "gender", "age", "occupation", "zip", "history")
    embedding_dim: Width = 16
    history_length: WidthOrNone = 50
    user_tower: two_tower.Tower = (128, 64, 16)
    item_tower: two_tower.Tower = ()
    activation: two_tower.Activation = "prelu"
    batch_norm: bool = True
    temperature: Positive = 0.02
    sampler: negatives.Distribution = "popularity"
    embedding_bound: Positive = 3**0.5 * 1e-4
    batch_size: Batch = 256
    learning_rate: Positive = 1e-4
    l2: NonNegative = 1e-6

    @classmethod
    def for_ladder(cls) -> tuple[YouTubeDNN, ...]:
        """Small, with histories side by side, and an epsilon that shows where it is misplaced."""
        small = cls(
            user_features=("user", "region", "zip_code", "history"),
            embedding_dim=6,
            embedding_bound=0.5,
            history_length=5,
            pooling="concat",
            user_tower=(6,),
            temperature=0.5,
            exclude_positives=True,
            batch_size=16,
            epochs=8,
            learning_rate=0.01,
            epsilon=1e-4,
            l2=0.0,
        )
        return (small,)
