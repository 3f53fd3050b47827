"""Faiss: flat, graph and inverted lists, plain and compressed, each by inner product.

| index | what it is | source |
|---|---|---|
| `faiss-flat` | every vector, compared exactly | Douze et al., "The Faiss library", 2024 |
| `faiss-sq8` | every vector, each component in 8 bits between its column's extremes | the same |
| `faiss-hnsw` | a graph of small worlds | Malkov and Yashunin, IEEE TPAMI 2020 |
| `faiss-ivf` | k-means lists, of which a query looks into `nprobe` | Sivic and Zisserman, ICCV 2003 |
| `faiss-ivfsq8` | such lists of residuals in 8 bits a component | as above |
| `faiss-ivfpq` | such lists of residuals in `M` product-quantised codes of `nbits` | Jégou et al., IEEE TPAMI 2011 |
| `faiss-fastscan` | the same in 4-bit codes, looked up in registers, 32 items at a time | André et al., VLDB 2015 |
| `…-rerank` | the exact inner products of the best k * `k_factor` decide | Jégou et al., ICASSP 2011 |
"""

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
RAW = ("faiss-flat", "faiss-sq8")
FAST_SCAN_BITS = 4


def build(name: str, vectors: Floats, parameters: Mapping[str, int], threads: int, seed: int) -> Index:
    """Build the index of that name; see `backends.ann.Adapter`."""
    vectors = checked_items(vectors)
    chosen = settings(INDEXES[name].build, parameters)
    faiss.omp_set_num_threads(threads)
    stored = vectors if name in RAW else items_on_sphere(vectors)
    dim = stored.shape[1]
    if name == "faiss-flat":
        native: Any = faiss.IndexFlatIP(dim)
    elif name == "faiss-sq8":
        native = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    elif name == "faiss-hnsw":
        native = faiss.IndexHNSWFlat(dim, chosen["M"], faiss.METRIC_INNER_PRODUCT)
        native.hnsw.efConstruction = chosen["efConstruction"]
        native.hnsw.rng = faiss.RandomGenerator(seed)  # type: ignore[attr-defined]
    elif name in ("faiss-ivf", "faiss-ivfsq8"):
        native = _inverted_lists(name, stored, chosen["nlist"], seed)
    else:
        native = _product_quantised(name, stored, chosen, seed)
    native.train(stored)
    native.add(stored)
    return Index(name, native, vectors.shape[0], vectors.shape[1])


def search(index: Index, queries: Floats, k: int, parameters: Mapping[str, int], threads: int) -> Items:
    """Search a batch; see `backends.ann.Adapter`."""
    queries = checked_queries(index, queries, k)
    _set_query(index.native, settings(INDEXES[index.name].query, parameters))
    faiss.omp_set_num_threads(threads)
    _, found = index.native.search(queries if index.name in RAW else queries_on_sphere(queries), k)
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


def _inverted_lists(name: str, vectors: Floats, nlist: int, seed: int) -> faiss.IndexIVF:
    n, dim = vectors.shape
    metric = faiss.METRIC_INNER_PRODUCT
    if name == "faiss-ivf":
        native: Any = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, nlist, metric)
    else:
        eight = faiss.ScalarQuantizer.QT_8bit
        native = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(dim), dim, nlist, eight, metric)
    return _seeded(native, n, seed)


def _product_quantised(name: str, vectors: Floats, chosen: Mapping[str, int], seed: int) -> faiss.Index:
    """Lists of codes; M must divide the columns, so columns of zeros are spread among the M parts.

    Residuals are coded, which Faiss' fast scan does not do unless told. Of 50 found in all 64 lists by M 16,
    nbits 8 (two towers and GRU4Rec on ML-1M, GRU4Rec on 15,000 and on 20,000 made-up items, 64 columns), they
    make 0.90, 0.88, 0.88, 0.90, the vectors themselves 0.84, 0.84, 0.82, 0.84; by fast scan with M 32 0.86,
    0.85, 0.85, 0.88 and 0.77, 0.79, 0.66, 0.66. Euclidean distances on the sphere lose 0.01 to 0.04 more, for
    they add the error in the column that queries do not have; raw inner products gain at most 0.02 where all
    lists are searched, and lose up to 0.06 where eight are.
    """
    n, dim = vectors.shape
    m, bits = chosen["M"], chosen.get("nbits", FAST_SCAN_BITS)
    if m > dim:
        raise InputError(f"M is {m}, but there are only {dim} columns with that of the reduction; give M <= {dim}.")
    if n < 2**bits:
        raise InputError(
            f"Codes of {bits} bits take {2**bits} vectors to learn from, and there are {n}; choose another index."
        )
    width = -(-dim // m) * m
    coarse, metric = faiss.IndexFlatIP(width), faiss.METRIC_INNER_PRODUCT
    if name.startswith("faiss-ivfpq"):
        native: Any = faiss.IndexIVFPQ(coarse, width, chosen["nlist"], m, bits, metric)
    else:
        native = faiss.IndexIVFPQFastScan(coarse, width, chosen["nlist"], m, bits, metric)
    native.by_residual = True
    native.pq.cp.min_points_per_centroid = 1
    native.pq.cp.seed = seed
    spread = faiss.RemapDimensionsTransform(dim, width, True)  # type: ignore[arg-type]
    found_by = faiss.IndexPreTransform(spread, _seeded(native, n, seed))
    return faiss.IndexRefineFlat(found_by) if name.endswith("-rerank") else found_by


def _seeded(native: faiss.IndexIVF, n: int, seed: int) -> faiss.IndexIVF:
    if native.nlist > n:
        raise InputError(f"nlist is {native.nlist}, but there are only {n} vectors; give an nlist of at most {n}.")
    native.cp.spherical = True  # else long centroids draw most items into few lists
    native.cp.min_points_per_centroid = 1  # says nothing about small lists, and changes nothing else
    native.cp.seed = seed
    return native


def _set_query(native: Any, chosen: Mapping[str, int]) -> None:
    # Set on the index: a SearchParameters object a call costs more than a small search does.
    if "nprobe" in chosen:
        faiss.extract_index_ivf(native).nprobe = chosen["nprobe"]
    if "k_factor" in chosen:
        native.k_factor = chosen["k_factor"]
    if "efSearch" in chosen:
        native.hnsw.efSearch = chosen["efSearch"]
