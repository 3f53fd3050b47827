"""BPR matrix factorisation in TensorFlow; the spec is benchmarks/specs/mf_bpr.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_bpr import MFBPR

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: MFBPR, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]
        self.item_bias = parameters["item_bias"]

    def __call__(self, batch: Batch) -> tf.Tensor:
        user = tf.gather(self.user_factors, batch["user"])
        positive = tf.gather(self.item_factors, batch["positive"])
        negative = tf.gather(self.item_factors, batch["negative"])
        bias_positive = tf.gather(self.item_bias, batch["positive"])
        bias_negative = tf.gather(self.item_bias, batch["negative"])
        margin = tf.reduce_sum(user * (positive - negative), 1) + bias_positive - bias_negative
        squares = tf.reduce_sum(user**2) + tf.reduce_sum(positive**2) + tf.reduce_sum(negative**2)
        penalty = squares + tf.reduce_sum(bias_positive) + tf.reduce_sum(bias_negative)
        return tf.reduce_mean(tf.nn.softplus(-margin)) + self.l2 * penalty

    def users(self, inputs: Batch) -> tf.Tensor:
        user = tf.gather(self.user_factors, inputs["user"])
        return tf.concat([user, tf.ones_like(user[:, :1])], 1)

    def items(self) -> tf.Tensor:
        return tf.concat([self.item_factors, self.item_bias[:, None]], 1)


init = partial(initialise, Model)
