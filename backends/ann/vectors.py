"""What the adapters share: checks at the door, and the reduction from inner product to cosine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backends.ann import Index
from datasets.errors import InputError

Floats = npt.NDArray[np.float32]

ORDINARY = (2.0**-8, 2.0**40)
"""Squared lengths of queries that are left as they are, at no cost."""


def checked_items(vectors: Floats) -> Floats:
    """Return the vectors to index as contiguous float32[n, d].

    Raises:
        InputError: there are none, they are not a table, or one is not finite.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise InputError(f"The vectors to index have shape {vectors.shape}; give at least one row and one column.")
    return _finite(vectors, "Item")


def checked_queries(index: Index, queries: Floats, k: int) -> Floats:
    """Return a batch of queries as contiguous float32[q, d], each of a length that libraries compute well with.

    Raises:
        InputError: k < 1, the width is not the index's, or a query is not finite.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    if k < 1:
        raise InputError(f"k is {k}; ask for at least one item.")
    if queries.ndim != 2 or queries.shape[1] != index.dim:
        raise InputError(f"The queries have shape {queries.shape}; give rows of {index.dim} columns, as were indexed.")
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.vecdot(queries, queries)
    if len(squares) == 1:  # two reductions cost more than the search of a small list does
        least = most = squares.item()
    else:
        least, most = squares.min(initial=1), squares.max(initial=1)
    if ORDINARY[0] <= least and most <= ORDINARY[1]:  # neither holds of NaN
        return queries
    return _rescaled(_finite(queries, "Query"))


def _rescaled(queries: Floats) -> Floats:
    """Give every query a largest component of 1 to 2, by a power of two, which rounds nothing and changes no ranking.

    Libraries compare what they compute from the inner product in single precision: hnswlib and USearch 1 minus it,
    which tells no two items apart where it is tiny, Annoy its share of a length whose square may be 0 or infinite.

    Args:
        queries: float32[q, d]; rows that are all zero stay as they are.
    """
    largest = np.abs(queries).max(axis=1, initial=0.0)
    shift = np.where(largest > 0, 1 - np.frexp(largest)[1], 0)
    return np.ldexp(queries, shift[:, None])


def library_seed(seed: int) -> int:
    """A seed as a library takes it, in 31 bits with room for one more: the same where it is below 2**31 - 1."""
    return seed % (2**31 - 1)


def items_on_sphere(items: Floats) -> Floats:
    """Map items x to the unit vectors [x, sqrt(M² - |x|²)] / M, M being the largest norm.

    With queries [q, 0] cosine and inner product then rank alike, and so does Euclidean distance.

    Args:
        items: float32[n, d].

    Returns:
        float32[n, d + 1].

    Source: Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean
    transformation for inner-product spaces", RecSys 2014, section 3.
    """
    exact = items.astype(np.float64)  # the difference of two nearly equal squares
    squares = np.einsum("nd,nd->n", exact, exact)
    largest = squares.max()
    if largest == 0.0:
        largest = 1.0
    last = np.sqrt(np.maximum(largest - squares, 0.0))
    return (np.column_stack([exact, last]) / np.sqrt(largest)).astype(np.float32)


def queries_on_sphere(queries: Floats) -> Floats:
    """Map queries q to [q, 0]: float32[q, d] -> float32[q, d + 1]; their length does not change a ranking."""
    padded = np.zeros((queries.shape[0], queries.shape[1] + 1), dtype=np.float32)
    padded[:, :-1] = queries
    return padded


def _finite(rows: Floats, what: str) -> Floats:
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise InputError(f"{what} {row} has {rows[row, column]} in column {column} of its vector; give finite vectors.")
    return rows
