"""Median and spread of samples, and ratios of samples taken by turns."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


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
