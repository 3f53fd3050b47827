"""Matrix factorisation with a softmax over sampled negatives (Wu et al., ACM TOIS 42(4), 2024), of inner products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as np
from autograd.scipy.special import logsumexp

from benchmarks import sampling
from benchmarks.specs.base import Adam, Arrays, OnLadder, Parameter, Sizes, Training


@dataclass(frozen=True)
class MFSSM:
    """x_ui = <u, i>; among a user's item and a few uniform ones, the softmax of x should pick the user's."""

    model: ClassVar[str] = "mf-ssm"
    asks: ClassVar[str] = "users"
    serves: ClassVar[str] = "vectors"
    unlearnt: ClassVar[tuple[str, ...]] = ()
    on_ladder: ClassVar[OnLadder] = OnLadder(
        choices={"n_negatives": (1, 4), "l2": (0.0, 1e-4)},
        wide={"batch_size": 1500},
    )
    variant: str = "plain"
    embedding_dim: int = 64
    n_negatives: int = 20  # a positive; one may by chance be an item that the user took
    batch_size: int = 1_000  # positives a step
    epochs: int = 10
    patience: int = 0
    learning_rate: float = 0.01
    epsilon: float = 1e-8
    l2: float = 1e-7  # times the sum of squares over looked-up rows
    filter_seen: bool = False

    @classmethod
    def for_ladder(cls) -> tuple[MFSSM, ...]:
        """Small, with an epsilon and a penalty large enough to be seen where they are misplaced."""
        small = cls(
            embedding_dim=8,
            n_negatives=4,
            batch_size=64,
            epochs=9,
            learning_rate=0.03,
            epsilon=1e-4,
            l2=1e-4,
        )
        return (small,)

    @property
    def optimizer(self) -> Adam:
        return Adam(self.learning_rate, epsilon=self.epsilon)

    def n_samples(self, chunk: Arrays) -> int:
        return int(chunk["user"].size)

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:
        bound = (2 / self.embedding_dim) ** 0.5
        return (
            Parameter("user_factors", (sizes.n_users, self.embedding_dim), bound),
            Parameter("item_factors", (sizes.n_items, self.embedding_dim), bound),
        )

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:
        """Chunks of user: int32[steps, batch_size] and item: int32[steps, batch_size, 1 + n_negatives]."""
        rng = sampling.generator(*key, self.model, "positives", epoch)
        for chunk in sampling.positives(rng, training, self.batch_size):
            shape = (*chunk["user"].shape, self.n_negatives)
            negative = sampling.uniform_items(rng, training.n_items, shape)
            yield {"user": chunk["user"], "item": np.concatenate([chunk["target"][..., None], negative], 2)}

    def held_fixed(self, p: Arrays, batch: Arrays) -> dict[str, Any]:  # noqa: ARG002 - the other specs' arguments
        return {}

    def loss(self, p: Arrays, batch: Arrays) -> Any:
        user, items = p["user_factors"][batch["user"]], p["item_factors"][batch["item"]]
        scores = np.sum(user[:, None] * items, 2)
        softmax_loss = np.mean(logsumexp(scores, 1) - scores[:, 0])
        return softmax_loss + self.l2 * (np.sum(user**2) + np.sum(items**2))

    def user_vectors(self, p: Arrays, inputs: Arrays) -> Any:
        return p["user_factors"][inputs["user"]]

    def item_vectors(self, p: Arrays) -> Any:
        return p["item_factors"]
