"""Rows of the same moment are taken in the order asked for, under every protocol, and nothing else moves by that."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from protocol_checks import interactions, long_tables
from test_min_rating import JUDGED, PROTOCOLS, same

import datasets
from benchmarks import protocols
from benchmarks.audit import splits
from benchmarks.harness.prepare import prepare_split
from benchmarks.settings import SettingError
from datasets.errors import InputError

ORDERS = ("reversed", "by item")
LAST = {"name": "leave-k-out", "k": 1, "min_items": 3, **JUDGED}


def split_of(data, order=None, **given):
    protocol = protocols.make({**given, **JUDGED, **({} if order is None else {"equal_times": order})})
    return protocol.split(protocol.taken(data)[0])


def ordered(rows, order):
    """The rows of a table as an order of equal times has them, by Python's own sort."""
    moved = rows[::-1] if order == "reversed" else sorted(rows, key=lambda row: row[1])
    return sorted(moved, key=lambda row: row[2])


@settings(deadline=None, max_examples=150)
@given(rows=long_tables, order=st.sampled_from(ORDERS), protocol=st.sampled_from(PROTOCOLS))
def test_a_split_is_that_of_a_file_which_has_its_rows_in_that_order(rows, order, protocol):
    try:
        expected = split_of(interactions(ordered(rows, order)), **protocol)
    except InputError:
        with pytest.raises(InputError):
            split_of(interactions(rows), order, **protocol)
        return
    assert same(split_of(interactions(rows), order, **protocol), expected)


@settings(deadline=None, max_examples=100)
@given(rows=long_tables, order=st.sampled_from(ORDERS), protocol=st.sampled_from(PROTOCOLS))
def test_where_no_two_rows_share_a_moment_nothing_moves(rows, order, protocol):
    apart = [(user, item, place, session) for place, (user, item, _, session) in enumerate(rows)]
    try:
        expected = split_of(interactions(apart), **protocol)
    except InputError:
        assume(False)
    assert same(split_of(interactions(apart), order, **protocol), expected)


@pytest.mark.parametrize(("order", "last"), [(None, 2), ("reversed", 5), ("by item", 9)])
def test_the_last_item_is_that_of_the_order(order, last, tmp_path):
    """Items 9, 5, 7 and 2 in the file, the last three at one moment; a second user sees that no number is a place."""
    path = tmp_path / "moments.csv"
    lines = [f"u{user},i{item:02},{2 if at else 1}" for user in "ab" for at, item in enumerate((1, 5, 9, 2))]
    path.write_text("user_id,item_id,timestamp\n" + "\n".join(lines) + "\n")
    protocol = protocols.make(LAST | ({} if order is None else {"equal_times": order}))
    prepared = prepare_split(f"file:{path}", protocol, tmp_path / "results", None)
    queries = protocols.Split.load(prepared.folder).period("test")
    ids = ["i01", "i02", "i05", "i09"]
    assert [ids[item] for item in queries.items] == [f"i{last:02}"] * 2
    assert prepared.protocol.get("equal_times") == order


def test_an_audit_finds_nothing_in_it(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"u{rng.integers(9)},i{rng.integers(12)},{rng.integers(6)}" for _ in range(200)]
    (tmp_path / "coarse.csv").write_text("user_id,item_id,timestamp\n" + "\n".join(lines) + "\n")
    whole = datasets.load(f"file:{tmp_path / 'coarse.csv'}", None)
    for order in ORDERS:
        protocol = protocols.make(LAST | {"equal_times": order})
        assert splits.of_protocol(protocol.taken(whole)[0], protocol).is_clean


def test_data_without_times_cannot_have_another_order():
    rows = [(0, 1, 1, 0), (0, 2, 2, 0)]
    data = dataclasses.replace(interactions(rows), timestamp=None)
    with pytest.raises(
        InputError, match=r"no timestamps, which equal_times = 'reversed' needs; leave it out, or add a column"
    ):
        protocols.make(LAST | {"equal_times": "reversed"}).taken(data)


@pytest.mark.parametrize("order", ["file", "REVERSED", "", 1])
def test_orders_that_there_are_not_are_refused(order):
    with pytest.raises(SettingError, match="equal_times is"):
        protocols.make(LAST | {"equal_times": order})
