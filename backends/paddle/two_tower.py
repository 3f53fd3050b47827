"""DSSM and YouTubeDNN in PaddlePaddle; the spec is benchmarks/specs/two_tower.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle import layers
from backends.paddle.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.two_tower import TwoTower

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Layer):
    def __init__(self, spec: TwoTower, parameters: dict[str, Tensor]) -> None:
        super().__init__()
        self.spec = spec
        self.p = parameters
        self.learnt = [name for name in parameters if name not in spec.unlearnt]

    def forward(self, batch: Batch) -> tuple[Tensor, Batch]:
        kept: Batch = {}
        users = self.scaled(self.tower("user", self.user_inputs(batch), kept))
        items = self.scaled(self.tower("item", self.item_inputs(batch["item"].flatten()), kept))
        loss = self.of_form(users, items.reshape([*batch["item"].shape, -1]), batch)
        if self.spec.l2:
            loss = loss + self.spec.l2 / 2 * sum(self.p[name].square().sum() for name in self.learnt)
        return loss, kept

    def of_form(self, users: Tensor, items: Tensor, batch: Batch) -> Tensor:
        if self.spec.form == "triplet":
            distance = (users.unsqueeze(1) - items).square().sum(-1).clip(min=self.spec.tiny).sqrt()
            return F.relu(distance[:, :1] - distance[:, 1:] + self.spec.margin).mean()
        if self.spec.form == "in-batch":
            return self.in_batch(users @ items[:, 0].T / self.spec.temperature, batch)
        scores = (users.unsqueeze(1) * items).sum(-1) / self.spec.temperature
        if self.spec.log_q:
            scores = scores - batch["log_q"]
        if self.spec.form == "list-wise":
            return layers.softmax_loss(scores, paddle.zeros([len(scores)], "int32"))
        if self.spec.form == "pair-wise":
            return F.softplus(scores[:, 1:] - scores[:, :1]).mean()
        logits = F.sigmoid(scores) if self.spec.double_sigmoid else scores
        return F.softplus(logits).mean() - logits[:, 0].sum() / logits.size

    def in_batch(self, scores: Tensor, batch: Batch) -> Tensor:
        positive = batch["item"][:, 0]
        if self.spec.log_q:
            scores = scores - batch["log_q"][:, 0]
        itself = paddle.eye(len(positive)).astype("bool")
        others = (positive.unsqueeze(1) == positive) & ~itself
        # A cross entropy, since the gradient of `diagonal` takes a hundred times as long as all the rest.
        return layers.softmax_loss(scores.masked_fill(others, -1e9), paddle.arange(len(positive)))

    def users(self, inputs: Batch) -> Tensor:
        users = self.scaled(self.tower("user", self.user_inputs(inputs)))
        return paddle.concat([users, paddle.ones_like(users[:, :1])], 1) if self.spec.by_distance else users

    def items(self) -> Tensor:
        everything = paddle.arange(len(self.p["item_embedding"]) - 1)
        items = self.scaled(self.tower("item", self.item_inputs(everything)))
        return paddle.concat([items, -items.square().sum(1, keepdim=True) / 2], 1) if self.spec.by_distance else items

    def user_inputs(self, inputs: Batch) -> Tensor:
        row = inputs["user"] + 1
        return paddle.concat([self.feature("user", name, row, inputs) for name in self.spec.user_features], 1)

    def item_inputs(self, item: Tensor) -> Tensor:
        return paddle.concat([self.feature("item", name, item + 1, {}) for name in self.spec.item_features], 1)

    def feature(self, side: str, name: str, row: Tensor, inputs: Batch) -> Tensor:
        """What a feature hands to its tower: float32[n, width]."""
        if name == "history":
            return self.pooled(layers.lookup(self.p["item_embedding"], inputs["history"]), inputs)
        if name == side:
            return F.embedding(row, self.p[f"{side}_embedding"])
        column, table = paddle.gather(self.p[f"{side}_{name}"], row), f"{side}_{name}_embedding"
        return F.embedding(column, self.p[table]) if table in self.p else column.unsqueeze(1)

    def pooled(self, items: Tensor, inputs: Batch) -> Tensor:
        if self.spec.pooling == "concat":
            return items.flatten(1)
        length = inputs["length"].astype("float32").unsqueeze(1)
        if self.spec.pooling == "max":
            largest = items.masked_fill((inputs["history"] == 0).unsqueeze(-1), -1e9).max(1)
            return largest.masked_fill(length == 0, 0)
        return items.sum(1) / (length.clip(min=1) if self.spec.pooling == "mean" else 1)

    def tower(self, side: str, x: Tensor, kept: Batch | None = None) -> Tensor:
        """The layers' output; in training, `kept` takes up what batch normalisation keeps of the batch."""
        sizes = self.spec.user_tower if side == "user" else self.spec.item_tower
        for i in range(len(sizes)):
            if self.spec.batch_norm:
                x = self.normalised(side, i, F.linear(x, self.p[f"{side}_weight_{i}"].T), kept)
            else:
                x = F.linear(x, self.p[f"{side}_weight_{i}"].T, self.p[f"{side}_bias_{i}"])
            if self.spec.activation == "prelu":
                x = F.prelu(x, self.p[f"{side}_slope_{i}"])
            elif self.spec.activation == "leaky-relu":
                x = F.leaky_relu(x, self.spec.leak)
        return x

    def normalised(self, side: str, i: int, x: Tensor, kept: Batch | None) -> Tensor:
        """By this batch, of which `kept` takes up its part, or where there is no training by what was kept."""
        mean, variance = f"{side}_norm_mean_{i}", f"{side}_norm_variance_{i}"
        moments = (self.p[mean], self.p[variance])
        if kept is not None:
            of_batch = (x.mean(0), x.var(0, unbiased=False))
            unbiased = of_batch[1] * (x.shape[0] / (x.shape[0] - 1))
            kept[mean] = moments[0] + self.spec.momentum * (of_batch[0] - moments[0])
            kept[variance] = moments[1] + self.spec.momentum * (unbiased - moments[1])
            moments = of_batch
        x = (x - moments[0]) / (moments[1] + self.spec.norm_epsilon).sqrt()
        return x * self.p[f"{side}_norm_scale_{i}"] + self.p[f"{side}_norm_shift_{i}"]

    def scaled(self, vectors: Tensor) -> Tensor:
        if self.spec.scaling == "none":
            return vectors
        square = vectors.square().sum(-1, keepdim=True).clip(min=self.spec.tiny)
        return vectors / (square.sqrt() if self.spec.scaling == "length" else square)


init = partial(initialise, Model)
