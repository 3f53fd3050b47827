"""GRU4Rec in PyTorch; the spec is benchmarks/specs/gru4rec.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from backends.torch import layers
from backends.torch.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.gru4rec import GRU4Rec

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Module):
    def __init__(self, spec: GRU4Rec, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.gru = layers.GRU(parameters)

    def forward(self, batch: Batch) -> Tensor:
        if self.spec.trains_on == "positions":
            outputs = self.outputs(batch).flatten(0, 1)
            target = batch["target"].flatten() - 1
        else:
            outputs, target = self.encode(batch), batch["target"]
        padding = 0 if self.spec.padding_masked else 1  # classes before the first item
        return layers.next_item_loss(
            self.spec, outputs, self.item_embedding[1 - padding :], target, batch, n_before=padding
        )

    def outputs(self, inputs: Batch) -> Tensor:
        embedded = layers.lookup(self.item_embedding, inputs["history"])
        return self.gru(layers.dropped(embedded, inputs, 0, self.spec.keep_scale))

    def encode(self, inputs: Batch) -> Tensor:
        outputs = self.outputs(inputs)
        length = inputs["length"] if self.spec.padding_masked else torch.full_like(inputs["length"], self.spec.length)
        if self.spec.pooling == "last":
            return layers.at(outputs, (length - 1).clamp(min=0))
        mask = torch.arange(self.spec.length, device=length.device) < length[:, None]
        return (outputs * mask.unsqueeze(-1)).sum(1) / length.clamp(min=1)[:, None]

    def users(self, inputs: Batch) -> Tensor:
        return self.scaled(self.encode(inputs))

    def items(self) -> Tensor:
        return self.scaled(self.item_embedding[1:])

    def scaled(self, vectors: Tensor) -> Tensor:
        return layers.normalised(vectors) if self.spec.normalised else vectors


init = partial(initialise, Model)
