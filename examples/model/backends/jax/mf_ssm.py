"""Matrix factorisation with a sampled softmax in JAX/Flax; the spec is benchmarks/specs/mf_ssm.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from backends.jax.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_ssm import MFSSM

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: MFSSM, parameters: dict[str, nnx.Param]) -> None:
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]

    def __call__(self, batch: Batch) -> Array:
        user = self.user_factors[batch["user"]]
        items = self.item_factors[batch["item"]]
        scores = (user[:, None] * items).sum(2)
        softmax_loss = -jax.nn.log_softmax(scores, 1)[:, 0].mean()
        return softmax_loss + self.l2 * (jnp.square(user).sum() + jnp.square(items).sum())

    def users(self, inputs: Batch) -> Array:
        return self.user_factors[inputs["user"]]

    def items(self) -> Array:
        return self.item_factors[...]


init = partial(initialise, Model)
