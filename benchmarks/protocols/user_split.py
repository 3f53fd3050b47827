"""The split by users: some are learnt from, others, never seen before, are asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from benchmarks.protocols import sequences
from benchmarks.protocols.base import Protocol, Queries, Split
from benchmarks.protocols.sequences import Sequences, share_of
from benchmarks.settings import Count, Share
from datasets.interactions import UNKNOWN_USER, Interactions

THREE = "three numbers above 0 that add up to 1"
FIRST_PART = "first part of its sequence"


@dataclass(frozen=True, kw_only=True)
class UserSplit(Protocol):
    """Users are divided at random, always in the same way; the others' first rows are the history of the last ones.

    The defaults are those published with GRU4Rec on MovieLens-20M: users 8:1:1, sequences 80:20.

    Attributes:
        shares: of the users: training, validation, test; above 0 and together 1.
        input_share: int(input_share * n) of the n rows of an asked user are the history, the rest the targets.
        min_items: users with fewer rows are left out.
    """

    name: ClassVar[str] = "user-split"
    new_users: ClassVar[bool] = True
    shares: Annotated[tuple[Share, Share, Share], Meta(description=THREE)] = (0.8, 0.1, 0.1)
    input_share: Share = 0.8
    min_items: Count = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("shares", abs(sum(self.shares) - 1) < 1e-9, THREE)
        enough = int(self.input_share * self.min_items) >= 1
        self._require("min_items", enough, f"a whole number n with int({self.input_share} * n) of at least 1")

    def split(self, data: Interactions) -> Split:
        """Divides the users.

        Raises:
            InputError: if users are too few for one of the three parts.
        """
        training, validation, test = self._parts(data)
        periods = {"validation": self._questions(data, validation), "test": self._questions(data, test)}
        asked = {"validation": validation, "test": test}
        told = (self._told(whole).counted(period, "history", FIRST_PART) for period, whole in asked.items())
        others = (*told, *sequences.left_out(data, self.min_items))
        whose = {period: whole.user for period, whole in asked.items()}
        split = training.split(data, periods, whose, others)
        return self._filled(data, split, f"lower min_items ({self.min_items}) or take data of more users")

    def users(self, data: Interactions) -> npt.NDArray[np.int32]:
        return self._parts(data)[0].user

    def newcomers(self, data: Interactions) -> npt.NDArray[np.int32]:
        _, validation, test = self._parts(data)
        return (test if self.period == "test" else validation).user

    def _parts(self, data: Interactions) -> tuple[Sequences, Sequences, Sequences]:
        """The sequences of the users of training, validation and test."""
        everyone = sequences.of_users(data, self.min_items)
        part = self._part(len(everyone.user))
        return everyone.of(part == 0), everyone.of(part == 1), everyone.of(part == 2)

    def _part(self, n: int) -> npt.NDArray[np.int64]:
        """int64[n]: 0, 1 or 2 for each user, to training, validation or test."""
        from benchmarks import sampling  # here, because it brings its compiler with it

        bounds = np.rint(np.cumsum(self.shares) * n).astype(np.int64)
        part = np.zeros(n, np.int64)
        order = sampling.generator(self.name, "users").permutation(n)
        part[order[bounds[0] :]] = 1
        part[order[bounds[1] :]] = 2
        return part

    def _told(self, asked: Sequences) -> Sequences:
        return asked.first(share_of(self.input_share, asked.lengths))

    def _questions(self, data: Interactions, asked: Sequences) -> Queries:
        nobody = np.full(len(asked.user), UNKNOWN_USER, np.int32)  # they have no training rows
        return asked.questions(data, share_of(self.input_share, asked.lengths), nobody)
