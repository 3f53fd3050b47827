"""Matrix factorisation with a sampled softmax in PaddlePaddle; the spec is benchmarks/specs/mf_ssm.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle import layers
from backends.paddle.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_ssm import MFSSM

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Layer):
    def __init__(self, spec: MFSSM, parameters: dict[str, Tensor]) -> None:
        super().__init__()
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]

    def forward(self, batch: Batch) -> Tensor:
        user = F.embedding(batch["user"], self.user_factors)
        items = F.embedding(batch["item"], self.item_factors)
        scores = (user.unsqueeze(1) * items).sum(2)
        softmax_loss = layers.softmax_loss(scores, paddle.zeros([len(scores)], "int32"))
        return softmax_loss + self.l2 * (user.square().sum() + items.square().sum())

    def users(self, inputs: Batch) -> Tensor:
        return F.embedding(inputs["user"], self.user_factors)

    def items(self) -> Tensor:
        return self.item_factors


init = partial(initialise, Model)
