"""The best few of many, kept in two arrays as a binary heap with the worst of them at its root; for compiled loops.

A larger score is better, and of equal scores the smaller number is. An empty heap holds -inf and EMPTY everywhere. A
score of NaN is never kept.
"""

from __future__ import annotations

import numpy as np
from numba import njit

EMPTY = np.int32(np.iinfo(np.int32).max)  # worse than every number of the same score


@njit(cache=True, nogil=True)
def offer(scores, numbers, score, number):  # type: ignore[no-untyped-def]
    """Put a number into the place of the worst that is kept, if it is better."""
    if score > scores[0] or (score == scores[0] and number < numbers[0]):
        _replace_root(scores, numbers, len(numbers), score, number)


@njit(cache=True, nogil=True)
def sort(scores, numbers):  # type: ignore[no-untyped-def]
    """Order what is kept, best first, and write -1 where there is nothing."""
    # Heap sort: the worst moves to the end until the best stands first.
    for last in range(len(numbers) - 1, 0, -1):
        score, number = scores[last], numbers[last]
        scores[last], numbers[last] = scores[0], numbers[0]
        _replace_root(scores, numbers, last, score, number)
    for at in range(len(numbers)):
        if numbers[at] == EMPTY:
            numbers[at] = -1


@njit(cache=True, nogil=True)
def _replace_root(scores, numbers, size, score, number):  # type: ignore[no-untyped-def]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        right = child + 1
        if right < size and _worse(scores[right], numbers[right], scores[child], numbers[child]):
            child = right
        if not _worse(scores[child], numbers[child], score, number):
            break
        scores[at], numbers[at] = scores[child], numbers[child]
        at = child
    scores[at], numbers[at] = score, number


@njit(cache=True, nogil=True)
def _worse(score, number, other_score, other_number):  # type: ignore[no-untyped-def]
    return score < other_score or (score == other_score and number > other_number)
