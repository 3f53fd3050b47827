"""Stretches of one array, one after the other; compiled, so imported where it is called."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def joined(values, start, stop):  # type: ignore[no-untyped-def]
    """values[start[i]:stop[i]] for all i, one after the other.

    Args:
        values: array[m] of any dtype.
        start: int64[s], in any order.
        stop: int64[s], >= start; stretches may overlap, and may be empty.

    Returns:
        int64[s + 1], where each stretch begins in what follows, and array[sum of their lengths] of the same dtype.
    """
    indptr = np.zeros(len(start) + 1, np.int64)
    for i in range(len(start)):
        indptr[i + 1] = indptr[i] + stop[i] - start[i]
    taken = np.empty(indptr[-1], values.dtype)
    for i in range(len(start)):
        taken[indptr[i] : indptr[i + 1]] = values[start[i] : stop[i]]
    return indptr, taken
