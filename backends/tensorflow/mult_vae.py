"""Mult-VAE in TensorFlow; the spec is benchmarks/specs/mult_vae.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mult_vae import MultVAE

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: MultVAE, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.spec = spec
        self.weights = parameters

    def __call__(self, batch: Batch) -> tf.Tensor:
        hidden = self.encoded(batch)
        mean, log_variance = self.dense("mean", hidden), self.dense("variance", hidden)
        z = mean + tf.exp(log_variance / 2) * batch["noise"]
        logits = tf.matmul(self.decoded(z), self.weights["item_embedding"], transpose_b=True)
        has = layers.multi_hot(batch["history"], logits.shape[1])
        likelihood = tf.reduce_sum(has * tf.nn.log_softmax(logits + self.weights["item_bias"]), 1)
        divergence = 0.5 * tf.reduce_sum(tf.square(mean) + tf.exp(log_variance) - log_variance - 1, 1)
        return tf.reduce_mean(batch["weight"] * divergence - likelihood)

    def users(self, inputs: Batch) -> tf.Tensor:
        units = self.decoded(self.dense("mean", self.encoded(inputs)))
        return tf.pad(units, [[0, 0], [0, 1]], constant_values=1.0)

    def items(self) -> tf.Tensor:
        return tf.concat([self.weights["item_embedding"], self.weights["item_bias"][:, None]], 1)

    def encoded(self, inputs: Batch) -> tf.Tensor:
        n_items = self.weights["item_bias"].shape[0]
        x = layers.normalised(layers.multi_hot(inputs["history"], n_items))
        if "keep" in inputs:
            kept = inputs["history"] * tf.cast(inputs["keep"], inputs["history"].dtype)
            x = x * layers.multi_hot(kept, n_items) * self.spec.keep_scale
        return tf.tanh(tf.matmul(x, self.weights["encoder_embedding"]) + self.weights["encoder_bias"])

    def decoded(self, z: tf.Tensor) -> tf.Tensor:
        return tf.tanh(self.dense("decoder", z))

    def dense(self, name: str, x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, self.weights[f"{name}_weight"], transpose_b=True) + self.weights[f"{name}_bias"]


init = partial(initialise, Model)
