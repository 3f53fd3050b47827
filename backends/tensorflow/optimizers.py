"""The optimizers' updates in TensorFlow, written out.

Keras' Adam puts epsilon before the bias correction, and the raw update takes 1 - beta2 in float32, which alone costs a
factor of ten in agreement over 200 steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import tensorflow as tf

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam

Scheduled: TypeAlias = tuple[tf.Tensor, ...]  # a step's size, epsilon and decay, as `optimizer.schedule` has them


def update(optimizer: Adam | SGD, variables: list[tf.Variable]) -> Callable[[list[tf.Tensor], Scheduled], None]:
    """An update of the variables, given their dense gradients and the step's schedule."""
    moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]

    if optimizer.name == "adam":

        def adam(gradients: list[tf.Tensor], scheduled: Scheduled) -> None:
            step_size, epsilon, decay = scheduled
            clipped = _clipped(gradients, optimizer.clip_norm)
            for variable, (m, v), gradient in zip(variables, moments, clipped, strict=True):
                if optimizer.weight_decay:
                    variable.assign_sub(decay * variable)
                m.assign_add((1 - optimizer.beta1) * (gradient - m))
                v.assign_add((1 - optimizer.beta2) * (gradient * gradient - v))
                variable.assign_sub(step_size * m / (tf.sqrt(v) + epsilon))

        return adam

    def sgd(gradients: list[tf.Tensor], scheduled: Scheduled) -> None:
        step_size, *_ = scheduled
        for variable, gradient in zip(variables, _clipped(gradients, optimizer.clip_norm), strict=True):
            variable.assign_sub(step_size * gradient)

    return sgd


def _clipped(gradients: list[tf.Tensor], clip_norm: float) -> list[tf.Tensor]:
    """The gradients, all together of that norm at most; 0 clips nothing."""
    if not clip_norm:
        return gradients
    factor = _factor(gradients, clip_norm)
    return [factor * gradient for gradient in gradients]


def _factor(gradients: list[tf.Tensor], clip_norm: float) -> tf.Tensor:
    """What clips all gradients together to a norm; written out, to be the same in all four frameworks.

    Of gradients that are all zero, it is 1: what is divided by zero is infinite, and cut off.
    """
    norm = tf.sqrt(tf.add_n([tf.reduce_sum(gradient**2) for gradient in gradients]))
    return tf.minimum(1.0, clip_norm / norm)
