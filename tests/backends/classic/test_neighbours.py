"""The product of which the best of each row are kept, against a slow oracle."""

import math

import numba
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.classic import neighbours

checked = settings(derandomize=True, deadline=None, max_examples=150)


def matrix(n_rows, n_columns, values):
    """Rows of `values`, three quarters of them nothing."""
    cell = st.one_of(st.just(0), st.just(0), st.just(0), values)
    return st.lists(
        st.lists(cell, min_size=n_columns, max_size=n_columns), min_size=n_rows, max_size=n_rows
    ).map(np.array)  # fmt: skip


@st.composite
def problems(draw):
    n_rows, n_inner, n_columns = (draw(st.integers(1, 7)) for _ in range(3))
    values = draw(st.sampled_from([st.just(True), st.sampled_from([0.1, 0.2, 0.3, 1.0])]))
    left = draw(matrix(n_rows, n_inner, st.sampled_from([0.1, 0.2, 0.3, 1.0])))
    right = draw(matrix(n_inner, n_columns, values))
    excluded = draw(st.none() | matrix(n_rows, n_columns, st.just(True)))
    counts = st.integers(1, 9).map(float)
    normalised_by = draw(
        st.none() | st.tuples(*(st.lists(counts, min_size=n, max_size=n) for n in (n_rows, n_columns)))
    )
    return left, right, excluded, normalised_by, draw(st.integers(1, n_columns + 2))


def plainly(left, right, excluded, normalised_by, k):
    """The same by loops, each sum in the order of the inner dimension."""
    kept = []
    for row in range(len(left)):
        found = []
        for column in range(right.shape[1]):
            entry = 0.0
            for inner in range(len(right)):
                entry += left[row, inner] * right[inner, column]
            if normalised_by is not None:
                entry /= math.sqrt(normalised_by[0][row] * normalised_by[1][column])
            if entry > 0 and not (excluded is not None and excluded[row, column]):
                found.append((-entry, column))
        kept.append([(column, -entry) for entry, column in sorted(found)[:k]])
    return kept


def sparse(dense, dtype):
    return scipy.sparse.csr_array(dense.astype(dtype))


def of_arrays(left, right, excluded, normalised_by, k):
    return neighbours.best(
        sparse(left, np.float64),
        sparse(right, np.bool_ if right.dtype in (np.bool_, np.int64) else np.float64),
        k,
        excluded=None if excluded is None else sparse(excluded, np.bool_),
        normalised_by=None if normalised_by is None else tuple(map(np.array, normalised_by)),
    )


class TestBest:
    @checked
    @given(problems())
    def test_it_equals_the_oracle_to_the_bit(self, problem):
        columns, entries = of_arrays(*problem)
        assert (columns.dtype, entries.dtype) == (np.int32, np.float64)
        expected = plainly(*problem)
        k = problem[-1]
        assert columns.tolist() == [[column for column, _ in row] + [-1] * (k - len(row)) for row in expected]
        assert entries.tolist() == [[entry for _, entry in row] + [-math.inf] * (k - len(row)) for row in expected]

    @checked
    @given(problems())
    def test_entries_as_a_matrix(self, problem):
        left, right, *_ = problem
        columns, entries = of_arrays(*problem)
        dense = np.zeros((len(left), right.shape[1]))
        for row, kept in enumerate(plainly(*problem)):
            for column, entry in kept:
                dense[row, column] = entry
        assert neighbours.as_matrix(columns, entries, right.shape[1]).toarray().tolist() == dense.tolist()

    @pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread is all there is")
    def test_the_number_of_threads_changes_nothing(self):
        rng = np.random.default_rng(0)
        left, right = (sparse(rng.random(shape) * (rng.random(shape) < 0.2), float) for shape in ((50, 40), (40, 30)))
        given = numba.get_num_threads()
        found = []
        for threads in (1, 2):
            numba.set_num_threads(threads)
            found.append(neighbours.best(left, right, 5))
        numba.set_num_threads(given)
        for one, two in zip(*found, strict=True):
            assert np.array_equal(one, two)

    def test_many_columns_need_no_square_of_memory(self):
        """A dense table of these would take 80 GB."""
        n = 100_000
        rng = np.random.default_rng(0)
        pairs = neighbours.distinct_pairs(rng.integers(0, 500, 10_000), rng.integers(0, n, 10_000), (500, n))
        columns, entries = neighbours.best(pairs.T.tocsr(), pairs, 3)
        alone = np.flatnonzero(neighbours.sizes(pairs.T.tocsr()) == 0)
        assert len(alone) > n / 2
        assert (columns[alone] == -1).all()
        assert (entries[np.setdiff1d(np.arange(n), alone), 0] >= 1).all()


class TestSets:
    def test_a_pair_counts_once(self):
        made = neighbours.distinct_pairs(np.array([1, 0, 1, 1]), np.array([2, 0, 2, 1]), (2, 4))
        assert made.dtype == np.bool_
        assert made.toarray().tolist() == [[True, False, False, False], [False, True, True, False]]
        assert neighbours.sizes(made).tolist() == [1.0, 2.0]

    def test_more_repeats_than_a_byte_holds(self):
        made = neighbours.distinct_pairs(np.zeros(512, np.int32), np.zeros(512, np.int32), (1, 1))
        assert made.toarray().tolist() == [[True]]

    def test_histories_are_stretches_in_any_order_and_may_overlap(self):
        inputs = {"history": np.array([3, 1, 3, 0, 5]), "start": np.array([1, 0, 2, 3]), "stop": np.array([5, 3, 2, 4])}
        made = neighbours.read_items(inputs, 4)  # 5 is unknown
        assert [row.nonzero()[0].tolist() for row in made.toarray()] == [[0, 1, 3], [1, 3], [], [0]]

    def test_rarity(self):
        found = neighbours.rarity(np.array([0.0, 1.0, 3.0]))
        assert found.tolist() == pytest.approx([0, 1 / math.log(2), 1 / math.log(4)])
