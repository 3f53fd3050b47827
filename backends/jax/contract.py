"""The contract's functions in JAX and Flax, shared by all model families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx
from jax import Array

from backends.contract import Arrays, UnavailableError

jax.config.update("jax_default_matmul_precision", "highest")  # float32 products stay float32 on a GPU too

Batch: TypeAlias = dict[str, Array]
Values: TypeAlias = Any  # the model's parameters as a pytree
Carry: TypeAlias = tuple[Values, Values, Values]  # parameters, first and second moments


@dataclass
class State:
    """A model split into its graph and its values, with the optimizer's moments; canonical names are attributes."""

    graph: nnx.GraphDef
    carry: Carry
    train_steps: Callable[..., tuple[Carry, Array]]
    optimizer: Any
    done: int
    device: jax.Device


def initialise(model_class: type[nnx.Module], spec: Any, parameters: Arrays, device: str, mode: str) -> State:
    try:
        target = jax.devices(device)[0]
    except RuntimeError as error:
        raise UnavailableError(f"JAX sees no {device} device") from error
    native = {name: nnx.Param(jax.device_put(np.array(value), target)) for name, value in parameters.items()}
    graph, values = nnx.split(model_class(spec, native))
    step = _step(graph, spec.optimizer)
    train_steps = jax.jit(_scan(step), donate_argnums=0) if mode == "compiled" else _loop(step)
    zeros = jax.tree.map(jnp.zeros_like, values)
    carry = (values, zeros, jax.tree.map(jnp.copy, zeros))
    return State(graph, carry, train_steps, spec.optimizer, 0, target)


def _step(graph: nnx.GraphDef, adam: Any) -> Callable[[Carry, Any], tuple[Carry, Array]]:
    def loss_of(values: Values, batch: Batch) -> Array:
        return nnx.merge(graph, values)(batch)

    def step(carry: Carry, inputs: tuple[Batch, Array, Array]) -> tuple[Carry, Array]:
        values, first_moment, second_moment = carry
        batch, step_size, epsilon = inputs
        loss, gradient = jax.value_and_grad(loss_of)(values, batch)
        first_moment = jax.tree.map(lambda m, g: m + (1 - adam.beta1) * (g - m), first_moment, gradient)
        second_moment = jax.tree.map(lambda v, g: v + (1 - adam.beta2) * (g * g - v), second_moment, gradient)
        values = jax.tree.map(
            lambda p, m, v: p - step_size * m / (jnp.sqrt(v) + epsilon), values, first_moment, second_moment
        )
        return (values, first_moment, second_moment), loss

    return step


def _scan(step: Callable[[Carry, Any], tuple[Carry, Array]]) -> Callable[..., tuple[Carry, Array]]:
    """All steps of a call in one compiled loop: two to three times faster than one call a step."""
    return lambda carry, inputs: jax.lax.scan(step, carry, inputs)


def _loop(step: Callable[[Carry, Any], tuple[Carry, Array]]) -> Callable[..., tuple[Carry, Array]]:
    def loop(carry: Carry, inputs: Any) -> tuple[Carry, Array]:
        losses = []
        for i in range(len(inputs[1])):
            carry, loss = step(carry, jax.tree.map(lambda values, i=i: values[i], inputs))
            losses.append(loss)
        return carry, jnp.stack(losses)

    return loop


def train(state: State, batches: Arrays) -> tuple[State, npt.NDArray[np.float32]]:
    n_steps = len(next(iter(batches.values())))
    inputs = jax.device_put((dict(batches), *state.optimizer.schedule(state.done, n_steps)), state.device)
    state.carry, losses = state.train_steps(state.carry, inputs)
    state.done += n_steps
    return state, np.asarray(losses)


def gradients(state: State, batch: Arrays) -> dict[str, npt.NDArray[np.float32]]:
    gradient = jax.grad(lambda values: nnx.merge(state.graph, values)(_to_device(state, batch)))(state.carry[0])
    return _canonical(gradient)


def embed_users(state: State, inputs: Arrays) -> npt.NDArray[np.float32]:
    return np.asarray(_users(state.graph, state.carry[0], _to_device(state, inputs)))


def embed_items(state: State) -> npt.NDArray[np.float32]:
    return np.asarray(_items(state.graph, state.carry[0]))


def export(state: State) -> dict[str, npt.NDArray[np.float32]]:
    return _canonical(state.carry[0])


def sync(state: State) -> None:
    jax.block_until_ready(state.carry)


@partial(jax.jit, static_argnums=0)
def _users(graph: nnx.GraphDef, values: Values, inputs: Batch) -> Array:
    return nnx.merge(graph, values).users(inputs)


@partial(jax.jit, static_argnums=0)
def _items(graph: nnx.GraphDef, values: Values) -> Array:
    return nnx.merge(graph, values).items()


def _canonical(values: Values) -> dict[str, npt.NDArray[np.float32]]:
    return {name: np.array(value) for name, value in nnx.to_pure_dict(values).items()}


def _to_device(state: State, arrays: Arrays) -> Batch:
    return jax.device_put(dict(arrays), state.device)
