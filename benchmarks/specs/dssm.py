"""DSSM (Huang et al., "Learning Deep Structured Semantic Models for Web Search using Clickthrough Data", CIKM 2013)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from benchmarks.settings import Batch
from benchmarks.specs import two_tower
from benchmarks.specs.base import OnLadder

_USER = ("user", "region", "zip_code", "age", "activity")
_ITEM = ("item", "group", "zip_code", "price", "popularity")
_BARE = {"user_features": ("user",), "item_features": ("item",), "user_tower": (), "item_tower": ()}
_ALONE = {
    **_BARE,
    "history_length": 0,
    "batch_norm": False,
    "scaling": "none",
    "temperature": 1.0,
    "log_q": False,
}
"""Vectors are the rows themselves, so that nothing keeps scores small."""


@dataclass(frozen=True)
class DSSM(two_tower.TwoTower):
    """Two towers, each of features of its own.

    The defaults are those published for MovieLens-1M with 0/1 labels, faults included: outputs are divided by their
    squared length, a sigmoid is taken for a logit, and items are ranked by distance after a training on products. A
    batch is 32 positives with their three negatives, where the publication shuffles all 128 rows of one.
    """

    model: ClassVar[str] = "dssm"
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={
            "form": ("point-wise", "pair-wise", "list-wise", "triplet", "in-batch"),
            "history_length": (
                {"history_length": 0},
                *(
                    {"history_length": 6, "pooling": pooling, "user_features": (*_USER, "history")}
                    for pooling in ("mean", "sum", "max", "concat")
                ),
            ),
            "user_tower": (
                {"user_tower": (6,), "item_tower": (6,)},
                {"user_tower": (10, 8, 6), "item_tower": (12, 8, 6)},
                {"user_tower": (26,), "item_tower": ()},
                {**_BARE, "embedding_bound": 0.2},  # so short that a few steps are seen, whatever divides them
            ),
            "scaling": ("none", "length", "squared-length"),
            "activation": ("none", "leaky-relu", "prelu"),
            "batch_norm": (False, True),
            "log_q": (False, True),
            "double_sigmoid": (False, True),
            "by_distance": (False, True),
            "temperature": (1.0, 0.5),
            "margin": (1.0, 0.3, 0.0),
            "l2": (0.0, 1e-3),
            "n_negatives": (1, 3, 5),
        },
        plain={"user_features": _USER, "history_length": 0, "log_q": False, "epsilon": 1e-2, "learning_rate": 0.005},
        wide={"batch_size": 1500, "history_length": 40, "embedding_dim": 66, "pooling": "max"},
        far_back={"history_length": 300},
        starts={
            # In turn: all forms; distances that are next to nothing; scores of thousands; features in another order,
            # and without the ids.
            "extreme": (
                {"temperature": 0.008, "learning_rate": 0.01},
                {**_ALONE, "form": "triplet"},
                {**_ALONE, "form": "point-wise", "double_sigmoid": False},
                {**_ALONE, "form": "pair-wise"},
                _ALONE,
                {
                    "user_features": ("history", "zip_code", "activity", "user", "age", "region"),
                    "item_features": ("popularity", "zip_code", "item", "price", "group"),
                },
                {"user_features": ("zip_code", "region"), "item_features": ("group",), "history_length": 0},
            ),
            # Batch normalisation; distances between what is far from zero.
            "shifted": ({"epsilon": 1e-2}, {**_ALONE, "form": "triplet"}),
            "opposed": (_ALONE,),
        },
    )
    scaling: two_tower.Scaling = "squared-length"
    form: two_tower.Form = "point-wise"
    double_sigmoid: bool = True
    by_distance: bool = True
    batch_size: Batch = 32

    @classmethod
    def for_ladder(cls) -> tuple[DSSM, ...]:
        """A spec for each form, the best learner first, all settings among them.

        Epsilon and penalty show where they are misplaced. Few units have a kink: where rounding decides on which side
        of it one is, trainings part that are both right.
        """
        small = cls(
            embedding_dim=8,
            user_tower=(10, 6),
            item_tower=(12, 6),
            embedding_bound=1.5,
            batch_size=16,
            epochs=2,
            learning_rate=0.01,
            epsilon=1e-4,
            l2=1e-3,
        )
        profile = replace(
            small,
            user_features=_USER,
            item_features=_ITEM,
            by_distance=False,
        )
        deep = replace(
            profile,
            user_features=(*profile.user_features, "history"),
            history_length=6,
            user_tower=(6,),
            item_tower=(6,),
            scaling="length",
            activation="prelu",
            batch_norm=True,
            learning_rate=0.02,
        )
        return (
            replace(deep, variant="in-batch", form="in-batch", temperature=0.5, log_q=True, l2=0.0),
            replace(small, variant="0/1", scaling="none", user_tower=(6,), item_tower=(6,), n_negatives=1),
            replace(small, variant="triplet", form="triplet", activation="none", scaling="length"),
            replace(
                profile,
                variant="softmax",
                form="list-wise",
                activation="none",
                temperature=1 / 1.2,
                sampler="two-bucket",
                log_q=True,
                learning_rate=0.003,
            ),
            replace(
                deep,
                variant="pairs",
                form="pair-wise",
                pooling="max",
                temperature=0.5,
                embedding_bound=1.0,
                user_tower=(7,),
                item_tower=(7,),
                learning_rate=0.01,
            ),
        )
