"""The global time split: everybody's past trains, everybody's future tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.protocols import counts
from benchmarks.protocols.base import Queries, Split, best_lists, timestamps
from benchmarks.protocols.counts import Counted
from benchmarks.protocols.cut import Cut, CutInTime
from benchmarks.protocols.sequences import Sequences, grouped
from datasets.errors import InputError
from datasets.interactions import UNKNOWN_USER, Interactions


@dataclass(frozen=True, kw_only=True)
class TimeSplit(CutInTime):
    """Each session or user of a period is one query about all its rows; the history is the user's training rows.

    The catalogue of n_items ends at the last item of the training rows of known users.

    Attributes:
        per: "session": one query an invoice or session of the period; "user": one query a user.
        unknown_users: users without training rows are answered with the most popular items ("popular") or left out
            ("drop").
    """

    name: ClassVar[str] = "time-split"
    unknown_users: Literal["popular", "drop"]

    @property
    def order_within(self) -> str:
        return "user" if self.per == "user" else "user or session"

    def split(self, data: Interactions) -> Split:
        """Cuts the data.

        Raises:
            InputError: if the data have no timestamps (or no sessions where they are asked for), or a period is empty.
        """
        cut = self.cut(data)
        if not len(cut.users):
            raise InputError(f"{data.name}: no training row has a user; the models need user_id in the data.")
        n_users, n_items = len(cut.users), int(data.item[cut.known].max()) + 1
        of_user = np.where(cut.known, cut.number[data.user], UNKNOWN_USER)
        rows, indptr = grouped(of_user, n_users, data.timestamp)
        training = Sequences(np.arange(n_users, dtype=np.int32), indptr, data.item[rows])
        periods = {
            name: self._queries(data, in_period, cut, training, n_items)
            for name, in_period in (("validation", cut.validation), ("test", cut.test))
        }
        return cut.split(data, n_items, training, periods, partial(self._counted, data, cut))

    def _counted(self, data: Interactions, cut: Cut, item_counts: npt.NDArray[np.int64]) -> Iterator[Counted]:
        nobody = data.user == UNKNOWN_USER
        newcomer = (cut.number[data.user] == UNKNOWN_USER) & ~nobody
        yield counts.rows(data, "train", "trains", cut.known)
        yield counts.rows(data, "train", "dropped", cut.train & nobody, counts.NO_USER)
        drops = self.unknown_users == "drop"
        for period, in_period in (("validation", cut.validation), ("test", cut.test)):
            is_asked = in_period & ~(nobody | newcomer) if drops else in_period
            yield from counts.asked(period, data.user[is_asked], data.item[is_asked], item_counts)
            for left_out, why in ((nobody, counts.NO_USER), (newcomer, counts.NEWCOMER)):
                yield counts.rows(data, period, "dropped", in_period & left_out & drops, why)

    def _queries(
        self, data: Interactions, in_period: npt.NDArray[np.bool_], cut: Cut, training: Sequences, n_items: int
    ) -> Queries:
        """Groups a period's rows, in the order of sessions or of users."""
        if self.unknown_users == "drop":
            in_period = in_period & (cut.number[data.user] != UNKNOWN_USER)
        # By the data's users and not by the split's, in which all without training rows are one.
        group, timestamp = self.whose(data) + 1, timestamps(data, "the time split")
        rows, indptr = grouped(np.where(in_period, group, -1), int(group.max()) + 1, timestamp)
        asked = data.user[rows[indptr[:-1]]]
        user = cut.number[asked]
        known = user != UNKNOWN_USER
        best = np.empty((len(user), 0), np.int32)
        if data.truth is not None and self.per == "user" and len(rows):
            is_before = (data.user >= 0) & (timestamp < timestamp[rows].min())
            before = np.bincount(data.user[is_before], minlength=data.n_users)
            best = best_lists(data, asked, before[asked], np.diff(indptr), n_items)
        return Queries(
            user=user,
            indptr=indptr,
            items=data.item[rows],
            history=training.items,
            start=np.where(known, training.indptr[user], 0),
            stop=np.where(known, training.indptr[user + 1], 0),
            best=best,
        )
