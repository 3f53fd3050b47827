"""What protocols share that hold out the end of every user's sequence."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.protocols import sequences
from benchmarks.protocols.base import Protocol, Split
from benchmarks.settings import Count
from datasets.interactions import Interactions


@dataclass(frozen=True, kw_only=True)
class HeldOut(Protocol):
    """The end of every sequence tests, the end of what is before it validates, and the rest trains.

    The history of a query is all that is before its targets: in the test, validation rows are the past.

    Attributes:
        min_items: users with fewer rows are left out.
    """

    min_items: Count = 5

    @abstractmethod
    def before_held_out(self, n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """How many of n[i] rows come before those that are held out, int64[s]."""

    def users(self, data: Interactions) -> npt.NDArray[np.int32]:
        return sequences.of_users(data, self.min_items).user

    def split(self, data: Interactions) -> Split:
        """Holds out the last rows of every user.

        Raises:
            InputError: if no user has enough rows.
        """
        whole = sequences.of_users(data, self.min_items)
        before_test = self.before_held_out(whole.lengths)
        past = whole.first(before_test)
        before_validation = self.before_held_out(past.lengths)
        everyone = np.arange(len(whole.user), dtype=np.int32)
        periods = {
            "validation": past.questions(data, before_validation, everyone),
            "test": whole.questions(data, before_test, everyone),
        }
        whose, left_out = dict.fromkeys(periods, whole.user), sequences.left_out(data, self.min_items)
        split = past.first(before_validation).split(data, periods, whose, left_out)
        return self._filled(data, split, f"lower min_items ({self.min_items}) or take data with longer sequences")
