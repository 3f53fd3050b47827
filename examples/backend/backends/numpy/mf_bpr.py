"""BPR matrix factorisation in NumPy and autograd; the spec is benchmarks/specs/mf_bpr.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import autograd.numpy as np

from backends.numpy.contract import Batch, Values, embed_items, embed_users, export, gradients, initialise, sync, train

if TYPE_CHECKING:
    from benchmarks.specs.mf_bpr import MFBPR

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "sync", "train"]


class Model:
    def __init__(self, spec: MFBPR, parameters: Values) -> None:
        self.l2 = spec.l2
        self.user_factors = parameters["user_factors"]
        self.item_factors = parameters["item_factors"]
        self.item_bias = parameters["item_bias"]

    def __call__(self, batch: Batch) -> Any:
        user = self.user_factors[batch["user"]]
        positive = self.item_factors[batch["positive"]]
        negative = self.item_factors[batch["negative"]]
        bias_positive = self.item_bias[batch["positive"]]
        bias_negative = self.item_bias[batch["negative"]]
        margin = np.sum(user * (positive - negative), 1) + bias_positive - bias_negative
        squares = np.sum(user**2) + np.sum(positive**2) + np.sum(negative**2)
        penalty = squares + np.sum(bias_positive) + np.sum(bias_negative)
        return np.mean(np.logaddexp(0, -margin)) + self.l2 * penalty

    def users(self, inputs: Batch) -> Any:
        user = self.user_factors[inputs["user"]]
        return np.concatenate([user, np.ones_like(user[:, :1])], 1)

    def items(self) -> Any:
        return np.concatenate([self.item_factors, self.item_bias[:, None]], 1)


init = partial(initialise, Model)
