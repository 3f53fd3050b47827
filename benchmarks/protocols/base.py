"""What a protocol makes of interactions: training rows, and questions about what came after them."""

from __future__ import annotations

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from benchmarks import settings
from benchmarks.protocols import counts as counting
from benchmarks.protocols.features import Columns
from datasets.errors import InputError, TooFewError
from datasets.interactions import UNKNOWN_USER, Interactions

METRICS = ("precision", "recall", "recall_micro", "hit_rate", "mrr", "map", "ndcg", "ndcg_by_target", "coverage")
"""The names in `benchmarks.metrics`, which is not imported here because it brings its compiler with it."""


Length: TypeAlias = Annotated[int, settings.whole(1, 100_000)]
RISING = "a list of one or more lengths that rise, from 1 to 100,000"


@dataclass(frozen=True)
class Queries:
    """What is asked of a model about one period: one list of recommendations a query.

    A query's history is what a model may be told: a stretch of `history`, oldest first. Stretches overlap where a
    sequence is asked about step by step.

    Attributes:
        user: int32[q], index into the split's users; -1 for a user without training rows.
        indptr, items: int64[q + 1] and int32[nnz], the held-out rows of each query, oldest first; an item may stand
            there twice.
        history: int32[m], items in order of time.
        start, stop: int64[q], query i was preceded by history[start[i]:stop[i]].
        best: int32[q, k], the lists of the generating probabilities (synthetic data only), else int32[q, 0].
    """

    user: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    history: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    best: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Split:
    """Training rows and the queries of later periods.

    Users are numbered anew, 0 to n_users - 1, in the order of the data set's indices: those with training rows. Items
    keep their indices. Only what is in order of time depends on the order of the data's rows, and that only where rows
    of one user (or session) share a moment.

    Attributes:
        user, item: int32[n], the training rows of known users, by user, those of one user by item.
        item_counts: int64[n_items], rows of each item in all training rows, those of unknown users among them.
        seen_indptr, seen_items: int64[n_users + 1], int32[nnz]: each user's distinct training items, ascending.
        sequence_user: int32[s], the user of each training sequence, -1 for one whose user is unknown.
        sequence_indptr, sequence_items: int64[s + 1], int32[n]: the training sequences, each oldest first.
        periods: name -> its questions; "validation" and "test" are always there.
        n_rows: rows of the periods: train, validation, test.
        counts: what became of each row of the data.
        user_features, item_features: name -> int32 (sparse) or float32 (dense) [n_users + 1] or [n_items + 1], row 0
            for the unknown; see `protocols.features`.
    """

    n_users: int
    n_items: int
    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    item_counts: npt.NDArray[np.int64]
    seen_indptr: npt.NDArray[np.int64]
    seen_items: npt.NDArray[np.int32]
    sequence_user: npt.NDArray[np.int32]
    sequence_indptr: npt.NDArray[np.int64]
    sequence_items: npt.NDArray[np.int32]
    periods: Mapping[str, Queries]
    n_rows: tuple[int, int, int]
    counts: counting.Counts = ()
    user_features: Columns = field(default_factory=dict)
    item_features: Columns = field(default_factory=dict)

    def content_hash(self) -> str:
        """SHA-256 (hex, 16 digits) of training rows and questions: what all random draws are keyed by.

        The order of rows within sequences, histories and the targets of a query follows from the data set, and features
        are derived from its columns: both are covered by the data set's own hash.
        """
        digest = hashlib.sha256(repr((self.n_users, self.n_items, self.n_rows)).encode())
        for name, array in self._arrays().items():
            period, _, column = name.rpartition(".")
            if column in _ORDERED or name.startswith(_FEATURES):
                continue
            hashed = _ascending(self.periods[period]) if column == "items" else array
            digest.update(f"{name}{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(hashed).data)
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Writes one .npy file an array, so that workers map what they need and read nothing twice, and the counts."""
        folder.mkdir(parents=True)
        for name, array in self._arrays().items():
            np.save(folder / f"{name}.npy", array)
        np.save(folder / "sizes.npy", np.array([self.n_users, self.n_items, *self.n_rows], np.int64))
        (folder / counting.FILE).write_bytes(counting.encoded(self.counts))

    @classmethod
    def load(cls, folder: Path) -> Split:
        def array(name: str) -> npt.NDArray[Any]:
            return np.load(folder / f"{name}.npy")

        def queries(period: str) -> Queries:
            return Queries(*(array(f"{period}.{f.name}") for f in dataclasses.fields(Queries)))

        n_users, n_items, *n_rows = (int(value) for value in array("sizes"))
        arrays: dict[str, Any] = {name: array(name) for name in _ARRAYS}
        names = sorted(path.name.removesuffix(".user.npy") for path in folder.glob("*.user.npy"))
        for kind in _FEATURES:
            arrays[kind] = {path.stem.partition(".")[2]: np.load(path) for path in folder.glob(f"{kind}.*.npy")}
        periods = {name: queries(name) for name in names}
        arrays["counts"] = counting.decoded((folder / counting.FILE).read_bytes())
        return cls(
            n_users=n_users, n_items=n_items, n_rows=(n_rows[0], n_rows[1], n_rows[2]), periods=periods, **arrays
        )

    def period(self, name: str) -> Queries:
        return self.periods[name]

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        for period in sorted(self.periods, reverse=True):
            queries = self.periods[period]
            arrays |= {f"{period}.{f.name}": getattr(queries, f.name) for f in dataclasses.fields(Queries)}
        for kind in _FEATURES:
            arrays |= {f"{kind}.{name}": column for name, column in getattr(self, kind).items()}
        return arrays


def _ascending(queries: Queries) -> npt.NDArray[np.int32]:
    """The targets of each query, by item."""
    from benchmarks.protocols import grouping  # here, because it brings its compiler with it

    items = queries.items.copy()
    grouping.sort_each(items, queries.indptr)
    return items


_SEQUENCES = ("sequence_user", "sequence_indptr", "sequence_items")
_ARRAYS = ("user", "item", "item_counts", "seen_indptr", "seen_items", *_SEQUENCES)
_ORDERED = {*_SEQUENCES, "history", "start", "stop"}
_FEATURES = ("user_features", "item_features")


@dataclass(frozen=True, kw_only=True)
class Protocol(ABC):
    """What every protocol says about its judgement, and what it promises: `benchmarks.audit` holds its splits to that.

    Attributes:
        needs_time: whether it cuts by time; to others the order of the file will do.
        new_users: whether nobody who is asked about has training rows.
        period: the period whose metrics are reported, "validation" or "test"; the others' carry their name.
        ks: the lengths K of the recommendation lists that are judged.
        primary_metric: the metric by which rows are ranked.
        min_rating: rows with a lower rating, or without one, are left out, and their items stay in the catalogue; None
            takes all rows.
        equal_times: how rows of the same moment follow each other: "reversed" or "by item", in the order of the items'
            numbers; None leaves them as the data have them.
    """

    name: ClassVar[str]
    needs_time: ClassVar[bool] = False
    new_users: ClassVar[bool] = False
    period: Literal["validation", "test"]
    ks: Annotated[tuple[Length, ...], Meta(min_length=1, description=RISING)]
    primary_metric: str
    min_rating: settings.Rating | None = None
    equal_times: Literal["reversed", "by item"] | None = None

    def __post_init__(self) -> None:
        settings.check(self, self.name)
        self._require("ks", all(a < b for a, b in pairwise(self.ks)), RISING)
        known = {f"{metric}@{k}" for metric in METRICS for k in self.ks}
        of = f"{', '.join(METRICS)} @ one of {', '.join(map(str, self.ks))}, as in {METRICS[0]}@{self.ks[0]}"
        name = self.primary_metric.partition("@")[0]
        of += "" if name in METRICS else settings.meant(name, METRICS)
        self._require("primary_metric", self.primary_metric in known, f"one of {of}")

    @abstractmethod
    def split(self, data: Interactions) -> Split:
        """Training rows and questions.

        Raises:
            InputError: if the data lack what the protocol needs, or nothing is left to learn from or to ask.
        """

    def taken(self, data: Interactions) -> tuple[Interactions, counting.Counts]:
        """The rows that count, in their order, which is what all else takes for the data; and what that leaves out.

        Those whose rating is high enough; of equal times as `equal_times` says. Users and items keep their indices.

        Raises:
            InputError: if ratings are asked for and there are none, or none that is high enough; or if an order of
                equal times is asked for and there are no times.
        """
        liked, disliked = self._liked(data)
        return self._ordered(liked), disliked

    def _ordered(self, data: Interactions) -> Interactions:
        """All rows, and so those of each moment, in the order asked for: what is earlier comes first in any case."""
        if self.equal_times is None:
            return data
        if data.timestamp is None:
            raise InputError(
                f"{data.name} has no timestamps, which equal_times = {self.equal_times!r} needs; leave it out, or add "
                "a column timestamp."
            )
        as_given = np.arange(len(data))
        return data.rows(as_given[::-1] if self.equal_times == "reversed" else np.argsort(data.item, kind="stable"))

    def _liked(self, data: Interactions) -> tuple[Interactions, counting.Counts]:
        least = self.min_rating
        if least is None:
            return data, ()
        if data.rating is None:
            raise InputError(
                f"{data.name} has no ratings, which min_rating = {least:g} needs; leave it out, or add a column rating."
            )
        unrated, kept = np.isnan(data.rating), data.rating >= least
        if not kept.any():
            raise InputError(
                f"{data.name} has no rating of {least:g} or more, its highest is {np.nanmax(data.rating):g}; lower "
                "min_rating."
            )
        low = ~(kept | unrated)
        dropped = (
            counting.rows(data, "whole", "dropped", chosen, reason)
            for chosen, reason in ((unrated, counting.NO_RATING), (low, f"rating below {least:g}"))
        )
        return data.rows(kept), counting.found(dropped)

    @abstractmethod
    def users(self, data: Interactions) -> npt.NDArray[np.int32]:
        """Which of the data's users those of the split are, in its order: int32[n_users]."""

    def newcomers(self, data: Interactions) -> npt.NDArray[np.int32]:  # noqa: ARG002
        """Whom the queries of the reported period are about where `new_users` says that the split knows nobody of them.

        int32[q], indices of the data's users.
        """
        return np.empty(0, np.int32)

    def trains_before(self, data: Interactions) -> int | None:  # noqa: ARG002
        """From when on no row trains, in microseconds since 1970 UTC; None where that is not the same for everybody."""
        return None

    def whose(self, data: Interactions) -> npt.NDArray[np.int32]:
        """The user (or session) that each row is asked about with, -1 for nobody: int32[n]."""
        return data.user

    def whose_past(self, data: Interactions) -> npt.NDArray[np.int32]:
        """The user (or session) of each row, -1 for nobody's: int32[n].

        A training sequence, and a history with what is asked after it, are one's alone and in order of time.
        """
        return data.user

    @property
    def order_within(self) -> str:
        """Whose rows are taken in order of time, in pasts or in what is asked: "user", "session" or either."""
        return "user"

    @property
    def leaks_on_purpose(self) -> tuple[str, ...]:
        """Periods whose histories hold what is asked for, and say so; none of them is ever the reported one."""
        return ()

    def _require(self, field: str, met: bool, expected: str) -> None:
        settings.require(met, self.name, self, field, expected)

    @property
    def validates(self) -> bool:
        """Whether there is a validation period."""
        return True

    @property
    def tests(self) -> bool:
        """Whether there is a test period."""
        return True

    def _lacks_any(self, n: Sequence[int]) -> bool:
        """Whether training, or a period that there should be, has nothing, n being what each has."""
        return any(wanted and not found for wanted, found in zip((True, self.validates, self.tests), n, strict=True))

    def _filled(self, data: Interactions, split: Split, advice: str) -> Split:
        """The split, if there is something to learn from and something to ask."""
        n = (len(split.sequence_items), len(split.period("validation")), len(split.period("test")))
        if self._lacks_any(n):
            raise TooFewError(
                f"{data.name}: {self.name} leaves {n[0]} training rows, {n[1]} validation and {n[2]} test queries, "
                f"expected some of each; {advice}."
            )
        return split


def timestamps(data: Interactions, needed_by: str) -> npt.NDArray[np.int64]:
    """The data's timestamps.

    Raises:
        InputError: if there are none.
    """
    if data.timestamp is None:
        raise InputError(
            f"{data.name} has no timestamps, which {needed_by} needs; add a column timestamp to the data, or take "
            "leave-one-out, for which the order of the file is enough."
        )
    return data.timestamp


def order(data: Interactions) -> npt.NDArray[np.int64]:
    """What is larger the later a row is: its time, or its place in the file where the data have no timestamps."""
    return np.arange(len(data)) if data.timestamp is None else data.timestamp


def numbering(users: npt.NDArray[np.int32], n_users: int) -> npt.NDArray[np.int32]:
    """int32[n_users + 1]: the place of each of the data's users in `users`, -1 for others; the last is that of -1."""
    number = np.full(n_users + 1, UNKNOWN_USER, np.int32)
    number[users] = np.arange(len(users), dtype=np.int32)
    return number


class TrainingRows(NamedTuple):
    """`user, item, seen_indptr, seen_items` of a `Split`."""

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    seen_indptr: npt.NDArray[np.int64]
    seen_items: npt.NDArray[np.int32]


def training_rows(user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], n_users: int) -> TrainingRows:
    """Rows in the one order that is no accident of a file: draws are by their numbers. In time linear in them.

    Args:
        user: int32[n], 0 to n_users - 1, in any order.
        item: int32[n].
        n_users: how many users there are.
    """
    from benchmarks.protocols import grouping  # here, because it brings its compiler with it

    rows, indptr = grouping.group_rows(user, n_users)
    item = item[rows]
    grouping.sort_each(item, indptr)
    user = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(indptr))
    is_first = np.ones(len(item), np.bool_)
    is_first[1:] = (np.diff(user) > 0) | (np.diff(item) > 0)
    seen_indptr = np.append(0, np.cumsum(np.bincount(user[is_first], minlength=n_users)))
    return TrainingRows(user, item, seen_indptr, item[is_first])


TRUTH_LIMIT = 50_000_000
"""Scores of the generating model are computed for at most so many pairs of query and item: some seconds."""

BEST_LENGTH = 50


def best_lists(
    data: Interactions,
    users: npt.NDArray[np.int32],
    first: npt.NDArray[np.int64],
    n: npt.NDArray[np.int64],
    n_items: int,
) -> npt.NDArray[np.int32]:
    """The lists that maximise the expected number of hits under the generating model.

    Args:
        data: generated data; others know no such lists.
        users: int32[q], indices into the data's users.
        first: int64[q], how many of the user's rows come before those that are asked about.
        n: int64[q], how many rows are asked about (>= 1).
        n_items: the lists hold items below it.

    Returns:
        int32[q, BEST_LENGTH], -1 where the catalogue ends; int32[q, 0] where the data know no probabilities, or pairs
        of query and item are more than TRUTH_LIMIT.
    """
    if data.truth is None or not 0 < len(users) * n_items <= TRUTH_LIMIT:
        return np.empty((len(users), 0), np.int32)
    lists = []
    for start in range(0, len(users), 512):
        chunk = slice(start, start + 512)
        expected = data.truth.expected_counts(users[chunk], first[chunk], n[chunk])[:, :n_items]
        lists.append(np.argsort(-expected, axis=1, kind="stable")[:, :BEST_LENGTH].astype(np.int32))
    ranked = np.concatenate(lists)
    return np.pad(ranked, ((0, 0), (0, BEST_LENGTH - ranked.shape[1])), constant_values=-1)
