"""Matrix factorisation trained on pairs (Rendle et al. 2009, "BPR: Bayesian Personalized Ranking", eq. BPR-Opt)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as np

from benchmarks import sampling
from benchmarks.settings import Batch, Count, Name, Natural, NonNegative, Positive, Width, check
from benchmarks.specs.base import Adam, Arrays, OnLadder, Parameter, Sizes, Training


@dataclass(frozen=True)
class MFBPR:
    """x_ui = <u, i> + b_i; a user's bought item should score above a random one.

    The defaults are those published for Online Retail. A triple (user, positive, negative) is a training row drawn
    with replacement and a uniform item, which may by chance be one that the user bought.
    """

    model: ClassVar[str] = "mf-bpr"
    asks: ClassVar[str] = "users"
    serves: ClassVar[str] = "vectors"
    unlearnt: ClassVar[tuple[str, ...]] = ()
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={"l2": (0.0, 1e-4)},
        wide={"batch_size": 1500, "embedding_dim": 66},
        starts={"extreme": ({"batch_size": 16, "epsilon": 1e-8},)},
        long={"embedding_dim": 4, "batch_size": 16, "epochs": 24},
    )
    variant: Name = "as_published"
    embedding_dim: Width = 128
    batch_size: Batch = 15_000  # triples a step
    steps_per_epoch: Natural = 30  # 0 for as many as one pass over the training rows takes
    epochs: Count = 75
    patience: Natural = 0
    learning_rate: Positive = 0.0005
    epsilon: Positive = 1e-8
    l2: NonNegative = 1e-7  # times the sum over looked-up rows; on the biases the plain sum, as published
    filter_seen: bool = False

    def __post_init__(self) -> None:
        check(self, self.model)

    @classmethod
    def for_ladder(cls) -> tuple[MFBPR, ...]:
        """Small, with an epsilon and a penalty large enough to be seen where they are misplaced."""
        small = cls(
            embedding_dim=8,
            batch_size=64,
            steps_per_epoch=50,
            epochs=4,
            learning_rate=0.03,
            epsilon=1e-4,
            l2=1e-4,
        )
        return (small,)

    @property
    def optimizer(self) -> Adam:
        return Adam(self.learning_rate, epsilon=self.epsilon)

    def n_samples(self, chunk: Arrays) -> int:
        return chunk["user"].size

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:
        bound = (2 / self.embedding_dim) ** 0.5
        return (
            Parameter("user_factors", (sizes.n_users, self.embedding_dim), bound),
            Parameter("item_factors", (sizes.n_items, self.embedding_dim), bound),
            Parameter("item_bias", (sizes.n_items,), 2**0.5),
        )

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """Chunks of user, positive, negative: int32[steps, batch_size]."""
        rng = sampling.generator(*key, self.model, "triples", epoch)
        n_steps = self.steps_per_epoch or math.ceil(len(training.user) / self.batch_size)
        return sampling.bootstrapped_triples(rng, training, n_steps, self.batch_size)

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - the other specs' arguments
        return {}

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        user = p["user_factors"][batch["user"]]
        positive, negative = p["item_factors"][batch["positive"]], p["item_factors"][batch["negative"]]
        bias_positive, bias_negative = p["item_bias"][batch["positive"]], p["item_bias"][batch["negative"]]
        margin = np.sum(user * positive, 1) + bias_positive - np.sum(user * negative, 1) - bias_negative
        squares = np.sum(user**2) + np.sum(positive**2) + np.sum(negative**2)
        penalty = squares + np.sum(bias_positive) + np.sum(bias_negative)
        return np.mean(np.logaddexp(0.0, -margin)) + self.l2 * penalty

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        user = p["user_factors"][inputs["user"]]
        return np.concatenate([user, np.ones((len(user), 1))], 1)

    def item_vectors(self, p: Arrays) -> Any:
        return np.concatenate([p["item_factors"], p["item_bias"][:, None]], 1)
