"""The most frequent items for everybody: the line that every model has to pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.settings import Name, Once
from benchmarks.specs.base import Arrays, Questions, Training, WithoutParameters


@dataclass(frozen=True)
class Popularity(WithoutParameters):
    """Items ranked by their number of training rows, those of unknown users among them."""

    model: ClassVar[str] = "popularity"
    asks: ClassVar[str] = "histories"
    answers_empty: ClassVar[bool] = True
    serves: ClassVar[str] = "scores"
    patience: ClassVar[int] = 0
    variant: Name = "seen-kept"
    epochs: Once = 1
    filter_seen: bool = False

    def batches(self, training: Training, key: tuple[object, ...], epoch: int) -> Iterator[Arrays]:  # noqa: ARG002
        """One step that holds all there is to know: count int64[1, n_items]."""
        yield {"count": training.item_counts[None]}

    def inputs(self, queries: Questions) -> Iterator[tuple[Arrays, npt.NDArray[np.int64]]]:
        yield {"user": queries.user}, np.arange(len(queries.user))
