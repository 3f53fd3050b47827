"""MIND in JAX/Flax; the spec is benchmarks/specs/mind.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
from flax import nnx
from jax import Array

from backends.jax import layers
from backends.jax.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mind import MIND

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: MIND, parameters: dict[str, nnx.Param]) -> None:
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.bilinear = parameters["bilinear"]
        self.routing_logits = parameters["routing_logits"]
        self.dense_weight = parameters["dense_weight"]
        self.dense_bias = parameters["dense_bias"]

    def __call__(self, batch: Batch) -> Array:
        interests = self.users(batch)
        target = self.item_embedding[batch["target"] + 1]
        products = (interests * target[:, None]).sum(-1)
        attention = jax.nn.softmax(products**self.spec.power, 1)
        user = (attention[..., None] * interests).sum(1)
        return layers.softmax_loss(user @ self.item_embedding[1:].T, batch["target"])

    def users(self, inputs: Batch) -> Array:
        items = layers.lookup(self.item_embedding, inputs["history"])
        votes = (items @ self.bilinear.T)[:, None]  # the same for every interest
        logits = self.routing_logits[...]
        capsules = layers.routed(votes, logits, self.spec.n_routing, self.spec.squash_epsilon)
        return jax.nn.relu(capsules @ self.dense_weight.T + self.dense_bias)

    def items(self) -> Array:
        return self.item_embedding[1:]


init = partial(initialise, Model)
