"""SASRec in JAX/Flax; the spec is benchmarks/specs/sasrec.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from backends.jax import layers
from backends.jax.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.sasrec import SASRec

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: SASRec, parameters: dict[str, nnx.Param]) -> None:
        self.spec = spec
        self.weights = nnx.Dict(parameters)

    def __call__(self, batch: Batch) -> Array:
        if self.spec.trains_on == "positions":
            outputs = self.outputs(batch).reshape(-1, self.spec.embedding_dim)
            target = batch["target"].ravel() - 1
        else:
            outputs, target = self.users(batch), batch["target"]
        return layers.next_item_loss(self.spec, outputs, self.items(), target, batch)

    def users(self, inputs: Batch) -> Array:
        return layers.at(self.outputs(inputs), jnp.maximum(inputs["length"] - 1, 0))

    def outputs(self, inputs: Batch) -> Array:
        x = self.dropped(self.embedded(inputs["history"]), inputs, 0)
        for block in range(self.spec.n_blocks):
            attention = self.attention(f"block_{block}", self.norm(f"block_{block}_attention", x))
            x = x + self.dropped(attention, inputs, 1 + 2 * block)
            dense = self.dense(f"block_{block}", self.norm(f"block_{block}_ffn", x))
            x = x + self.dropped(dense, inputs, 2 + 2 * block)
        return self.norm("final", x)

    def dropped(self, x: Array, inputs: Batch, place: int) -> Array:
        return layers.dropped(x, inputs, place, self.spec.keep_scale)

    def items(self) -> Array:
        return self.weights["item_embedding"][1:]

    def embedded(self, history: Array) -> Array:
        items = self.weights["item_embedding"][history] * self.spec.embedding_dim**0.5
        return (items + self.weights["position_embedding"]) * (history > 0)[..., None]

    def attention(self, block: str, x: Array) -> Array:
        parts = [x @ self.weights[f"{block}_{part}_weight"].T for part in ("query", "key", "value")]
        query, key, value = (part.reshape(*part.shape[:2], self.spec.n_heads, -1) for part in parts)
        return jax.nn.dot_product_attention(query, key, value, is_causal=True).reshape(x.shape)

    def dense(self, block: str, x: Array) -> Array:
        inner = jax.nn.relu(x @ self.weights[f"{block}_inner_weight"].T + self.weights[f"{block}_inner_bias"])
        return inner @ self.weights[f"{block}_outer_weight"].T + self.weights[f"{block}_outer_bias"]

    def norm(self, name: str, x: Array) -> Array:
        scale, shift = 1 + self.weights[f"{name}_scale"], self.weights[f"{name}_shift"]
        return scale * jax.nn.standardize(x, epsilon=self.spec.norm_epsilon, algorithm="stable") + shift


init = partial(initialise, Model)
