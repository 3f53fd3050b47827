"""GRU4Rec in TensorFlow; the spec is benchmarks/specs/gru4rec.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.gru4rec import GRU4Rec

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: GRU4Rec, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.gru = layers.GRU(parameters)

    def __call__(self, batch: Batch) -> tf.Tensor:
        if self.spec.trains_on == "positions":
            outputs = tf.reshape(self.outputs(batch), [-1, self.spec.embedding_dim])
            target = tf.reshape(batch["target"], [-1]) - 1
        else:
            outputs, target = self.encode(batch), batch["target"]
        padding = 0 if self.spec.padding_masked else 1  # classes before the first item
        return layers.next_item_loss(
            self.spec, outputs, self.item_embedding[1 - padding :], target, batch, n_before=padding
        )

    def outputs(self, inputs: Batch) -> tf.Tensor:
        embedded = layers.lookup(self.item_embedding, inputs["history"])
        return self.gru(layers.dropped(embedded, inputs, 0, self.spec.keep_scale))

    def encode(self, inputs: Batch) -> tf.Tensor:
        outputs = self.outputs(inputs)
        length = inputs["length"] if self.spec.padding_masked else tf.fill(inputs["length"].shape, self.spec.length)
        if self.spec.pooling == "last":
            return layers.at(outputs, tf.maximum(length - 1, 0))
        mask = tf.sequence_mask(length, self.spec.length, tf.float32)
        return tf.reduce_sum(outputs * mask[..., None], 1) / tf.cast(tf.maximum(length, 1), tf.float32)[:, None]

    def users(self, inputs: Batch) -> tf.Tensor:
        return self.scaled(self.encode(inputs))

    def items(self) -> tf.Tensor:
        return self.scaled(self.item_embedding[1:])

    def scaled(self, vectors: tf.Tensor) -> tf.Tensor:
        return layers.normalised(vectors) if self.spec.normalised else vectors


init = partial(initialise, Model)
