"""LightGCN in PaddlePaddle; the spec is benchmarks/specs/lightgcn.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle import layers
from backends.paddle.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.lightgcn import LightGCN

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Layer):
    def __init__(self, spec: LightGCN, parameters: dict[str, Tensor]) -> None:
        super().__init__()
        self.spec = spec
        self.weights = parameters

    def forward(self, batch: Batch) -> Tensor:
        users, items = self.vectors()
        difference = F.embedding(batch["positive"], items) - F.embedding(batch["negative"], items)
        margin = (F.embedding(batch["user"], users) * difference).sum(1)
        tables = {"user": "user_embedding", "positive": "item_embedding", "negative": "item_embedding"}
        squares = sum(F.embedding(batch[name], self.weights[table]).square().sum(1) for name, table in tables.items())
        return (F.softplus(-margin) + self.spec.l2 / 2 * squares).mean()

    def users(self, inputs: Batch) -> Tensor:
        return F.embedding(inputs["user"], self.vectors()[0])

    def items(self) -> Tensor:
        return self.vectors()[1]

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Of all users and of all items."""
        users, items = self.weights["user_embedding"], self.weights["item_embedding"]
        to, from_, weight = (self.weights[name] for name in ("edge_to", "edge_from", "edge_weight"))
        mean = layers.propagated(paddle.concat([users, items]), to, from_, weight, self.spec.n_layers)
        of_users, of_items = mean.split([len(users), len(items)])
        return of_users, of_items


init = partial(initialise, Model)
