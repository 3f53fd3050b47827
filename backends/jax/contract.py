"""The contract's functions in JAX and Flax, shared by all model families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx
from jax import Array

from backends.contract import Arrays, UnavailableError
from backends.jax import optimizers

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam, DifferentiableSpec

jax.config.update("jax_default_matmul_precision", "highest")  # float32 products stay float32 on a GPU too

Batch: TypeAlias = dict[str, Array]
Values: TypeAlias = Any  # the model's parameters as a pytree
Carry: TypeAlias = tuple[Values, Values, optimizers.Moments]  # parameters that are learnt, others, moments


class Unlearnt(nnx.Variable):
    """A parameter that no gradient moves."""


@dataclass
class State:
    """A model split into its graph and its values, with the optimizer's moments; canonical names are attributes."""

    graph: nnx.GraphDef
    carry: Carry
    train_steps: Callable[..., tuple[Carry, Array]]
    gradient_of: Callable[..., tuple[Values, Values]]
    optimizer: Adam | SGD
    done: int
    device: jax.Device


def initialise(
    model_class: type[nnx.Module], spec: DifferentiableSpec, parameters: Arrays, device: str, mode: str
) -> State:
    try:
        target = jax.devices(device)[0]
    except RuntimeError as error:
        raise UnavailableError(f"JAX sees no {device} device") from error
    native = {
        name: (Unlearnt if name in spec.unlearnt else nnx.Param)(jax.device_put(np.array(value), target))
        for name, value in parameters.items()
    }
    graph, learnt, others = nnx.split(model_class(spec, native), nnx.Param, Unlearnt)
    carry = (learnt, others, optimizers.moments(spec.optimizer, learnt))
    return State(graph, carry, *_functions(graph, spec.optimizer, mode), spec.optimizer, 0, target)


@cache
def _functions(
    graph: nnx.GraphDef, optimizer: Adam | SGD, mode: str
) -> tuple[Callable[..., tuple[Carry, Array]], Callable[..., tuple[Values, Values]]]:
    """Training steps and gradient, compiled once for all states of the same model."""
    step, gradient_of = _step(graph, optimizer), jax.grad(partial(_loss_of, graph), has_aux=True)
    if mode == "compiled":
        return jax.jit(_scan(step), donate_argnums=0), jax.jit(gradient_of)
    return _loop(step), gradient_of


def _loss_of(graph: nnx.GraphDef, learnt: Values, others: Values, batch: Batch) -> tuple[Array, Values]:
    """The loss, and the others as the step leaves them.

    A model returns its loss, or its loss and the next values of what it carries from step to step.
    """
    outcome = nnx.merge(graph, learnt, others)(batch)
    loss, carried = outcome if isinstance(outcome, tuple) else (outcome, {})
    flat = {path: value.replace(carried.get(path[-1], value[...])) for path, value in nnx.to_flat_state(others)}
    return loss, nnx.from_flat_state(flat)


def _step(graph: nnx.GraphDef, optimizer: Adam | SGD) -> Callable[[Carry, Any], tuple[Carry, Array]]:
    gradient_of = jax.value_and_grad(partial(_loss_of, graph), has_aux=True)
    update = optimizers.update(optimizer)

    def step(carry: Carry, inputs: tuple[Batch, optimizers.Scheduled]) -> tuple[Carry, Array]:
        learnt, others, moments = carry
        batch, scheduled = inputs
        (loss, others), gradient = gradient_of(learnt, others, batch)
        learnt, moments = update(learnt, moments, gradient, scheduled)
        return (learnt, others, moments), loss

    return step


def _scan(step: Callable[[Carry, Any], tuple[Carry, Array]]) -> Callable[..., tuple[Carry, Array]]:
    """All steps of a call in one compiled loop: two to three times faster than one call a step."""
    return lambda carry, inputs: jax.lax.scan(step, carry, inputs)


def _loop(step: Callable[[Carry, Any], tuple[Carry, Array]]) -> Callable[..., tuple[Carry, Array]]:
    def loop(carry: Carry, inputs: Any) -> tuple[Carry, Array]:
        losses = []
        for i in range(len(inputs[1][0])):
            carry, loss = step(carry, jax.tree.map(lambda values, i=i: values[i], inputs))
            losses.append(loss)
        return carry, jnp.stack(losses)

    return loop


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    n_steps = len(next(iter(batches.values())))
    inputs = jax.device_put((dict(batches), state.optimizer.schedule(state.done, n_steps)), state.device)
    state.carry, losses = state.train_steps(state.carry, inputs)
    state.done += n_steps
    return state, np.asarray(losses)


def gradients(state: State, batch: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    learnt, others, _ = state.carry
    gradient, _ = state.gradient_of(learnt, others, _to_device(state, batch))
    return _canonical(gradient)


def embed_users(state: State, inputs: Arrays) -> npt.NDArray[np.float32]:
    return np.asarray(_users(state.graph, *state.carry[:2], _to_device(state, inputs)))


def embed_items(state: State) -> npt.NDArray[np.float32]:
    return np.asarray(_items(state.graph, *state.carry[:2]))


def export(state: State) -> dict[str, npt.NDArray[np.float32]]:
    learnt, others, _ = state.carry
    return _canonical(learnt) | _canonical(others)


def sync(state: State) -> None:
    jax.block_until_ready(state.carry)


@partial(jax.jit, static_argnums=0)
def _users(graph: nnx.GraphDef, learnt: Values, others: Values, inputs: Batch) -> Array:
    return nnx.merge(graph, learnt, others).users(inputs)


@partial(jax.jit, static_argnums=0)
def _items(graph: nnx.GraphDef, learnt: Values, others: Values) -> Array:
    return nnx.merge(graph, learnt, others).items()


def _canonical(values: Values) -> dict[str, npt.NDArray[np.float32]]:
    """Parameters under the last part of their path: a layer's attributes have the canonical names too."""
    return {path[-1]: np.array(value[...]) for path, value in nnx.to_flat_state(values)}


def _to_device(state: State, arrays: Arrays) -> Batch:
    return jax.device_put(dict(arrays), state.device)
