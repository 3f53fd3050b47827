"""The global time split: everybody's past trains, everybody's future tests."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from benchmarks.protocols.base import Queries, Split, distinct_per_user
from datasets.errors import InputError
from datasets.interactions import UNKNOWN_USER, Interactions, Truth

METRICS = ("precision", "recall", "recall_micro", "hit_rate", "mrr", "map", "ndcg", "coverage")
"""The names in `benchmarks.metrics`, which is not imported here because it brings its compiler with it."""


@dataclass(frozen=True)
class TimeSplit:
    """Three periods cut at two moments, the same for all users, so that nothing of the future reaches training.

    Attributes:
        train_until, validation_until: each an ISO date (UTC; the first moment that no longer belongs) or a fraction
            of the rows in order of time. The test period is the rest.
        per: "session": one query an invoice or session of the period; "user": one query a user.
        unknown_users: users without training rows are answered with the most popular items ("popular") or left out
            ("drop").
        period: the period whose metrics are reported, "validation" or "test"; the other's carry its name.
        ks: the lengths K of the recommendation lists that are judged.
        primary_metric: the metric by which rows are ranked.
    """

    name: ClassVar[str] = "time-split"
    train_until: str | float
    validation_until: str | float
    per: str
    unknown_users: str
    period: str
    ks: tuple[int, ...]
    primary_metric: str

    def __post_init__(self) -> None:
        allowed = {"per": ("session", "user"), "unknown_users": ("popular", "drop"), "period": ("validation", "test")}
        for field, values in allowed.items():
            if getattr(self, field) not in values:
                raise InputError(
                    f"time-split: {field} is {getattr(self, field)!r}, expected one of {', '.join(values)}; "
                    "correct it in the suite."
                )
        for field in ("train_until", "validation_until"):
            if not isinstance(getattr(self, field), str | int | float):
                raise InputError(
                    f"time-split: {field} is {getattr(self, field)}, expected a date in quotes or a fraction of the "
                    "rows; correct it in the suite."
                )
        ks = self.ks if isinstance(self.ks, tuple) else ()
        if not ks or ks[0] < 1 or any(a >= b for a, b in pairwise(ks)):
            raise InputError(
                f"time-split: ks is {self.ks}, expected lengths that rise from 1; correct it in the suite."
            )
        if self.primary_metric not in {f"{metric}@{k}" for metric in METRICS for k in ks}:
            raise InputError(
                f"time-split: primary_metric is {self.primary_metric!r}, expected one of {', '.join(METRICS)} @ one of "
                f"{', '.join(map(str, ks))}, as in {METRICS[0]}@{ks[0]}; correct it in the suite."
            )

    def split(self, data: Interactions) -> Split:
        """Cuts the data.

        Raises:
            InputError: if the data have no timestamps (or no sessions where they are asked for), or a period is empty.
        """
        in_train, in_validation, in_test = self._cut(data)
        known_rows = in_train & (data.user != UNKNOWN_USER)
        if not known_rows.any():
            raise InputError(f"{data.name}: no training row has a user; the models need user_id in the data.")
        users = np.unique(data.user[known_rows])
        renumber = np.full(data.n_users + 1, UNKNOWN_USER, np.int32)  # the last place is that of unknown users
        renumber[users] = np.arange(len(users), dtype=np.int32)
        user, item = renumber[data.user[known_rows]], data.item[known_rows]
        n_items = int(item.max()) + 1
        seen_indptr, seen_items = distinct_per_user(user, item, len(users), n_items)
        return Split(
            n_users=len(users),
            n_items=n_items,
            user=user,
            item=item,
            item_counts=np.bincount(data.item[in_train], minlength=n_items)[:n_items].astype(np.int64),
            seen_indptr=seen_indptr,
            seen_items=seen_items,
            validation=self._queries(data, in_validation, renumber, n_items),
            test=self._queries(data, in_test, renumber, n_items),
            n_rows=(int(in_train.sum()), int(in_validation.sum()), int(in_test.sum())),
        )

    def _cut(self, data: Interactions) -> tuple[npt.NDArray[np.bool_], ...]:
        """bool[n] for each period: which rows are its own."""
        if data.timestamp is None:
            raise InputError(
                f"{data.name} has no timestamps, which the time split needs; add a column timestamp to the data."
            )
        if self.per == "session" and data.session is None:
            raise InputError(
                f"{data.name} has no sessions, which this protocol asks about; "
                'add a column session_id or choose per = "user".'
            )
        first_cut, second_cut = (self._moment(data.timestamp, cut) for cut in (self.train_until, self.validation_until))
        before, after = data.timestamp < first_cut, data.timestamp >= max(first_cut, second_cut)
        periods = (before, ~before & ~after, after)
        n_rows = [int(period.sum()) for period in periods]
        if min(n_rows) == 0:
            raise InputError(
                f"{data.name}: the time split leaves {n_rows[0]} training, {n_rows[1]} validation and {n_rows[2]} "
                f"test rows, expected some of each; move train_until ({self.train_until}) or validation_until "
                f"({self.validation_until})."
            )
        return periods

    def _moment(self, timestamp: npt.NDArray[np.int64], cut: str | float) -> int:
        if isinstance(cut, str):
            with contextlib.suppress(ValueError):
                moment = np.datetime64(cut, "s")
                if not np.isnat(moment):
                    return int(moment.astype(np.int64))
            raise InputError(f"time-split: {cut!r} is no date; write it as in 2011-10-09, or a fraction such as 0.8.")
        if not 0 < cut < 1:
            raise InputError(f"time-split: {cut} is no fraction of the rows; expected a number between 0 and 1.")
        place = int(cut * len(timestamp))
        return int(np.partition(timestamp, place)[place])

    def _queries(
        self, data: Interactions, in_period: npt.NDArray[np.bool_], renumber: npt.NDArray[np.int32], n_items: int
    ) -> Queries:
        """Groups a period's rows; the order of groups is that of first appearance (sessions) or of users."""
        rows = np.flatnonzero(in_period)
        user = renumber[data.user[rows]]
        if self.unknown_users == "drop":
            rows, user = rows[user != UNKNOWN_USER], user[user != UNKNOWN_USER]
        # By the data's users and not by the split's, in which all without training rows are one.
        group = data.user[rows] if self.per == "user" else data.session[rows]  # type: ignore[index]  # checked in split
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-2))
        indptr = np.append(starts, len(rows)).astype(np.int64)
        best = np.empty((len(starts), 0), np.int32)
        if data.truth is not None and self.per == "user" and 0 < len(starts) * n_items <= TRUTH_LIMIT:
            before = np.bincount(data.user[: rows[0]], minlength=data.n_users)
            asked = data.user[rows[order][starts]]
            best = _best_lists(data.truth, asked, before[asked], np.diff(indptr), n_items)
        return Queries(user[order][starts], indptr, data.item[rows][order], best)


TRUTH_LIMIT = 50_000_000
"""Scores of the generating model are computed for at most so many pairs of query and item: some seconds."""

BEST_LENGTH = 50


def _best_lists(
    truth: Truth,
    users: npt.NDArray[np.int32],
    first: npt.NDArray[np.int64],
    n: npt.NDArray[np.int64],
    n_items: int,
) -> npt.NDArray[np.int32]:
    """int32[q, BEST_LENGTH]: the lists that maximise the expected number of hits under the generating model."""
    lists = []
    for start in range(0, len(users), 512):
        chunk = slice(start, start + 512)
        expected = truth.expected_counts(users[chunk], first[chunk], n[chunk])[:, :n_items]
        lists.append(np.argsort(-expected, axis=1, kind="stable")[:, :BEST_LENGTH].astype(np.int32))
    ranked = np.concatenate(lists)
    return np.pad(ranked, ((0, 0), (0, BEST_LENGTH - ranked.shape[1])), constant_values=-1)
