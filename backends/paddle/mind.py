"""MIND in PaddlePaddle; the spec is benchmarks/specs/mind.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle import layers
from backends.paddle.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mind import MIND

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Layer):
    def __init__(self, spec: MIND, parameters: dict[str, Tensor]) -> None:
        super().__init__()
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.bilinear = parameters["bilinear"]
        self.routing_logits = parameters["routing_logits"]
        self.dense_weight = parameters["dense_weight"]
        self.dense_bias = parameters["dense_bias"]

    def forward(self, batch: Batch) -> Tensor:
        interests = self.users(batch)
        target = F.embedding(batch["target"] + 1, self.item_embedding)
        products = (interests * target.unsqueeze(1)).sum(-1)
        attention = F.softmax(products**self.spec.power, 1)
        user = (attention.unsqueeze(-1) * interests).sum(1)
        return layers.softmax_loss(paddle.matmul(user, self.item_embedding[1:], transpose_y=True), batch["target"])

    def users(self, inputs: Batch) -> Tensor:
        items = layers.lookup(self.item_embedding, inputs["history"])
        votes = paddle.matmul(items, self.bilinear, transpose_y=True).unsqueeze(1)  # the same for every interest
        capsules = layers.routed(votes, self.routing_logits, self.spec.n_routing, self.spec.squash_epsilon)
        return F.relu(paddle.matmul(capsules, self.dense_weight, transpose_y=True) + self.dense_bias)

    def items(self) -> Tensor:
        return self.item_embedding[1:]


init = partial(initialise, Model)
