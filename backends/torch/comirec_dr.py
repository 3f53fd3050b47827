"""ComiRec-DR in PyTorch; the spec is benchmarks/specs/comirec_dr.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch import layers
from backends.torch.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.comirec_dr import ComiRecDR

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Module):
    def __init__(self, spec: ComiRecDR, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.bilinear = parameters["bilinear"]

    def forward(self, batch: Batch) -> Tensor:
        target = F.embedding(batch["target"] + 1, self.item_embedding)
        user = layers.closest(self.users(batch), target)
        return layers.softmax_loss(user @ self.item_embedding[1:].T, batch["target"])

    def users(self, inputs: Batch) -> Tensor:
        items = layers.lookup(self.item_embedding, inputs["history"])
        votes = torch.einsum("lkde,ble->bkld", self.bilinear, items)
        logits = votes.new_zeros(votes.shape[:-1])
        return layers.routed(votes, logits, self.spec.n_routing, self.spec.squash_epsilon)

    def items(self) -> Tensor:
        return self.item_embedding[1:]


init = partial(initialise, Model)
