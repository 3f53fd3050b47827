"""Median and spread of samples, ratios of samples taken by turns, and the interval of a mean over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Spread:
    """The median of n samples with the smallest and the largest."""

    median: float
    low: float
    high: float
    n: int


def spread_of(samples: Sequence[float]) -> Spread | None:
    """None where there is nothing to take the median of."""
    if not samples:
        return None
    return Spread(statistics.median(samples), min(samples), max(samples), len(samples))


def paired_ratio(samples: Sequence[float], base: Sequence[float]) -> Spread | None:
    """The spread of samples[i] / base[i]: the i-th windows of one group were timed next to each other."""
    # A run that was cut short has fewer windows; what has no neighbour in time is not compared.
    return spread_of([ratio for a, b in zip(samples, base, strict=False) if b > 0 and math.isfinite(ratio := a / b)])


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the mean of two or more values, by Student's t."""
    mean = statistics.fmean(values)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    return mean - half, mean + half
