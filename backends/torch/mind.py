"""MIND in PyTorch; the spec is benchmarks/specs/mind.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch import layers
from backends.torch.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mind import MIND

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Module):
    def __init__(self, spec: MIND, parameters: dict[str, nn.Parameter]) -> None:
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
        attention = (products**self.spec.power).softmax(1)
        user = (attention.unsqueeze(-1) * interests).sum(1)
        return layers.softmax_loss(user @ self.item_embedding[1:].T, batch["target"])

    def users(self, inputs: Batch) -> Tensor:
        items = layers.lookup(self.item_embedding, inputs["history"])
        votes = F.linear(items, self.bilinear).unsqueeze(1)  # the same for every interest
        capsules = layers.routed(votes, self.routing_logits, self.spec.n_routing, self.spec.squash_epsilon)
        return F.relu(F.linear(capsules, self.dense_weight, self.dense_bias))

    def items(self) -> Tensor:
        return self.item_embedding[1:]


init = partial(initialise, Model)
