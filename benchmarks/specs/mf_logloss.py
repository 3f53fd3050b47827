"""Matrix factorisation trained on single pairs with the log loss (Koren, Bell and Volinsky 2009, with a sigmoid)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as np

from benchmarks import sampling
from benchmarks.settings import Batch, Count, Name, Natural, NonNegative, Positive, Width, check
from benchmarks.specs.base import Adam, Arrays, OnLadder, Parameter, Sizes, Training


@dataclass(frozen=True)
class MFLogLoss:
    """P(u buys i) = sigmoid(b + b_u + b_i + <u, i>), against pairs whose user and item are both drawn uniformly.

    The defaults are those published for Online Retail.
    """

    model: ClassVar[str] = "mf-logloss"
    asks: ClassVar[str] = "users"
    serves: ClassVar[str] = "vectors"
    unlearnt: ClassVar[tuple[str, ...]] = ()
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={"n_negatives": (1, 2, 6), "l2": (0.0, 1e-4)},
        wide={"batch_size": 1500, "embedding_dim": 66},
        starts={"extreme": ({"batch_size": 16, "epsilon": 1e-8},)},
    )
    variant: Name = "as_published"
    embedding_dim: Width = 128
    n_negatives: Count = 5  # a positive
    batch_size: Batch = 5_000  # positives a step
    epochs: Count = 10
    patience: Natural = 0
    learning_rate: Positive = 0.005
    epsilon: Positive = 1e-8
    l2: NonNegative = 1e-7  # times the sum over looked-up rows of both factor tables
    filter_seen: bool = False

    def __post_init__(self) -> None:
        check(self, self.model)

    @classmethod
    def for_ladder(cls) -> tuple[MFLogLoss, ...]:
        """Small, with an epsilon and a penalty large enough to be seen where they are misplaced."""
        small = cls(
            embedding_dim=8,
            batch_size=64,
            n_negatives=2,
            epochs=8,
            learning_rate=0.03,
            epsilon=1e-4,
            l2=1e-4,
        )
        return (small,)

    @property
    def optimizer(self) -> Adam:
        return Adam(self.learning_rate, epsilon=self.epsilon)

    def n_samples(self, chunk: Arrays) -> int:
        return int(chunk["label"].sum())

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:
        bound = (2 / self.embedding_dim) ** 0.5
        return (
            Parameter("user_factors", (sizes.n_users, self.embedding_dim), bound),
            Parameter("item_factors", (sizes.n_items, self.embedding_dim), bound),
            Parameter("user_bias", (sizes.n_users,), 2**0.5),
            Parameter("item_bias", (sizes.n_items,), 2**0.5),
            Parameter("global_bias", (), 0.0),
        )

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """Every training row once: user, item int32 and label float32 [steps, batch_size * (1 + n_negatives)].

        The last, short batch of an epoch is a chunk of its own.
        """
        rng = sampling.generator(*key, self.model, "pairs", epoch)
        return sampling.labelled_pairs(rng, training, self.batch_size, self.n_negatives)

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - the other specs' arguments
        return {}

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        user, item = p["user_factors"][batch["user"]], p["item_factors"][batch["item"]]
        bias = p["global_bias"] + p["user_bias"][batch["user"]] + p["item_bias"][batch["item"]]
        logit = bias + np.sum(user * item, 1)
        log_loss = np.mean(np.logaddexp(0.0, logit) - batch["label"] * logit)
        return log_loss + self.l2 * (np.sum(user**2) + np.sum(item**2))

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        user = p["user_factors"][inputs["user"]]
        return np.concatenate([user, np.ones((len(user), 1))], 1)

    def item_vectors(self, p: Arrays) -> Any:
        return np.concatenate([p["item_factors"], p["item_bias"][:, None]], 1)
