"""Made interactions, and splits as plain lists and dictionaries: what the tests of the protocols share."""

import dataclasses
from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from benchmarks.protocols.base import Queries
from datasets.interactions import Interactions

DAY = 86_400 * 1_000_000  # in microseconds, as all times are
N_USERS, N_ITEMS = 5, 7

row = st.tuples(st.integers(-1, N_USERS - 1), st.integers(0, N_ITEMS - 1), st.integers(0, 9), st.integers(0, 8))
tables = st.lists(row, min_size=3, max_size=40)
long_tables = st.lists(row, min_size=20, max_size=45)  # in which most users have rows enough to hold some out


def interactions(rows, **changes):
    """Rows of (user or -1, item, day since 1970, session)."""
    user, item, day, session = zip(*rows, strict=True)
    number = {name: at for at, name in enumerate(sorted(set(session)))}
    made = Interactions(
        name="made",
        user=np.array(user, np.int32),
        item=np.array(item, np.int32),
        timestamp=np.array(day, np.int64) * DAY,
        session=np.array([number[name] for name in session], np.int32),
        rating=None,
        user_ids=np.array([f"u{n}" for n in range(N_USERS)]),
        item_ids=np.array([f"i{n}" for n in range(N_ITEMS)]),
        content_hash="0" * 64,
    )
    return dataclasses.replace(made, **changes)


class Probabilities:
    """A made truth: user u wants item (u + first) most, then the next, and so on; it keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def expected_counts(self, users, first, n):
        self.asked += zip(users.tolist(), first.tolist(), n.tolist(), strict=True)
        distance = (np.arange(N_ITEMS)[None] - users[:, None] - first[:, None]) % N_ITEMS
        return (n[:, None] * (N_ITEMS - distance)).astype(np.float32)


def oldest_first(rows):
    """Rows in order of time, those of the same day as they were."""
    return sorted(rows, key=lambda row: row[2])


def items_of(rows):
    return [item for _, item, *_ in rows]


def grouped_by(rows, column):
    """{value of the column: its rows}, in the order of the values; without those of unknown users by user."""
    groups = {}
    for one in rows:
        groups.setdefault(one[column], []).append(one)
    return {value: groups[value] for value in sorted(groups) if value != -1}


def parts(indptr, items):
    """[[items]], one list a stretch."""
    return [items[a:b].tolist() for a, b in pairwise(indptr)]


def questions(queries):
    """[(user, [history], [targets])] of the queries."""
    history = [queries.history[a:b].tolist() for a, b in zip(queries.start, queries.stop, strict=True)]
    return list(zip(queries.user.tolist(), history, parts(queries.indptr, queries.items), strict=True))


def described(split):
    """All that a split says, as lists."""
    return {
        "n_items": split.n_items,
        "training": list(zip(split.user.tolist(), split.item.tolist(), strict=True)),
        "item_counts": split.item_counts.tolist(),
        "seen": parts(split.seen_indptr, split.seen_items),
        "sequences": list(
            zip(split.sequence_user.tolist(), parts(split.sequence_indptr, split.sequence_items), strict=True)
        ),
        "n_rows": split.n_rows,
        **{name: questions(queries) for name, queries in split.periods.items()},
    }


def of_sequences(sequences, validation, test):
    """What `described` must say where training is these lists of items, of users 0, 1, …, and all questions are these.

    Args:
        sequences: [[items]].
        validation: [(user, [history], [targets])].
        test: the same.
    """
    counts = Counter(item for items in sequences for item in items)
    n_rows = [sum(len(targets) for *_, targets in queries) for queries in (validation, test)]
    return {
        "n_items": N_ITEMS,
        "training": [(user, item) for user, items in enumerate(sequences) for item in sorted(items)],
        "item_counts": [counts[item] for item in range(N_ITEMS)],
        "seen": [sorted(set(items)) for items in sequences],
        "sequences": list(enumerate(sequences)),
        "n_rows": (sum(map(len, sequences)), *n_rows),
        "validation": validation,
        "test": test,
    }


def check_types(split):
    """Shapes, types and offsets that hold for every split."""
    int32 = {"user", "item", "seen_items", "sequence_user", "sequence_items"}
    int64 = {"item_counts", "seen_indptr", "sequence_indptr"}
    assert all(getattr(split, name).dtype == np.int32 for name in int32)
    assert all(getattr(split, name).dtype == np.int64 for name in int64)
    assert len(split.user) == len(split.item)
    assert len(split.item_counts) == split.n_items
    for indptr, n, values in (
        (split.seen_indptr, split.n_users, split.seen_items),
        (split.sequence_indptr, len(split.sequence_user), split.sequence_items),
    ):
        assert (len(indptr), indptr[0], indptr[-1]) == (n + 1, 0, len(values))
        assert (np.diff(indptr) > 0).all()
    for queries in split.periods.values():
        types = [getattr(queries, field.name).dtype for field in dataclasses.fields(Queries)]
        assert types == [np.int32, np.int64, np.int32, np.int32, np.int64, np.int64, np.int32]
        n = len(queries)
        assert {len(queries.user), len(queries.indptr) - 1, len(queries.start), len(queries.stop)} == {n}
        assert (queries.indptr[0], queries.indptr[-1]) == (0, len(queries.items))
        assert (np.diff(queries.indptr) > 0).all()
        assert ((queries.user >= -1) & (queries.user < split.n_users)).all()
        assert ((queries.start >= 0) & (queries.start <= queries.stop)).all()
        assert (queries.stop <= len(queries.history)).all()
        assert queries.best.shape == (n, 0)
