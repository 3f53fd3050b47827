"""The leakage audit, plain and slow: does anything that is asked for reach what a model learns from or is told?

It is the oracle that `benchmarks.audit` is held to. It needs interactions in which every row has an item of its own, so
that an item says which row it came from. Then it can be exact: no statistics, no tolerance, and every leak is named by
its rows.
"""

import dataclasses
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from benchmarks.audit.splits import (
    ASKED,
    ASKED_TWICE,
    DISORDER,
    LATE,
    NOT_BEFORE_TARGETS,
    OF_ASKED_USERS,
    OF_SEVERAL_USERS,
    STRANGERS,
)
from datasets.interactions import Interactions

DAY = 86_400 * 1_000_000


def rows_with_own_items(seed, n_rows=150, n_users=12, n_days=25):
    """Random interactions, not in order of time, with ties in time, in which row r is the only one with item r.

    A session is one user's; about every tenth row has no user.
    """
    rng = np.random.default_rng(seed)
    user = rng.integers(0, n_users, n_rows).astype(np.int32)
    _, session = np.unique(user * 3 + rng.integers(0, 3, n_rows), return_inverse=True)
    user[session % 10 == seed % 10] = -1
    return Interactions(
        name="own items",
        user=user,
        item=np.arange(n_rows, dtype=np.int32),
        timestamp=rng.integers(0, n_days, n_rows) * DAY,
        session=session.astype(np.int32),
        rating=None,
        user_ids=np.array([f"u{n:02}" for n in range(n_users)]),
        item_ids=np.array([f"i{n:03}" for n in range(n_rows)]),
        content_hash="0" * 64,
    )


class Found(NamedTuple):
    """One leak: in which part of the split, of which kind, and in which of its rows, sequences or queries."""

    where: str
    what: str
    at: int
    rows: tuple
    sentence: str


def leaks(data, split, protocol):
    """What reaches training or a history although it may not; none for a clean split.

    Args:
        data: interactions as those of `rows_with_own_items`, in any order.
        split: what the protocol made of them.
        protocol: whose promises the split is held to.
    """
    place = np.empty(len(data), np.int64)
    place[np.lexsort((np.arange(len(data)), data.timestamp))] = np.arange(len(data))  # in order of time
    whose = protocol.whose_past(data)
    found = [*_in_sessions(data, protocol), *_in_training(data, split, protocol)]
    for at, rows in enumerate(_stretches(split.sequence_indptr, split.sequence_items)):
        for what, pair, sentence in _in_order(rows, place, whose):
            found.append(Found("training sequences", what, at, pair, f"a training sequence {sentence}"))
    for period, queries in split.periods.items():
        targets_of = _stretches(queries.indptr, queries.items)
        for at, (start, stop, targets) in enumerate(zip(queries.start, queries.stop, targets_of, strict=True)):
            rows = queries.history[start:stop]
            for what, pair, sentence in (*_in_order(rows, place, whose), *_before(rows, targets, place, whose)):
                found.append(Found(f"{period} histories", what, at, pair, f"a history of {period} {sentence}"))
    return found


def check_agreement(fast, plain):
    """That the fast audit found what the plain one did, and no more: where, of which kind, how much, and an example."""
    counts = Counter((where, what) for where, what, _ in {leak[:3] for leak in plain})
    assert {(leak.where, leak.what): leak.n for leak in fast} == counts
    assert len(fast) == len(counts)
    for leak in fast:
        assert leak.rows in {p.rows for p in plain if (p.where, p.what) == (leak.where, leak.what)}


def _in_sessions(data, protocol):
    """Sessions with rows of several users, each with a pair of such rows next to each other among those of somebody."""
    if getattr(protocol, "per", "user") != "session":
        return
    rows_of = {}
    for row in np.flatnonzero(data.user >= 0).tolist():
        rows_of.setdefault(int(data.session[row]), []).append(row)
    for session, rows in rows_of.items():
        for pair in pairwise(rows):
            if data.user[pair[0]] != data.user[pair[1]]:
                yield Found("sessions", OF_SEVERAL_USERS, session, pair, f"session {session} is of two users")


def _in_training(data, split, protocol):
    """Rows that a model learns from, held to those that are asked for."""
    targets = np.unique(np.concatenate([queries.items for queries in split.periods.values()]))
    learnt_from = {
        ("item", "training rows"): split.item,
        ("item_counts", "item counts"): np.flatnonzero(split.item_counts),
        ("seen_items", "seen items"): split.seen_items,
        ("sequence_items", "training sequences"): split.sequence_items,
    }
    cut = protocol.trains_before(data)
    asked_users = set(data.user[targets].tolist()) - {-1}
    for (name, where), rows in learnt_from.items():
        for row in rows.tolist():
            if row in targets:
                yield Found(where, ASKED, row, (row,), f"{name} holds row {row}, which is asked for")
            elif cut is not None and data.timestamp[row] >= min(cut, *data.timestamp[targets]):
                yield Found(where, LATE, row, (row,), f"{name} holds row {row}, which is not before the cut")
            elif protocol.new_users and data.user[row] in asked_users:
                yield Found(where, OF_ASKED_USERS, row, (row,), f"{name} holds row {row} of a user who is asked about")
    for row in split.periods["validation"].items.tolist():
        if row in split.periods["test"].items:
            sentence = f"row {row} is asked for in the validation and in the test"
            yield Found("validation questions", ASKED_TWICE, row, (row,), sentence)


def _in_order(rows, place, whose):
    for pair in pairwise(rows.tolist()):
        step = f"goes from row {pair[0]} to row {pair[1]}"
        if not _same(whose, *pair):
            yield STRANGERS, pair, f"{step} of somebody else"
        if place[pair[0]] >= place[pair[1]]:
            yield DISORDER, pair, f"{step}, which is not after it"


def _before(rows, targets, place, whose):
    for row in rows.tolist():
        for target in targets.tolist():
            if not _same(whose, row, target):
                yield STRANGERS, (row, target), f"holds row {row}, but target row {target} is somebody else's"
            if place[row] >= place[target]:
                yield NOT_BEFORE_TARGETS, (row, target), f"holds row {row}, which is not before target row {target}"


def _same(whose, row, other):
    """Two rows without a user are not known to be of one user."""
    return whose[row] == whose[other] != -1


def leaks_of_cuts(split, chunk):
    """What `sampling.random_cuts` shows of the future or of others, one sentence each."""
    histories = chunk["history"].reshape(-1, chunk["history"].shape[-1])
    lengths, targets = chunk["length"].ravel(), chunk["target"].ravel()
    at = _places(split)
    found = []
    for history, length, target in zip(histories, lengths, targets, strict=True):
        found += _before_in_sequence(at, history[:length] - 1, target)
        if history[length:].any():
            found.append(f"a history of {length} items goes on after them: {history}")
    return found


def leaks_of_windows(split, chunk):
    """What `sampling.windows` shows of the future or of others, one sentence each."""
    length = chunk["history"].shape[-1]
    at = _places(split)
    found = []
    for history, target in zip(chunk["history"].reshape(-1, length), chunk["target"].reshape(-1, length), strict=True):
        for step in np.flatnonzero(target):
            so_far = history[: step + 1]
            found += _before_in_sequence(at, so_far[so_far > 0] - 1, target[step] - 1)
    return found


def _before_in_sequence(at, history, target):
    """That the rows lie before the target in one training sequence."""
    if target not in at:
        return [f"row {target} is a target and no training row"]
    return [
        f"row {row} is in the history of row {target}, but not before it in the same training sequence"
        for row in history.tolist()
        if at.get(row, (-1, 0))[0] != at[target][0] or at[row][1] >= at[target][1]
    ]


def _places(split):
    """{row: (its training sequence, its place there)}."""
    return {
        row: (sequence, place)
        for sequence, rows in enumerate(_stretches(split.sequence_indptr, split.sequence_items))
        for place, row in enumerate(rows.tolist())
    }


def _stretches(indptr, rows):
    return [rows[a:b] for a, b in pairwise(indptr)]


def with_queries(split, period, **changes):
    """The split with other arrays in the queries of a period."""
    changed = dataclasses.replace(split.periods[period], **changes)
    return dataclasses.replace(split, periods={**split.periods, period: changed})
