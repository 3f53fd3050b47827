"""SASRec in TensorFlow; the spec is benchmarks/specs/sasrec.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.sasrec import SASRec

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: SASRec, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.spec = spec
        self.weights = parameters

    def __call__(self, batch: Batch) -> tf.Tensor:
        if self.spec.trains_on == "positions":
            outputs = tf.reshape(self.outputs(batch), [-1, self.spec.embedding_dim])
            target = tf.reshape(batch["target"], [-1]) - 1
        else:
            outputs, target = self.users(batch), batch["target"]
        return layers.next_item_loss(self.spec, outputs, self.items(), target, batch)

    def users(self, inputs: Batch) -> tf.Tensor:
        return layers.at(self.outputs(inputs), tf.maximum(inputs["length"] - 1, 0))

    def outputs(self, inputs: Batch) -> tf.Tensor:
        x = self.dropped(self.embedded(inputs["history"]), inputs, 0)
        for block in range(self.spec.n_blocks):
            attention = self.attention(f"block_{block}", self.norm(f"block_{block}_attention", x))
            x = x + self.dropped(attention, inputs, 1 + 2 * block)
            dense = self.dense(f"block_{block}", self.norm(f"block_{block}_ffn", x))
            x = x + self.dropped(dense, inputs, 2 + 2 * block)
        return self.norm("final", x)

    def dropped(self, x: tf.Tensor, inputs: Batch, place: int) -> tf.Tensor:
        return layers.dropped(x, inputs, place, self.spec.keep_scale)

    def items(self) -> tf.Tensor:
        return self.weights["item_embedding"][1:]

    def embedded(self, history: tf.Tensor) -> tf.Tensor:
        items = tf.gather(self.weights["item_embedding"], history) * self.spec.embedding_dim**0.5
        return (items + self.weights["position_embedding"]) * tf.cast(history > 0, tf.float32)[..., None]

    def attention(self, block: str, x: tf.Tensor) -> tf.Tensor:
        parts = [
            tf.einsum("bld,ed->ble", x, self.weights[f"{block}_{part}_weight"]) for part in ("query", "key", "value")
        ]
        query, key, value = (tf.reshape(part, [*x.shape[:2], self.spec.n_heads, -1]) for part in parts)
        scores = tf.einsum("bqhe,bkhe->bhqk", query, key) * query.shape[3] ** -0.5
        causal = tf.linalg.band_part(tf.ones(scores.shape[2:], tf.bool), -1, 0)
        weights = tf.nn.softmax(tf.where(causal, scores, scores.dtype.min))
        return tf.reshape(tf.einsum("bhqk,bkhe->bqhe", weights, value), x.shape)

    def dense(self, block: str, x: tf.Tensor) -> tf.Tensor:
        inner = tf.einsum("bld,ed->ble", x, self.weights[f"{block}_inner_weight"]) + self.weights[f"{block}_inner_bias"]
        outer = tf.einsum("ble,de->bld", tf.nn.relu(inner), self.weights[f"{block}_outer_weight"])
        return outer + self.weights[f"{block}_outer_bias"]

    def norm(self, name: str, x: tf.Tensor) -> tf.Tensor:
        scale, shift = 1 + self.weights[f"{name}_scale"], self.weights[f"{name}_shift"]
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, shift, scale, self.spec.norm_epsilon)


init = partial(initialise, Model)
