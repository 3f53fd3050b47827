"""Matrix factorisation with the log loss in PyTorch; the spec is benchmarks/specs/mf_logloss.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_logloss import MFLogLoss

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Module):
    def __init__(self, spec: MFLogLoss, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]
        self.user_bias = parameters["user_bias"]
        self.item_bias = parameters["item_bias"]
        self.global_bias = parameters["global_bias"]

    def forward(self, batch: Batch) -> Tensor:
        user = F.embedding(batch["user"], self.user_factors)
        item = F.embedding(batch["item"], self.item_factors)
        bias = self.global_bias + self.user_bias[batch["user"]] + self.item_bias[batch["item"]]
        logit = bias + (user * item).sum(1)
        log_loss = F.binary_cross_entropy_with_logits(logit, batch["label"])
        return log_loss + self.l2 * (user.square().sum() + item.square().sum())

    def users(self, inputs: Batch) -> Tensor:
        user = F.embedding(inputs["user"], self.user_factors)
        return torch.cat([user, torch.ones_like(user[:, :1])], 1)

    def items(self) -> Tensor:
        return torch.cat([self.item_factors, self.item_bias[:, None]], 1)


init = partial(initialise, Model)
