"""What may be said after some pairs: how often it is wrong, how often it finds what is there, and what it says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.gate import sequential
from benchmarks.gate.sequential import (
    IMPROVED,
    LEVEL,
    MISSED,
    NO_WORSE,
    REGRESSED,
    SAME,
    UNDECIDED,
    Judgement,
    Plan,
    judge,
)

PLAN = Plan(most=48, n_figures=12, margin=0.1)
N_GATES = 2_000


def looked(mean, deviation, n_gates=N_GATES, plan=PLAN, seed=0):
    """The verdicts of simulated gates, str[gates, cells], each by plain formulas: looks until one is decided."""
    rng = np.random.default_rng(seed)
    values = rng.normal(mean, deviation, (n_gates, plan.n_figures, plan.most))
    verdicts = np.full(values.shape[:2], UNDECIDED, "U12")
    for n in plan.looks:
        seen = values[..., :n]
        mean, error = seen.mean(-1), seen.std(-1, ddof=1) / math.sqrt(n)
        half = stats.t.ppf(1 - 0.01 / (2 * plan.n_figures * len(plan.looks)), n - 1) * error
        floor = mean - stats.t.ppf(1 - 0.02 / len(plan.looks), n - 1) * error
        said = np.select(
            [mean - half > 0, floor > math.log(1 - plan.margin), mean + half < 0],
            [IMPROVED, NO_WORSE, REGRESSED],
            UNDECIDED,
        )
        verdicts = np.where(verdicts == UNDECIDED, said, verdicts)
    return verdicts


@given(
    st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=20).filter(lambda values: np.std(values) > 1e-9),
    st.integers(1, 30),
    st.sampled_from([0.02, 0.1, 0.3]),
)
def test_it_is_students_interval_over_all_looks_and_figures(values, n_figures, margin):
    plan = Plan(16, n_figures, margin)
    made = judge(values, plan)
    low, high = stats.t.interval(
        1 - LEVEL / (n_figures * len(plan.looks)), len(values) - 1, np.mean(values), stats.sem(values)
    )
    floor, _ = stats.t.interval(1 - 2 * MISSED / len(plan.looks), len(values) - 1, np.mean(values), stats.sem(values))
    is_fine = floor > math.log(1 - margin)
    expected = IMPROVED if low > 0 else NO_WORSE if is_fine else REGRESSED if high < 0 else UNDECIDED
    below = floor if expected == NO_WORSE else low
    assert (made.low, made.high) == pytest.approx((math.exp(max(below, -50)), math.exp(min(high, 50))))
    assert (made.verdict, made.n) == (expected, len(values))
    assert (made.n_more > 0) == (expected == UNDECIDED)


def test_of_two_alike_hardly_any_gate_says_that_they_differ():
    alarms = np.isin(looked(0.0, 0.05), [REGRESSED, IMPROVED]).any(1).sum()
    assert stats.binomtest(int(alarms), N_GATES, LEVEL, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize(("slower", "power"), [(0.1, 0.95), (0.2, 0.99)])
def test_a_slow_down_of_the_margin_is_found(slower, power):
    assert (looked(math.log(1 - slower), 0.05) == REGRESSED).mean() > power


def test_what_is_worse_by_the_margin_is_hardly_ever_called_no_worse():
    missed = (looked(math.log(0.9), 0.05) == NO_WORSE).sum()
    assert stats.binomtest(int(missed), N_GATES * PLAN.n_figures, MISSED, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize(("deviation", "most"), [(0.03, 6), (0.05, 12)])
def test_of_two_alike_most_are_held_to_be_no_worse_with_few_pairs(deviation, most):
    assert (looked(0.0, deviation, plan=Plan(most, 20, 0.1)) == NO_WORSE).mean() > 0.9


def test_what_is_the_same_in_every_pair_is_called_that():
    assert judge([0.0, 0.0], PLAN) == Judgement(SAME, 1.0, 1.0, 1.0, 2)
    assert judge([0.0, 1e-9], PLAN).verdict != SAME


def test_without_a_margin_whatever_is_certain_is_too_much():
    values = [math.log(0.99)] * 4
    assert (judge(values, PLAN).verdict, judge(values, PLAN, margins=0.0).verdict) == (NO_WORSE, REGRESSED)


@pytest.mark.parametrize(("value", "verdict"), [(0.0, SAME), (-1e-6, REGRESSED), (1e-6, IMPROVED)])
def test_what_is_settled_is_decided_by_its_sign(value, verdict):
    assert sequential.settled(value).verdict == verdict


def test_worse_by_less_than_the_margin_is_no_regression_where_that_is_certain():
    values = [math.log(0.97) + each for each in (0.001, -0.001, 0.002, -0.002)] * 4
    made = judge(values, PLAN)
    assert (made.verdict, made.high < 1) == (NO_WORSE, True)


def test_looks_end_at_the_cap():
    assert Plan(10, 1, 0.1).looks == (4, 6, 8, 10)
    assert Plan(2, 1, 0.1).looks == (2,)
    assert Plan(48, 1, 0.1).looks == sequential.LOOKS


def test_as_many_pairs_as_it_says_are_lacking_are_enough():
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.2, 6)
    made = judge(values, PLAN)
    assert made.verdict == UNDECIDED
    n = made.n + made.n_more
    like = (rng.permutation(stats.norm.ppf((np.arange(n) + 0.5) / n))) * np.std(values, ddof=1)
    like = (like - like.mean()) / like.std(ddof=1) * np.std(values, ddof=1) + np.mean(values)
    assert judge(like, PLAN).verdict != UNDECIDED
