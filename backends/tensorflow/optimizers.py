"""The optimizers' updates in TensorFlow, written out.

Keras' Adam puts epsilon before the bias correction, and the raw update takes 1 - beta2 in float32, which alone costs a
factor of ten in agreement over 200 steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from benchmarks.specs.base import SGD, Adam


def update(
    optimizer: Adam | SGD, variables: list[tf.Variable]
) -> Callable[[list[tf.Tensor], tf.Tensor, tf.Tensor], None]:
    """An update of the variables, given their dense gradients, a step size and an epsilon."""
    moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]

    if optimizer.name == "adam":

        def adam(gradients: list[tf.Tensor], step_size: tf.Tensor, epsilon: tf.Tensor) -> None:
            for variable, (m, v), gradient in zip(variables, moments, gradients, strict=True):
                m.assign_add((1 - optimizer.beta1) * (gradient - m))
                v.assign_add((1 - optimizer.beta2) * (gradient * gradient - v))
                variable.assign_sub(step_size * m / (tf.sqrt(v) + epsilon))

        return adam

    def sgd(gradients: list[tf.Tensor], step_size: tf.Tensor, epsilon: tf.Tensor) -> None:  # noqa: ARG001
        norm = tf.sqrt(tf.add_n([tf.reduce_sum(gradient**2) for gradient in gradients]))
        factor = tf.minimum(1.0, optimizer.clip_norm / norm)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(step_size * factor * gradient)

    return sgd
