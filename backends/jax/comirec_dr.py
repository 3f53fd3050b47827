"""ComiRec-DR in JAX/Flax; the spec is benchmarks/specs/comirec_dr.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax.numpy as jnp
from flax import nnx
from jax import Array

from backends.jax import layers
from backends.jax.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.comirec_dr import ComiRecDR

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: ComiRecDR, parameters: dict[str, nnx.Param]) -> None:
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.bilinear = parameters["bilinear"]

    def __call__(self, batch: Batch) -> Array:
        target = self.item_embedding[batch["target"] + 1]
        user = layers.closest(self.users(batch), target)
        return layers.softmax_loss(user @ self.item_embedding[1:].T, batch["target"])

    def users(self, inputs: Batch) -> Array:
        items = layers.lookup(self.item_embedding, inputs["history"])
        votes = jnp.einsum("lkde,ble->bkld", self.bilinear[...], items)
        logits = jnp.zeros(votes.shape[:-1])
        return layers.routed(votes, logits, self.spec.n_routing, self.spec.squash_epsilon)

    def items(self) -> Array:
        return self.item_embedding[1:]


init = partial(initialise, Model)
