"""BPR matrix factorisation in JAX/Flax; the spec is benchmarks/specs/mf_bpr.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from backends.jax.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_bpr import MFBPR

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: MFBPR, parameters: dict[str, nnx.Param]) -> None:
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]
        self.item_bias = parameters["item_bias"]

    def __call__(self, batch: Batch) -> Array:
        user = self.user_factors[batch["user"]]
        positive = self.item_factors[batch["positive"]]
        negative = self.item_factors[batch["negative"]]
        bias_positive = self.item_bias[batch["positive"]]
        bias_negative = self.item_bias[batch["negative"]]
        margin = (user * (positive - negative)).sum(1) + bias_positive - bias_negative
        squares = jnp.square(user).sum() + jnp.square(positive).sum() + jnp.square(negative).sum()
        penalty = squares + bias_positive.sum() + bias_negative.sum()
        return jax.nn.softplus(-margin).mean() + self.l2 * penalty

    def users(self, inputs: Batch) -> Array:
        user = self.user_factors[inputs["user"]]
        return jnp.concatenate([user, jnp.ones_like(user[:, :1])], 1)

    def items(self) -> Array:
        return jnp.concatenate([self.item_factors[...], self.item_bias[...][:, None]], 1)


init = partial(initialise, Model)
