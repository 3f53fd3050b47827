"""ComiRec-DR in TensorFlow; the spec is benchmarks/specs/comirec_dr.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.comirec_dr import ComiRecDR

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: ComiRecDR, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.bilinear = parameters["bilinear"]

    def __call__(self, batch: Batch) -> tf.Tensor:
        target = tf.gather(self.item_embedding, batch["target"] + 1)
        user = layers.closest(self.users(batch), target)
        return layers.softmax_loss(tf.matmul(user, self.item_embedding[1:], transpose_b=True), batch["target"])

    def users(self, inputs: Batch) -> tf.Tensor:
        items = layers.lookup(self.item_embedding, inputs["history"])
        votes = tf.einsum("lkde,ble->bkld", self.bilinear, items)
        logits = tf.zeros(votes.shape[:-1])
        return layers.routed(votes, logits, self.spec.n_routing, self.spec.squash_epsilon)

    def items(self) -> tf.Tensor:
        return self.item_embedding[1:]


init = partial(initialise, Model)
