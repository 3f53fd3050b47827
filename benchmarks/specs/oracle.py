"""The best that any model can expect, where the data know the probabilities that they were drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.settings import Name, Never
from benchmarks.specs.base import Arrays, Questions, Training, WithoutParameters


class AnsweredQuestions(Questions, Protocol):
    """Queries that bring the lists of the generating probabilities along; see `protocols.Queries`."""

    @property
    def best(self) -> npt.NDArray[np.int32]: ...


@dataclass(frozen=True)
class Oracle(WithoutParameters):
    """Items ranked by their true expected number of occurrences; the lists come with the split, nothing is learnt."""

    model: ClassVar[str] = "oracle"
    asks: ClassVar[str] = "histories"
    answers_empty: ClassVar[bool] = True
    serves: ClassVar[str] = "lists"
    patience: ClassVar[int] = 0
    variant: Name = "true-probabilities"
    epochs: Never = 0
    filter_seen: bool = False

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:  # noqa: ARG002
        yield from ()

    def inputs(self, queries: AnsweredQuestions) -> Iterator[tuple[Arrays, npt.NDArray[np.int64]]]:
        yield {"best": queries.best}, np.arange(len(queries.user))
