"""Alternating least squares on implicit feedback (Hu, Koren and Volinsky 2008), as the library `implicit` has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.settings import Count, Name, NonNegative, Once, Width, check
from benchmarks.specs.base import Arrays, Parameter, Sizes, Training


@dataclass(frozen=True)
class ALS:
    """Confidence is the number of a user's rows of an item; the defaults are those published for Online Retail."""

    model: ClassVar[str] = "als"
    asks: ClassVar[str] = "users"
    serves: ClassVar[str] = "vectors"
    patience: ClassVar[int] = 0
    variant: Name = "as_published"
    embedding_dim: Width = 128
    regularization: NonNegative = 1e-6
    iterations: Count = 15
    epochs: Once = 1
    filter_seen: bool = False

    def __post_init__(self) -> None:
        check(self, self.model)

    def n_samples(self, chunk: Arrays) -> int:  # noqa: ARG002 - it takes no steps
        return 0

    def parameters(self, sizes: Sizes) -> tuple[Parameter, ...]:
        """The tables that the iterations start from, uniform in [-0.01, 0.01) as the library's own are in scale."""
        return (
            Parameter("user_factors", (sizes.n_users, self.embedding_dim), 0.01),
            Parameter("item_factors", (sizes.n_items, self.embedding_dim), 0.01),
        )

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:  # noqa: ARG002
        """One step that holds all training rows: user, item int32[1, n]."""
        yield {"user": training.user[None], "item": training.item[None]}
