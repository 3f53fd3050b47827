"""What item-based and user-based neighbours share: products of sparse matrices, of each row the best k entries alone.

With R the training rows (users x items) and H what queries have read (queries x items), both 0 or 1, W a diagonal of
weights, and similarity sum_m w_m / sqrt(n_a n_b) over what two sets of n_a and n_b members have in common:

- item-based: S = the best of each row of R' W R, normalised; lists = the best of each row of H S;
- user-based: N = the best of each row of H W R', normalised; lists = the best of each row of N R.

A product is never there as a whole: each thread adds up one row of it at a time, in the order of the left matrix's
columns, and keeps the best. So lists do not depend on the number of threads, which is Numba's.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse
from numba import get_num_threads, njit, prange

from backends import heap, stretches
from backends.contract import Arrays

Integers: TypeAlias = npt.NDArray[np.integer[Any]]
Floats: TypeAlias = npt.NDArray[np.float64]
Matrix: TypeAlias = scipy.sparse.csr_array
Sizes: TypeAlias = tuple[Floats, Floats]


def distinct_pairs(row: Integers, column: Integers, shape: tuple[int, int]) -> Matrix:
    """bool[shape], True where there is a pair, however often."""
    return scipy.sparse.csr_array((np.ones(len(row), np.bool_), (row, column)), shape)


def training_sets(batches: Arrays) -> Matrix:
    """bool[n_users, n_items], who has which item; the items end with the last that anybody has.

    Args:
        batches: one step of user, item: int32[1, n]; every user has a row.
    """
    user, item = batches["user"][0], batches["item"][0]
    return distinct_pairs(user, item, (int(user.max()) + 1, int(item.max()) + 1))


def read_items(inputs: Arrays, n_items: int) -> Matrix:
    """bool[q, n_items], the items of each query's history; those beyond what training knows are left out."""
    indptr, item = stretches.joined(inputs["history"], inputs["start"], inputs["stop"])
    n_queries = len(inputs["start"])
    query = np.repeat(np.arange(n_queries), np.diff(indptr))
    known = item < n_items
    return distinct_pairs(query[known], item[known], (n_queries, n_items))


def sizes(sets: Matrix) -> Floats:
    """float64[rows], how many members each set has."""
    return np.diff(sets.indptr).astype(np.float64)


def rarity(counts: Floats) -> Floats:
    """1 / log(1 + n), what something that is counted n times says of those who share it; nothing where n is 0."""
    return np.divide(1.0, np.log1p(counts), out=np.zeros_like(counts), where=counts > 0)


def weighted(sets: Matrix, weight: Floats) -> Matrix:
    """float64: each member with its weight, float64[columns], in place of True."""
    return scipy.sparse.csr_array((weight[sets.indices], sets.indices, sets.indptr), sets.shape)


def as_matrix(columns: npt.NDArray[np.int32], values: Floats, width: int) -> Matrix:
    """float64[rows, width] with these entries, [rows, k] as `best` gives them; -1 is none."""
    there = columns >= 0
    indptr = np.append(0, np.cumsum(there.sum(axis=1)))
    return scipy.sparse.csr_array((values[there], columns[there], indptr), (len(columns), width))


def best(
    left: Matrix, right: Matrix, k: int, *, excluded: Matrix | None = None, normalised_by: Sizes | None = None
) -> tuple[npt.NDArray[np.int32], Floats]:
    """The k largest entries of each row of left @ right, best first, of equal ones the smaller column.

    Args:
        left: float64 or bool[rows, m], nowhere negative.
        right: float64 or bool[m, columns], nowhere negative.
        k: entries wanted of a row, >= 1.
        excluded: bool[rows, columns], entries that are not wanted.
        normalised_by: float64[rows] and float64[columns], if each entry is to be divided by the root of their product.

    Returns:
        int32[rows, k], the columns, and float64[rows, k], their entries; only what is above 0 is named, the rest is -1
        and -inf.
    """
    nothing = np.zeros(0)
    product = _Product(
        *places(left),
        left.data.astype(np.float64),
        *places(right),
        nothing if right.dtype == np.bool_ else right.data,
        *places(scipy.sparse.csr_array((left.shape[0], 0)) if excluded is None else excluded),
        *((nothing, nothing) if normalised_by is None else normalised_by),
    )
    return _best(product, k, np.zeros((get_num_threads(), right.shape[1])))


class _Product(NamedTuple):
    """What the compiled loops read.

    No right values: all are 1, which takes half the time. No sizes: nothing is normalised.
    """

    left_indptr: npt.NDArray[np.int64]
    left_columns: npt.NDArray[np.uint32]
    left_values: Floats
    right_indptr: npt.NDArray[np.int64]
    right_columns: npt.NDArray[np.uint32]
    right_values: Floats
    excluded_indptr: npt.NDArray[np.int64]
    excluded_columns: npt.NDArray[np.uint32]
    row_sizes: Floats
    column_sizes: Floats


def places(matrix: Matrix) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Offsets and columns, of one type each; columns without a sign need no test whether they count from the end."""
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.uint32)


@njit(cache=True, parallel=True)
def _best(product, k, sums_of_threads):  # type: ignore[no-untyped-def]
    n_threads, width = sums_of_threads.shape
    n_rows = len(product.left_indptr) - 1
    columns = np.full((n_rows, k), heap.EMPTY)
    entries = np.full((n_rows, k), -np.inf)
    for thread in prange(n_threads):
        sums = sums_of_threads[thread]  # all 0 again after each row
        every_column = np.arange(width).astype(np.uint32)
        touched = np.empty(width, np.uint32)
        for row in range(thread, n_rows, n_threads):  # dealt out in turn: long rows often stand together
            few = _n_terms(row, product) < width
            n_touched = _add_row(row, product, sums, few, touched)
            for at in range(product.excluded_indptr[row], product.excluded_indptr[row + 1]):
                sums[product.excluded_columns[at]] = 0
            for column in touched[:n_touched] if few else every_column:
                if sums[column] > 0:
                    entry = sums[column]
                    sums[column] = 0
                    if len(product.row_sizes):
                        entry /= np.sqrt(product.row_sizes[row] * product.column_sizes[column])
                    heap.offer(entries[row], columns[row], entry, np.int32(column))
            heap.sort(entries[row], columns[row])
    return columns, entries


@njit(cache=True)
def _n_terms(row, product):  # type: ignore[no-untyped-def]
    """How many products of two values a row sums up."""
    n_terms = 0
    for at in range(product.left_indptr[row], product.left_indptr[row + 1]):
        inner = product.left_columns[at]
        n_terms += product.right_indptr[inner + 1] - product.right_indptr[inner]
    return n_terms


@njit(cache=True)
def _add_row(row, product, sums, few, touched):  # type: ignore[no-untyped-def]
    """Add a row of the product to `sums`; where there are few terms, note in `touched` where, and return how many."""
    n_touched = 0
    for at in range(product.left_indptr[row], product.left_indptr[row + 1]):
        value, inner = product.left_values[at], product.left_columns[at]
        for place in range(product.right_indptr[inner], product.right_indptr[inner + 1]):
            column = product.right_columns[place]
            if few and sums[column] == 0:
                touched[n_touched] = column
                n_touched += 1
            sums[column] += value * product.right_values[place] if len(product.right_values) else value
    return n_touched
