"""Two one-sided tests: are two backends' figures, paired by seed, the same within a stated margin?

Source: Schuirmann, A comparison of the two one-sided tests procedure and the power approach, Journal of
Pharmacokinetics and Biopharmaceutics 15, 1987; as intervals: Westlake 1981.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05
"""The chance to call figures the same that are a margin apart, and to call figures different that are not."""
FEWEST_SEEDS = 3
"""Of two seeds whose figures move in steps, one hit of some hundred users each, both differences are often the same."""
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Equivalence:
    """What the seeds say of the mean difference of two backends.

    Attributes:
        verdict: "same" if all of the interval lies within the margin, "different" if all of it lies beyond, else
            "undecided".
        mean: of the differences.
        low, high: the interval of 1 - 2 LEVEL that the two one-sided tests amount to; infinite for too few seeds.
        n_more: seeds that are lacking for a decision, if mean and spread stay as they are; 0 if it is decided.
    """

    verdict: str
    mean: float
    low: float
    high: float
    n_more: int


def equivalence(differences: Sequence[float], margin: float, n_compared: int = 1) -> Equivalence:
    """Judges the differences of two backends, one a seed.

    Args:
        differences: at least one; what is the same to within rounding is expected to give zeros.
        margin: the largest mean difference that counts as the same, > 0.
        n_compared: of so many pairs this is one: where any pair can differ, each has to do so the more clearly.
            That all pairs are the same needs no such correction (Berger, Technometrics 1982).
    """
    n, mean = len(differences), float(np.mean(differences))
    if n < FEWEST_SEEDS:
        return Equivalence("undecided", mean, -np.inf, np.inf, FEWEST_SEEDS - n)
    error = float(np.std(differences, ddof=1)) / n**0.5
    half = error * _quantile(n, LEVEL)
    if max(mean + half, half - mean) < margin:
        return Equivalence("same", mean, mean - half, mean + half, 0)
    if abs(mean) - error * _quantile(n, LEVEL / n_compared) > margin:
        return Equivalence("different", mean, mean - half, mean + half, 0)
    level = LEVEL if abs(mean) < margin else LEVEL / n_compared
    return Equivalence("undecided", mean, mean - half, mean + half, _n_more(mean, error * n**0.5, margin, n, level))


def _quantile(n: int, level: float) -> float:
    return float(stats.t.ppf(1 - level, n - 1))


def _n_more(mean: float, deviation: float, margin: float, n: int, level: float) -> int:
    """Seeds until the interval has shrunk to the distance from the mean to the margin."""
    sizes = np.arange(n + 1, MOST_SEEDS + 1)
    enough = stats.t.ppf(1 - level, sizes - 1) * deviation / np.sqrt(sizes) < abs(margin - abs(mean))
    return int(sizes[np.argmax(enough)]) - n if enough.any() else MOST_SEEDS
