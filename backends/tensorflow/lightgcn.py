"""LightGCN in TensorFlow; the spec is benchmarks/specs/lightgcn.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.lightgcn import LightGCN

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: LightGCN, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.spec = spec
        self.weights = parameters

    def __call__(self, batch: Batch) -> tf.Tensor:
        users, items = self.vectors()
        difference = tf.gather(items, batch["positive"]) - tf.gather(items, batch["negative"])
        margin = tf.reduce_sum(tf.gather(users, batch["user"]) * difference, 1)
        tables = {"user": "user_embedding", "positive": "item_embedding", "negative": "item_embedding"}
        rows = [tf.gather(self.weights[table], batch[name]) for name, table in tables.items()]
        squares = tf.add_n([tf.reduce_sum(row**2, 1) for row in rows])
        return tf.reduce_mean(tf.nn.softplus(-margin) + self.spec.l2 / 2 * squares)

    def users(self, inputs: Batch) -> tf.Tensor:
        return tf.gather(self.vectors()[0], inputs["user"])

    def items(self) -> tf.Tensor:
        return self.vectors()[1]

    def vectors(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Of all users and of all items."""
        users, items = self.weights["user_embedding"], self.weights["item_embedding"]
        to, from_, weight = (self.weights[name] for name in ("edge_to", "edge_from", "edge_weight"))
        mean = layers.propagated(tf.concat([users, items], 0), to, from_, weight, self.spec.n_layers)
        of_users, of_items = tf.split(mean, [users.shape[0], items.shape[0]])
        return of_users, of_items


init = partial(initialise, Model)
