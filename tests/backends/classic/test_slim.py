"""SLIM against scikit-learn's elastic net, item by item, and by hand."""

import dataclasses
import warnings

import numba
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from neighbour_cases import Case, asked, cases, fitted, lists, ranked
from sklearn.linear_model import ElasticNet

from backends.classic import slim
from benchmarks.specs.slim import SLIM

checked = settings(derandomize=True, deadline=None, max_examples=25)
penalties = st.tuples(st.sampled_from([0.3, 1.0, 2.5]), st.sampled_from([0.5, 1.0, 20.0]))


def dense(rows):
    """float64[n_users, n_items], 1 where a user has an item."""
    users, items = map(np.array, zip(*rows, strict=True))
    sets = np.zeros((users.max() + 1, items.max() + 1))
    sets[users, items] = 1
    return sets


def plainly(sets, l1, l2):
    """Column by column, what scikit-learn finds where the item itself may not count."""
    found = np.zeros((sets.shape[1], sets.shape[1]))
    alpha, share = (l1 + l2) / len(sets), l1 / (l1 + l2)
    for item in range(sets.shape[1]):
        others = sets.copy()
        others[:, item] = 0
        model = ElasticNet(alpha=alpha, l1_ratio=share, positive=True, fit_intercept=False, tol=1e-12, max_iter=20_000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a penalty of 0 converges slowly
            found[:, item] = model.fit(others, sets[:, item]).coef_
    return found


def exactly(sets, l1, l2):
    shared = scipy.sparse.csr_array(sets.T @ sets)
    return slim.fitted(shared, l1, l2, tolerance=1e-12, most_passes=100_000)


def made(n_users, n_items, share, seed=0):
    """Random sets with some items in common more often than by chance."""
    rng = np.random.default_rng(seed)
    likes = rng.random((n_users, 3)) @ rng.random((3, n_items))
    return (likes > np.quantile(likes, 1 - share)).astype(float) * (rng.random((n_users, n_items)) < 0.8)


class TestWeights:
    @checked
    @given(cases(), penalties)
    def test_they_are_scikit_learns(self, case, penalties):
        sets = dense(case.rows)
        assert exactly(sets, *penalties).toarray() == pytest.approx(plainly(sets, *penalties), abs=1e-6)

    @pytest.mark.parametrize(("l1", "l2"), [(0.5, 0.5), (2.0, 10.0), (0.0, 5.0)])
    def test_of_more_items(self, l1, l2):
        sets = made(80, 30, 0.4)
        expected = plainly(sets, l1, l2)
        assert exactly(sets, l1, l2).toarray() == pytest.approx(expected, abs=1e-6)
        assert (expected > 0.01).sum() > 30

    def test_as_far_as_a_run_goes(self):
        sets = made(200, 60, 0.3)
        rough = slim.fitted(scipy.sparse.csr_array(sets.T @ sets), 1.0, 1.0)
        assert rough.toarray() == pytest.approx(exactly(sets, 1.0, 1.0).toarray(), abs=0.005)

    def test_by_hand(self):
        """Users 0 and 1 have items 0 and 1, user 2 item 1 alone: W[i, j] = (2 - l1) / (n_i + l2)."""
        _, state = fitted("slim", SLIM(l1=0.5, l2=1.0), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1)])
        assert state.weights.toarray() == pytest.approx(np.array([[0, 1.5 / 3], [1.5 / 4, 0]]))

    def test_what_weighs_nothing_is_not_kept(self):
        _, state = fitted("slim", SLIM(l1=1.0), [(0, 0), (0, 1), (1, 2)])  # no more than one user shares anything
        assert (state.weights.nnz, state.weights.shape) == (0, (3, 3))

    def test_the_matrix_is_not_written_to(self):
        sets = made(40, 20, 0.4)
        shared = scipy.sparse.csr_array(sets.T @ sets)
        before = shared.copy()
        first = slim.fitted(shared, 1.0, 1.0)
        assert (shared != before).nnz == 0
        assert np.array_equal(shared.indices, before.indices)
        assert (slim.fitted(shared, 1.0, 1.0) != first).nnz == 0

    @pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread is all there is")
    def test_the_number_of_threads_changes_nothing(self):
        sets, found = made(80, 30, 0.4), []
        for threads in (1, 2):
            numba.set_num_threads(threads)
            found.append(slim.fitted(scipy.sparse.csr_array(sets.T @ sets), 0.5, 1.0))
        numba.set_num_threads(1)
        assert (found[0] != found[1]).nnz == 0


@checked
@given(cases(), penalties)
def test_lists_are_sums_of_weights(case, penalties):
    spec = SLIM(l1=penalties[0], l2=penalties[1], filter_seen=case.filter_seen)
    weights = fitted("slim", spec, case.rows)[1].weights.toarray()
    expected = []
    for _, read in case.queries:
        score = {}
        for item in sorted(set(read)):
            for other in range(len(weights)) if item < len(weights) else ():
                score[other] = score.get(other, 0.0) + weights[item, other]
        seen = set(read) if case.filter_seen else set()
        expected.append(ranked({item: value for item, value in score.items() if item not in seen})[: case.k])
    assert lists("slim", spec, case) == expected


@checked
@given(cases())
def test_order_and_repeats_of_rows_and_histories_change_nothing(case):
    queries = tuple((user, [*read[::-1], *read]) for user, read in case.queries)
    again = dataclasses.replace(case, rows=(*case.rows[::-1], *case.rows), queries=queries)
    spec = SLIM(l1=0.1, l2=1.0)
    assert lists("slim", spec, again) == lists("slim", spec, case)


class TestByHand:
    ROWS = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 2), (3, 3))

    @pytest.mark.parametrize(("read", "expected"), [([0], [1]), ([1], [0, 2]), ([3], []), ([9], []), ([], [])])
    def test_lists(self, read, expected):
        assert lists("slim", SLIM(l1=0.1, l2=1.0), Case(self.ROWS, ((-1, read),))) == [expected]

    def test_before_training_nothing_is_recommended(self):
        state = slim.init(SLIM(), {}, "cpu", "eager")
        assert slim.recommend(state, asked([(0, [1]), (1, [])]), 2).tolist() == [[-1, -1], [-1, -1]]
