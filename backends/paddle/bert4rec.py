"""BERT4Rec in PaddlePaddle; the spec is benchmarks/specs/bert4rec.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle import layers
from backends.paddle.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.bert4rec import BERT4Rec

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Layer):
    def __init__(self, spec: BERT4Rec, parameters: dict[str, Tensor]) -> None:
        super().__init__()
        self.spec = spec
        self.weights = nn.ParameterDict(parameters)

    def forward(self, batch: Batch) -> Tensor:
        outputs = layers.at_each(self.outputs(batch), batch["place"])
        target = batch["target"].flatten() - 1
        return layers.next_item_loss(self.spec, self.scored(outputs), self.items(), target, batch)

    def users(self, inputs: Batch) -> Tensor:
        return self.scored(layers.at(self.outputs(inputs), inputs["length"]))

    def items(self) -> Tensor:
        return paddle.concat([self.weights["item_embedding"][1:], self.weights["item_bias"].unsqueeze(1)], 1)

    def scored(self, outputs: Tensor) -> Tensor:
        projected = F.gelu(F.linear(outputs, self.weights["head_weight"].T, self.weights["head_bias"]))
        return paddle.concat([projected, paddle.ones_like(projected[:, :1])], 1)

    def outputs(self, inputs: Batch) -> Tensor:
        x = self.dropped(self.embedded(inputs["history"]), inputs, 0)
        known = inputs["history"] != 0
        for block in range(self.spec.n_blocks):
            attention = self.attention(f"block_{block}", x, known)
            x = self.norm(f"block_{block}_attention", x + self.dropped(attention, inputs, 1 + 2 * block))
            dense = self.dense(f"block_{block}", x)
            x = self.norm(f"block_{block}_ffn", x + self.dropped(dense, inputs, 2 + 2 * block))
        return x

    def dropped(self, x: Tensor, inputs: Batch, place: int) -> Tensor:
        return layers.dropped(x, inputs, place, self.spec.keep_scale)

    def embedded(self, history: Tensor) -> Tensor:
        items = F.embedding(history.clip(min=0), self.weights["item_embedding"])
        masked = (history < 0).unsqueeze(-1)
        return paddle.where(masked, self.weights["mask_embedding"], items) + self.weights["position_embedding"]

    def attention(self, block: str, x: Tensor, known: Tensor) -> Tensor:
        parts = [F.linear(x, self.weights[f"{block}_{part}_weight"].T) for part in ("query", "key", "value")]
        query, key, value = (
            part.reshape([*part.shape[:2], self.spec.n_heads, -1]).transpose([0, 2, 1, 3]) for part in parts
        )
        scores = paddle.matmul(query * query.shape[3] ** -0.5, key, transpose_y=True)
        # Paddle's own attention takes masks of some shapes alone where it runs on a GPU.
        weights = F.softmax(paddle.where(known[:, None, None], scores, paddle.full_like(scores, -float("inf"))))
        mixed = paddle.matmul(weights, value).transpose([0, 2, 1, 3]).flatten(2)
        return F.linear(mixed, self.weights[f"{block}_mixed_weight"].T)

    def dense(self, block: str, x: Tensor) -> Tensor:
        inner = F.gelu(F.linear(x, self.weights[f"{block}_inner_weight"].T, self.weights[f"{block}_inner_bias"]))
        return F.linear(inner, self.weights[f"{block}_outer_weight"].T, self.weights[f"{block}_outer_bias"])

    def norm(self, name: str, x: Tensor) -> Tensor:
        scale, shift = 1 + self.weights[f"{name}_scale"], self.weights[f"{name}_shift"]
        return F.layer_norm(x, scale.shape, scale, shift, self.spec.norm_epsilon)


init = partial(initialise, Model)
