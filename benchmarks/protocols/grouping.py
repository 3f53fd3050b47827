"""Rows brought together by group, in time linear in their number; compiled, so imported where it is called."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def group_rows(group, n_groups):  # type: ignore[no-untyped-def]
    """Order rows by their group, those of one group as they were (a counting sort).

    Args:
        group: int32[n], 0 to n_groups - 1, or -1 for a row that belongs to none and is left out.
        n_groups: how many groups there are.

    Returns:
        int64[m], the rows, and int64[n_groups + 1]; those of group g are order[indptr[g]:indptr[g + 1]].
    """
    indptr = np.zeros(n_groups + 1, np.int64)
    for of_row in group:
        if of_row >= 0:
            indptr[of_row + 1] += 1
    for before in range(n_groups):
        indptr[before + 1] += indptr[before]
    free = indptr[:-1].copy()
    order = np.empty(indptr[-1], np.int64)
    for row in range(len(group)):
        if group[row] >= 0:
            order[free[group[row]]] = row
            free[group[row]] += 1
    return order, indptr


@njit(cache=True)
def sort_by_time(order, indptr, timestamp):  # type: ignore[no-untyped-def]
    """Order the rows of each group by time, those of equal time as they were; `order` is changed in place."""
    for group in range(len(indptr) - 1):
        rows = order[indptr[group] : indptr[group + 1]]
        times = timestamp[rows]
        for place in range(1, len(rows)):
            if times[place] < times[place - 1]:
                rows[:] = rows[np.argsort(times, kind="mergesort")]
                break


@njit(cache=True)
def sort_each(values, indptr):  # type: ignore[no-untyped-def]
    """Sort values[indptr[g]:indptr[g + 1]] of every group, in place."""
    for group in range(len(indptr) - 1):
        values[indptr[group] : indptr[group + 1]].sort()
