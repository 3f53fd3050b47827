"""Matrix factorisation with the log loss in PaddlePaddle; the spec is benchmarks/specs/mf_logloss.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_logloss import MFLogLoss

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Layer):
    def __init__(self, spec: MFLogLoss, parameters: dict[str, Tensor]) -> None:
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
        user_bias = paddle.gather(self.user_bias, batch["user"])
        item_bias = paddle.gather(self.item_bias, batch["item"])
        logit = self.global_bias + user_bias + item_bias + (user * item).sum(1)
        log_loss = F.binary_cross_entropy_with_logits(logit, batch["label"])
        return log_loss + self.l2 * (user.square().sum() + item.square().sum())

    def users(self, inputs: Batch) -> Tensor:
        user = F.embedding(inputs["user"], self.user_factors)
        return paddle.concat([user, paddle.ones_like(user[:, :1])], 1)

    def items(self) -> Tensor:
        return paddle.concat([self.item_factors, self.item_bias[:, None]], 1)


init = partial(initialise, Model)
