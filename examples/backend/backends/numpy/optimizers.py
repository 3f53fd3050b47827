"""The optimizers' updates in NumPy, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam

Values: TypeAlias = dict[str, npt.NDArray[Any]]
Moments: TypeAlias = tuple[Values, ...]


def moments(optimizer: Adam | SGD, values: Values) -> Moments:
    """What the optimizer keeps beside the parameters, at its start."""
    n_moments = 2 if optimizer.name == "adam" else 0
    return tuple({name: np.zeros_like(value) for name, value in values.items()} for _ in range(n_moments))


def update(
    optimizer: Adam | SGD, values: Values, moments: Moments, gradient: Values, scheduled: tuple[np.float32, ...]
) -> None:
    """Moves parameters and moments by one step; its size, epsilon and decay are as `optimizer.schedule` has them."""
    step_size, epsilon, decay = scheduled
    gradient = _clipped(gradient, optimizer.clip_norm)
    if optimizer.name == "adam":
        first, second = moments
        for name, g in gradient.items():
            m, v = first[name], second[name]
            m += (1 - optimizer.beta1) * (g - m)
            v += (1 - optimizer.beta2) * (g * g - v)
            values[name] -= decay * values[name] + step_size * m / (np.sqrt(v) + epsilon)
    else:
        for name, g in gradient.items():
            values[name] -= step_size * g


def _clipped(gradient: Values, clip_norm: float) -> Values:
    """The gradients, all together of that norm at most; 0 clips nothing."""
    norm = np.sqrt(sum(np.square(g).sum() for g in gradient.values()))
    if not norm > clip_norm > 0:
        return gradient
    return {name: np.float32(clip_norm) / norm * g for name, g in gradient.items()}
