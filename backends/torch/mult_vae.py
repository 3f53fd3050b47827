"""Mult-VAE in PyTorch; the spec is benchmarks/specs/mult_vae.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.torch import layers
from backends.torch.contract import Batch, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mult_vae import MultVAE

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model(nn.Module):
    def __init__(self, spec: MultVAE, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.spec = spec
        self.weights = nn.ParameterDict(parameters)

    def forward(self, batch: Batch) -> Tensor:
        hidden = self.encoded(batch)
        mean, log_variance = self.dense("mean", hidden), self.dense("variance", hidden)
        z = mean + (log_variance / 2).exp() * batch["noise"]
        logits = F.linear(self.decoded(z), self.weights["item_embedding"], self.weights["item_bias"])
        has = layers.multi_hot(batch["history"], logits.shape[1])
        likelihood = (has * F.log_softmax(logits, 1)).sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)
        return (batch["weight"] * divergence - likelihood).mean()

    def users(self, inputs: Batch) -> Tensor:
        return F.pad(self.decoded(self.dense("mean", self.encoded(inputs))), (0, 1), value=1.0)

    def items(self) -> Tensor:
        return torch.cat([self.weights["item_embedding"], self.weights["item_bias"].unsqueeze(1)], 1)

    def encoded(self, inputs: Batch) -> Tensor:
        n_items = len(self.weights["item_bias"])
        x = layers.normalised(layers.multi_hot(inputs["history"], n_items))
        if "keep" in inputs:
            x = x * layers.multi_hot(inputs["history"] * inputs["keep"], n_items) * self.spec.keep_scale
        return torch.tanh(x @ self.weights["encoder_embedding"] + self.weights["encoder_bias"])

    def decoded(self, z: Tensor) -> Tensor:
        return torch.tanh(self.dense("decoder", z))

    def dense(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.weights[f"{name}_weight"], self.weights[f"{name}_bias"])


init = partial(initialise, Model)
