"""What protocols share that cut all rows at two moments, the same for everybody."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from benchmarks.protocols import counts, features
from benchmarks.protocols.base import Protocol, Queries, Split, numbering, timestamps, training_rows
from benchmarks.protocols.sequences import Sequences
from datasets.errors import InputError, TooFewError
from datasets.interactions import UNKNOWN_USER, Interactions

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
A_MOMENT = "a date in quotes, as in 2011-10-09 or 2011-10-09T12:00:00, or a fraction of the rows, between 0 and 1"
Moment: TypeAlias = Annotated[str | float, Meta(description=A_MOMENT)]
FINER = re.compile(r"[.,]\d{7}")  # than a microsecond: the standard library drops such digits without a word


@dataclass(frozen=True)
class Cut:
    """The rows of a data set by period.

    Attributes:
        train, validation, test: bool[n], which rows are the period's own.
        known: bool[n], the training rows that have a user.
        users: int32[n_users], the users of the known rows as indices into the data's, ascending.
        number: int32[data's users + 1], each user's place in `users`, -1 if there is none; the last is that of -1.
    """

    train: npt.NDArray[np.bool_]
    validation: npt.NDArray[np.bool_]
    test: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    users: npt.NDArray[np.int32]
    number: npt.NDArray[np.int32]

    def split(
        self,
        data: Interactions,
        n_items: int,
        training: Sequences,
        periods: Mapping[str, Queries],
        counted: Callable[[npt.NDArray[np.int64]], Iterable[counts.Counted]],
    ) -> Split:
        """Training on the known rows and on sequences of training rows.

        Args:
            data: what was cut.
            n_items: the size of the catalogue, above every known row's item.
            training: the sequences, their users as the split numbers them.
            periods: name -> its questions.
            counted: what became of the rows of the periods, for the training rows of each item.
        """
        user = self.number[data.user[self.known]]
        item_counts = np.bincount(data.item[self.train], minlength=n_items)[:n_items].astype(np.int64)
        rows_of_user = np.bincount(user, minlength=len(self.users))
        return Split(
            n_users=len(self.users),
            n_items=n_items,
            **training_rows(user, data.item[self.known], len(self.users))._asdict(),
            item_counts=item_counts,
            sequence_user=training.user,
            sequence_indptr=training.indptr,
            sequence_items=training.items,
            periods=periods,
            n_rows=(int(self.train.sum()), int(self.validation.sum()), int(self.test.sum())),
            counts=counts.found((*counted(item_counts), self._later(data))),
            user_features=features.encoded(data.user_features, rows_of_user, "activity", self.users),
            item_features=features.encoded(data.item_features, item_counts, "popularity"),
        )

    def _later(self, data: Interactions) -> counts.Counted:
        later = ~(self.train | self.validation | self.test)
        return counts.rows(data, "later", "dropped", later, counts.LATER)


@dataclass(frozen=True, kw_only=True)
class CutInTime(Protocol):
    """Three periods cut at two moments, the same for all users, so that nothing of the future reaches training.

    Attributes:
        train_until, validation_until, test_until: each an ISO date, with a time where it is wanted (in UTC, unless it
            says its offset; the first moment that no longer belongs), or a fraction of the rows in order of time.
            Without test_until the test period is the rest; else what comes later is left out. Where two of them are the
            same there is no period between them: a search for settings ends with the validation, and a test of what it
            found trains on that validation too.
        per: "session" or "user".
    """

    needs_time: ClassVar[bool] = True
    train_until: Moment
    validation_until: Moment
    test_until: Moment | None = None
    per: Literal["session", "user"]

    def __post_init__(self) -> None:
        super().__post_init__()
        fields = [name for name in ("train_until", "validation_until", "test_until") if getattr(self, name) is not None]
        for field in fields:
            cut = getattr(self, field)
            self._require(field, _is_moment(cut), A_MOMENT)
            if isinstance(cut, str):
                object.__setattr__(self, field, _written(cut))
        for earlier, later in pairwise(fields):
            first, second = getattr(self, earlier), getattr(self, later)
            in_order = type(first) is not type(second) or _in_time(first) <= _in_time(second)
            self._require(later, in_order, f"nothing earlier than {earlier}, which is {first}")
        if not self.validates:
            self._require("period", self.period == "test", "test, since validation_until is train_until")
        if not self.tests:
            self._require("period", self.period == "validation", "validation, since test_until is validation_until")

    @property
    def validates(self) -> bool:
        return self.validation_until != self.train_until

    @property
    def tests(self) -> bool:
        return self.test_until != self.validation_until

    def cut(self, data: Interactions) -> Cut:
        """The periods' rows, and the users of the training rows.

        Raises:
            InputError: if the data have no timestamps, or a period is empty that there should be.
        """
        timestamp = timestamps(data, "the time split")
        first_cut, second_cut = (self._moment(timestamp, cut) for cut in (self.train_until, self.validation_until))
        before, after = timestamp < first_cut, timestamp >= max(first_cut, second_cut)
        end = True if self.test_until is None else timestamp < self._moment(timestamp, self.test_until)
        periods = (before, ~before & ~after, after & end)
        n_rows = [int(period.sum()) for period in periods]
        if self._lacks_any(n_rows):
            raise TooFewError(
                f"{data.name}: the time split leaves {n_rows[0]} training, {n_rows[1]} validation and {n_rows[2]} "
                f"test rows, expected some of each; move train_until ({self.train_until}), validation_until "
                f"({self.validation_until}) or test_until ({self.test_until})."
            )
        known = before & (data.user != UNKNOWN_USER)
        users = np.flatnonzero(np.bincount(data.user[known])).astype(np.int32)
        return Cut(*periods, known, users, numbering(users, data.n_users))

    def users(self, data: Interactions) -> npt.NDArray[np.int32]:
        return self.cut(data).users

    def trains_before(self, data: Interactions) -> int:
        return self._moment(timestamps(data, "the time split"), self.train_until)

    def whose(self, data: Interactions) -> npt.NDArray[np.int32]:
        """The session or user that each row belongs to, int32[n].

        Raises:
            InputError: if the data have no sessions and they are asked for.
        """
        if self.per == "user":
            return data.user
        if data.session is None:
            raise InputError(
                f"{data.name} has no sessions, which this protocol asks about; "
                'add a column session_id or choose per = "user".'
            )
        return data.session

    def _moment(self, timestamp: npt.NDArray[np.int64], cut: str | float) -> int:
        if isinstance(cut, str):
            return _microseconds(cut)
        place = int(cut * len(timestamp))
        return int(np.partition(timestamp, place)[place])


def _is_moment(cut: str | float) -> bool:
    if not isinstance(cut, str):
        return 0 < cut < 1
    with contextlib.suppress(ValueError, OverflowError):  # with an offset, one may lie outside of the years 1 to 9999
        _written(cut)
        return FINER.search(cut) is None
    return False


def _written(date: str) -> str:
    """The same moment in the one way in which it is compared, hashed and recorded, in UTC."""
    moment = (EPOCH + dt.timedelta(microseconds=_microseconds(date))).replace(tzinfo=None)
    return moment.date().isoformat() if moment.time() == dt.time() else moment.isoformat()


def _in_time(cut: str | float) -> float:
    """What is larger the later it is, of cuts that are written alike."""
    return _microseconds(cut) if isinstance(cut, str) else cut


def _microseconds(date: str) -> int:
    """An ISO date since 1970, exactly; in UTC unless it says its offset.

    Raises:
        ValueError: it is none.
    """
    moment = dt.datetime.fromisoformat(date)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return (aware - EPOCH) // dt.timedelta(microseconds=1)
