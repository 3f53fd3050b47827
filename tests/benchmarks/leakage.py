"""The leakage audit: does anything that is asked for reach what a model learns from or is told?

It needs interactions in which every row has an item of its own, so that an item says which row it came from. Then it
can be exact: no statistics, no tolerance, and every leak is named by its rows.
"""

import dataclasses
from itertools import pairwise

import numpy as np

from datasets.interactions import Interactions


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
        timestamp=rng.integers(0, n_days, n_rows) * 86_400,
        session=session.astype(np.int32),
        rating=None,
        user_ids=np.array([f"u{n:02}" for n in range(n_users)]),
        item_ids=np.array([f"i{n:03}" for n in range(n_rows)]),
        content_hash="0" * 64,
    )


def leaks(data, split, *, whose, cut_in_time=False, new_users=False):
    """What reaches training or a history although it may not, one sentence each; none for a clean split.

    Args:
        data: interactions as those of `rows_with_own_items`, in any order.
        split: what a protocol made of them.
        whose: int[n], the user or session of each row: a sequence or a history must stay within one.
        cut_in_time: training rows must all lie before all that is asked for.
        new_users: users who are asked about must have no training rows.
    """
    place = np.empty(len(data), np.int64)
    place[np.lexsort((np.arange(len(data)), data.timestamp))] = np.arange(len(data))  # in order of time
    found = list(_in_training(data, split, cut_in_time=cut_in_time, new_users=new_users))
    for rows in _stretches(split.sequence_indptr, split.sequence_items):
        found += _in_order("a training sequence", rows, place, whose)
    for period, queries in split.periods.items():
        targets_of = _stretches(queries.indptr, queries.items)
        for start, stop, targets in zip(queries.start, queries.stop, targets_of, strict=True):
            history = queries.history[start:stop]
            found += _in_order(f"a history of {period}", history, place, whose)
            found += _before_targets(f"a history of {period}", history, targets, place, whose)
    return found


def _in_training(data, split, *, cut_in_time, new_users):
    """Rows that a model learns from, held to those that are asked for."""
    targets = np.unique(np.concatenate([queries.items for queries in split.periods.values()]))
    learnt_from = {
        "item": split.item,
        "item_counts": np.flatnonzero(split.item_counts),
        "seen_items": split.seen_items,
        "sequence_items": split.sequence_items,
    }
    asked_users = set(data.user[targets].tolist()) - {-1}
    for name, rows in learnt_from.items():
        for row in rows.tolist():
            if row in targets:
                yield f"{name} holds row {row}, which is asked for"
            elif cut_in_time and data.timestamp[row] >= data.timestamp[targets].min():
                yield f"{name} holds row {row}, which is not before everything that is asked for"
            elif new_users and data.user[row] in asked_users:
                yield f"{name} holds row {row} of a user who is asked about"


def _in_order(what, rows, place, whose):
    for row, following in pairwise(rows):
        if not _same(whose, row, following):
            yield f"{what} goes from row {row} to row {following} of somebody else"
        if place[row] >= place[following]:
            yield f"{what} goes from row {row} to row {following}, which is not after it"


def _before_targets(what, history, targets, place, whose):
    for row in history:
        for target in targets:
            if not _same(whose, row, target):
                yield f"{what} holds row {row}, but target row {target} is somebody else's"
            if place[row] >= place[target]:
                yield f"{what} holds row {row}, which is not before target row {target}"


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
        found += _before(at, history[:length] - 1, target)
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
            found += _before(at, so_far[so_far > 0] - 1, target[step] - 1)
    return found


def _before(at, history, target):
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
