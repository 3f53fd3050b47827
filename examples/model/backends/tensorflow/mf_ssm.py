"""Matrix factorisation with a sampled softmax in TensorFlow; the spec is benchmarks/specs/mf_ssm.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_ssm import MFSSM

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: MFSSM, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]

    def __call__(self, batch: Batch) -> tf.Tensor:
        user = tf.gather(self.user_factors, batch["user"])
        items = tf.gather(self.item_factors, batch["item"])
        scores = tf.reduce_sum(user[:, None] * items, 2)
        softmax_loss = -tf.reduce_mean(tf.nn.log_softmax(scores, 1)[:, 0])
        return softmax_loss + self.l2 * (tf.reduce_sum(user**2) + tf.reduce_sum(items**2))

    def users(self, inputs: Batch) -> tf.Tensor:
        return tf.gather(self.user_factors, inputs["user"])

    def items(self) -> tf.Tensor:
        return tf.identity(self.item_factors)


init = partial(initialise, Model)
