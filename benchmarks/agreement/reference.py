"""The float64 NumPy trajectory that adapters are held to: the spec's loss, exact gradients, Adam as in the paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import autograd
import numpy as np
import numpy.typing as npt

from benchmarks import sampling
from benchmarks.specs.base import Adam, Arrays, DifferentiableSpec, Sizes

Float64s = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Problem:
    """A small, learnable data set, drawn from groups of users who prefer groups of items; see `Training`.

    Attributes:
        held_out: int32[n_users], one more item of each user's preferred group, for the metric.
    """

    n_users: int
    n_items: int
    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    item_counts: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int32]


N_USERS, N_ITEMS, N_ROWS, N_GROUPS = 300, 200, 1500, 4


def problem() -> Problem:
    """The ladder's data: more users and items than a batch touches, so that untouched rows matter."""
    rng = sampling.generator("ladder", "interactions")
    user = rng.integers(0, N_USERS, N_ROWS, dtype=np.int32)
    preferred = (rng.integers(0, N_ITEMS // N_GROUPS, (2, N_ROWS)) * N_GROUPS).astype(np.int32)
    item = preferred[0] + user % N_GROUPS
    held_out = preferred[1][:N_USERS] + np.arange(N_USERS, dtype=np.int32) % N_GROUPS
    return Problem(N_USERS, N_ITEMS, user, item, np.bincount(item, minlength=N_ITEMS), held_out.astype(np.int32))


def initial_parameters(spec: DifferentiableSpec) -> dict[str, npt.NDArray[np.float32]]:
    return sampling.initial_parameters(spec.parameters(Sizes(N_USERS, N_ITEMS)), ("ladder", spec.model))


def chunks(spec: DifferentiableSpec, data: Problem) -> Iterator[Arrays]:
    """The batches of all epochs, the very first step as a chunk of its own."""
    for epoch in range(1, spec.epochs + 1):
        for chunk in spec.batches(data, ("ladder", spec.model), epoch):
            if epoch == 1 and len(next(iter(chunk.values()))) > 1:
                yield {name: values[:1] for name, values in chunk.items()}
                yield {name: values[1:] for name, values in chunk.items()}
            else:
                yield chunk


def steps(chunk: Arrays) -> Iterator[Arrays]:
    """One batch after the other: {name: array[batch, ...]}."""
    for i in range(len(next(iter(chunk.values())))):
        yield {name: values[i] for name, values in chunk.items()}


def gradients(spec: DifferentiableSpec, parameters: Arrays, batch: Arrays) -> tuple[float, Float64s]:
    """The loss of one batch and its exact gradient for every parameter."""
    value, gradient = autograd.value_and_grad(spec.loss)(dict(parameters), batch)
    return float(value), gradient


def directional_slope(spec: DifferentiableSpec, parameters: Arrays, batch: Arrays, direction: Arrays) -> float:
    """Slope of the loss along a direction by central differences: owes nothing to anybody's differentiation."""
    h = 1e-6
    ahead, behind = (
        spec.loss({name: value + sign * h * direction[name] for name, value in parameters.items()}, batch)
        for sign in (1, -1)
    )
    return float(ahead - behind) / (2 * h)


class Trajectory:
    """Parameters and Adam's moments in float64, moved one batch at a time."""

    def __init__(self, spec: DifferentiableSpec, parameters: Arrays) -> None:
        self.spec = spec
        self.parameters: Float64s = {name: value.astype(np.float64) for name, value in parameters.items()}
        self._first = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self._second = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self._t = 0

    def step(self, batch: Arrays) -> float:
        """One step of Kingma and Ba's algorithm 1; returns the loss before it."""
        loss, gradient = gradients(self.spec, self.parameters, batch)
        adam: Adam = self.spec.optimizer
        self._t += 1
        for name, g in gradient.items():
            m = self._first[name] = adam.beta1 * self._first[name] + (1 - adam.beta1) * g
            v = self._second[name] = adam.beta2 * self._second[name] + (1 - adam.beta2) * g**2
            m_hat, v_hat = m / (1 - adam.beta1**self._t), v / (1 - adam.beta2**self._t)
            change: Any = adam.learning_rate * m_hat / (np.sqrt(v_hat) + adam.epsilon)
            self.parameters[name] = self.parameters[name] - change
        return loss
