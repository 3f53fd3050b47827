"""The split within sequences by shares: the last fifth of every user's rows tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.protocols.held_out import HeldOut
from benchmarks.protocols.sequences import share_of
from benchmarks.settings import Share


@dataclass(frozen=True, kw_only=True)
class SequenceSplit(HeldOut):
    """Of n rows, int(input_share * n) are before those that test; of these, again the same share trains.

    Attributes:
        input_share: above 0 and below 1.
    """

    name: ClassVar[str] = "sequence-split"
    input_share: Share = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        trains = int(self.input_share * int(self.input_share * self.min_items)) >= 1
        share = self.input_share
        self._require("min_items", trains, f"a whole number n with int({share} * int({share} * n)) of at least 1")

    def before_held_out(self, n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return share_of(self.input_share, n)
