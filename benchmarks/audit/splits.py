"""The leakage audit: does anything that is asked for reach what a model learns from or is told?

Items repeat, so a split's items do not say which rows they came from. The audit therefore cuts a copy of the data in
which every row has an item of its own, and traces every item in every array of that split to its row. That is exact: no
statistics, no tolerance. Protocols cut rows whatever their items are, so what holds of the copy holds of the data; the
tests see to that. A split is held to what its protocol promises, see `protocols.base.Protocol`.

Encoded features hold no items and are not traced: `protocols.features` learns them from the counts of training rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from benchmarks import protocols
from benchmarks.audit.report import CLEAN, KNOWN_LEAK, LEAK, NOTHING, Finding, Report, moment, named
from benchmarks.protocols.base import Protocol, Split, order
from datasets.interactions import UNKNOWN_USER, Interactions

ASKED = "rows that are asked for"
LATE = "rows that are not before the cut"
OF_ASKED_USERS = "rows of users who are asked about"
ASKED_TWICE = "rows that the test asks for too"
STRANGERS = "rows of somebody else"
DISORDER = "rows out of order"
NOT_BEFORE_TARGETS = "rows that are not before what is asked for"
OF_PASTS = {STRANGERS: "beside", DISORDER: "followed by", NOT_BEFORE_TARGETS: "for the target"}  # and what joins a pair
OF_SEVERAL_USERS = "rows of more than one user"
JOINED = {**OF_PASTS, OF_SEVERAL_USERS: "beside"}


@dataclass(frozen=True)
class Leak:
    """What a part of a split holds although it may not.

    Attributes:
        where, what: the part of the split, and which of the kinds named above.
        n, of, unit: so many of so many rows, sequences or queries are at fault.
        rows: an example: a row of the data, or two that do not go together.
        on_purpose: whether the protocol itself calls it a leak.
    """

    where: str
    what: str
    n: int
    of: int
    unit: str
    rows: tuple[int, ...]
    on_purpose: bool = False


class Origins(NamedTuple):
    """The one row that each item of the data came from.

    Attributes:
        row, user, time: int64[n], int32[n] and int64[n], its number, user and timestamp.
        place: int64[n], its place in order of time; rows of equal time are in the data's order.
        whose: int32[n], the user or session whose past it belongs to, by the protocol; -1 for nobody's.
    """

    row: npt.NDArray[np.int64]
    user: npt.NDArray[np.int32]
    time: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    whose: npt.NDArray[np.int32]


class Pasts(NamedTuple):
    """Training sequences, or the histories of queries with what is asked after them.

    Attributes:
        items, start, stop: int32[m], int64[p] and int64[p]; past i is items[start[i]:stop[i]].
        targets, indptr: int32[nnz] and int64[p + 1], what is asked after each; nothing after a sequence.
    """

    items: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int64]


def of_protocol(data: Interactions, protocol: Protocol) -> Report:
    """Cuts a copy of the data in which every row has an item of its own, and says what leaks.

    Raises:
        InputError: if the protocol cannot cut the data.
    """
    copy = with_own_items(data)
    split = protocol.split(copy)
    found = leaks(copy, split, protocol)
    findings = [Finding(KNOWN_LEAK if leak.on_purpose else LEAK, leak.n, _sentence(data, leak)) for leak in found]
    unasked = [Finding(NOTHING, 0, _nobody_asked(period)) for period in _without_queries(split, protocol)]
    if unasked:
        findings = [*unasked, *findings]
    elif all(leak.on_purpose for leak in found):
        findings.insert(0, Finding(CLEAN, split.n_rows[0], _promise(data, protocol)))
    sizes = {"training rows": split.n_rows[0], "training sequences": len(split.sequence_user)}
    sizes |= {f"{name} queries": len(queries) for name, queries in split.periods.items()}
    settings = {"name": protocol.name, **dataclasses.asdict(protocol)}
    return Report(f"{data.name}, {protocols.in_words(settings)}", sizes, tuple(findings), settings, data.notes)


def with_own_items(data: Interactions) -> Interactions:
    """A copy in which every row has an item of its own, the oldest row of a known user the last one.

    A catalogue may end at the last item that a known user has in training. Numbered like this, no row lies beyond that
    end, where item counts would not show it.
    """
    item = np.empty(len(data), np.int32)
    known = data.user != UNKNOWN_USER
    item[np.lexsort((-order(data), known))] = np.arange(len(data), dtype=np.int32)
    ids = np.broadcast_to(np.array("own"), len(data))  # only their number counts, so they need not take memory
    return dataclasses.replace(data, item=item, item_ids=ids, item_features={}, truth=None)


def leaks(data: Interactions, split: Split, protocol: Protocol) -> list[Leak]:
    """All leaks of a split.

    Args:
        data: interactions in which every row has an item of its own, of 0 to n - 1.
        split: what the protocol made of them.
        protocol: whose promises the split is held to.
    """
    row, time = np.argsort(data.item), order(data)
    place = np.empty(len(data), np.int64)
    place[np.argsort(time, kind="stable")] = np.arange(len(data))
    origins = Origins(row, data.user[row], time[row], place[row], protocol.whose_past(data)[row])
    found = [*_in_sessions(data, protocol.whose(data))]
    found += _in_training(origins, split, protocol.trains_before(data), new_users=protocol.new_users)
    sequences, starts = split.sequence_items, split.sequence_indptr
    pasts = Pasts(sequences, starts[:-1], starts[1:], sequences[:0], np.zeros_like(starts))
    found += _in_pasts(origins, pasts, "training sequences", "sequences")
    for name, queries in split.periods.items():
        pasts = Pasts(queries.history, queries.start, queries.stop, queries.items, queries.indptr)
        on_purpose = name in protocol.leaks_on_purpose and name != protocol.period
        found += _in_pasts(origins, pasts, f"{name} histories", "queries", on_purpose=on_purpose)
    return found


def _in_sessions(data: Interactions, whose: npt.NDArray[np.int32]) -> Iterator[Leak]:
    """Sessions that several users share, as those do that are numbered anew for each; rows of nobody say nothing."""
    if whose is data.user:
        return
    rows = np.flatnonzero((whose >= 0) & (data.user != UNKNOWN_USER))
    rows = rows[np.argsort(whose[rows], kind="stable")]
    session, user = whose[rows], data.user[rows]
    changes = np.flatnonzero((np.diff(session) == 0) & (np.diff(user) != 0))
    if len(changes):
        shared, n_sessions = len(np.unique(session[changes])), len(np.unique(session))
        example = (int(rows[changes[0]]), int(rows[changes[0] + 1]))
        yield Leak("sessions", OF_SEVERAL_USERS, shared, n_sessions, "sessions", example)


def _in_training(origins: Origins, split: Split, cut: int | None, *, new_users: bool) -> Iterator[Leak]:
    """Rows that a model learns from, or that choose it, although they are not to; a row has one kind of fault."""
    n = len(origins.row)
    asked = _mask(n, *(queries.items for queries in split.periods.values()))
    late = np.zeros(n, np.bool_) if cut is None else origins.time >= origins.time[asked].min(initial=cut)
    of_asked_users = np.isin(origins.user, np.setdiff1d(origins.user[asked], UNKNOWN_USER)) & new_users
    faults = {ASKED: asked, LATE: late & ~asked, OF_ASKED_USERS: of_asked_users & ~late & ~asked}
    learnt_from: dict[str, npt.NDArray[Any]] = {
        "training rows": split.item,
        "item counts": np.flatnonzero(split.item_counts),
        "seen items": split.seen_items,
        "training sequences": split.sequence_items,
    }
    for where, items in learnt_from.items():
        yield from _in_part(origins, where, _mask(n, items), faults)
    validation, test = (_mask(n, split.period(name).items) for name in ("validation", "test"))
    yield from _in_part(origins, "validation questions", validation, {ASKED_TWICE: test})


def _in_part(
    origins: Origins, where: str, held: npt.NDArray[np.bool_], faults: Mapping[str, npt.NDArray[np.bool_]]
) -> Iterator[Leak]:
    for what, faulty in faults.items():
        items = np.flatnonzero(held & faulty)
        if len(items):
            yield Leak(where, what, len(items), int(held.sum()), "rows", (int(origins.row[items[0]]),))


def _in_pasts(origins: Origins, pasts: Pasts, where: str, unit: str, *, on_purpose: bool = False) -> Iterator[Leak]:
    counts, examples = _faults(pasts, origins)
    for what, n, items in zip(OF_PASTS, counts.tolist(), examples, strict=True):
        if n:
            known = on_purpose and what == NOT_BEFORE_TARGETS
            yield Leak(where, what, n, len(pasts.start), unit, tuple(origins.row[items].tolist()), known)


@njit(cache=True)
def _faults(pasts, origins):  # type: ignore[no-untyped-def]
    """Hold pasts to being one user's or session's, in order of time, and before what is asked after them.

    Where a past is the one before it and more, as when a sequence is asked about row by row, only what is new is read.

    Returns:
        int64[3], the pasts with each of the faults in `OF_PASTS`; int64[3, 2], two items of the first with each.
    """
    counts, examples = np.zeros(3, np.int64), np.zeros((3, 2), np.int64)
    begin = end = 0
    # Two items for each fault of the past itself; for the last, which takes a target, the latest item and none yet.
    found = np.full((3, 2), -1, np.int64)
    for i in range(len(pasts.start)):
        if pasts.start[i] == pasts.stop[i]:
            continue
        if pasts.start[i] != begin or pasts.stop[i] < end:
            begin = end = pasts.start[i]
            found[:] = -1
        _read(pasts.items[begin : pasts.stop[i]], end - begin, origins, found)
        end = pasts.stop[i]
        faults = found.copy()
        for target in pasts.targets[pasts.indptr[i] : pasts.indptr[i + 1]]:
            if faults[0, 1] < 0 and _apart(origins, pasts.items[begin], target):
                faults[0, 0], faults[0, 1] = pasts.items[begin], target
            if faults[2, 1] < 0 and _not_before(origins, faults[2, 0], target):
                faults[2, 1] = target
        for kind in range(3):
            if faults[kind, 1] >= 0:
                counts[kind] += 1
                if counts[kind] == 1:
                    examples[kind, 0], examples[kind, 1] = faults[kind, 0], faults[kind, 1]
    return counts, examples


@njit(cache=True)
def _read(items, first, origins, found):  # type: ignore[no-untyped-def]
    # adds what items[first:] show to what those before them showed
    for at in range(first, len(items)):
        if at > 0 and _apart(origins, items[at - 1], items[at]):
            found[0, 0], found[0, 1] = items[at - 1], items[at]
        if at > 0 and _not_before(origins, items[at - 1], items[at]):
            found[1, 0], found[1, 1] = items[at - 1], items[at]
        if at == 0 or _not_before(origins, items[at], found[2, 0]):
            found[2, 0] = items[at]


@njit(cache=True)
def _apart(origins, one, other):  # type: ignore[no-untyped-def]
    return origins.whose[one] != origins.whose[other] or origins.whose[one] < 0  # nobody and nobody may be two


@njit(cache=True)
def _not_before(origins, one, other):  # type: ignore[no-untyped-def]
    return origins.place[one] >= origins.place[other]


def _mask(n: int, *items: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(n, np.bool_)
    for chosen in items:
        mask[chosen] = True
    return mask


def _sentence(data: Interactions, leak: Leak) -> str:
    example = f" {JOINED.get(leak.what)} ".join(named(data, row) for row in dict.fromkeys(leak.rows))
    return f"{leak.where} hold {leak.what}: {leak.n:,} of {leak.of:,} {leak.unit}, such as {example}"


def _without_queries(split: Split, protocol: Protocol) -> list[str]:
    """The periods that an audit is about and that ask nothing."""
    judged = dict.fromkeys([protocol.period, *(["test"] if protocol.tests else [])])
    return [period for period in judged if not len(split.period(period))]


def _nobody_asked(period: str) -> str:
    return (
        f"no user of the {period} period has training rows, so there is nothing to ask; move the cuts of the protocol"
    )


def _promise(data: Interactions, protocol: Protocol) -> str:
    cut = protocol.trains_before(data)
    in_time = "" if cut is None else f", and nothing from {moment(cut)} on,"
    of_users = ", and no row of a user who is asked about," if protocol.new_users else ""
    known = "".join(f", those of {name} apart," for name in protocol.leaks_on_purpose)
    return (
        f"nothing that is asked for{in_time}{of_users} is in training rows, item counts, seen items or training "
        f"sequences; sequences and histories{known} are one user's or session's own past, in order and before what is "
        "asked for"
    )
