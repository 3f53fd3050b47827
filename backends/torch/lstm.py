"""The LSTM of Online Retail in PyTorch; the spec is benchmarks/specs/lstm.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch import layers
from backends.torch.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.lstm import LSTM

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Module):
    def __init__(self, spec: LSTM, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.spec = spec
        self.item_embedding = parameters["item_embedding"]
        self.user_embedding = parameters.get("user_embedding")
        self.lstm = layers.LSTM(parameters, spec.n_layers)
        self.output_weight = parameters["output_weight"]
        self.output_bias = parameters["output_bias"]
        self.carried_hidden = parameters.get("carried_hidden")
        self.carried_cell = parameters.get("carried_cell")

    def forward(self, batch: Batch) -> tuple[Tensor, Batch]:
        state = (self.carried_hidden, self.carried_cell) if self.spec.state_carried else None
        outputs, (hidden, cell) = self.lstm(self.steps(batch), state)
        padding = 1 if self.spec.padding_masked else 0  # classes that are left out
        logits = F.linear(outputs.flatten(0, 1), self.output_weight[padding:], self.output_bias[padding:])
        loss = layers.softmax_loss(logits, batch["target"].flatten() - padding)
        return loss, {"carried_hidden": hidden, "carried_cell": cell} if self.spec.state_carried else {}

    def steps(self, inputs: Batch) -> Tensor:
        items = F.embedding(inputs["history"], self.item_embedding)
        if not self.spec.with_user:
            return items
        users = F.embedding(inputs["user"] + 1, self.user_embedding)
        return torch.cat([users.unsqueeze(1).expand(-1, items.shape[1], -1), items], 2)

    def users(self, inputs: Batch) -> Tensor:
        outputs, _ = self.lstm(self.steps(inputs))
        asked = outputs[inputs["session"], inputs["step"]]
        return torch.cat([asked, torch.ones_like(asked[:, :1])], 1)

    def items(self) -> Tensor:
        return torch.cat([self.output_weight[1:], self.output_bias[1:, None]], 1)


init = partial(initialise, Model)
