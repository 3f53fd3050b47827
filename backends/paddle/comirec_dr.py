"""ComiRec-DR in PaddlePaddle; the spec is benchmarks/specs/comirec_dr.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle import layers
from backends.paddle.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.comirec_dr import ComiRecDR

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Layer):
    def __init__(self, spec: ComiRecDR, parameters: dict[str, Tensor]) -> None:
        super().__init__()
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.bilinear = parameters["bilinear"]

    def forward(self, batch: Batch) -> Tensor:
        target = F.embedding(batch["target"] + 1, self.item_embedding)
        user = layers.closest(self.users(batch), target)
        return layers.softmax_loss(paddle.matmul(user, self.item_embedding[1:], transpose_y=True), batch["target"])

    def users(self, inputs: Batch) -> Tensor:
        items = layers.lookup(self.item_embedding, inputs["history"])
        votes = paddle.einsum("lkde,ble->bkld", self.bilinear, items)
        logits = paddle.zeros(votes.shape[:-1])
        return layers.routed(votes, logits, self.spec.n_routing, self.spec.squash_epsilon)

    def items(self) -> Tensor:
        return self.item_embedding[1:]


init = partial(initialise, Model)
