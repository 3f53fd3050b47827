"""BERT4Rec in JAX/Flax; the spec is benchmarks/specs/bert4rec.py."""

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
    from benchmarks.specs.bert4rec import BERT4Rec

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: BERT4Rec, parameters: dict[str, nnx.Param]) -> None:
        self.spec = spec
        self.weights = nnx.Dict(parameters)

    def __call__(self, batch: Batch) -> Array:
        outputs = layers.at_each(self.outputs(batch), batch["place"])
        target = batch["target"].ravel() - 1
        return layers.next_item_loss(self.spec, self.scored(outputs), self.items(), target, batch)

    def users(self, inputs: Batch) -> Array:
        return self.scored(layers.at(self.outputs(inputs), inputs["length"]))

    def items(self) -> Array:
        return jnp.concatenate([self.weights["item_embedding"][1:], self.weights["item_bias"][:, None]], 1)

    def scored(self, outputs: Array) -> Array:
        projected = outputs @ self.weights["head_weight"].T + self.weights["head_bias"]
        return jnp.pad(jax.nn.gelu(projected, approximate=False), ((0, 0), (0, 1)), constant_values=1.0)

    def outputs(self, inputs: Batch) -> Array:
        x = self.dropped(self.embedded(inputs["history"]), inputs, 0)
        known = inputs["history"] != 0
        for block in range(self.spec.n_blocks):
            attention = self.attention(f"block_{block}", x, known)
            x = self.norm(f"block_{block}_attention", x + self.dropped(attention, inputs, 1 + 2 * block))
            dense = self.dense(f"block_{block}", x)
            x = self.norm(f"block_{block}_ffn", x + self.dropped(dense, inputs, 2 + 2 * block))
        return x

    def dropped(self, x: Array, inputs: Batch, place: int) -> Array:
        return layers.dropped(x, inputs, place, self.spec.keep_scale)

    def embedded(self, history: Array) -> Array:
        items = self.weights["item_embedding"][jnp.maximum(history, 0)]
        masked = (history < 0)[..., None]
        return jnp.where(masked, self.weights["mask_embedding"], items) + self.weights["position_embedding"]

    def attention(self, block: str, x: Array, known: Array) -> Array:
        parts = [x @ self.weights[f"{block}_{part}_weight"].T for part in ("query", "key", "value")]
        query, key, value = (part.reshape(*part.shape[:2], self.spec.n_heads, -1) for part in parts)
        mixed = jax.nn.dot_product_attention(query, key, value, mask=known[:, None, None])
        return mixed.reshape(x.shape) @ self.weights[f"{block}_mixed_weight"].T

    def dense(self, block: str, x: Array) -> Array:
        inner = x @ self.weights[f"{block}_inner_weight"].T + self.weights[f"{block}_inner_bias"]
        return (
            jax.nn.gelu(inner, approximate=False) @ self.weights[f"{block}_outer_weight"].T
            + self.weights[f"{block}_outer_bias"]
        )

    def norm(self, name: str, x: Array) -> Array:
        scale, shift = 1 + self.weights[f"{name}_scale"], self.weights[f"{name}_shift"]
        return scale * jax.nn.standardize(x, epsilon=self.spec.norm_epsilon, algorithm="stable") + shift


init = partial(initialise, Model)
