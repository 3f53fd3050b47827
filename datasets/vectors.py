"""Made-up vectors of items and queries, shaped as learnt ones are: what large catalogues are searched in.

In the axes of the items' principal components, item i and query q are

    x_i = (-0.47 + 0.44 g_0,  √0.59 s_j (√½ z_c(i),j + √½ g_ij)),                    j = 1 … dim - 1,  s_j² ∝ 1 / (j + 2)
    q   = (+0.34 + 0.09 g_0,  √0.88 t_j (½ (z_a(q),j + z_b(q),j) + √½ g_qj)),                           t_j² ∝ s_j^2.4

with all g and z standard normal, Σ s² = Σ t² = 1, and one random rotation for all. So mean squared lengths are 1.

Axis 0 is popularity: what all queries have in common, and what makes items longer the more they are pushed away. Along
the others the spectrum falls as a power of the rank. Items form √n_items groups of equal expected size, z being their
centres: both the groups and their number grow with the catalogue. A query lies between two groups.

The constants were measured on vectors that this repository had trained (MovieLens-1M, 3,706 items, 64 columns; GRU4Rec
and SASRec with a softmax, `benchmarks/suites/sequences.toml`), made-up beside them:

|                                                          | GRU4Rec | SASRec | made-up |
|---|---|---|---|
| length of the items' mean, of their root mean square     | 0.48 | 0.48 | 0.47 |
| standard deviation of the logarithm of items' lengths    | 0.23 | 0.23 | 0.23 |
| share of the largest principal component                 | 0.26 | 0.27 | 0.25 |
| the 2nd, 4th, 8th, 16th                                  | 0.071, 0.051, 0.030, 0.013 | 0.049, 0.037, 0.023, 0.013 | 0.086, 0.048, 0.028, 0.014 |
| effective number, (Σ λ)² / Σ λ²                          | 11.4 | 11.8 | 11.8 |
| a query's best, and 50th best, in standard deviations    | 3.2, 2.3 | 3.4, 2.4 | 3.7, 2.3 |
| cosine of a query with the nearest item                  | 0.64 | 0.69 | 0.64 |
| cosine of an item with its nearest                       | 0.77 | 0.71 | 0.79 |
| recall@50 of 60 lists of Faiss, nprobe 1, 2, 4, 8, 16    | 0.36, 0.55, 0.73, 0.89, 0.97 | 0.39, 0.60, 0.78, 0.92, 0.98 | 0.37, 0.58, 0.77, 0.91, 0.98 |
| of Faiss' HNSW (M 16), efSearch 50, 100, 200             | 0.94, 0.98, 1.00 | 0.97, 0.99, 1.00 | 0.93, 0.99, 1.00 |
| of ten trees of Annoy, search_k 500, 1,000, 2,000, 5,000 | 0.82, 0.93, 0.98, 1.00 | 0.85, 0.94, 0.98, 1.00 | 0.82, 0.92, 0.97, 1.00 |

Other models differ more. Those trained pair by pair have items of nearly equal length (0.14), ALS has a flat spectrum and
lengths that vary by a factor of three; both are harder to search. GRU4Rec's 15,000 items of the generated interactions
are easier than as many made-up ones: recall of 122 lists 0.41, 0.65, 0.86, 0.97, 1.00 against 0.35, 0.56, 0.77, 0.91, 0.98.
"""  # noqa: E501 -- a table's row is a line

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datasets.errors import InputError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

VERSION = 1
"""Raised with every change of the numbers, so that vectors which lie in a results folder are made anew."""


PREFIX = "vectors-"
"""What the names of made-up vectors begin with."""


class _Kind(NamedTuple):
    """What tells items from queries.

    Attributes:
        name: what their draws are for.
        popularity: mean and standard deviation along axis 0.
        sharpness: along the others, variances are the spectrum to this power.
        n_groups: groups that a vector lies between.
    """

    name: str
    popularity: tuple[float, float]
    sharpness: float
    n_groups: int


ITEMS = _Kind("items", popularity=(-0.47, 0.44), sharpness=1.0, n_groups=1)
QUERIES = _Kind("queries", popularity=(0.34, 0.09), sharpness=1.2, n_groups=2)
SHIFT = 2  # of the rank whose reciprocal the spectrum is
GROUPED = 0.5  # share of the variance that lies between groups

BLOCK_ROWS = 1 << 16  # drawn at once; the outcome does not depend on it
# The position is part of each generator's key: append, never reorder.
PURPOSES = ("rotation", "centres", "groups of items", "items", "groups of queries", "queries")


BOUNDS = {"n_items": (1, 2**31 - 1), "dim": (2, 16_384), "n_queries": (1, 100_000_000), "seed": (0, 2**63 - 1)}


@dataclass(frozen=True)
class Settings:
    """What made-up vectors are made from.

    Attributes:
        n_items: vectors that are searched, from 1 to 2**31 - 1.
        dim: their columns, from 2 to 16,384.
        n_queries: vectors that are searched for, from 1 to 100,000,000.
        seed: from 0 to 2**63 - 1.
    """

    n_items: int
    dim: int = 64
    n_queries: int = 1_000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what no vectors can be made from.

        Raises:
            InputError: a value is not a whole number, or out of bounds.
        """
        for name, (least, most) in BOUNDS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise InputError(
                    f"{name} of made-up vectors is {value!r:.60}; give a whole number from {least} to {most:,}."
                )

    @property
    def name(self) -> str:
        """Such as "vectors-100k"."""
        for size, suffix in ((1_000_000, "m"), (1_000, "k")):
            if self.n_items % size == 0:
                return f"{PREFIX}{self.n_items // size}{suffix}"
        return f"{PREFIX}{self.n_items}"

    @property
    def variant(self) -> str:
        """Such as "64-d, 100,000 items"."""
        return f"{self.dim}-d, {self.n_items:,} items"


def items(settings: Settings, out: Floats | None = None, block_rows: int = BLOCK_ROWS) -> Floats:
    """The vectors that are searched: float32[n_items, dim], the same bytes for the same settings.

    Args:
        settings: what they are made from.
        out: where they are written to, perhaps a memory map; None makes an array.
        block_rows: rows that are drawn at once, in double precision; the numbers do not depend on it.
    """
    out = np.empty((settings.n_items, settings.dim), np.float32) if out is None else out
    _draw(settings, ITEMS, out, block_rows)
    return out


def queries(settings: Settings, block_rows: int = BLOCK_ROWS) -> Floats:
    """The vectors that are searched for: float32[n_queries, dim]; see `items`."""
    out = np.empty((settings.n_queries, settings.dim), np.float32)
    _draw(settings, QUERIES, out, block_rows)
    return out


class _Axes(NamedTuple):
    """What the vectors of one kind are put together from; Numba reads a named tuple as it is.

    Attributes:
        centres: float64[groups, dim], of the items' groups.
        mean: float64[dim].
        shared, own: float64[dim], the standard deviations of what groups share and of what is a vector's own.
        rotation: float64[dim, dim].
    """

    centres: Doubles
    mean: Doubles
    shared: Doubles
    own: Doubles
    rotation: Doubles


def _axes(settings: Settings, kind: _Kind) -> _Axes:
    mean, deviation = kind.popularity
    variance = (np.arange(1, settings.dim) + SHIFT) ** -kind.sharpness
    variance *= (1 - mean**2 - deviation**2) / variance.sum()
    return _Axes(
        centres=_generator(settings, "centres").standard_normal((math.isqrt(settings.n_items), settings.dim)),
        mean=np.append(mean, np.zeros(settings.dim - 1)),
        shared=np.append(0.0, np.sqrt(GROUPED / kind.n_groups * variance)),
        own=np.append(deviation, np.sqrt((1 - GROUPED) * variance)),
        rotation=_rotation(settings),
    )


def _rotation(settings: Settings) -> Doubles:
    """A random orthogonal matrix, float64[dim, dim].

    Source: Mezzadri, "How to generate random matrices from the classical compact groups", Notices of the AMS 54, 2007.
    """
    q, r = np.linalg.qr(_generator(settings, "rotation").standard_normal((settings.dim, settings.dim)))
    return np.ascontiguousarray(q * np.sign(np.diag(r)))


def _generator(settings: Settings, purpose: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[settings.seed, PURPOSES.index(purpose)]))


def _draw(settings: Settings, kind: _Kind, out: Floats, block_rows: int) -> None:
    from datasets.mixing import fill  # here, because it brings its compiler with it

    axes = _axes(settings, kind)
    uniform = _generator(settings, f"groups of {kind.name}").random((len(out), kind.n_groups))
    groups = (uniform * len(axes.centres)).astype(np.int32)
    generator = _generator(settings, kind.name)
    for start in range(0, len(out), block_rows):
        block = out[start : start + block_rows]
        fill(groups[start : start + block_rows], generator.standard_normal(block.shape), axes, block)
