"""DSSM and YouTubeDNN in TensorFlow; the spec is benchmarks/specs/two_tower.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.two_tower import TwoTower

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: TwoTower, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.spec = spec
        self.p = parameters
        self.learnt = tuple(name for name in parameters if name not in spec.unlearnt)

    def __call__(self, batch: Batch) -> tuple[tf.Tensor, Batch]:
        kept: Batch = {}
        users = self.scaled(self.tower("user", self.user_inputs(batch), kept))
        items = self.scaled(self.tower("item", self.item_inputs(tf.reshape(batch["item"], [-1])), kept))
        loss = self.of_form(users, tf.reshape(items, [*batch["item"].shape, items.shape[-1]]), batch)
        if self.spec.l2:
            loss = loss + self.spec.l2 / 2 * tf.add_n([tf.reduce_sum(self.p[name] ** 2) for name in self.learnt])
        return loss, kept

    def of_form(self, users: tf.Tensor, items: tf.Tensor, batch: Batch) -> tf.Tensor:
        if self.spec.form == "triplet":
            distance = tf.sqrt(tf.maximum(tf.reduce_sum((users[:, None] - items) ** 2, -1), self.spec.tiny))
            return tf.reduce_mean(tf.nn.relu(distance[:, :1] - distance[:, 1:] + self.spec.margin))
        if self.spec.form == "in-batch":
            return self.in_batch(tf.matmul(users, items[:, 0], transpose_b=True) / self.spec.temperature, batch)
        scores = tf.reduce_sum(users[:, None] * items, -1) / self.spec.temperature
        if self.spec.log_q:
            scores = scores - batch["log_q"]
        if self.spec.form == "list-wise":
            return -tf.reduce_mean(tf.nn.log_softmax(scores, 1)[:, 0])
        if self.spec.form == "pair-wise":
            return tf.reduce_mean(tf.nn.softplus(scores[:, 1:] - scores[:, :1]))
        logits = tf.sigmoid(scores) if self.spec.double_sigmoid else scores
        return tf.reduce_mean(tf.nn.softplus(logits)) - tf.reduce_sum(logits[:, 0]) / tf.cast(
            tf.size(logits), tf.float32
        )

    def in_batch(self, scores: tf.Tensor, batch: Batch) -> tf.Tensor:
        positive = batch["item"][:, 0]
        if self.spec.log_q:
            scores = scores - batch["log_q"][:, 0]
        itself = tf.eye(len(positive), dtype=tf.bool)
        others = (positive[:, None] == positive) & ~itself
        return -tf.reduce_mean(tf.linalg.diag_part(tf.nn.log_softmax(tf.where(others, -1e9, scores), 1)))

    def users(self, inputs: Batch) -> tf.Tensor:
        users = self.scaled(self.tower("user", self.user_inputs(inputs)))
        return tf.concat([users, tf.ones_like(users[:, :1])], 1) if self.spec.by_distance else users

    def items(self) -> tf.Tensor:
        everything = tf.range(self.p["item_embedding"].shape[0] - 1)
        items = self.scaled(self.tower("item", self.item_inputs(everything)))
        if not self.spec.by_distance:
            return items
        return tf.concat([items, -tf.reduce_sum(items**2, 1, keepdims=True) / 2], 1)

    def user_inputs(self, inputs: Batch) -> tf.Tensor:
        row = inputs["user"] + 1
        return tf.concat([self.feature("user", name, row, inputs) for name in self.spec.user_features], 1)

    def item_inputs(self, item: tf.Tensor) -> tf.Tensor:
        return tf.concat([self.feature("item", name, item + 1, {}) for name in self.spec.item_features], 1)

    def feature(self, side: str, name: str, row: tf.Tensor, inputs: Batch) -> tf.Tensor:
        """What a feature hands to its tower: float32[n, width]."""
        if name == "history":
            return self.pooled(layers.lookup(self.p["item_embedding"], inputs["history"]), inputs)
        if name == side:
            return tf.gather(self.p[f"{side}_embedding"], row)
        column, table = tf.gather(self.p[f"{side}_{name}"], row), f"{side}_{name}_embedding"
        return tf.gather(self.p[table], column) if table in self.p else column[:, None]

    def pooled(self, items: tf.Tensor, inputs: Batch) -> tf.Tensor:
        if self.spec.pooling == "concat":
            return tf.reshape(items, [items.shape[0], -1])
        length = tf.cast(inputs["length"], tf.float32)[:, None]
        if self.spec.pooling == "max":
            largest = tf.reduce_max(tf.where((inputs["history"] == 0)[..., None], -1e9, items), 1)
            return tf.where(length == 0, 0.0, largest)
        return tf.reduce_sum(items, 1) / (tf.maximum(length, 1) if self.spec.pooling == "mean" else 1)

    def tower(self, side: str, x: tf.Tensor, kept: Batch | None = None) -> tf.Tensor:
        """The layers' output; in training, `kept` takes up what batch normalisation keeps of the batch."""
        sizes = self.spec.user_tower if side == "user" else self.spec.item_tower
        for i in range(len(sizes)):
            x = tf.matmul(x, self.p[f"{side}_weight_{i}"], transpose_b=True)
            x = self.normalised(side, i, x, kept) if self.spec.batch_norm else x + self.p[f"{side}_bias_{i}"]
            if self.spec.activation == "prelu":
                x = tf.where(x > 0, x, self.p[f"{side}_slope_{i}"] * x)
            elif self.spec.activation == "leaky-relu":
                x = tf.nn.leaky_relu(x, self.spec.leak)
        return x

    def normalised(self, side: str, i: int, x: tf.Tensor, kept: Batch | None) -> tf.Tensor:
        """By this batch, of which `kept` takes up its part, or where there is no training by what was kept."""
        mean, variance = f"{side}_norm_mean_{i}", f"{side}_norm_variance_{i}"
        moments = (self.p[mean], self.p[variance])
        if kept is not None:
            of_batch = tf.nn.moments(x, 0)
            unbiased = of_batch[1] * x.shape[0] / (x.shape[0] - 1)
            kept[mean] = moments[0] + self.spec.momentum * (of_batch[0] - moments[0])
            kept[variance] = moments[1] + self.spec.momentum * (unbiased - moments[1])
            moments = of_batch
        x = (x - moments[0]) / tf.sqrt(moments[1] + self.spec.norm_epsilon)
        return x * self.p[f"{side}_norm_scale_{i}"] + self.p[f"{side}_norm_shift_{i}"]

    def scaled(self, vectors: tf.Tensor) -> tf.Tensor:
        if self.spec.scaling == "none":
            return vectors
        square = tf.maximum(tf.reduce_sum(vectors**2, -1, keepdims=True), self.spec.tiny)
        return vectors / (tf.sqrt(square) if self.spec.scaling == "length" else square)


init = partial(initialise, Model)
