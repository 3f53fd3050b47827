"""Mult-VAE in PaddlePaddle; the spec is benchmarks/specs/mult_vae.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from backends.paddle import layers
from backends.paddle.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mult_vae import MultVAE

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Layer):
    def __init__(self, spec: MultVAE, parameters: dict[str, Tensor]) -> None:
        super().__init__()
        self.spec = spec
        self.weights = nn.ParameterDict(parameters)

    def forward(self, batch: Batch) -> Tensor:
        hidden = self.encoded(batch)
        mean, log_variance = self.dense("mean", hidden), self.dense("variance", hidden)
        z = mean + (log_variance / 2).exp() * batch["noise"]
        logits = F.linear(self.decoded(z), self.weights["item_embedding"].T, self.weights["item_bias"])
        has = layers.multi_hot(batch["history"], logits.shape[1])
        # Not `log_softmax`, whose kernel on a CPU adds up a row's exponentials anew for each of its elements.
        likelihood = (has * (logits - paddle.logsumexp(logits, 1, keepdim=True))).sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)
        return (batch["weight"] * divergence - likelihood).mean()

    def users(self, inputs: Batch) -> Tensor:
        units = self.decoded(self.dense("mean", self.encoded(inputs)))
        return paddle.concat([units, paddle.ones_like(units[:, :1])], 1)

    def items(self) -> Tensor:
        return paddle.concat([self.weights["item_embedding"], self.weights["item_bias"].unsqueeze(1)], 1)

    def encoded(self, inputs: Batch) -> Tensor:
        n_items = len(self.weights["item_bias"])
        x = layers.normalised(layers.multi_hot(inputs["history"], n_items))
        if "keep" in inputs:
            kept = inputs["history"] * inputs["keep"].astype(inputs["history"].dtype)
            x = x * layers.multi_hot(kept, n_items) * self.spec.keep_scale
        return paddle.tanh(paddle.matmul(x, self.weights["encoder_embedding"]) + self.weights["encoder_bias"])

    def decoded(self, z: Tensor) -> Tensor:
        return paddle.tanh(self.dense("decoder", z))

    def dense(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.weights[f"{name}_weight"].T, self.weights[f"{name}_bias"])


init = partial(initialise, Model)
