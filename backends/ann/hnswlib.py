"""hnswlib: the graph of small worlds by its inventors.

Source: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical
navigable small world graphs", IEEE TPAMI 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hnswlib  # the library: imports are absolute
import numpy as np
import numpy.typing as npt

from backends.ann import INDEXES, Index, settings
from backends.ann.vectors import checked_items, checked_queries, items_on_sphere, library_seed, queries_on_sphere

Floats = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]

# By inner product over the unit vectors of the reduction to cosine. Of 50 found at ef 200 (M 16; two towers, GRU4Rec
# and ComiRec on ML-1M, GRU4Rec on 15,000 made-up items, 64 columns) they make 1.000, 0.999, 0.998, 0.997, the raw
# vectors 0.998, 0.979, 0.996, 0.935; USearch likewise, and both by Euclidean distance on the sphere as well.
SPACE = "ip"


def build(name: str, vectors: Floats, parameters: Mapping[str, int], threads: int, seed: int) -> Index:
    """Build the graph; see `backends.ann.Adapter`."""
    vectors = checked_items(vectors)
    chosen = settings(INDEXES[name].build, parameters)
    stored = items_on_sphere(vectors)
    native = hnswlib.Index(SPACE, stored.shape[1])
    seed = library_seed(seed) + 1  # 0 and 1 are the same
    native.init_index(len(stored), chosen["M"], chosen["ef_construction"], random_seed=seed)
    native.add_items(stored, num_threads=threads)
    return Index(name, native, vectors.shape[0], vectors.shape[1])


def search(index: Index, queries: Floats, k: int, parameters: Mapping[str, int], threads: int) -> Items:
    """Search a batch; see `backends.ann.Adapter`."""
    queries = checked_queries(index, queries, k)
    index.native.set_ef(settings(INDEXES[index.name].query, parameters)["ef"])
    found = np.full((len(queries), k), -1, dtype=np.int32)
    there = min(k, index.n_items)
    placed = queries_on_sphere(queries)
    try:
        found[:, :there] = index.native.knn_query(placed, there, num_threads=threads)[0]
    except RuntimeError:
        for row, query in zip(found, placed, strict=True):
            items = _all_in_reach(index.native, query, there)
            row[: len(items)] = items
    return found


def search_one(index: Index, query: Floats, k: int, parameters: Mapping[str, int]) -> Items:
    """Search for one query; see `backends.ann.Adapter`."""
    return search(index, query[None], k, parameters, threads=1)[0]


def save(index: Index, path: Path) -> None:
    """Write hnswlib's own file; see `backends.ann.Adapter`."""
    index.native.save_index(str(path))


def restore(name: str, path: Path, n_items: int, dim: int) -> Index:
    """Read hnswlib's own file; see `backends.ann.Adapter`."""
    native = hnswlib.Index(SPACE, dim + 1)  # the column of the reduction
    native.load_index(str(path))
    return Index(name, native, n_items, dim)


def _all_in_reach(native: Any, query: Floats, k: int) -> Items:
    # A graph of many equal vectors comes in pieces. Where the piece that a search is in has fewer than k
    # items, hnswlib raises and returns none of them: the longest list that it does return is looked for.
    items, too_many = np.empty(0, dtype=np.int32), k + 1
    while len(items) + 1 < too_many:
        middle = (len(items) + too_many) // 2
        try:
            items = native.knn_query(query, middle, num_threads=1)[0][0]
        except RuntimeError:
            too_many = middle
    return items.astype(np.int32)
