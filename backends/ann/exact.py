"""Exact search: a blocked matrix product and a partial selection, the truth that others are held to."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from backends import heap
from backends.ann import INDEXES, Index, settings
from backends.ann.vectors import checked_items, checked_queries
from datasets.errors import InputError

Floats = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]
Exclusions = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]

# One tile of scores is 2 MiB: it stays in cache between the product and the selection.
QUERY_TILE = 128
ITEM_TILE = 4096


def build(name: str, vectors: Floats, parameters: Mapping[str, int], threads: int, seed: int) -> Index:  # noqa: ARG001
    """Keep the vectors; see `backends.ann.Adapter`."""
    vectors = checked_items(vectors)
    settings(INDEXES[name].build, parameters)
    return Index(name, vectors, vectors.shape[0], vectors.shape[1])


def search(index: Index, queries: Floats, k: int, parameters: Mapping[str, int], threads: int) -> Items:
    """Search a batch; see `backends.ann.Adapter`."""
    queries = checked_queries(index, queries, k)
    settings(INDEXES[index.name].query, parameters)
    return top_k(queries, index.native, k, None, threads)


def search_one(index: Index, query: Floats, k: int, parameters: Mapping[str, int]) -> Items:
    """Search for one query; see `backends.ann.Adapter`."""
    queries = checked_queries(index, query[None], k)
    settings(INDEXES[index.name].query, parameters)
    return top_k(queries, index.native, k, None)[0]


def save(index: Index, path: Path) -> None:
    """Write the vectors as NumPy does, whatever the file's name ends in; see `backends.ann.Adapter`."""
    with path.open("wb") as file:
        np.save(file, index.native)


def restore(name: str, path: Path, n_items: int, dim: int) -> Index:
    """Read the vectors; see `backends.ann.Adapter`."""
    return Index(name, np.load(path), n_items, dim)


def top_k(users: Floats, items: Floats, k: int, exclude: Exclusions | None = None, threads: int = 1) -> Items:
    """Find every user's k items of largest inner product, best first.

    Equal scores are ordered by the smaller item number (equal as the float32 matrix product gives
    them: a BLAS may round two equal vectors apart). An item whose score is NaN is never returned;
    infinite scores are ordered like others.

    Args:
        users: float32[q, d].
        items: float32[n, d].
        k: items wanted a user, >= 1; may exceed n.
        exclude: items that are not to be returned, in CSR form: those of user u are
            indices[indptr[u]:indptr[u + 1]], with indptr: int64[q + 1] and indices: int32[...].
        threads: blocks of users worked on at once. The matrix product's own threads are those of
            the BLAS (OPENBLAS_NUM_THREADS).

    Returns:
        int32[q, k]; -1 where fewer than k items remain.

    Raises:
        InputError: shapes that do not fit together, or k < 1.
    """
    indptr, indices = _checked_exclusions(exclude, len(users))
    if users.ndim != 2 or items.ndim != 2 or users.shape[1] != items.shape[1] or k < 1:
        raise InputError(
            f"Users of shape {users.shape}, items of shape {items.shape} and k = {k} do not fit; "
            "give two tables of equally many columns and k >= 1."
        )
    found = np.full((len(users), k), heap.EMPTY)

    def block(start: int) -> None:
        stop = min(start + QUERY_TILE, len(users))
        _search_block(users[start:stop], items, indptr[start : stop + 1], indices, found[start:stop])

    starts = range(0, len(users), QUERY_TILE)
    if threads == 1:
        for start in starts:
            block(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(block, starts))
    return found


def _checked_exclusions(exclude: Exclusions | None, n_users: int) -> Exclusions:
    if exclude is None:
        return np.zeros(n_users + 1, dtype=np.int64), np.zeros(0, dtype=np.int32)
    indptr = np.ascontiguousarray(exclude[0], dtype=np.int64)
    indices = np.ascontiguousarray(exclude[1], dtype=np.int32)
    if len(indptr) != n_users + 1 or indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
        raise InputError(
            f"The exclusions' indptr of length {len(indptr)} does not describe {n_users} users and "
            f"{len(indices)} items; give {n_users + 1} rising offsets from 0 to {len(indices)}."
        )
    return indptr, indices


def _search_block(
    users: Floats, items: Floats, indptr: npt.NDArray[np.int64], indices: Items, best_items: Items
) -> None:
    best_scores = np.full(best_items.shape, -np.inf, dtype=np.float32)
    tile = np.empty(len(users) * min(ITEM_TILE, len(items)), dtype=np.float32)
    for start in range(0, len(items), ITEM_TILE):
        part = items[start : start + ITEM_TILE]
        scores = tile[: len(users) * len(part)].reshape(len(users), len(part))
        with np.errstate(invalid="ignore", over="ignore"):
            np.matmul(users, part.T, out=scores)
        _mask(scores, start, indptr, indices)
        _select(scores, start, best_scores, best_items)
    _sort(best_scores, best_items)


@njit(cache=True, nogil=True)
def _mask(scores, first_item, indptr, indices):  # type: ignore[no-untyped-def]
    # NaN is the one score that is never selected, so an exclusion needs no mechanism of its own.
    for row in range(scores.shape[0]):
        for at in range(indptr[row], indptr[row + 1]):
            column = indices[at] - first_item
            if 0 <= column < scores.shape[1]:
                scores[row, column] = np.nan


@njit(cache=True, nogil=True)
def _select(scores, first_item, best_scores, best_items):  # type: ignore[no-untyped-def]
    for row in range(scores.shape[0]):
        heap_scores, heap_items = best_scores[row], best_items[row]
        for column in range(scores.shape[1]):
            score = scores[row, column]
            if score >= heap_scores[0]:  # turns most away before their number is made
                heap.offer(heap_scores, heap_items, score, np.int32(first_item + column))


@njit(cache=True, nogil=True)
def _sort(best_scores, best_items):  # type: ignore[no-untyped-def]
    for row in range(best_items.shape[0]):
        heap.sort(best_scores[row], best_items[row])
