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
        if self.spec.trains_on == "positions":
            outputs = self.outputs(batch).reshape(-1, self.spec.embedding_dim)
            target = batch["target"].ravel() - 1
        else:
            outputs, target = self.encode(batch), batch["target"]
        padding = 0 if self.spec.padding_masked else 1  # classes before the first item
        return layers.next_item_loss(
            self.spec, outputs, self.item_embedding[1 - padding :], target, batch, n_before=padding
        )

    def outputs(self, inputs: Batch) -> Array:
        embedded = layers.lookup(self.item_embedding, inputs["history"])
        return self.gru(layers.dropped(embedded, inputs, 0, self.spec.keep_scale))

    def encode(self, inputs: Batch) -> Array:
        outputs = self.outputs(inputs)
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
