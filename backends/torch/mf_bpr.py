"""BPR matrix factorisation in PyTorch; the spec is benchmarks/specs/mf_bpr.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_bpr import MFBPR

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Module):
    def __init__(self, spec: MFBPR, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]
        self.item_bias = parameters["item_bias"]

    def forward(self, batch: Batch) -> Tensor:
        user = F.embedding(batch["user"], self.user_factors)
        positive = F.embedding(batch["positive"], self.item_factors)
        negative = F.embedding(batch["negative"], self.item_factors)
        bias_positive = self.item_bias[batch["positive"]]
        bias_negative = self.item_bias[batch["negative"]]
        margin = (user * (positive - negative)).sum(1) + bias_positive - bias_negative
        squares = user.square().sum() + positive.square().sum() + negative.square().sum()
        penalty = squares + bias_positive.sum() + bias_negative.sum()
        return F.softplus(-margin).mean() + self.l2 * penalty

    def users(self, inputs: Batch) -> Tensor:
        user = F.embedding(inputs["user"], self.user_factors)
        return torch.cat([user, torch.ones_like(user[:, :1])], 1)

    def items(self) -> Tensor:
        return torch.cat([self.item_factors, self.item_bias[:, None]], 1)


init = partial(initialise, Model)
