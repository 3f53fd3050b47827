"""Vector indexes behind one contract: maximum inner product over float32 vectors.

Callers always pass raw inner-product vectors, a bias folded in as [u, 1] · [i, b]. Where a library
searches better, or only, by angle, its adapter transforms the vectors itself (see `vectors.py`).
To add an index: one adapter file, one row in `INDEXES`; every test and table then includes it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from datasets.errors import InputError


@dataclass(frozen=True)
class Row:
    """One index: the module that serves it and its parameters with their defaults."""

    module: str
    build: Mapping[str, int]
    query: Mapping[str, int]


INDEXES: Mapping[str, Row] = {
    "exact": Row("backends.ann.exact", build={}, query={}),
    "faiss-flat": Row("backends.ann.faiss", build={}, query={}),
    "faiss-ivf": Row("backends.ann.faiss", build={"nlist": 64}, query={"nprobe": 8}),
    "faiss-hnsw": Row("backends.ann.faiss", build={"M": 16, "efConstruction": 100}, query={"efSearch": 100}),
    "faiss-sq8": Row("backends.ann.faiss", build={}, query={}),
    "faiss-ivfsq8": Row("backends.ann.faiss", build={"nlist": 64}, query={"nprobe": 8}),
    "faiss-ivfpq": Row("backends.ann.faiss", build={"nlist": 64, "M": 16, "nbits": 8}, query={"nprobe": 8}),
    "faiss-ivfpq-rerank": Row(
        "backends.ann.faiss", build={"nlist": 64, "M": 16, "nbits": 8}, query={"nprobe": 8, "k_factor": 4}
    ),
    "faiss-fastscan": Row("backends.ann.faiss", build={"nlist": 64, "M": 16}, query={"nprobe": 8}),
    "faiss-fastscan-rerank": Row(
        "backends.ann.faiss", build={"nlist": 64, "M": 16}, query={"nprobe": 8, "k_factor": 8}
    ),
    "annoy": Row("backends.ann.annoy", build={"n_trees": 10}, query={"search_k": -1}),  # -1: n_trees * k
    "hnswlib": Row("backends.ann.hnswlib", build={"M": 16, "ef_construction": 100}, query={"ef": 100}),
    "usearch": Row(
        "backends.ann.usearch", build={"connectivity": 16, "expansion_add": 100}, query={"expansion_search": 100}
    ),
}


@dataclass(frozen=True)
class Index:
    """A built index.

    Attributes:
        name: its row in `INDEXES`.
        native: the library's own object.
        n_items: number of vectors; item i is row i of what was built from.
        dim: columns of the vectors as the caller passes them.
    """

    name: str
    native: Any
    n_items: int
    dim: int


class Adapter(Protocol):
    """What every adapter module offers, in this order."""

    def build(
        self, name: str, vectors: npt.NDArray[np.float32], parameters: Mapping[str, int], threads: int, seed: int
    ) -> Index:
        """Build an index that serves any number of query settings.

        Args:
            name: a name in `INDEXES`.
            vectors: float32[n, d].
            parameters: build parameters; those left out take the row's defaults.
            threads: threads of the build. With one, equal seeds give equal indexes; what several
                threads build may depend on their timing.
            seed: seed of the library's own random choices, >= 0; USearch takes none.

        Raises:
            InputError: vectors are empty or not finite, a parameter is unknown or out of range.
        """
        ...

    def search(
        self, index: Index, queries: npt.NDArray[np.float32], k: int, parameters: Mapping[str, int], threads: int
    ) -> npt.NDArray[np.int32]:
        """Find the items with the largest inner products, best first, for a batch.

        Args:
            index: what `build` or `restore` returned.
            queries: float32[q, d].
            k: items asked for; may exceed the number of items.
            parameters: query parameters; those left out take the row's defaults.
            threads: threads that share the queries; the answers do not depend on it.

        Returns:
            int32[q, k] item numbers; -1 fills an answer that is shorter than k.

        Raises:
            InputError: queries are not finite or of another width, k < 1, or a bad parameter.
        """
        ...

    def search_one(
        self, index: Index, query: npt.NDArray[np.float32], k: int, parameters: Mapping[str, int]
    ) -> npt.NDArray[np.int32]:
        """Answer one request as a server would, with one thread: float32[d] -> int32[k]; else like `search`."""
        ...

    def save(self, index: Index, path: Path) -> None:
        """Write the index into one file, whose size is the index's size."""
        ...

    def restore(self, name: str, path: Path, n_items: int, dim: int) -> Index:
        """Read what `save` wrote: an index that answers as the saved one does, and needs no vectors.

        Args:
            name: the saved index's name, like the next two; a library's file does not tell them all.
            path: the file.
            n_items: number of vectors that it was built from.
            dim: their columns.
        """
        ...


def load(name: str) -> Adapter:
    """Import and return the adapter that serves the index of that name.

    Raises:
        InputError: there is no index of that name.
    """
    if name not in INDEXES:
        raise InputError(f"There is no index named {name!r}; choose one of {', '.join(INDEXES)}.")
    return cast("Adapter", importlib.import_module(INDEXES[name].module))


def settings(defaults: Mapping[str, int], given: Mapping[str, int]) -> dict[str, int]:
    """Return the defaults overridden by what was given.

    Raises:
        InputError: a name is not among the defaults, or a value is neither its default nor a
            positive whole number.
    """
    for name, value in given.items():
        if name not in defaults:
            raise InputError(f"{name!r} is no parameter of this index; it takes {', '.join(defaults) or 'none'}.")
        if value != defaults[name] and (not isinstance(value, int | np.integer) or value < 1):
            raise InputError(f"{name} is {value!r}; give a positive whole number.")
    return {**defaults, **given}
