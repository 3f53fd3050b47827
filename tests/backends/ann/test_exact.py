"""Exact top-k against a slow oracle: ties, exclusions, odd scores, tiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.ann import exact
from datasets.errors import InputError


def oracle(users, items, k, excluded):
    """Sort everything in Python; small whole numbers make every product exact."""
    found = []
    for user, banned in zip(users.tolist(), excluded, strict=True):
        scores = [sum(a * b for a, b in zip(user, item, strict=True)) for item in items.tolist()]
        kept = sorted((-score, item) for item, score in enumerate(scores) if item not in banned)
        found.append(([item for _, item in kept] + [-1] * k)[:k])
    return np.array(found, dtype=np.int32).reshape(len(users), k)


def csr(lists):
    return (
        np.cumsum([0, *map(len, lists)], dtype=np.int64),
        np.array([item for items in lists for item in items], dtype=np.int32),
    )


@st.composite
def problems(draw):
    n_users, n_items, dim = draw(st.integers(0, 7)), draw(st.integers(1, 40)), draw(st.integers(1, 4))
    # Few distinct values: most scores tie.
    values = np.random.default_rng(draw(st.integers(0, 2**32))).integers(-1, 2, (n_users + n_items, dim))
    excluded = draw(st.lists(st.lists(st.integers(0, n_items - 1)), min_size=n_users, max_size=n_users))
    table = values.astype(np.float32)
    return table[:n_users], table[n_users:], draw(st.integers(1, n_items + 3)), excluded


@settings(max_examples=200, deadline=None)
@given(problems(), st.sampled_from([(128, 4096), (2, 5), (1, 1)]), st.sampled_from([1, 2]))
def test_equals_the_oracle(problem, tiles, threads):
    users, items, k, excluded = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "QUERY_TILE", tiles[0])
        patch.setattr(exact, "ITEM_TILE", tiles[1])
        found = exact.top_k(users, items, k, csr(excluded), threads)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, oracle(users, items, k, excluded))


def test_equals_a_full_sort_over_several_tiles():
    generator = np.random.default_rng(1)
    users = generator.standard_normal((300, 16)).astype(np.float32)
    items = generator.standard_normal((9_000, 16)).astype(np.float32)
    expected = np.argsort(-(users.astype(np.float64) @ items.T.astype(np.float64)), axis=1)[:, :20]
    found = exact.top_k(users, items, 20)
    # Two scores nearer than a float32's last place may change places.
    assert (found == expected).mean() > 0.999


@pytest.mark.filterwarnings("error")
def test_nan_scores_are_never_returned_and_infinite_ones_are_ordered():
    items = np.array([[np.nan], [1.0], [np.inf], [-np.inf], [2.0]], dtype=np.float32)
    users = np.array([[1.0], [-1.0], [0.0], [np.nan]], dtype=np.float32)
    expected = [[2, 4, 1, 3, -1], [3, 1, 4, 2, -1], [1, 4, -1, -1, -1], [-1] * 5]
    np.testing.assert_array_equal(exact.top_k(users, items, 5), expected)


def test_does_not_change_what_it_is_given():
    users, items = np.ones((2, 3), dtype=np.float32), np.ones((4, 3), dtype=np.float32)
    exact.top_k(users, items, 2, csr([[0], [1, 2]]))
    assert (users == 1).all()
    assert (items == 1).all()


@pytest.mark.parametrize(
    ("indptr", "indices"),
    [([0, 1], [0]), ([0, 1, 5], [0, 1]), ([0, 2, 1], [0]), ([1, 1, 1], [0])],
    ids=["too short", "past the end", "falling", "not from 0"],
)
def test_refuses_exclusions_that_do_not_fit(indptr, indices):
    users, items = np.ones((2, 3), dtype=np.float32), np.ones((4, 3), dtype=np.float32)
    with pytest.raises(InputError, match="indptr"):
        exact.top_k(users, items, 1, (np.array(indptr), np.array(indices, dtype=np.int32)))


@pytest.mark.parametrize(("user_dim", "k"), [(2, 1), (3, 0), (3, -1)])
def test_refuses_shapes_and_k_that_do_not_fit(user_dim, k):
    users, items = np.ones((2, user_dim), dtype=np.float32), np.ones((4, 3), dtype=np.float32)
    with pytest.raises(InputError, match=f"k = {k}"):
        exact.top_k(users, items, k)
