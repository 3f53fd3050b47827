"""The split within sequences by counts: the last k rows of every user test, the k before them validate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.protocols.held_out import HeldOut
from benchmarks.settings import Count


@dataclass(frozen=True, kw_only=True)
class LeaveKOut(HeldOut):
    """Leave one out (k = 1) or more.

    Attributes:
        k: rows of each user in the test, and as many in the validation.
    """

    name: ClassVar[str] = "leave-k-out"
    k: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("min_items", self.min_items > 2 * self.k, f"a whole number above {2 * self.k}, which is 2 k")

    def before_held_out(self, n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return n - self.k
