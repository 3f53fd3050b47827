"""Cornac's BPR on the ladder: the mean of its own steps of stochastic gradient descent; see docs/ports.md.

python -m benchmarks agree --adapter ports/cornac_bpr.py --models mf-bpr --quick --varied
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from cornac.models import BPR
from cornac.models.bpr.recom_bpr import RNGVector

from benchmarks.specs.base import SGD
from benchmarks.specs.mf_bpr import MFBPR

__all__ = ["Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]

PLACES = {"user_factors": "u_factors", "item_factors": "i_factors", "item_bias": "i_biases"}


@dataclass(frozen=True)
class Varied(MFBPR):
    """With stochastic gradient descent, and without a penalty."""

    @classmethod
    def for_ladder(cls):
        (small,) = super().for_ladder()
        return (dataclasses.replace(small, learning_rate=1.0, l2=0.0),)

    @property
    def optimizer(self):
        return SGD(self.learning_rate, clip_norm=1e9)


def init(spec, parameters, device, mode):  # noqa: ARG001 - Cornac runs on the CPU
    values = {name: parameters[name].copy() for name in PLACES}
    start = {"U": values["user_factors"], "V": values["item_factors"], "Bi": values["item_bias"]}
    return BPR(k=spec.embedding_dim, learning_rate=spec.learning_rate, lambda_reg=spec.l2, init_params=start, seed=0)


def step(model, user, positive, negative):
    """Its step, with one triple to draw from: one row of one user, one item, and nobody who has the other."""
    n_users = len(model.u_factors)
    only = RNGVector(1, 0, 0)
    rows = (np.array([number], np.int32) for number in (user, positive, negative))
    model._fit_sgd(only, only, 1, *rows, np.zeros(n_users + 1, np.int32), model.u_factors, model.i_factors,
                   model.i_biases)  # fmt: skip


def triples(batch):
    return zip(*(batch[name].tolist() for name in ("user", "positive", "negative")), strict=True)


def train(model, batches):
    losses = []
    for at in range(len(batches["user"])):
        batch = {name: values[at] for name, values in batches.items()}
        margins = [model.score(user, one) - model.score(user, other) for user, one, other in triples(batch)]
        losses.append(np.mean(np.logaddexp(0, -np.array(margins))))
        for name, slope in gradients(model, batch).items():
            getattr(model, PLACES[name])[...] -= model.learning_rate * slope
    return model, np.array(losses, np.float32)


def gradients(model, batch):
    """What its steps change at a learning rate of one, all from the same start."""
    start, rate = export(model), model.learning_rate
    total = {name: np.zeros_like(value) for name, value in start.items()}
    model.learning_rate = 1.0
    for triple in triples(batch):
        step(model, *triple)
        for name, place in PLACES.items():
            total[name] += start[name] - getattr(model, place)
            getattr(model, place)[...] = start[name]
    model.learning_rate = rate
    return {name: value / np.float32(len(batch["user"])) for name, value in total.items()}


def embed_users(model, inputs):
    return model.get_user_vectors().astype(np.float32)[inputs["user"]]


def embed_items(model):
    return model.get_item_vectors().astype(np.float32)


def export(model):
    return {name: getattr(model, place).copy() for name, place in PLACES.items()}
