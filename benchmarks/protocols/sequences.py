"""Users' rows in order of time, and what is cut from them: training sequences, histories and targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.protocols import counts, features
from benchmarks.protocols.base import Protocol, Queries, Split, best_lists, numbering, training_rows
from benchmarks.protocols.counts import Counted
from datasets.interactions import UNKNOWN_USER, Interactions


def grouped(
    group: npt.NDArray[np.int32], n_groups: int, timestamp: npt.NDArray[np.int64] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Brings rows together by group; groups without rows are left out.

    Args:
        group: int32[n], 0 to n_groups - 1, or -1 for rows that belong to none.
        n_groups: how many groups there are.
        timestamp: int64[n] where the rows of a group are to be in order of time; those of equal time, or all where
            there are no timestamps, stay in the data's order.

    Returns:
        int64[m], the rows, and int64[g + 1], where each group's begin.
    """
    from benchmarks.protocols import grouping  # here, because it brings its compiler with it

    rows, indptr = grouping.group_rows(group, n_groups)
    if timestamp is not None:
        grouping.sort_by_time(rows, indptr, timestamp)
    return rows, np.append(indptr[:-1][np.diff(indptr) > 0], len(rows))


@dataclass(frozen=True)
class Sequences:
    """The rows of some users, oldest first.

    Attributes:
        user: int32[s], index into the data's users.
        indptr, items: int64[s + 1] and int32[n], each user's items.
    """

    user: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        return np.diff(self.indptr)

    def of(self, chosen: npt.NDArray[np.bool_]) -> Sequences:
        """The sequences of some of the users, bool[s]."""
        return self._stretches(self.user[chosen], self.indptr[:-1][chosen], self.indptr[1:][chosen])

    def first(self, n: npt.NDArray[np.int64]) -> Sequences:
        """The first n[i] rows of each sequence."""
        return self._stretches(self.user, self.indptr[:-1], self.indptr[:-1] + n)

    def after(self, n: npt.NDArray[np.int64]) -> Sequences:
        """What follows on the first n[i] rows of each sequence."""
        return self._stretches(self.user, self.indptr[:-1] + n, self.indptr[1:])

    def _stretches(
        self, user: npt.NDArray[np.int32], start: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]
    ) -> Sequences:
        from backends import stretches  # here, because it brings its compiler with it

        return Sequences(user, *stretches.joined(self.items, start, stop))

    def questions(self, data: Interactions, n: npt.NDArray[np.int64], user: npt.NDArray[np.int32]) -> Queries:
        """One query a sequence: its first n[i] rows are the history, all others the targets.

        Args:
            data: where the sequences come from.
            n: int64[s], rows of the histories.
            user: int32[s], the queries' users as the split numbers them.
        """
        history, targets = self.first(n), self.after(n)
        return Queries(
            user=user,
            indptr=targets.indptr,
            items=targets.items,
            history=history.items,  # holds no target, so that not even a wrong offset could show one
            start=history.indptr[:-1],
            stop=history.indptr[1:],
            best=best_lists(data, self.user, n, targets.lengths, data.n_items),
        )

    def counted(self, period: str, use: str, reason: str = "") -> Counted:
        """What becomes of these rows."""
        return counts.count(period, use, self.user[self.lengths > 0], self.items, reason)

    def split(
        self,
        data: Interactions,
        periods: Mapping[str, Queries],
        asked: Mapping[str, npt.NDArray[np.int32]],
        others: Iterable[Counted],
    ) -> Split:
        """Training on these sequences and nothing else; its users are theirs, in this order.

        Args:
            data: where the sequences come from.
            periods: name -> its questions.
            asked: name -> which of the data's users each of them is about.
            others: what became of rows that neither train nor are asked for.
        """
        n_users = len(self.user)
        everyone = np.arange(n_users, dtype=np.int32)
        item_counts = np.bincount(self.items, minlength=data.n_items).astype(np.int64)
        counted = [self.counted("train", "trains"), *others]
        for period, queries in periods.items():
            whose = np.repeat(asked[period], np.diff(queries.indptr))
            counted += counts.asked(period, whose, queries.items, item_counts)
        return Split(
            n_users=n_users,
            n_items=data.n_items,
            **training_rows(np.repeat(everyone, self.lengths), self.items, n_users)._asdict(),
            item_counts=item_counts,
            sequence_user=everyone,
            sequence_indptr=self.indptr,
            sequence_items=self.items,
            periods=periods,
            n_rows=(len(self.items), len(periods["validation"].items), len(periods["test"].items)),
            counts=counts.found(counted),
            user_features=features.encoded(data.user_features, self.lengths, "activity", self.user),
            item_features=features.encoded(data.item_features, item_counts, "popularity"),
        )


def of_users(data: Interactions, min_items: int) -> Sequences:
    """The rows of every user who has at least `min_items` (>= 1), users in the data's order."""
    rows_of = np.bincount(data.user + 1, minlength=data.n_users + 1)[1:]  # without those of unknown users
    users = np.flatnonzero(rows_of >= min_items).astype(np.int32)
    rows, indptr = grouped(numbering(users, data.n_users)[data.user], len(users), data.timestamp)
    return Sequences(users, indptr, data.item[rows])


def left_out(data: Interactions, min_items: int) -> Iterator[Counted]:
    """The rows of nobody, and those of users with fewer than `min_items`."""
    rows_of = np.bincount(data.user + 1, minlength=data.n_users + 1)
    rows_of[0] = min_items  # nobody is not too short
    yield counts.rows(data, "whole", "dropped", data.user == UNKNOWN_USER, counts.NO_USER)
    too_few = rows_of[data.user + 1] < min_items
    yield counts.rows(data, "whole", "dropped", too_few, f"user with fewer than {min_items} rows")


def note_of_order(data: Interactions, protocol: Protocol) -> str:
    """For a record: how many rows' places in their sequences are told by nothing but the order of the file."""
    if data.timestamp is None:
        return "there are no timestamps, so the order of the file is taken for that of time"
    past, asked = protocol.whose_past(data), protocol.whose(data)
    is_tied = _shares_its_moment(data.timestamp, past)
    if asked is not past:
        is_tied |= _shares_its_moment(data.timestamp, asked)
    n = int(is_tied.sum())
    said = f"{n:,} of {len(data):,} rows share their moment with another of the same {protocol.order_within}"
    return f"{said}; among these the order of the file counts" if n else said


def _shares_its_moment(timestamp: npt.NDArray[np.int64], group: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Whether another row of the same group is of the same time: bool[n]; no group is -1."""
    rows, indptr = grouped(group, int(group.max(initial=-1)) + 1, timestamp)
    is_next_equal = np.diff(timestamp[rows], append=0) == 0
    is_next_equal[indptr[1:] - 1] = False  # the last row of each group
    shares = np.zeros(len(group), np.bool_)
    shares[rows[is_next_equal]] = True
    shares[rows[np.flatnonzero(is_next_equal) + 1]] = True
    return shares


def share_of(share: float, n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int(share * n), int64[s]."""
    return (share * n).astype(np.int64)
