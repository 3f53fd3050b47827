"""The optimizers' updates in JAX, written out: optax takes its bias corrections in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam

Values: TypeAlias = Any  # the model's parameters as a pytree
Moments: TypeAlias = tuple[Values, ...]


def moments(optimizer: Adam | SGD, values: Values) -> Moments:
    """What the optimizer keeps beside the parameters, at its start."""
    n_moments = 2 if optimizer.name == "adam" else 0
    return tuple(jax.tree.map(jnp.zeros_like, values) for _ in range(n_moments))


def update(optimizer: Adam | SGD) -> Callable[[Values, Moments, Values, Array, Array], tuple[Values, Moments]]:
    """From parameters, moments, gradient, step size and epsilon to the next parameters and moments."""
    if optimizer.name == "adam":

        def adam(
            values: Values, moments: Moments, gradient: Values, step_size: Array, epsilon: Array
        ) -> tuple[Values, Moments]:
            first = jax.tree.map(lambda m, g: m + (1 - optimizer.beta1) * (g - m), moments[0], gradient)
            second = jax.tree.map(lambda v, g: v + (1 - optimizer.beta2) * (g * g - v), moments[1], gradient)
            values = jax.tree.map(lambda p, m, v: p - step_size * m / (jnp.sqrt(v) + epsilon), values, first, second)
            return values, (first, second)

        return adam

    def sgd(
        values: Values, moments: Moments, gradient: Values, step_size: Array, _epsilon: Array
    ) -> tuple[Values, Moments]:
        norm = jnp.sqrt(sum(jnp.square(g).sum() for g in jax.tree.leaves(gradient)))
        factor = jnp.minimum(1, optimizer.clip_norm / norm)
        return jax.tree.map(lambda p, g: p - step_size * factor * g, values, gradient), moments

    return sgd
