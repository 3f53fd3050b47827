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


class Whole(int):
    """The default of a parameter, a whole number, with the bounds of what may be given in its place.

    Attributes:
        least, most: both included. The default may lie outside, as a library's word for "choose".
    """

    least: int
    most: int

    def __new__(cls, default: int, least: int = 1, most: int = 1_000_000) -> Whole:
        made = super().__new__(cls, default)
        made.least, made.most = least, most
        return made


@dataclass(frozen=True)
class Row:
    """One index: the module that serves it and its parameters with their defaults, of `Whole` where these have bounds.

    Others have those of `Whole(default)`.
    """

    module: str
    build: Mapping[str, int]
    query: Mapping[str, int]


NLIST, NPROBE = Whole(64), Whole(8)
LINKS = Whole(16, least=2, most=512)  # of a graph's node; with a single one libraries divide by the logarithm of 1
BEAM = Whole(100)  # candidates that a walk through a graph keeps
CODES, BITS = Whole(16, most=65_536), Whole(8, most=16)

INDEXES: Mapping[str, Row] = {
    "exact": Row("backends.ann.exact", build={}, query={}),
    "faiss-flat": Row("backends.ann.faiss", build={}, query={}),
    "faiss-ivf": Row("backends.ann.faiss", build={"nlist": NLIST}, query={"nprobe": NPROBE}),
    "faiss-hnsw": Row("backends.ann.faiss", build={"M": LINKS, "efConstruction": BEAM}, query={"efSearch": BEAM}),
    "faiss-sq8": Row("backends.ann.faiss", build={}, query={}),
    "faiss-ivfsq8": Row("backends.ann.faiss", build={"nlist": NLIST}, query={"nprobe": NPROBE}),
    "faiss-ivfpq": Row(
        "backends.ann.faiss", build={"nlist": NLIST, "M": CODES, "nbits": BITS}, query={"nprobe": NPROBE}
    ),
    "faiss-ivfpq-rerank": Row(
        "backends.ann.faiss",
        build={"nlist": NLIST, "M": CODES, "nbits": BITS},
        query={"nprobe": NPROBE, "k_factor": Whole(4)},
    ),
    "faiss-fastscan": Row("backends.ann.faiss", build={"nlist": NLIST, "M": CODES}, query={"nprobe": NPROBE}),
    "faiss-fastscan-rerank": Row(
        "backends.ann.faiss", build={"nlist": NLIST, "M": CODES}, query={"nprobe": NPROBE, "k_factor": Whole(8)}
    ),
    "annoy": Row(
        "backends.ann.annoy",
        build={"n_trees": Whole(10, most=10_000)},
        query={"search_k": Whole(-1, most=2**31 - 1)},  # -1: n_trees * k
    ),
    "hnswlib": Row("backends.ann.hnswlib", build={"M": LINKS, "ef_construction": BEAM}, query={"ef": BEAM}),
    "usearch": Row(
        "backends.ann.usearch", build={"connectivity": LINKS, "expansion_add": BEAM}, query={"expansion_search": BEAM}
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
            seed: seed of the library's own random choices, >= 0; USearch takes none. The others take 31 bits of it, as
                `vectors.library_seed` has them.

        Raises:
            InputError: vectors are empty or not finite, a parameter is unknown or out of range.
            TooFewError: the index takes more vectors than there are.
        """
        ...

    def search(
        self, index: Index, queries: npt.NDArray[np.float32], k: int, parameters: Mapping[str, int], threads: int
    ) -> npt.NDArray[np.int32]:
        """Find the items with the largest inner products, best first, for a batch.

        Args:
            index: what `build` or `restore` returned.
            queries: float32[q, d]; their lengths change no answer.
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


def settings(defaults: Mapping[str, int], given: Mapping[str, Any]) -> dict[str, int]:
    """Return the defaults overridden by what was given.

    Raises:
        InputError: a name is not among the defaults, or a value is neither its default nor a whole number within its
            bounds.
    """
    for name, value in given.items():
        if name not in defaults:
            raise InputError(f"{_shown(name)} is no parameter of this index; it takes {', '.join(defaults) or 'none'}.")
        default = defaults[name]
        bounds = default if isinstance(default, Whole) else Whole(default)
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_whole or not (bounds.least <= value <= bounds.most or value == default):
            raise InputError(f"{name} is {_shown(value)}; give a whole number from {bounds.least} to {bounds.most:,}.")
    return {name: int(value) for name, value in {**defaults, **given}.items()}


def check_together(name: str, build: Mapping[str, int], query: Mapping[str, int]) -> None:
    """Refuse settings of which each can be, but not all of them together.

    Args:
        name: a name in `INDEXES`.
        build: parameters that were given, within their bounds; those left out take the row's defaults.
        query: the same of a query.

    Raises:
        InputError: a query is to look into more lists than there are.
    """
    if "nprobe" in query:
        check_probes(query["nprobe"], settings(INDEXES[name].build, build)["nlist"])


def check_probes(nprobe: int, nlist: int) -> None:
    """Refuse to look into more lists than there are.

    Raises:
        InputError: naming both.
    """
    if nprobe > nlist:
        raise InputError(
            f"nprobe is {nprobe}, but there are only {nlist} lists (nlist); give an nprobe of at most {nlist}."
        )


def _shown(value: object) -> str:
    try:
        return repr(value)[:80]
    except ValueError:  # Python writes out no whole number of more than 4,300 digits
        return "a number too long to print"
