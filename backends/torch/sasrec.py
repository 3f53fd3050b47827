"""SASRec in PyTorch; the spec is benchmarks/specs/sasrec.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch import layers
from backends.torch.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.sasrec import SASRec

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Module):
    def __init__(self, spec: SASRec, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.spec = spec
        self.weights = nn.ParameterDict(parameters)

    def forward(self, batch: Batch) -> Tensor:
        if self.spec.trains_on == "positions":
            outputs = self.outputs(batch).flatten(0, 1)
            target = batch["target"].flatten() - 1
        else:
            outputs, target = self.users(batch), batch["target"]
        return layers.next_item_loss(self.spec, outputs, self.items(), target, batch)

    def users(self, inputs: Batch) -> Tensor:
        return layers.at(self.outputs(inputs), (inputs["length"] - 1).clamp(min=0))

    def outputs(self, inputs: Batch) -> Tensor:
        x = self.dropped(self.embedded(inputs["history"]), inputs, 0)
        for block in range(self.spec.n_blocks):
            attention = self.attention(f"block_{block}", self.norm(f"block_{block}_attention", x))
            x = x + self.dropped(attention, inputs, 1 + 2 * block)
            dense = self.dense(f"block_{block}", self.norm(f"block_{block}_ffn", x))
            x = x + self.dropped(dense, inputs, 2 + 2 * block)
        return self.norm("final", x)

    def dropped(self, x: Tensor, inputs: Batch, place: int) -> Tensor:
        return layers.dropped(x, inputs, place, self.spec.keep_scale)

    def items(self) -> Tensor:
        return self.weights["item_embedding"][1:]

    def embedded(self, history: Tensor) -> Tensor:
        items = F.embedding(history, self.weights["item_embedding"]) * self.spec.embedding_dim**0.5
        return (items + self.weights["position_embedding"]) * (history > 0).unsqueeze(-1)

    def attention(self, block: str, x: Tensor) -> Tensor:
        parts = [F.linear(x, self.weights[f"{block}_{part}_weight"]) for part in ("query", "key", "value")]
        query, key, value = (part.unflatten(2, (self.spec.n_heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return mixed.transpose(1, 2).flatten(2)

    def dense(self, block: str, x: Tensor) -> Tensor:
        inner = F.relu(F.linear(x, self.weights[f"{block}_inner_weight"], self.weights[f"{block}_inner_bias"]))
        return F.linear(inner, self.weights[f"{block}_outer_weight"], self.weights[f"{block}_outer_bias"])

    def norm(self, name: str, x: Tensor) -> Tensor:
        scale, shift = 1 + self.weights[f"{name}_scale"], self.weights[f"{name}_shift"]
        return F.layer_norm(x, scale.shape, scale, shift, self.spec.norm_epsilon)


init = partial(initialise, Model)
