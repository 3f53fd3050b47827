"""EASE against the closed form in plain NumPy, its own optimality, and by hand."""

import dataclasses
import tracemalloc

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neighbour_cases import Case, asked, cases, fitted, lists

from backends.classic import ease
from backends.contract import UnavailableError
from benchmarks.specs.ease import EASE
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=150)
regularizations = st.sampled_from([0.01, 1.0, 30.0, 500.0])


def dense(rows):
    """float64[n_users, n_items], 1 where a user has an item."""
    users, items = map(np.array, zip(*rows, strict=True))
    sets = np.zeros((users.max() + 1, items.max() + 1))
    sets[users, items] = 1
    return sets


def plainly(rows, regularization):
    sets = dense(rows)
    inverse = np.linalg.inv(sets.T @ sets + regularization * np.eye(sets.shape[1]))
    weights = inverse @ np.diag(1 / np.diag(inverse))
    return np.eye(len(inverse)) - weights


def weights(rows, regularization):
    return fitted("ease", EASE(regularization=regularization), rows)[1].weights


class TestWeights:
    @checked
    @given(cases(), regularizations)
    def test_they_are_the_oracles(self, case, regularization):
        found = weights(case.rows, regularization)
        assert found.dtype == np.float64
        assert found == pytest.approx(plainly(case.rows, regularization), abs=1e-9)
        assert not np.diag(found).any()

    @checked
    @given(cases(), regularizations)
    def test_no_derivative_is_left_off_the_diagonal(self, case, regularization):
        """Half the gradient of |X - X B|^2 + l |B|^2 is (G + l I) B - G, and the multipliers are its diagonal."""
        sets = dense(case.rows)
        gram = sets.T @ sets
        slope = (gram + regularization * np.eye(len(gram))) @ weights(case.rows, regularization) - gram
        assert slope - np.diag(np.diag(slope)) == pytest.approx(np.zeros_like(gram), abs=1e-9)

    @checked
    @given(cases(), regularizations, st.integers(0, 2**32))
    def test_no_other_weights_rebuild_the_sets_better(self, case, regularization, seed):
        sets, found = dense(case.rows), weights(case.rows, regularization)
        other = found + np.random.default_rng(seed).normal(0, 0.1, found.shape)
        np.fill_diagonal(other, 0)

        def objective(each):
            return np.sum((sets - sets @ each) ** 2) + regularization * np.sum(each**2)

        assert objective(found) <= objective(other) + 1e-9

    def test_by_hand(self):
        """X'X + I is [[2, 1], [1, 3]], its inverse [[3, -1], [-1, 2]] / 5."""
        assert weights([(0, 0), (0, 1), (1, 1)], 1.0) == pytest.approx(np.array([[0, 1 / 2], [1 / 3, 0]]))

    def test_a_larger_matrix_than_is_multiplied_at_once(self, monkeypatch):
        rng = np.random.default_rng(0)
        rows = list(zip(rng.integers(0, 30, 200).tolist(), rng.integers(0, 25, 200).tolist(), strict=True))
        monkeypatch.setattr(ease, "ROWS_AT_ONCE", 4)
        assert weights(rows, 2.0) == pytest.approx(plainly(rows, 2.0), abs=1e-9)


def scores(case, regularization):
    """What each query gives each item, -inf for what it may not list; or None where it knows nothing."""
    found = plainly(case.rows, regularization)
    for _, read in case.queries:
        known = sorted({item for item in read if item < len(found)})
        score = found[known].sum(axis=0)
        if case.filter_seen:
            score[known] = -np.inf
        yield score if known else None


@checked
@given(cases(), regularizations)
def test_lists_hold_the_largest_scores_best_first(case, regularization):
    spec = EASE(regularization=regularization, filter_seen=case.filter_seen)
    for found, score in zip(lists("ease", spec, case), scores(case, regularization), strict=True):
        if score is None:
            assert found == []
            continue
        best = np.sort(score[score > -np.inf])[::-1][: case.k]
        assert len(set(found)) == len(found) == len(best)
        assert score[found] == pytest.approx(best, abs=1e-9)


@checked
@given(cases())
def test_order_and_repeats_of_rows_and_histories_change_nothing(case):
    queries = tuple((user, [*read[::-1], *read]) for user, read in case.queries)
    again = dataclasses.replace(case, rows=(*case.rows[::-1], *case.rows), queries=queries)
    assert lists("ease", EASE(), again) == lists("ease", EASE(), case)


class TestByHand:
    ROWS = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (3, 3))

    @pytest.mark.parametrize(
        ("read", "filter_seen", "expected"),
        [
            ([0], True, [1, 2, 3]),  # 2 and 3 share nothing with 0: a score of 0 each, the smaller number first
            ([0], False, [1, 0, 2, 3]),
            ([2], False, [0, 1, 2, 3]),
            ([9], True, []),
            ([9, 0], True, [1, 2, 3]),
            ([], True, []),
        ],
    )
    def test_lists(self, read, filter_seen, expected):
        case = Case(self.ROWS, ((-1, read),), filter_seen=filter_seen)
        assert lists("ease", EASE(regularization=1.0, filter_seen=filter_seen), case) == [expected]

    def test_a_negative_score_is_listed_last(self):
        """0 and 1 are had with 2 each, and never together."""
        case = Case(((0, 0), (0, 2), (1, 1), (1, 2), (2, 3)), ((-1, [0]),))
        assert lists("ease", EASE(regularization=1.0), case) == [[2, 3, 1]]

    def test_before_training_nothing_is_recommended(self):
        state = ease.init(EASE(), {}, "cpu", "eager")
        assert ease.recommend(state, asked([(0, [1]), (1, [])]), 2).tolist() == [[-1, -1], [-1, -1]]

    def test_what_is_handed_over_is_not_written_to(self):
        adapter, state = fitted("ease", EASE(), self.ROWS)
        inputs = asked([(0, [1, 1, 0]), (1, [])])
        before = {name: values.copy() for name, values in inputs.items()}
        first = adapter.recommend(state, inputs, 3)
        assert all(np.array_equal(inputs[name], values) for name, values in before.items())
        assert np.array_equal(adapter.recommend(state, inputs, 3), first)

    @pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread is all there is")
    def test_the_number_of_threads_changes_nothing(self):
        rng = np.random.default_rng(0)
        rows = np.stack([rng.integers(0, 50, 600), rng.integers(0, 40, 600)], 1).tolist()
        adapter, state = fitted("ease", EASE(), rows)
        queries = asked([(-1, rng.integers(0, 40, 9).tolist()) for _ in range(30)])
        found = []
        for threads in (1, 2):
            numba.set_num_threads(threads)
            found.append(adapter.recommend(state, queries, 10))
        numba.set_num_threads(1)
        assert np.array_equal(*found)


class TestMemory:
    def test_what_does_not_fit_is_said_before_it_is_taken(self):
        expected = r"500,001 items take 2,000\.0 GB of memory, and [\d,.]+ GB are free; .* choose item-cf"
        with pytest.raises(UnavailableError, match=expected):
            weights([(0, 0), (1, 500_000)], 1.0)

    def test_what_fits_takes_one_matrix(self):
        n_items = 2_000
        rng = np.random.default_rng(0)
        rows = [*zip(rng.integers(0, 99, 2_000).tolist(), range(n_items), strict=True)]
        weights(rows, 1.0)  # compiled, imported
        tracemalloc.start()
        weights(rows, 1.0)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert 8 * n_items**2 < peak < 1.2 * 8 * n_items**2

    def test_too_small_a_regularization_is_named(self):
        with pytest.raises(InputError, match=r"ease: regularization is 1e-30, with which .* give a larger one"):
            weights([(0, 0), (0, 1)], 1e-30)
