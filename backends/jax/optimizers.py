"""The optimizers' updates in JAX, written out: optax takes its bias corrections in float32."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam

Values: TypeAlias = Any  # the model's parameters as a pytree
Moments: TypeAlias = tuple[Values, ...]
Scheduled: TypeAlias = tuple[Array, ...]  # a step's size, epsilon and decay, as `optimizer.schedule` has them


def moments(optimizer: Adam | SGD, values: Values) -> Moments:
    """What the optimizer keeps beside the parameters, at its start."""
    n_moments = 2 if optimizer.name == "adam" else 0
    return tuple(jax.tree.map(jnp.zeros_like, values) for _ in range(n_moments))


@cache
def update(optimizer: Adam | SGD) -> Callable[[Values, Moments, Values, Scheduled], tuple[Values, Moments]]:
    """From parameters, moments, gradient and the step's schedule to the next parameters and moments.

    Compiled in eager mode, too, and once for all models of the same shapes: op by op, each shape of a parameter has a
    dozen operations compiled for it, which takes longer than a short training.
    """
    if optimizer.name == "adam":

        @jax.jit
        def adam(values: Values, moments: Moments, gradient: Values, scheduled: Scheduled) -> tuple[Values, Moments]:
            step_size, epsilon, decay = scheduled
            gradient = _clipped(gradient, optimizer.clip_norm)
            if optimizer.weight_decay:
                values = jax.tree.map(lambda p: p - decay * p, values)
            first = jax.tree.map(lambda m, g: m + (1 - optimizer.beta1) * (g - m), moments[0], gradient)
            second = jax.tree.map(lambda v, g: v + (1 - optimizer.beta2) * (g * g - v), moments[1], gradient)
            values = jax.tree.map(lambda p, m, v: p - step_size * m / (jnp.sqrt(v) + epsilon), values, first, second)
            return values, (first, second)

        return adam

    @jax.jit
    def sgd(values: Values, moments: Moments, gradient: Values, scheduled: Scheduled) -> tuple[Values, Moments]:
        step_size, *_ = scheduled
        gradient = _clipped(gradient, optimizer.clip_norm)
        return jax.tree.map(lambda p, g: p - step_size * g, values, gradient), moments

    return sgd


def _clipped(gradient: Values, clip_norm: float) -> Values:
    """The gradients, all together of that norm at most; 0 clips nothing."""
    if not clip_norm:
        return gradient
    factor = _factor(gradient, clip_norm)
    return jax.tree.map(lambda g: factor * g, gradient)


def _factor(gradient: Values, clip_norm: float) -> Array:
    """What clips all gradients together to a norm; written out, to be the same in all four frameworks.

    Of gradients that are all zero, it is 1: what is divided by zero is infinite, and cut off.
    """
    norm = jnp.sqrt(sum(jnp.square(g).sum() for g in jax.tree.leaves(gradient)))
    return jnp.minimum(1, clip_norm / norm)
