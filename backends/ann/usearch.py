"""USearch: the graph of small worlds (Malkov and Yashunin; see `hnswlib.py`) of Unum's search engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import usearch.index as usearch  # the library: imports are absolute

from backends.ann import INDEXES, Index, settings
from backends.ann.vectors import checked_items, checked_queries, items_on_sphere, queries_on_sphere

Floats = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]

# By inner product over the unit vectors of the reduction to cosine (measured in `hnswlib.py`), and in single
# precision: left to itself, USearch halves the vectors to whatever the machine has instructions for.
SPACE = {"metric": "ip", "dtype": "f32"}


def build(name: str, vectors: Floats, parameters: Mapping[str, int], threads: int, seed: int) -> Index:  # noqa: ARG001
    """Build the graph, the same for every seed: USearch takes none; see `backends.ann.Adapter`."""
    vectors = checked_items(vectors)
    chosen = settings(INDEXES[name].build, parameters)
    stored = items_on_sphere(vectors)
    native = usearch.Index(ndim=stored.shape[1], **SPACE, **chosen)
    native.add(np.arange(len(stored), dtype=np.uint64), stored, threads=threads)
    return Index(name, native, vectors.shape[0], vectors.shape[1])


def search(index: Index, queries: Floats, k: int, parameters: Mapping[str, int], threads: int) -> Items:
    """Search a batch; see `backends.ann.Adapter`."""
    queries = checked_queries(index, queries, k)
    if len(queries) == 1:  # USearch's answer to a batch of one has no batch
        return search_one(index, queries[0], k, parameters)[None]
    index.native.expansion_search = settings(INDEXES[index.name].query, parameters)["expansion_search"]
    matches = index.native.search(queries_on_sphere(queries), k, threads=threads)
    there = np.arange(k) < matches.counts[:, None]
    return np.where(there, matches.keys, np.uint64(0)).astype(np.int32) - ~there


def search_one(index: Index, query: Floats, k: int, parameters: Mapping[str, int]) -> Items:
    """Search for one query; see `backends.ann.Adapter`."""
    queries = checked_queries(index, query[None], k)
    index.native.expansion_search = settings(INDEXES[index.name].query, parameters)["expansion_search"]
    items = index.native.search(queries_on_sphere(queries)[0], k, threads=1).keys
    found = np.full(k, -1, dtype=np.int32)
    found[: len(items)] = items
    return found


def save(index: Index, path: Path) -> None:
    """Write USearch's own file; see `backends.ann.Adapter`."""
    index.native.save(path)


def restore(name: str, path: Path, n_items: int, dim: int) -> Index:
    """Read USearch's own file; see `backends.ann.Adapter`."""
    native = usearch.Index(ndim=dim + 1, **SPACE)  # the column of the reduction
    native.load(path)
    return Index(name, native, n_items, dim)
