"""Two one-sided tests against SciPy's, and how often they err."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.agreement.equivalence import LEVEL, MOST_SEEDS, equivalence

MARGIN = 0.005
checked = settings(derandomize=True, deadline=None, max_examples=150)
differences = st.lists(st.integers(-120, 120).map(lambda n: n / 10_000), min_size=3, max_size=12).filter(
    lambda drawn: np.std(drawn) > 1e-9
)


@checked
@given(differences)
def test_it_is_two_one_sided_tests(drawn):
    above = stats.ttest_1samp(drawn, -MARGIN, alternative="greater").pvalue
    below = stats.ttest_1samp(drawn, MARGIN, alternative="less").pvalue
    found = equivalence(drawn, MARGIN)
    assert (found.verdict == "same") == (max(above, below) < LEVEL)
    assert (found.verdict == "different") == (max(above, below) > 1 - LEVEL)
    low, high = stats.t.interval(1 - 2 * LEVEL, len(drawn) - 1, np.mean(drawn), stats.sem(drawn))
    assert (found.low, found.high) == pytest.approx((low, high))


@checked
@given(differences, st.integers(2, 28))
def test_one_of_many_pairs_differs_only_if_it_does_so_clearly(drawn, n_compared):
    alone, among = equivalence(drawn, MARGIN), equivalence(drawn, MARGIN, n_compared)
    assert (alone.verdict == "same") == (among.verdict == "same")
    assert alone.verdict == "different" or among.verdict != "different"


@checked
@given(differences)
def test_as_many_more_seeds_of_the_same_spread_decide_and_one_less_does_not(drawn):
    found = equivalence(drawn, MARGIN)
    assert (found.n_more > 0) == (found.verdict == "undecided")
    if not 0 < found.n_more < MOST_SEEDS:
        return

    def with_more(n):
        """So many values of the very mean and standard deviation that were drawn."""
        spread = np.resize([-1.0, 1.0], n) if n % 2 == 0 else np.append(np.resize([-1.0, 1.0], n - 1), 0.0)
        return np.mean(drawn) + spread / np.std(spread, ddof=1) * np.std(drawn, ddof=1)

    n = len(drawn) + found.n_more
    assert equivalence(with_more(n), MARGIN).verdict != "undecided"
    assert found.n_more == 1 or equivalence(with_more(n - 1), MARGIN).verdict == "undecided"


@pytest.mark.parametrize("difference", [0.0, 0.5])
def test_one_or_two_seeds_decide_nothing(difference):
    for n in (1, 2):
        found = equivalence([difference] * n, MARGIN)
        assert (found.verdict, found.n_more) == ("undecided", 3 - n)


def test_no_difference_in_any_seed_is_the_same():
    assert equivalence([0.0] * 3, MARGIN).verdict == "same"
    assert equivalence([0.01] * 3, MARGIN).verdict == "different"


@pytest.mark.parametrize(("mean", "verdict"), [(MARGIN, "same"), (MARGIN, "different"), (-MARGIN, "same")])
def test_at_the_margin_it_errs_no_more_often_than_it_says(mean, verdict):
    rng = np.random.Generator(np.random.Philox(7))
    wrong = np.mean([equivalence(rng.normal(mean, 0.002, 5), MARGIN).verdict == verdict for _ in range(2000)])
    assert wrong < LEVEL + 3 * (LEVEL * (1 - LEVEL) / 2000) ** 0.5


def test_it_finds_what_is_the_same_where_the_seeds_suffice():
    rng = np.random.Generator(np.random.Philox(8))
    found = np.mean([equivalence(rng.normal(0, 0.002, 5), MARGIN).verdict == "same" for _ in range(500)])
    assert found > 0.9
