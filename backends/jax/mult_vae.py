"""Mult-VAE in JAX/Flax; the spec is benchmarks/specs/mult_vae.py."""

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
    from benchmarks.specs.mult_vae import MultVAE

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: MultVAE, parameters: dict[str, nnx.Param]) -> None:
        self.spec = spec
        self.weights = nnx.Dict(parameters)

    def __call__(self, batch: Batch) -> Array:
        hidden = self.encoded(batch)
        mean, log_variance = self.dense("mean", hidden), self.dense("variance", hidden)
        z = mean + jnp.exp(log_variance / 2) * batch["noise"]
        logits = self.decoded(z) @ self.weights["item_embedding"].T + self.weights["item_bias"]
        has = layers.multi_hot(batch["history"], logits.shape[1])
        likelihood = (has * jax.nn.log_softmax(logits)).sum(1)
        divergence = 0.5 * (jnp.square(mean) + jnp.exp(log_variance) - log_variance - 1).sum(1)
        return (batch["weight"] * divergence - likelihood).mean()

    def users(self, inputs: Batch) -> Array:
        units = self.decoded(self.dense("mean", self.encoded(inputs)))
        return jnp.pad(units, ((0, 0), (0, 1)), constant_values=1.0)

    def items(self) -> Array:
        return jnp.concatenate([self.weights["item_embedding"], self.weights["item_bias"][:, None]], 1)

    def encoded(self, inputs: Batch) -> Array:
        n_items = len(self.weights["item_bias"])
        x = layers.normalised(layers.multi_hot(inputs["history"], n_items))
        if "keep" in inputs:
            x = x * layers.multi_hot(inputs["history"] * inputs["keep"], n_items) * self.spec.keep_scale
        return jnp.tanh(x @ self.weights["encoder_embedding"] + self.weights["encoder_bias"])

    def decoded(self, z: Array) -> Array:
        return jnp.tanh(self.dense("decoder", z))

    def dense(self, name: str, x: Array) -> Array:
        return x @ self.weights[f"{name}_weight"].T + self.weights[f"{name}_bias"]


init = partial(initialise, Model)
