"""Matrix factorisation with the log loss in TensorFlow; the spec is benchmarks/specs/mf_logloss.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_logloss import MFLogLoss

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: MFLogLoss, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]
        self.user_bias = parameters["user_bias"]
        self.item_bias = parameters["item_bias"]
        self.global_bias = parameters["global_bias"]

    def __call__(self, batch: Batch) -> tf.Tensor:
        user = tf.gather(self.user_factors, batch["user"])
        item = tf.gather(self.item_factors, batch["item"])
        bias = self.global_bias + tf.gather(self.user_bias, batch["user"]) + tf.gather(self.item_bias, batch["item"])
        logit = bias + tf.reduce_sum(user * item, 1)
        log_loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(batch["label"], logit))
        return log_loss + self.l2 * (tf.reduce_sum(user**2) + tf.reduce_sum(item**2))

    def users(self, inputs: Batch) -> tf.Tensor:
        user = tf.gather(self.user_factors, inputs["user"])
        return tf.concat([user, tf.ones_like(user[:, :1])], 1)

    def items(self) -> tf.Tensor:
        return tf.concat([self.item_factors, self.item_bias[:, None]], 1)


init = partial(initialise, Model)
