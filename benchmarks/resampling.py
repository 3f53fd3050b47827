"""The bootstrap over queries, of one model's metric or of the difference between two models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS_AT_ONCE = 2_000_000  # resampled queries in memory at a time: about 50 MB


def resampled(values: Floats, weights: Floats, seed: int, n_resamples: int) -> Floats:
    """Ratios of sums over queries that are drawn with replacement, the same queries for all columns.

    Args:
        values: float64[q, n], numerators of n ratios.
        weights: float64[q, n], their denominators.
        seed: seed of the draws, >= 0.
        n_resamples: bootstrap samples, >= 1.

    Returns:
        float64[n_resamples, n].

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    n = len(values)
    generator = np.random.Generator(np.random.Philox(seed))
    ratios = np.empty((n_resamples, values.shape[1]))
    step = max(1, DRAWS_AT_ONCE // n)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        draws = generator.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        counts = np.bincount(draws.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        ratios[start : start + size] = (counts @ values) / (counts @ weights)
    return ratios


def interval(ratios: Floats) -> tuple[Floats, Floats]:
    """The percentile 95 % interval of each column: low and high, float64[n] each."""
    low, high = np.quantile(ratios, [0.025, 0.975], axis=0)
    return low, high
