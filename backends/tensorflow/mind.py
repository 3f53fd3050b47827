"""MIND in TensorFlow; the spec is benchmarks/specs/mind.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mind import MIND

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: MIND, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.bilinear = parameters["bilinear"]
        self.routing_logits = parameters["routing_logits"]
        self.dense_weight = parameters["dense_weight"]
        self.dense_bias = parameters["dense_bias"]

    def __call__(self, batch: Batch) -> tf.Tensor:
        interests = self.users(batch)
        target = tf.gather(self.item_embedding, batch["target"] + 1)
        products = tf.reduce_sum(interests * target[:, None], -1)
        attention = tf.nn.softmax(products**self.spec.power, 1)
        user = tf.reduce_sum(attention[..., None] * interests, 1)
        return layers.softmax_loss(tf.matmul(user, self.item_embedding[1:], transpose_b=True), batch["target"])

    def users(self, inputs: Batch) -> tf.Tensor:
        items = layers.lookup(self.item_embedding, inputs["history"])
        votes = tf.matmul(items, self.bilinear, transpose_b=True)[:, None]  # the same for every interest
        capsules = layers.routed(votes, self.routing_logits, self.spec.n_routing, self.spec.squash_epsilon)
        return tf.nn.relu(tf.matmul(capsules, self.dense_weight, transpose_b=True) + self.dense_bias)

    def items(self) -> tf.Tensor:
        return self.item_embedding[1:]


init = partial(initialise, Model)
