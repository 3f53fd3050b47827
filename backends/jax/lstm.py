"""The LSTM of Online Retail in JAX/Flax; the spec is benchmarks/specs/lstm.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax.numpy as jnp
from flax import nnx
from jax import Array

from backends.jax import layers
from backends.jax.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.lstm import LSTM

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: LSTM, parameters: dict[str, nnx.Param]) -> None:
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.user_embedding = parameters.get("user_embedding")
        self.lstm = layers.LSTM(parameters, spec.n_layers)
        self.output_weight = parameters["output_weight"]
        self.output_bias = parameters["output_bias"]
        self.carried_hidden = parameters.get("carried_hidden")
        self.carried_cell = parameters.get("carried_cell")

    def __call__(self, batch: Batch) -> tuple[Array, Batch]:
        state = (self.carried_hidden[...], self.carried_cell[...]) if self.spec.state_carried else None  # type: ignore[index]
        outputs, (hidden, cell) = self.lstm(self.steps(batch), state)
        padding = 1 if self.spec.padding_masked else 0  # classes that are left out
        outputs = outputs.reshape(-1, self.spec.hidden_dim)
        logits = outputs @ self.output_weight[padding:].T + self.output_bias[padding:]
        loss = layers.softmax_loss(logits, batch["target"].reshape(-1) - padding)
        return loss, {"carried_hidden": hidden, "carried_cell": cell} if self.spec.state_carried else {}

    def steps(self, inputs: Batch) -> Array:
        items = self.item_embedding[inputs["history"]]
        if not self.spec.with_user:
            return items
        users = self.user_embedding[inputs["user"] + 1]  # type: ignore[index]
        return jnp.concatenate([jnp.repeat(users[:, None], items.shape[1], 1), items], 2)

    def users(self, inputs: Batch) -> Array:
        outputs, _ = self.lstm(self.steps(inputs))
        asked = outputs[inputs["session"], inputs["step"]]
        return jnp.concatenate([asked, jnp.ones_like(asked[:, :1])], 1)

    def items(self) -> Array:
        return jnp.concatenate([self.output_weight[1:], self.output_bias[1:, None]], 1)


init = partial(initialise, Model)
