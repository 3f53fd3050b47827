"""Users, items, sessions and rows beyond what a short integer counts: a small table many times over is split alike."""

import dataclasses

import numpy as np
import pytest
from protocol_checks import N_ITEMS, N_USERS, interactions

from backends import stretches
from benchmarks.audit import splits
from benchmarks.protocols import LeaveKOut, NextItem, SequenceSplit, Split, TimeSplit, UserSplit

COPIES = 8_000
JUDGED = {"period": "test", "ks": (1,), "primary_metric": "recall@1"}
CUTS = {"train_until": 0.5, "validation_until": 0.75}
PROTOCOLS = [
    LeaveKOut(**JUDGED, k=1, min_items=3),
    SequenceSplit(**JUDGED, min_items=4),
    TimeSplit(**JUDGED, **CUTS, per="user", unknown_users="drop"),
    TimeSplit(**JUDGED, **CUTS, per="session", unknown_users="drop"),
    NextItem(**JUDGED, **CUTS, per="session", leaked=True),
    NextItem(**JUDGED, **CUTS, per="user", leaked=True),
]


def small():
    rng = np.random.default_rng(0)
    user = [*range(N_USERS), *rng.integers(-1, N_USERS, 40)]
    day = rng.integers(0, 12, 45)
    return interactions(
        [(u, i, d, f"{u} {d // 4}") for u, i, d in zip(user, rng.integers(0, N_ITEMS, 45), day, strict=True)]
    )


def many(data):
    """COPIES of a table, one after the other, each with users, items and sessions of its own; -1 stays nobody."""

    def numbered(values, n):
        shift = np.repeat(np.arange(COPIES, dtype=np.int32) * n, len(values))
        repeated = np.tile(values, COPIES)
        return np.where(repeated < 0, repeated, repeated + shift).astype(np.int32)

    return dataclasses.replace(
        data,
        user=numbered(data.user, N_USERS),
        item=numbered(data.item, N_ITEMS),
        session=numbered(data.session, int(data.session.max()) + 1),
        timestamp=np.tile(data.timestamp, COPIES),
        user_ids=np.arange(COPIES * N_USERS).astype(str),
        item_ids=np.arange(COPIES * N_ITEMS).astype(str),
    )


def copies(values, n):
    """What the same numbers are in all copies, if a copy has n of what they number."""
    return (values[None] + np.where(values < 0, 0, n) * np.arange(COPIES)[:, None]).ravel()


def histories(queries):
    items, start, stop = queries.history, queries.start, queries.stop
    return stretches.joined(items, start, stop)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: f"{p.name}-{getattr(p, 'per', '')}")
def test_many_copies_of_a_table_are_split_as_one_is(protocol):
    one, all_of_them = protocol.split(small()), protocol.split(many(small()))
    assert all_of_them.n_users == COPIES * one.n_users > 32_767
    assert all_of_them.n_rows == tuple(COPIES * n for n in one.n_rows)
    assert np.array_equal(all_of_them.user, copies(one.user, one.n_users))
    assert np.array_equal(all_of_them.item, copies(one.item, N_ITEMS))
    counts = np.zeros((COPIES, N_ITEMS), np.int64)
    counts[:, : one.n_items] = one.item_counts
    assert np.array_equal(all_of_them.item_counts, counts.ravel()[: all_of_them.n_items])
    assert np.array_equal(np.diff(all_of_them.seen_indptr), np.tile(np.diff(one.seen_indptr), COPIES))
    assert np.array_equal(all_of_them.seen_items, copies(one.seen_items, N_ITEMS))
    assert np.array_equal(all_of_them.sequence_user, copies(one.sequence_user, one.n_users))
    assert np.array_equal(np.diff(all_of_them.sequence_indptr), np.tile(np.diff(one.sequence_indptr), COPIES))
    assert np.array_equal(all_of_them.sequence_items, copies(one.sequence_items, N_ITEMS))
    for name in ("validation", "test"):
        queries, expected = all_of_them.period(name), one.period(name)
        assert len(queries) == COPIES * len(expected)
        assert np.array_equal(queries.user, copies(expected.user, one.n_users))
        assert np.array_equal(np.diff(queries.indptr), np.tile(np.diff(expected.indptr), COPIES))
        assert np.array_equal(queries.items, copies(expected.items, N_ITEMS))
        (indptr, items), (own_indptr, own_items) = histories(queries), histories(expected)
        assert np.array_equal(np.diff(indptr), np.tile(np.diff(own_indptr), COPIES))
        assert np.array_equal(items, copies(own_items, N_ITEMS))


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: f"{p.name}-{getattr(p, 'per', '')}")
def test_the_audit_of_many_copies_finds_as_many_times_what_that_of_one_finds(protocol):
    one, all_of_them = splits.of_protocol(small(), protocol), splits.of_protocol(many(small()), protocol)
    assert [finding.verdict for finding in all_of_them.findings] == [finding.verdict for finding in one.findings]
    assert [finding.n for finding in all_of_them.findings] == [COPIES * finding.n for finding in one.findings]
    assert all_of_them.sizes == {name: COPIES * n for name, n in one.sizes.items()}


def test_sizes_survive_a_file(tmp_path):
    split = PROTOCOLS[0].split(many(small()))
    split.save(tmp_path / "split")
    loaded = Split.load(tmp_path / "split")
    assert (loaded.n_users, loaded.n_items, loaded.n_rows) == (split.n_users, split.n_items, split.n_rows)
    assert loaded.content_hash() == split.content_hash()


def test_every_one_of_many_users_is_in_one_part():
    user = np.repeat(np.arange(70_000), 3)
    data = interactions([(0, 0, 0, 0)] * len(user), user=user.astype(np.int32), item=(user % N_ITEMS).astype(np.int32))
    data = dataclasses.replace(data, user_ids=np.arange(70_000).astype(str))
    protocol = UserSplit(**JUDGED, shares=(0.6, 0.2, 0.2), min_items=3)
    split = protocol.split(data)
    learnt, asked = protocol.users(data), protocol.newcomers(data)
    assert (split.n_users, len(split.period("validation")), len(split.period("test"))) == (42_000, 14_000, 14_000)
    assert np.array_equal(np.unique([*learnt, *asked]), np.sort([*learnt, *asked]))
    assert learnt.max() > 69_000
    assert asked.max() > 69_000
    assert np.array_equal(split.item, np.repeat(learnt % N_ITEMS, 3))
    assert np.array_equal(split.period("test").items, asked % N_ITEMS)
