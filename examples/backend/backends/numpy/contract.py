"""The contract's functions in NumPy and autograd, shared by all model families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from autograd import value_and_grad

from backends.contract import Arrays, UnavailableError
from backends.numpy import optimizers

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam, DifferentiableSpec

Batch: TypeAlias = Arrays
Values: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass
class State:
    """The parameters under their canonical names, and the optimizer, which moves those that are learnt."""

    model: Callable[[Values], Any]
    learnt: Values
    others: Values
    optimizer: Adam | SGD
    moments: optimizers.Moments
    done: int = 0


def initialise(model_class: type, spec: DifferentiableSpec, parameters: Arrays, device: str, mode: str) -> State:
    if (device, mode) != ("cpu", "eager"):
        raise UnavailableError(f"NumPy runs on the CPU op by op, not {mode} on a {device}")
    values = {name: np.array(value) for name, value in parameters.items()}  # copies, which are the state's own
    others = {name: values.pop(name) for name in spec.unlearnt}
    moments = optimizers.moments(spec.optimizer, values)
    return State(lambda given: model_class(spec, given), values, others, spec.optimizer, moments)


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    n_steps = len(next(iter(batches.values())))
    losses = np.empty(n_steps, np.float32)
    schedule = zip(*state.optimizer.schedule(state.done, n_steps), strict=True)
    for i, scheduled in enumerate(schedule):
        losses[i], gradient = _loss_and_gradient(state, {name: values[i] for name, values in batches.items()})
        optimizers.update(state.optimizer, state.learnt, state.moments, gradient, scheduled)
    state.done += n_steps
    return state, losses


def gradients(state: State, batch: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    return _loss_and_gradient(state, batch)[1]


def embed_users(state: State, inputs: Arrays) -> npt.NDArray[np.float32]:
    return state.model({**state.learnt, **state.others}).users(inputs)


def embed_items(state: State) -> npt.NDArray[np.float32]:
    return state.model({**state.learnt, **state.others}).items()


def export(state: State) -> dict[str, npt.NDArray[np.float32]]:
    return {name: value.copy() for name, value in {**state.learnt, **state.others}.items()}


def sync(state: State) -> None:
    """Nothing is ever queued."""


def _loss_and_gradient(state: State, batch: Batch) -> tuple[Any, Values]:
    return value_and_grad(lambda learnt: state.model({**learnt, **state.others})(batch))(state.learnt)
