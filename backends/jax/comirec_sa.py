"""ComiRec-SA in JAX/Flax; the spec is benchmarks/specs/comirec_sa.py."""

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
    from benchmarks.specs.comirec_sa import ComiRecSA

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: ComiRecSA, parameters: dict[str, nnx.Param]) -> None:  # noqa: ARG002 - the contract's argument
        self.item_embedding = parameters["item_embedding"]
        self.position_embedding = parameters["position_embedding"]
        self.attention_hidden = parameters["attention_hidden"]
        self.attention_interests = parameters["attention_interests"]

    def __call__(self, batch: Batch) -> Array:
        target = self.item_embedding[batch["target"] + 1]
        user = layers.closest(self.users(batch), target)
        return layers.softmax_loss(user @ self.item_embedding[1:].T, batch["target"])

    def users(self, inputs: Batch) -> Array:
        known = (inputs["history"] > 0)[..., None]
        items = layers.lookup(self.item_embedding, inputs["history"])
        scores = jnp.tanh((items + self.position_embedding) @ self.attention_hidden.T) @ self.attention_interests.T
        attention = jax.nn.softmax(jnp.where(known, scores, -1e9), 1)
        return attention.mT @ items

    def items(self) -> Array:
        return self.item_embedding[1:]


init = partial(initialise, Model)
