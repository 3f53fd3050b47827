"""Matrix factorisation with the log loss in JAX/Flax; the spec is benchmarks/specs/mf_logloss.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from backends.jax.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_logloss import MFLogLoss

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: MFLogLoss, parameters: dict[str, nnx.Param]) -> None:
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]
        self.user_bias = parameters["user_bias"]
        self.item_bias = parameters["item_bias"]
        self.global_bias = parameters["global_bias"]

    def __call__(self, batch: Batch) -> Array:
        user = self.user_factors[batch["user"]]
        item = self.item_factors[batch["item"]]
        bias = self.global_bias[...] + self.user_bias[batch["user"]] + self.item_bias[batch["item"]]
        logit = bias + (user * item).sum(1)
        log_loss = optax.losses.sigmoid_binary_cross_entropy(logit, batch["label"]).mean()
        return log_loss + self.l2 * (jnp.square(user).sum() + jnp.square(item).sum())

    def users(self, inputs: Batch) -> Array:
        user = self.user_factors[inputs["user"]]
        return jnp.concatenate([user, jnp.ones_like(user[:, :1])], 1)

    def items(self) -> Array:
        return jnp.concatenate([self.item_factors[...], self.item_bias[...][:, None]], 1)


init = partial(initialise, Model)
