"""GRU4Rec in JAX/Flax; the spec is benchmarks/specs/gru4rec.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax.numpy as jnp
from flax import nnx
from jax import Array

from backends.jax import layers
from backends.jax.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.gru4rec import GRU4Rec

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: GRU4Rec, parameters: dict[str, nnx.Param]) -> None:
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.gru = layers.GRU(parameters)

    def __call__(self, batch: Batch) -> Array:
        padding = 1 if self.spec.padding_masked else 0  # rows of the table that are no class
        logits = self.encode(batch) @ self.item_embedding[padding:].T
        return layers.softmax_loss(logits, batch["target"] + 1 - padding)

    def encode(self, inputs: Batch) -> Array:
        outputs = self.gru(layers.lookup(self.item_embedding, inputs["history"]))
        length = inputs["length"] if self.spec.padding_masked else jnp.full_like(inputs["length"], self.spec.length)
        if self.spec.pooling == "last":
            return layers.at(outputs, jnp.maximum(length - 1, 0))
        mask = jnp.arange(self.spec.length) < length[:, None]
        return (outputs * mask[..., None]).sum(1) / jnp.maximum(length, 1)[:, None]

    def users(self, inputs: Batch) -> Array:
        return self.scaled(self.encode(inputs))

    def items(self) -> Array:
        return self.scaled(self.item_embedding[1:])

    def scaled(self, vectors: Array) -> Array:
        return layers.normalised(vectors) if self.spec.normalised else vectors


init = partial(initialise, Model)
