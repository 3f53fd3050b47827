"""BERT4Rec in TensorFlow; the spec is benchmarks/specs/bert4rec.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.bert4rec import BERT4Rec

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: BERT4Rec, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.spec = spec
        self.weights = parameters

    def __call__(self, batch: Batch) -> tf.Tensor:
        outputs = layers.at_each(self.outputs(batch), batch["place"])
        target = tf.reshape(batch["target"], [-1]) - 1
        return layers.next_item_loss(self.spec, self.scored(outputs), self.items(), target, batch)

    def users(self, inputs: Batch) -> tf.Tensor:
        return self.scored(layers.at(self.outputs(inputs), inputs["length"]))

    def items(self) -> tf.Tensor:
        return tf.concat([self.weights["item_embedding"][1:], self.weights["item_bias"][:, None]], 1)

    def scored(self, outputs: tf.Tensor) -> tf.Tensor:
        projected = tf.matmul(outputs, self.weights["head_weight"], transpose_b=True) + self.weights["head_bias"]
        return tf.pad(tf.nn.gelu(projected), [[0, 0], [0, 1]], constant_values=1.0)

    def outputs(self, inputs: Batch) -> tf.Tensor:
        x = self.dropped(self.embedded(inputs["history"]), inputs, 0)
        known = inputs["history"] != 0
        for block in range(self.spec.n_blocks):
            attention = self.attention(f"block_{block}", x, known)
            x = self.norm(f"block_{block}_attention", x + self.dropped(attention, inputs, 1 + 2 * block))
            dense = self.dense(f"block_{block}", x)
            x = self.norm(f"block_{block}_ffn", x + self.dropped(dense, inputs, 2 + 2 * block))
        return x

    def dropped(self, x: tf.Tensor, inputs: Batch, place: int) -> tf.Tensor:
        return layers.dropped(x, inputs, place, self.spec.keep_scale)

    def embedded(self, history: tf.Tensor) -> tf.Tensor:
        items = tf.gather(self.weights["item_embedding"], tf.maximum(history, 0))
        masked = (history < 0)[..., None]
        return tf.where(masked, self.weights["mask_embedding"], items) + self.weights["position_embedding"]

    def attention(self, block: str, x: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        parts = [
            tf.einsum("bld,ed->ble", x, self.weights[f"{block}_{part}_weight"]) for part in ("query", "key", "value")
        ]
        query, key, value = (tf.reshape(part, [*x.shape[:2], self.spec.n_heads, -1]) for part in parts)
        scores = tf.einsum("bqhe,bkhe->bhqk", query, key) * query.shape[3] ** -0.5
        weights = tf.nn.softmax(tf.where(known[:, None, None], scores, scores.dtype.min))
        mixed = tf.reshape(tf.einsum("bhqk,bkhe->bqhe", weights, value), x.shape)
        return tf.einsum("bld,ed->ble", mixed, self.weights[f"{block}_mixed_weight"])

    def dense(self, block: str, x: tf.Tensor) -> tf.Tensor:
        inner = tf.einsum("bld,ed->ble", x, self.weights[f"{block}_inner_weight"]) + self.weights[f"{block}_inner_bias"]
        outer = tf.einsum("ble,de->bld", tf.nn.gelu(inner), self.weights[f"{block}_outer_weight"])
        return outer + self.weights[f"{block}_outer_bias"]

    def norm(self, name: str, x: tf.Tensor) -> tf.Tensor:
        scale, shift = 1 + self.weights[f"{name}_scale"], self.weights[f"{name}_shift"]
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, shift, scale, self.spec.norm_epsilon)


init = partial(initialise, Model)
