"""The libraries without the adapters: bare loops over direct calls, to measure what stands around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from backends.ann import INDEXES, Index, exact, load, settings
from backends.ann.vectors import checked_queries, queries_on_sphere

Floats = npt.NDArray[np.float32]
Call = Callable[[], object]


def call(index: Index, queries: Floats, k: int, parameters: Mapping[str, int]) -> Call | None:
    """One batch as the library itself takes it, by one thread; every call of what is returned answers it anew.

    None for an index of whose library `CALLS` knows no direct call.

    Checks, conversions and the reduction to cosine are done here, once. The query parameters are those that the adapter
    leaves on the library's object, so they hold until the adapter searches with others.

    Args:
        index: what an adapter built or restored.
        queries: float32[q, d], q >= 1.
        k: items asked for.
        parameters: query parameters.
    """
    library = INDEXES[index.name].module.rpartition(".")[2]
    if library not in CALLS:
        return None
    load(index.name).search(index, queries[:1], k, parameters, threads=1)
    return CALLS[library](index, checked_queries(index, queries, k), k, parameters)


def _exact(index: Index, queries: Floats, k: int, parameters: Mapping[str, int]) -> Call:  # noqa: ARG001
    return lambda: exact.top_k(queries, index.native, k)


def _faiss(index: Index, queries: Floats, k: int, parameters: Mapping[str, int]) -> Call:  # noqa: ARG001
    given = _given(index, queries, index.native.d)
    return lambda: index.native.search(given, k)


def _annoy(index: Index, queries: Floats, k: int, parameters: Mapping[str, int]) -> Call:
    search_k = settings(INDEXES[index.name].query, parameters)["search_k"]
    vectors = _given(index, queries, index.native.f).tolist()
    nearest = index.native.get_nns_by_vector

    def search() -> None:
        for vector in vectors:
            nearest(vector, k, search_k)

    return search


def _hnswlib(index: Index, queries: Floats, k: int, parameters: Mapping[str, int]) -> Call:  # noqa: ARG001
    given, there = _given(index, queries, index.native.dim), min(k, index.n_items)
    return lambda: index.native.knn_query(given, there, num_threads=1)


def _usearch(index: Index, queries: Floats, k: int, parameters: Mapping[str, int]) -> Call:  # noqa: ARG001
    given = _given(index, queries, index.native.ndim)
    return lambda: index.native.search(given, k, threads=1)


def _given(index: Index, queries: Floats, columns: Any) -> Floats:
    """The queries as wide as what the library has stored."""
    return queries if columns == index.dim else queries_on_sphere(queries)


CALLS: Mapping[str, Callable[[Index, Floats, int, Mapping[str, int]], Call]] = {
    "exact": _exact,
    "faiss": _faiss,
    "annoy": _annoy,
    "hnswlib": _hnswlib,
    "usearch": _usearch,
}
