"""Columns of users and items: numbered and normalised by training rows alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.protocols import features
from benchmarks.protocols.base import Split
from benchmarks.protocols.time_split import TimeSplit
from datasets.interactions import Interactions

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.floats(-4, 4)), min_size=1, max_size=12)


@settings(deadline=None, derandomize=True)
@given(ROWS)
def test_columns_are_those_of_the_plain_form(rows):
    codes, n_rows, numbers = (list(column) for column in zip(*rows, strict=True))
    raw = {"kind": np.array(codes, np.int32), "size": np.array(numbers, np.float32)}
    columns = features.encoded(raw, np.array(n_rows, np.int64), "activity")

    known = sorted({code for code, n in zip(codes, n_rows, strict=True) if n})
    assert columns["kind"].tolist() == [0, *(known.index(code) + 1 if code in known else 0 for code in codes)]
    assert columns["kind"].dtype == np.int32
    expanded = [float(raw["size"][i]) for i, n in enumerate(n_rows) for _ in range(n)] or [0.0]
    mean, deviation = float(np.mean(expanded)), float(np.std(expanded))
    if deviation > 1e-3:  # below that float32 and float64 part
        expected = [0.0, *((value - mean) / deviation for value in raw["size"].tolist())]
        np.testing.assert_allclose(columns["size"], expected, rtol=1e-4, atol=1e-4)
    assert columns["size"].dtype == columns["activity"].dtype == np.float32
    assert columns["activity"][0] == 0


def test_users_are_found_at_their_places_in_the_data():
    raw = {"kind": np.array([7, 8, 9], np.int32)}
    columns = features.encoded(raw, np.array([1, 1]), "activity", np.array([2, 0], np.int32))
    assert columns["kind"].tolist() == [0, 2, 1]
    assert features.n_categories(columns["kind"]) == 2
    assert features.n_categories(columns["activity"]) == 0


def interactions(item_kinds):
    """Users 0 and 1 train on items 0 and 1; item 2 comes after the cut."""
    day = 86_400 * 1_000_000
    return Interactions(
        name="made",
        user=np.array([0, 1, 0, 1, 0], np.int32),
        item=np.array([0, 1, 1, 2, 2], np.int32),
        timestamp=np.array([0, 0, day, 2 * day, 3 * day]),
        session=None,
        rating=None,
        user_ids=np.array(["a", "b"]),
        item_ids=np.array(["x", "y", "z"]),
        content_hash="made",
        user_features={"gender": np.array([1, 0], np.int32)},
        item_features={"kind": np.array(item_kinds, np.int32)},
    )


@pytest.fixture
def split_of():
    protocol = TimeSplit(
        train_until="1970-01-03",
        validation_until="1970-01-04",
        per="user",
        unknown_users="drop",
        period="test",
        ks=(1,),
        primary_metric="recall@1",
    )
    return lambda kinds: protocol.split(interactions(kinds))


def test_what_comes_after_the_cut_changes_no_column(split_of):
    split, other = split_of([4, 5, 6]), split_of([4, 5, 0])
    assert split.item_features["kind"].tolist() == other.item_features["kind"].tolist() == [0, 1, 2]
    assert split.user_features["gender"].tolist() == [0, 2, 1]
    np.testing.assert_allclose(split.user_features["activity"], [0, 0.7071, -1.4142], atol=1e-4)
    assert set(split.item_features) == {"kind", "popularity"}


def test_features_survive_a_file_and_leave_the_hash_alone(split_of, tmp_path):
    split = split_of([4, 5, 6])
    split.save(tmp_path / "split")
    loaded = Split.load(tmp_path / "split")
    for kind in ("user_features", "item_features"):
        found, expected = getattr(loaded, kind), getattr(split, kind)
        assert set(found) == set(expected)
        for name, column in expected.items():
            np.testing.assert_array_equal(found[name], column)
            assert found[name].dtype == column.dtype
    assert split.content_hash() == split_of([4, 4, 6]).content_hash() == loaded.content_hash()


@pytest.mark.parametrize(
    ("column", "n"),
    [(np.array([0.0, 2.5], np.float32), 0), (np.array([0, 3, 1], np.int32), 3), (np.array([0], np.int32), 0),
     (np.empty(0, np.int32), 0)],
)  # fmt: skip
def test_categories_are_counted_without_the_unknown_and_numbers_have_none(column, n):
    assert features.n_categories(column) == n
