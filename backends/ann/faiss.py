"""Faiss: flat, inverted lists and HNSW, each by inner product."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faiss  # the library: imports are absolute
import numpy as np
import numpy.typing as npt

from backends.ann import INDEXES, Index, settings
from backends.ann.vectors import checked_items, checked_queries, items_on_sphere, queries_on_sphere
from datasets.errors import InputError

Floats = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]

# Lists and graphs are built over the unit vectors of the reduction to cosine, not over the raw ones. On
# ML-1M (3,706 items, 64 factors and a bias, k = 50, one thread) HNSW M 16 over raw inner products
# levels off at recall 0.970 (ALS), 0.895 (BPR), 0.985 (log loss) at efSearch 800, over unit vectors it
# reaches 0.9995 to 1.0; IVF at recall 0.95 answers 1.7, 1.2, 1.0 times as fast. (On made-up vectors the
# raw graph is the better one where norms are log-normal of sigma 0.5, or 0.3 without any clusters.)
ON_SPHERE = ("faiss-ivf", "faiss-hnsw")


def build(name: str, vectors: Floats, parameters: Mapping[str, int], threads: int, seed: int) -> Index:
    """Build the index of that name; see `backends.ann.Adapter`."""
    vectors = checked_items(vectors)
    chosen = settings(INDEXES[name].build, parameters)
    faiss.omp_set_num_threads(threads)
    stored = items_on_sphere(vectors) if name in ON_SPHERE else vectors
    if name == "faiss-flat":
        native: Any = faiss.IndexFlatIP(stored.shape[1])
    elif name == "faiss-ivf":
        native = _inverted_lists(stored, chosen["nlist"], seed)
    else:
        native = faiss.IndexHNSWFlat(stored.shape[1], chosen["M"], faiss.METRIC_INNER_PRODUCT)
        native.hnsw.efConstruction = chosen["efConstruction"]
        native.hnsw.rng = faiss.RandomGenerator(seed)  # type: ignore[attr-defined]
    native.train(stored)
    native.add(stored)
    return Index(name, native, vectors.shape[0], vectors.shape[1])


def search(index: Index, queries: Floats, k: int, parameters: Mapping[str, int], threads: int) -> Items:
    """Search a batch; see `backends.ann.Adapter`."""
    queries = checked_queries(index, queries, k)
    _set_query(index, settings(INDEXES[index.name].query, parameters))
    faiss.omp_set_num_threads(threads)
    _, found = index.native.search(queries_on_sphere(queries) if index.name in ON_SPHERE else queries, k)
    return found.astype(np.int32)


def search_one(index: Index, query: Floats, k: int, parameters: Mapping[str, int]) -> Items:
    """Search for one query; see `backends.ann.Adapter`."""
    return search(index, query[None], k, parameters, threads=1)[0]


def save(index: Index, path: Path) -> None:
    """Write Faiss' own file; see `backends.ann.Adapter`."""
    faiss.write_index(index.native, str(path))


def restore(name: str, path: Path, n_items: int, dim: int) -> Index:
    """Read Faiss' own file; see `backends.ann.Adapter`."""
    return Index(name, faiss.read_index(str(path)), n_items, dim)


def _inverted_lists(vectors: Floats, nlist: int, seed: int) -> faiss.IndexIVFFlat:
    n, dim = vectors.shape
    if nlist > n:
        raise InputError(f"nlist is {nlist}, but there are only {n} vectors; give an nlist of at most {n}.")
    native = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, nlist, faiss.METRIC_INNER_PRODUCT)
    native.cp.spherical = True  # else long centroids draw most items into few lists
    native.cp.min_points_per_centroid = 1  # says nothing about small lists, and changes nothing else
    native.cp.seed = seed
    return native


def _set_query(index: Index, chosen: Mapping[str, int]) -> None:
    # Set on the index: a SearchParameters object a call costs more than a small search does.
    if index.name == "faiss-ivf":
        index.native.nprobe = chosen["nprobe"]
    elif index.name == "faiss-hnsw":
        index.native.hnsw.efSearch = chosen["efSearch"]
