"""ComiRec-SA in TensorFlow; the spec is benchmarks/specs/comirec_sa.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.comirec_sa import ComiRecSA

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: ComiRecSA, parameters: dict[str, tf.Variable]) -> None:  # noqa: ARG002 - the contract's argument
        super().__init__()
        self.item_embedding = parameters["item_embedding"]
        self.position_embedding = parameters["position_embedding"]
        self.attention_hidden = parameters["attention_hidden"]
        self.attention_interests = parameters["attention_interests"]

    def __call__(self, batch: Batch) -> tf.Tensor:
        target = tf.gather(self.item_embedding, batch["target"] + 1)
        user = layers.closest(self.users(batch), target)
        return layers.softmax_loss(tf.matmul(user, self.item_embedding[1:], transpose_b=True), batch["target"])

    def users(self, inputs: Batch) -> tf.Tensor:
        known = (inputs["history"] > 0)[..., None]
        items = layers.lookup(self.item_embedding, inputs["history"])
        hidden = tf.tanh(tf.matmul(items + self.position_embedding, self.attention_hidden, transpose_b=True))
        scores = tf.matmul(hidden, self.attention_interests, transpose_b=True)
        attention = tf.nn.softmax(tf.where(known, scores, -1e9), 1)
        return tf.matmul(attention, items, transpose_a=True)

    def items(self) -> tf.Tensor:
        return self.item_embedding[1:]


init = partial(initialise, Model)
