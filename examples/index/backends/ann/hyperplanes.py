"""Random hyperplanes: every vector has a sketch of one bit a plane, and those of near sketches are compared exactly.

Two vectors fall on different sides of a random plane with a probability that is proportional to their angle (Charikar,
"Similarity estimation techniques from rounding algorithms", STOC 2002, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backends.ann import INDEXES, Index, settings
from backends.ann.vectors import checked_items, checked_queries, items_on_sphere, queries_on_sphere

Floats = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]
QUERY_TILE = 32  # queries whose distances to all items are held at once


class Sketched(NamedTuple):
    """vectors: float32[n, d]; planes: float64[bits, d + 1], their normals; sketches: uint8[n, bits / 8], rounded up."""

    vectors: Floats
    planes: npt.NDArray[np.float64]
    sketches: npt.NDArray[np.uint8]


def build(name: str, vectors: Floats, parameters: Mapping[str, int], threads: int, seed: int) -> Index:  # noqa: ARG001
    """Draw the planes and sketch the vectors; see `backends.ann.Adapter`."""
    vectors = checked_items(vectors)
    bits = settings(INDEXES[name].build, parameters)["bits"]
    n_items, dim = vectors.shape
    planes = np.random.default_rng(seed).standard_normal((bits, dim + 1))
    return Index(name, Sketched(vectors, planes, _sketched(items_on_sphere(vectors), planes)), n_items, dim)


def search(index: Index, queries: Floats, k: int, parameters: Mapping[str, int], threads: int) -> Items:
    """Search a batch; see `backends.ann.Adapter`."""
    queries = checked_queries(index, queries, k)
    n_candidates = settings(INDEXES[index.name].query, parameters)["candidates"]
    tiles = np.array_split(queries, max(1, -(-len(queries) // QUERY_TILE)))
    with ThreadPoolExecutor(threads) as pool:  # NumPy lets go of the interpreter while it works on arrays
        return np.concatenate(list(pool.map(partial(_nearest, index.native, k, n_candidates), tiles)))


def search_one(index: Index, query: Floats, k: int, parameters: Mapping[str, int]) -> Items:
    """Search for one query; see `backends.ann.Adapter`."""
    queries = checked_queries(index, query[None], k)
    n_candidates = settings(INDEXES[index.name].query, parameters)["candidates"]
    return _nearest(index.native, k, n_candidates, queries)[0]


def save(index: Index, path: Path) -> None:
    """Write the three arrays as NumPy does; see `backends.ann.Adapter`."""
    with path.open("wb") as file:
        np.savez(file, **index.native._asdict())


def restore(name: str, path: Path, n_items: int, dim: int) -> Index:
    """Read the three arrays; see `backends.ann.Adapter`."""
    with np.load(path) as arrays:
        return Index(name, Sketched(**arrays), n_items, dim)


def _sketched(vectors: Floats, planes: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Bit b says on which side of plane b a vector lies; in float64, so that a batch rounds as a single query does."""
    return np.packbits(vectors.astype(np.float64) @ planes.T > 0, axis=1)


def _nearest(index: Sketched, k: int, n_candidates: int, queries: Floats) -> Items:
    """Of each query's candidates, the items whose sketches differ in the fewest bits, those of the largest products."""
    n_near = min(max(n_candidates, k), len(index.vectors))
    differing = _sketched(queries_on_sphere(queries), index.planes)[:, None] ^ index.sketches
    distance = np.bitwise_count(differing).sum(2, dtype=np.int32)
    near = np.argpartition(distance, n_near - 1, axis=1)[:, :n_near]
    scores = np.matmul(index.vectors[near], queries[:, :, None])[:, :, 0]
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.full((len(queries), k), -1, dtype=np.int32)
    found[:, : best.shape[1]] = np.take_along_axis(near, best, 1)
    return found
