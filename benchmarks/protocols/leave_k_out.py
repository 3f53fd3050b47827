"""The split within sequences by counts: the last k rows of every user test, the k before them validate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.protocols.held_out import HeldOut


@dataclass(frozen=True, kw_only=True)
class LeaveKOut(HeldOut):
    """Leave one out (k = 1) or more.

    Attributes:
        k: rows of each user in the test, and as many in the validation.
    """

    name: ClassVar[str] = "leave-k-out"
    k: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("k", type(self.k) is int and self.k >= 1, "a whole number from 1")
        trains = type(self.min_items) is int and self.min_items > 2 * self.k
        self._require("min_items", trains, f"a whole number above {2 * self.k}, which is 2 k")

    def before_held_out(self, n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return n - self.k
