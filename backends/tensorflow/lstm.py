"""The LSTM of Online Retail in TensorFlow; the spec is benchmarks/specs/lstm.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import tensorflow as tf

from backends.tensorflow import layers
from backends.tensorflow.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.lstm import LSTM

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(tf.Module):
    def __init__(self, spec: LSTM, parameters: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.user_embedding = parameters.get("user_embedding")
        self.lstm = layers.LSTM(parameters, spec.n_layers)
        self.output_weight = parameters["output_weight"]
        self.output_bias = parameters["output_bias"]
        self.carried_hidden = parameters.get("carried_hidden")
        self.carried_cell = parameters.get("carried_cell")

    def __call__(self, batch: Batch) -> tuple[tf.Tensor, Batch]:
        state = (self.carried_hidden, self.carried_cell) if self.spec.state_carried else None
        outputs, (hidden, cell) = self.lstm(self.steps(batch), state)
        padding = 1 if self.spec.padding_masked else 0  # classes that are left out
        outputs = tf.reshape(outputs, [-1, self.spec.hidden_dim])
        logits = tf.matmul(outputs, self.output_weight[padding:], transpose_b=True) + self.output_bias[padding:]
        loss = layers.softmax_loss(logits, tf.reshape(batch["target"], [-1]) - padding)
        return loss, {"carried_hidden": hidden, "carried_cell": cell} if self.spec.state_carried else {}

    def steps(self, inputs: Batch) -> tf.Tensor:
        items = tf.gather(self.item_embedding, inputs["history"])
        if not self.spec.with_user:
            return items
        users = tf.gather(self.user_embedding, inputs["user"] + 1)
        return tf.concat([tf.repeat(users[:, None], items.shape[1], 1), items], 2)

    def users(self, inputs: Batch) -> tf.Tensor:
        outputs, _ = self.lstm(self.steps(inputs))
        asked = tf.gather_nd(outputs, tf.stack([inputs["session"], inputs["step"]], 1))
        return tf.concat([asked, tf.ones_like(asked[:, :1])], 1)

    def items(self) -> tf.Tensor:
        return tf.concat([self.output_weight[1:], self.output_bias[1:, None]], 1)


init = partial(initialise, Model)
