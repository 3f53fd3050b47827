"""ComiRec-SA in PaddlePaddle; the spec is benchmarks/specs/comirec_sa.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle import layers
from backends.paddle.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.comirec_sa import ComiRecSA

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Layer):
    def __init__(self, spec: ComiRecSA, parameters: dict[str, Tensor]) -> None:  # noqa: ARG002 - the contract's argument
        super().__init__()
        self.item_embedding = parameters["item_embedding"]
        self.position_embedding = parameters["position_embedding"]
        self.attention_hidden = parameters["attention_hidden"]
        self.attention_interests = parameters["attention_interests"]

    def forward(self, batch: Batch) -> Tensor:
        target = F.embedding(batch["target"] + 1, self.item_embedding)
        user = layers.closest(self.users(batch), target)
        return layers.softmax_loss(paddle.matmul(user, self.item_embedding[1:], transpose_y=True), batch["target"])

    def users(self, inputs: Batch) -> Tensor:
        known = (inputs["history"] > 0).unsqueeze(-1)
        items = layers.lookup(self.item_embedding, inputs["history"])
        hidden = paddle.tanh(paddle.matmul(items + self.position_embedding, self.attention_hidden, transpose_y=True))
        scores = paddle.matmul(hidden, self.attention_interests, transpose_y=True)
        attention = F.softmax(scores.masked_fill(~known, -1e9), 1)
        return paddle.matmul(attention, items, transpose_x=True)

    def items(self) -> Tensor:
        return self.item_embedding[1:]


init = partial(initialise, Model)
