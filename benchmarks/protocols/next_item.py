"""The next item, asked row by row within each session or user's period, after a global cut in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.protocols import counts
from benchmarks.protocols.base import Queries, Split
from benchmarks.protocols.counts import Counted
from benchmarks.protocols.cut import Cut, CutInTime
from benchmarks.protocols.sequences import Sequences, grouped
from datasets.interactions import Interactions


@dataclass(frozen=True, kw_only=True)
class NextItem(CutInTime):
    """Every row of a later period is one query with one target; its history is what the same sequence has before it.

    A sequence is a session's or a user's rows of one period: histories begin anew at a cut. Queries of one sequence
    follow each other in order of time and share `start`; the history of the first is empty. Sequences of the training
    period are those of unknown users too, where they are sessions. The catalogue is the whole data set's.

    Attributes:
        per: "session" or "user": whose rows are a sequence. Rows without a user belong to no user's.
        ask_first: whether the first row of a sequence is asked for, of which nothing is known but what is popular.
            Papers on sessions leave it out.
        leaked: adds the period "leaked", the questions of the reported one in which each history ends with the very
            item that is asked for. That is an evaluation error of a publication, kept so that its figures can be
            reproduced; no other period is touched by it.
    """

    name: ClassVar[str] = "next-item"
    ask_first: bool = True
    leaked: bool = False

    def split(self, data: Interactions) -> Split:
        """Cuts the data.

        Raises:
            InputError: if the data have no timestamps (or no sessions where they are asked for), or a period is empty.
        """
        cut = self.cut(data)
        rows, indptr = self._sequences(data, cut.train)
        training = Sequences(cut.number[data.user[rows[indptr[:-1]]]], indptr, data.item[rows])
        periods = {
            "validation": self._queries(data, cut.validation, cut),
            "test": self._queries(data, cut.test, cut),
        }
        if self.leaked:
            reported = periods[self.period]
            periods["leaked"] = dataclasses.replace(reported, stop=reported.stop + 1)
        split = cut.split(data, data.n_items, training, periods, partial(self._counted, data, cut))
        return self._filled(data, split, 'move the cuts, or choose per = "session" where rows have no user_id')

    def _counted(self, data: Interactions, cut: Cut, item_counts: npt.NDArray[np.int64]) -> Iterator[Counted]:
        nobody = self.whose(data) < 0
        yield counts.rows(data, "train", "trains", cut.train & ~nobody)
        yield counts.rows(data, "train", "dropped", cut.train & nobody, counts.NO_USER)
        for period, in_period in (("validation", cut.validation), ("test", cut.test)):
            rows, indptr = self._sequences(data, in_period)
            is_first = np.zeros(len(rows), np.bool_)
            is_first[indptr[:-1]] = not self.ask_first
            is_alone = is_first & (np.repeat(np.diff(indptr), np.diff(indptr)) == 1)
            is_asked = rows[~is_first]
            yield from counts.asked(period, data.user[is_asked], data.item[is_asked], item_counts)
            yield counts.rows(data, period, "history", rows[is_first & ~is_alone], counts.FIRST)
            yield counts.rows(data, period, "dropped", rows[is_alone], counts.ALONE)
            yield counts.rows(data, period, "dropped", in_period & nobody, counts.NO_USER)

    def whose_past(self, data: Interactions) -> npt.NDArray[np.int32]:
        return self.whose(data)

    @property
    def order_within(self) -> str:
        return self.per

    @property
    def leaks_on_purpose(self) -> tuple[str, ...]:
        return ("leaked",) if self.leaked else ()

    def _sequences(
        self, data: Interactions, in_period: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The period's rows by sequence, as `grouped` gives them."""
        group = self.whose(data)
        return grouped(np.where(in_period, group, -1), int(group.max()) + 1, data.timestamp)

    def _queries(self, data: Interactions, in_period: npt.NDArray[np.bool_], cut: Cut) -> Queries:
        rows, indptr = self._sequences(data, in_period)
        items, places = data.item[rows], np.arange(len(rows))
        start = np.repeat(indptr[:-1], np.diff(indptr))
        asked = places if self.ask_first else places[places > start]
        return Queries(
            user=cut.number[data.user[rows[asked]]],
            indptr=np.arange(len(asked) + 1),
            items=items[asked],
            history=items,
            start=start[asked],
            stop=places[asked],
            best=np.empty((len(asked), 0), np.int32),
        )
