"""DSSM and YouTubeDNN in JAX and Flax; the spec is benchmarks/specs/two_tower.py."""

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
    from benchmarks.specs.two_tower import TwoTower

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nnx.Module):
    def __init__(self, spec: TwoTower, parameters: dict[str, nnx.Variable]) -> None:
        self.spec = spec
        self.p = nnx.Dict(parameters)
        self.learnt = tuple(name for name in parameters if name not in spec.unlearnt)

    def __call__(self, batch: Batch) -> tuple[Array, Batch]:
        kept: Batch = {}
        users = self.scaled(self.tower("user", self.user_inputs(batch), kept))
        items = self.scaled(self.tower("item", self.item_inputs(batch["item"].ravel()), kept))
        loss = self.of_form(users, items.reshape(*batch["item"].shape, -1), batch)
        if self.spec.l2:
            loss = loss + self.spec.l2 / 2 * sum(jnp.square(self.p[name][...]).sum() for name in self.learnt)
        return loss, kept

    def of_form(self, users: Array, items: Array, batch: Batch) -> Array:
        if self.spec.form == "triplet":
            distance = jnp.sqrt(jnp.maximum(jnp.square(users[:, None] - items).sum(-1), self.spec.tiny))
            return jax.nn.relu(distance[:, :1] - distance[:, 1:] + self.spec.margin).mean()
        if self.spec.form == "in-batch":
            return self.in_batch(users @ items[:, 0].T / self.spec.temperature, batch)
        scores = (users[:, None] * items).sum(-1) / self.spec.temperature
        if self.spec.log_q:
            scores = scores - batch["log_q"]
        if self.spec.form == "list-wise":
            return -jax.nn.log_softmax(scores, 1)[:, 0].mean()
        if self.spec.form == "pair-wise":
            return jax.nn.softplus(scores[:, 1:] - scores[:, :1]).mean()
        logits = jax.nn.sigmoid(scores) if self.spec.double_sigmoid else scores
        return jax.nn.softplus(logits).mean() - logits[:, 0].sum() / logits.size

    def in_batch(self, scores: Array, batch: Batch) -> Array:
        positive = batch["item"][:, 0]
        if self.spec.log_q:
            scores = scores - batch["log_q"][:, 0]
        itself = jnp.eye(len(positive), dtype=bool)
        others = (positive[:, None] == positive) & ~itself
        return -jnp.diagonal(jax.nn.log_softmax(jnp.where(others, -1e9, scores), 1)).mean()

    def users(self, inputs: Batch) -> Array:
        users = self.scaled(self.tower("user", self.user_inputs(inputs)))
        return jnp.concatenate([users, jnp.ones_like(users[:, :1])], 1) if self.spec.by_distance else users

    def items(self) -> Array:
        everything = jnp.arange(len(self.p["item_embedding"][...]) - 1)
        items = self.scaled(self.tower("item", self.item_inputs(everything)))
        if not self.spec.by_distance:
            return items
        return jnp.concatenate([items, -jnp.square(items).sum(1, keepdims=True) / 2], 1)

    def user_inputs(self, inputs: Batch) -> Array:
        row = inputs["user"] + 1
        return jnp.concatenate([self.feature("user", name, row, inputs) for name in self.spec.user_features], 1)

    def item_inputs(self, item: Array) -> Array:
        return jnp.concatenate([self.feature("item", name, item + 1, {}) for name in self.spec.item_features], 1)

    def feature(self, side: str, name: str, row: Array, inputs: Batch) -> Array:
        """What a feature hands to its tower: float32[n, width]."""
        if name == "history":
            return self.pooled(layers.lookup(self.p["item_embedding"], inputs["history"]), inputs)
        if name == side:
            return self.p[f"{side}_embedding"][row]
        column, table = self.p[f"{side}_{name}"][row], f"{side}_{name}_embedding"
        return self.p[table][column] if table in self.p else column[:, None]

    def pooled(self, items: Array, inputs: Batch) -> Array:
        if self.spec.pooling == "concat":
            return items.reshape(len(items), -1)
        length = inputs["length"][:, None]
        if self.spec.pooling == "max":
            largest = jnp.where((inputs["history"] == 0)[..., None], -1e9, items).max(1)
            return jnp.where(length == 0, 0, largest)
        return items.sum(1) / (jnp.maximum(length, 1) if self.spec.pooling == "mean" else 1)

    def tower(self, side: str, x: Array, kept: Batch | None = None) -> Array:
        """The layers' output; in training, `kept` takes up what batch normalisation keeps of the batch."""
        sizes = self.spec.user_tower if side == "user" else self.spec.item_tower
        for i in range(len(sizes)):
            x = x @ self.p[f"{side}_weight_{i}"][...].T
            x = self.normalised(side, i, x, kept) if self.spec.batch_norm else x + self.p[f"{side}_bias_{i}"][...]
            if self.spec.activation == "prelu":
                x = jnp.where(x > 0, x, self.p[f"{side}_slope_{i}"][...] * x)
            elif self.spec.activation == "leaky-relu":
                x = jax.nn.leaky_relu(x, self.spec.leak)
        return x

    def normalised(self, side: str, i: int, x: Array, kept: Batch | None) -> Array:
        """By this batch, of which `kept` takes up its part, or where there is no training by what was kept."""
        mean, variance = f"{side}_norm_mean_{i}", f"{side}_norm_variance_{i}"
        moments = (self.p[mean][...], self.p[variance][...])
        if kept is not None:
            kept[mean] = moments[0] + self.spec.momentum * (x.mean(0) - moments[0])
            kept[variance] = moments[1] + self.spec.momentum * (x.var(0, ddof=1) - moments[1])
            moments = (x.mean(0), x.var(0))
        x = (x - moments[0]) / jnp.sqrt(moments[1] + self.spec.norm_epsilon)
        return x * self.p[f"{side}_norm_scale_{i}"][...] + self.p[f"{side}_norm_shift_{i}"][...]

    def scaled(self, vectors: Array) -> Array:
        if self.spec.scaling == "none":
            return vectors
        square = jnp.maximum(jnp.square(vectors).sum(-1, keepdims=True), self.spec.tiny)
        return vectors / (jnp.sqrt(square) if self.spec.scaling == "length" else square)


init = partial(initialise, Model)
