"""LightGCN in JAX/Flax; the spec is benchmarks/specs/lightgcn.py."""

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
    from benchmarks.specs.lightgcn import LightGCN

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: LightGCN, parameters: dict[str, nnx.Param]) -> None:
        self.spec = spec
        self.weights = nnx.Dict(parameters)

    def __call__(self, batch: Batch) -> Array:
        users, items = self.vectors()
        difference = items[batch["positive"]] - items[batch["negative"]]
        margin = (users[batch["user"]] * difference).sum(1)
        tables = {"user": "user_embedding", "positive": "item_embedding", "negative": "item_embedding"}
        squares = sum(jnp.square(self.weights[table][batch[name]]).sum(1) for name, table in tables.items())
        return (jax.nn.softplus(-margin) + self.spec.l2 / 2 * squares).mean()

    def users(self, inputs: Batch) -> Array:
        return self.vectors()[0][inputs["user"]]

    def items(self) -> Array:
        return self.vectors()[1]

    def vectors(self) -> tuple[Array, Array]:
        """Of all users and of all items."""
        users, items = self.weights["user_embedding"], self.weights["item_embedding"]
        to, from_, weight = (self.weights[name][...] for name in ("edge_to", "edge_from", "edge_weight"))
        mean = layers.propagated(jnp.concatenate([users[...], items[...]]), to, from_, weight, self.spec.n_layers)
        return mean[: len(users)], mean[len(users) :]


init = partial(initialise, Model)
