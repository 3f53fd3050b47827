"""How arrays differ from those expected: how far, where most, and by which numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.specs.base import Arrays

N_ENTRIES = 5
SMALL = 100
"""How many times smaller than the largest of all a parameter's gradient may be and still be measured by itself."""
LEAST = 1e-30
"""What is smaller has lost digits in float32 once it has been multiplied."""


class Entry(NamedTuple):
    """One number that departs: its place, e.g. "item_bias[3]" or "step 2", what the adapter has, and the reference."""

    place: str
    found: float
    expected: float


class Difference(NamedTuple):
    """What a rung found: how large the largest difference is, where, and what shows it.

    Attributes:
        entries: up to five numbers: of an array those that depart most, of losses the first beyond the tolerance.
        error: what the adapter raised, where that is what was found.
    """

    size: float
    where: str
    entries: tuple[Entry, ...] = ()
    error: BaseException | None = None


def absolute(expected: npt.NDArray[Any]) -> Any:  # noqa: ARG001 - the other scales' argument
    """Differences as they are."""
    return 1.0


def to_the_array(expected: npt.NDArray[Any]) -> Any:
    """Differences relative to the largest element of the array, or to one where all are zero."""
    return float(np.max(np.abs(expected))) or 1.0


def to_the_row(expected: npt.NDArray[Any]) -> Any:
    """Differences relative to the largest element of their row, all of a user's interests; of zeros, to the array's.

    So a row that is a millionth of another counts as much. Float32 has no digits below `LEAST`.
    """
    largest = np.max(np.abs(expected), axis=tuple(range(1, expected.ndim)), keepdims=True)
    return np.where(largest > 0, np.maximum(largest, LEAST), to_the_array(expected))


def to_the_gradients(expected: Arrays) -> Callable[[npt.NDArray[Any]], Any]:
    """Differences relative to a parameter's largest gradient, or to a hundredth (`SMALL`) of the largest of all.

    A bias that cancels out of differences of scores has a gradient of rounding, and nothing else.
    """
    overall = max(float(np.max(np.abs(value))) for value in expected.values()) or 1.0
    return lambda gradient: max(float(np.max(np.abs(gradient))), overall / SMALL)


def largest(found: Arrays, expected: Arrays, scale: Callable[[npt.NDArray[Any]], Any] = absolute) -> Difference:
    """The largest difference over all arrays, and its array."""
    worst = Difference(0.0, "")
    for name, value in expected.items():
        if not isinstance(found[name], np.ndarray) or found[name].shape != value.shape:
            return Difference(np.inf, f"{name} is {described(found[name])}, not an array of shape {list(value.shape)}")
        differences = np.abs(found[name].astype(np.float64) - value) / scale(value)
        size = float(np.max(differences))
        if not np.isfinite(size) or size > worst.size:
            worst = Difference(size, name, _departing(name, differences, found[name], value))
        if not np.isfinite(size):
            break
    return worst


def _departing(
    name: str, differences: npt.NDArray[np.float64], found: npt.NDArray[Any], expected: npt.NDArray[Any]
) -> tuple[Entry, ...]:
    """The entries that differ most, the largest difference first; what is not finite before all others."""
    sizes = np.where(np.isfinite(differences), differences, np.inf).ravel()
    most = np.argsort(-sizes, kind="stable")[:N_ENTRIES]
    at = [np.unravel_index(flat, expected.shape) for flat in most if sizes[flat] > 0]
    return tuple(Entry(f"{name}{[int(i) for i in index]}", float(found[index]), float(expected[index])) for index in at)


def described(value: Any) -> str:
    """An array's dtype and shape, "float32[300, 8]"; of anything else its type."""
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
