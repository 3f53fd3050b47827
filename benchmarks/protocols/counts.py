"""What becomes of a data set's rows under a protocol: how many train, are asked for or are left out, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from datasets.interactions import Interactions

FILE = "counts.json"
NO_USER = "no user"
NO_RATING = "no rating"
NEWCOMER = "user without training rows"
LATER = "after test_until"
FIRST = "first of its sequence"
ALONE = "only one of its sequence"
NEVER_TRAINED = "item without training rows"
HALF = 0.5
"""A period of which less than this share is asked for says little about the data."""

Chosen: TypeAlias = npt.NDArray[np.bool_] | npt.NDArray[np.int64]
"""Rows of the data: bool[n], or their numbers."""


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rows of one period that fare alike. Without those that are "unreachable", each row is counted once.

    Attributes:
        period: "train", "validation" or "test"; "later" for rows after all of them, "whole" where rows are left out
            before the periods are cut.
        use: "trains", "asked" (recommendations are judged by it), "history" (told, and not asked), "dropped", or
            "unreachable": those asked rows that no model can find.
        reason: why, for the last three.
        rows, users, items: how many there are, and of how many users and items; rows without a user are of none.
    """

    period: str
    use: str
    reason: str
    rows: int
    users: int
    items: int


Counts: TypeAlias = tuple[Counted, ...]


def count(period: str, use: str, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], reason: str = "") -> Counted:
    """The rows with these items: int32[n]; the users need not be repeated, and -1 is none."""
    return Counted(period, use, reason, len(item), _distinct(user), _distinct(item))


def rows(data: Interactions, period: str, use: str, chosen: Chosen, reason: str = "") -> Counted:
    """Those rows of the data."""
    return count(period, use, data.user[chosen], data.item[chosen], reason)


def asked(
    period: str, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], item_counts: npt.NDArray[np.int64]
) -> Iterator[Counted]:
    """What a period asks for, and those of it that no model can find.

    Args:
        period: "validation" or "test".
        user: int32[n], who is asked about.
        item: int32[n], the targets.
        item_counts: int64[n_items], the training rows of each item of the catalogue.
    """
    yield count(period, "asked", user, item)
    is_trained = np.append(item_counts > 0, False)[np.minimum(item, len(item_counts))]
    never = np.flatnonzero(~is_trained)
    yield count(period, "unreachable", user[never], item[never], NEVER_TRAINED)


def found(counted: Iterable[Counted]) -> Counts:
    """Without what there is none of."""
    return tuple(one for one in counted if one.rows)


def n_rows(counts: Counts, period: str, *uses: str) -> int:
    """The rows of a period, or those of these uses."""
    return sum(
        one.rows for one in counts if one.period == period and (one.use in uses if uses else one.use != "unreachable")
    )


def are_few(counts: Counts, period: str) -> bool:
    """Whether less than half of a period's rows are asked for or told, or of all rows are in any period."""
    used = n_rows(counts, period, "asked", "history")
    dropped_before, whole = n_rows(counts, "whole"), sum(one.rows for one in counts if one.use != "unreachable")
    return used < HALF * n_rows(counts, period) or dropped_before > HALF * whole


def sentences(counts: Counts) -> tuple[str, ...]:
    """One a period."""
    return tuple(_sentence(period, counts) for period in dict.fromkeys(one.period for one in counts))


def _sentence(period: str, counts: Counts) -> str:
    of_period = [one for one in counts if one.period == period]
    total = n_rows(counts, period)
    used = next((one for one in of_period if one.use in {"trains", "asked"}), None)
    others = [f"{_WORDS[one.use]} {_in_words(one)} ({one.reason})" for one in of_period if one is not used]
    if used is None:
        begin = [] if period in _OUTSIDE else [f"none of {total:,} rows is asked for"]
        return f"{_OUTSIDE.get(period, period)}: {'; '.join([*begin, *others])}"
    n = f"{used.rows:,} rows" if used.rows == total else f"{used.rows:,} of {total:,} rows"
    share = "" if used.rows == total else f" ({used.rows / total:.1%})"
    what = "train" if used.use == "trains" else "are asked for"
    return "; ".join(
        [f"{period}: {n} {what}{share}, of {of(used.users, 'user')} and {of(used.items, 'item')}", *others]
    )


def _in_words(one: Counted) -> str:
    users = f"{of(one.users, 'user')} and " if one.users else ""
    return f"{one.rows:,} of {users}{of(one.items, 'item')}"


def of(n: int, what: str) -> str:
    """Such as "1 user" and "1,234 users"."""
    return f"{n:,} {what}{'s' * (n != 1)}"


_OUTSIDE = {"whole": "in no period", "later": "after all periods"}
_WORDS = {"history": "told and not asked for", "dropped": "left out", "unreachable": "no model can find"}


def encoded(counts: Counts) -> bytes:
    return msgspec.json.encode(counts)


def decoded(content: bytes) -> Counts:
    return msgspec.json.decode(content, type=tuple[Counted, ...])


def _distinct(numbers: npt.NDArray[Any]) -> int:
    return int(np.count_nonzero(np.bincount(numbers + 1)[1:]))
