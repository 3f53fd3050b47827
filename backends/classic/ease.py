"""EASE: one inversion of the items' Gram matrix, and lists by sums of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import psutil
from numba import njit, prange
from scipy.linalg import lapack

from backends import heap
from backends.classic import neighbours
from backends.contract import Arrays, UnavailableError
from datasets.errors import InputError

if TYPE_CHECKING:
    from benchmarks.specs.ease import EASE

ROWS_AT_ONCE = 1024  # of the Gram matrix: a product of sparse matrices is sparse, and takes more room than it holds


@dataclass
class State:
    """The spec, and float64[n_items, n_items]: in each row the weights of one item of a history for every other."""

    spec: EASE
    weights: neighbours.Floats


def init(spec: EASE, parameters: Arrays, device: str, mode: str) -> State:  # noqa: ARG001 - the contract's arguments
    return State(spec, np.zeros((0, 0)))


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    """See the contract.

    Raises:
        UnavailableError: if the weights do not fit into the memory that is free.
        InputError: if the regularization is too small.
    """
    sets = neighbours.training_sets(batches).astype(np.float64)
    _require_room(sets.shape[1])
    weights = _inverted(_gram(sets), state.spec.regularization)
    _to_weights(weights)
    return State(state.spec, weights), np.zeros(0, np.float32)


def recommend(state: State, inputs: Arrays, k: int) -> npt.NDArray[np.int32]:
    """See the contract; a history of which training knows nothing gets an empty list."""
    read = neighbours.read_items(inputs, len(state.weights))
    return _best(*neighbours.places(read), state.weights, k, state.spec.filter_seen)


def sync(state: State) -> None:
    """Nothing is queued."""


def _require_room(n_items: int) -> None:
    needed, free = 8 * n_items**2, psutil.virtual_memory().available
    if needed > free:
        raise UnavailableError(
            f"EASE has a weight for every two items: {n_items:,} items take {needed / 1e9:,.1f} GB of memory, and "
            f"{free / 1e9:,.1f} GB are free; free some, or choose item-cf, which keeps a few neighbours of each"
        )


def _gram(sets: neighbours.Matrix) -> neighbours.Floats:
    """float64[n_items, n_items], how many users any two items share."""
    users, n_items = sets.T.tocsr(), sets.shape[1]
    shared = np.empty((n_items, n_items))
    for first in range(0, n_items, ROWS_AT_ONCE):
        (users[first : first + ROWS_AT_ONCE] @ sets).toarray(out=shared[first : first + ROWS_AT_ONCE])
    return shared


def _inverted(gram: neighbours.Floats, regularization: float) -> neighbours.Floats:
    """The upper triangle of P, the inverse of a Gram matrix with a regularization, in the matrix's place."""
    gram[np.diag_indices_from(gram)] += regularization
    triangle, singular = lapack.dpotrf(gram.T, lower=True, overwrite_a=True)  # rows are LAPACK's columns
    if singular:
        raise InputError(
            f"ease: regularization is {regularization:g}, with which the items' Gram matrix has no inverse in double "
            "precision; give a larger one."
        )
    inverse, _ = lapack.dpotri(triangle, lower=True, overwrite_c=True)
    return inverse.T


@njit(cache=True)
def _to_weights(inverse):  # type: ignore[no-untyped-def]
    """P's upper triangle becomes B: -P[i, j] / P[j, j], and 0 on the diagonal."""
    diagonal = np.diag(inverse).copy()
    for i in range(len(inverse)):
        inverse[i, i] = 0.0
        for j in range(i + 1, len(inverse)):
            entry = inverse[i, j]
            inverse[i, j] = -entry / diagonal[j]
            inverse[j, i] = -entry / diagonal[i]


@njit(cache=True, parallel=True)
def _best(indptr, read, weights, k, without_read):  # type: ignore[no-untyped-def]
    """int32[q, k]: the items of largest sum of weights for each query's, best first; -1 is none.

    Each sum is taken in the order of the items read, so that lists do not depend on the number of threads.
    """
    n_queries, n_items = len(indptr) - 1, len(weights)
    lists = np.full((n_queries, k), heap.EMPTY)
    for query in prange(n_queries):
        scores, kept = np.zeros(n_items), np.full(k, -np.inf)
        of_query = read[indptr[query] : indptr[query + 1]]
        for item in of_query:
            scores += weights[item]
        if without_read:
            for item in of_query:
                scores[item] = -np.inf
        for item in range(n_items):
            if len(of_query) and scores[item] > -np.inf:
                heap.offer(kept, lists[query], scores[item], np.int32(item))
        heap.sort(kept, lists[query])
    return lists
