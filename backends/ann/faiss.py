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

from backends.ann import INDEXES, Index, check_probes, settings
from backends.ann.vectors import checked_items, checked_queries, items_on_sphere, library_seed, queries_on_sphere
from datasets.errors import InputError, TooFewError

Floats = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]

# Lists and graphs are built over the unit vectors of the reduction to cosine, not over the raw ones. On
# ML-1M (3,706 items, 64 factors and a bias, k = 50, one thread) HNSW M 16 over raw inner products
# levels off at recall 0.970 (ALS), 0.895 (BPR), 0.985 (log loss) at efSearch 800, over unit vectors it
# reaches 0.9995 to 1.0; IVF at recall 0.95 answers 1.7, 1.2, 1.0 times as fast. (On made-up vectors the
# raw graph is the better one where norms are log-normal of sigma 0.5, or 0.3 without any clusters.)
RAW = ("faiss-flat", "faiss-sq8")
METRIC = faiss.METRIC_INNER_PRODUCT
EIGHT_BITS = faiss.ScalarQuantizer.QT_8bit
FAST_SCAN_BITS = 4
# The scalar quantizer's vector instructions take 8 columns at a time, and a width that does not fit is compared
# number by number: 65 columns took 4.5 (lists) and 7 (flat) times as long as 72.
SQ_COLUMNS = 8


def build(name: str, vectors: Floats, parameters: Mapping[str, int], threads: int, seed: int) -> Index:
    """Build the index of that name; see `backends.ann.Adapter`."""
    vectors = checked_items(vectors)
    chosen, seed = settings(INDEXES[name].build, parameters), library_seed(seed)
    faiss.omp_set_num_threads(threads)
    stored = vectors if name in RAW else items_on_sphere(vectors)
    dim = stored.shape[1]
    if name == "faiss-flat":
        native: Any = faiss.IndexFlatIP(dim)
    elif name == "faiss-sq8":
        width = _multiple(dim, SQ_COLUMNS)
        native = _spread(dim, faiss.IndexScalarQuantizer(width, EIGHT_BITS, METRIC))
    elif name == "faiss-hnsw":
        native = faiss.IndexHNSWFlat(dim, chosen["M"], METRIC)
        native.hnsw.efConstruction = chosen["efConstruction"]
        native.hnsw.rng = faiss.RandomGenerator(seed)  # type: ignore[attr-defined]
    elif name == "faiss-ivf":
        native = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, chosen["nlist"], METRIC)
        _prepare_lists(native, len(stored), seed)
    elif name == "faiss-ivfsq8":
        width = _multiple(dim, SQ_COLUMNS)
        lists = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(width), width, chosen["nlist"], EIGHT_BITS, METRIC)
        _prepare_lists(lists, len(stored), seed)
        native = _spread(dim, lists)
    else:
        native = _product_quantised(name, stored, chosen, seed)
    native.train(stored)
    native.add(stored)
    return Index(name, native, vectors.shape[0], vectors.shape[1])


def search(index: Index, queries: Floats, k: int, parameters: Mapping[str, int], threads: int) -> Items:
    """Search a batch; see `backends.ann.Adapter`."""
    queries = checked_queries(index, queries, k)
    _set_query(index, k, parameters)
    faiss.omp_set_num_threads(threads)
    placed = queries if index.name in RAW else queries_on_sphere(queries)
    _, found = index.native.search(placed, k)
    if index.name.startswith("faiss-fastscan"):
        for row in (found[:, -1] < 0).nonzero()[0]:  # twice as fast as `flatnonzero` is of one
            _fill(found[row], _all_probed(index.native, placed[row : row + 1]))
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


def _product_quantised(name: str, vectors: Floats, chosen: Mapping[str, int], seed: int) -> faiss.Index:
    """Lists of codes; M must divide the columns, so their number is made to fit.

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
        raise TooFewError(
            f"Codes of {bits} bits take {2**bits} vectors to learn from, and there are {n}; choose another index."
        )
    width = _multiple(dim, m)
    kind: Any = faiss.IndexIVFPQ if name.startswith("faiss-ivfpq") else faiss.IndexIVFPQFastScan
    lists = kind(faiss.IndexFlatIP(width), width, chosen["nlist"], m, bits, METRIC)
    _prepare_lists(lists, n, seed)
    lists.by_residual = True
    lists.pq.cp.min_points_per_centroid = 1  # see `_prepare_lists`
    lists.pq.cp.seed = seed
    native = _spread(dim, lists)
    return faiss.IndexRefineFlat(native) if name.endswith("-rerank") else native


def _prepare_lists(native: faiss.IndexIVF, n: int, seed: int) -> None:
    if native.nlist > n:
        raise TooFewError(f"nlist is {native.nlist}, but there are only {n} vectors; give an nlist of at most {n}.")
    native.cp.spherical = True  # else long centroids draw most items into few lists
    native.cp.min_points_per_centroid = 1  # says nothing about small lists, and changes nothing else
    native.cp.seed = seed


def _multiple(dim: int, of: int) -> int:
    return -(-dim // of) * of


def _spread(dim: int, native: faiss.Index) -> faiss.Index:
    # The wider index is given columns of zeros, evenly among the others; they change no inner product.
    return faiss.IndexPreTransform(faiss.RemapDimensionsTransform(dim, native.d, True), native)  # type: ignore[arg-type]


def _all_probed(native: Any, query: Floats) -> npt.NDArray[np.int64]:
    # Where all codes score alike, as for a query of zeros, fast scan divides by their difference and finds nothing, and
    # else it leaves out those whose score is the least there is. What they are worth then is their list's own score:
    # the best list's come first.
    native = faiss.downcast_index(native.base_index) if hasattr(native, "base_index") else native
    lists = faiss.extract_index_ivf(native)
    _, probed = lists.quantizer.search(native.chain.at(0).apply(query), lists.nprobe)
    inside: Any = lists.invlists
    filled = [i for i in probed[0].tolist() if inside.list_size(i)]
    ids = [faiss.rev_swig_ptr(inside.get_ids(i), inside.list_size(i)) for i in filled]
    return np.concatenate([np.empty(0, np.int64), *ids])


def _fill(found: npt.NDArray[np.int64], probed: npt.NDArray[np.int64]) -> None:
    """Append what was probed and not found to the end of an answer, in place."""
    n = int((found >= 0).sum())
    more = probed[~np.isin(probed, found[:n])][: len(found) - n]
    found[n : n + len(more)] = more


def _set_query(index: Index, k: int, parameters: Mapping[str, int]) -> None:
    # Set on the index: a SearchParameters object a call costs more than a small search does.
    native, chosen = index.native, settings(INDEXES[index.name].query, parameters)
    if "nprobe" in chosen:
        lists = faiss.extract_index_ivf(native)
        nlist = lists.nlist
        if "nprobe" in parameters:
            check_probes(chosen["nprobe"], nlist)
        lists.nprobe = min(chosen["nprobe"], nlist)  # of more, fast scan answers at random
    if "k_factor" in chosen:
        native.k_factor = min(chosen["k_factor"], -(-index.n_items // k))  # more than all there are is all there are
    if "efSearch" in chosen:
        native.hnsw.efSearch = chosen["efSearch"]
