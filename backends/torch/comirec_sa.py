"""ComiRec-SA in PyTorch; the spec is benchmarks/specs/comirec_sa.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch import layers
from backends.torch.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.comirec_sa import ComiRecSA

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Module):
    def __init__(self, spec: ComiRecSA, parameters: dict[str, nn.Parameter]) -> None:  # noqa: ARG002 - the contract's argument
        super().__init__()
        self.item_embedding = parameters["item_embedding"]
        self.position_embedding = parameters["position_embedding"]
        self.attention_hidden = parameters["attention_hidden"]
        self.attention_interests = parameters["attention_interests"]

    def forward(self, batch: Batch) -> Tensor:
        target = F.embedding(batch["target"] + 1, self.item_embedding)
        user = layers.closest(self.users(batch), target)
        return layers.softmax_loss(user @ self.item_embedding[1:].T, batch["target"])

    def users(self, inputs: Batch) -> Tensor:
        known = (inputs["history"] > 0).unsqueeze(-1)
        items = layers.lookup(self.item_embedding, inputs["history"])
        hidden = torch.tanh(F.linear(items + self.position_embedding, self.attention_hidden))
        scores = F.linear(hidden, self.attention_interests)
        attention = scores.masked_fill(~known, -1e9).softmax(1)
        return attention.mT @ items

    def items(self) -> Tensor:
        return self.item_embedding[1:]


init = partial(initialise, Model)
