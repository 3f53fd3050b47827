"""Cornac's BPR on the ladder: the mean of its own steps of stochastic gradient descent; see docs/ports.md.

python -m benchmarks agree --adapter ports/cornac_bpr.py --models mf-bpr --quick --varied
"""

import dataclasses
from dataclasses import dataclass

import autograd.numpy as anp
import numpy as np
from cornac.models import BPR
from cornac.models.bpr.recom_bpr import RNGVector

from benchmarks.specs.base import SGD
from benchmarks.specs.mf_bpr import MFBPR

__all__ = ["Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]

ITEMS = ("positive", "negative")
LOOKED_UP = {"user_factors": ("user",), "item_factors": ITEMS, "item_bias": ITEMS}
PLACES = {"user_factors": "u_factors", "item_factors": "i_factors", "item_bias": "i_biases"}


@dataclass(frozen=True)
class Varied(MFBPR):
    """With stochastic gradient descent, as in the paper, and a penalty of all that a triple looks up, biases too."""

    @classmethod
    def for_ladder(cls):
        (small,) = super().for_ladder()
        return (dataclasses.replace(small, learning_rate=1.0),)

    @property
    def optimizer(self):
        return SGD(self.learning_rate, clip_norm=1e9)

    def loss(self, p, batch):
        alone = super(Varied, dataclasses.replace(self, l2=0.0)).loss(p, batch)
        return alone + self.l2 / 2 * squares(p, batch) / len(batch["user"])


def squares(values, batch):
    """Of all that the triples of a batch look up."""
    return sum(anp.sum(values[name][batch[row]] ** 2) for name, rows in LOOKED_UP.items() for row in rows)


def init(spec, parameters, device, mode):  # noqa: ARG001 - Cornac runs on the CPU
    values = {name: parameters[name].copy() for name in PLACES}
    start = {"U": values["user_factors"], "V": values["item_factors"], "Bi": values["item_bias"]}
    return BPR(k=spec.embedding_dim, learning_rate=spec.learning_rate, lambda_reg=spec.l2, init_params=start, seed=0)


def changed(model, user, positive, negative):
    """What its step makes of copies of a user's row, of two items' and of their biases, where it can draw no other."""
    rows = [user], [positive, negative], [positive, negative]
    before = [getattr(model, place)[of] for place, of in zip(PLACES.values(), rows, strict=True)]
    after = [value.copy() for value in before]
    only, zero, one = RNGVector(1, 0, 0), np.array([0], np.int32), np.array([1], np.int32)
    model._fit_sgd(only, only, 1, zero, zero, one, np.zeros(2, np.int32), *after)
    yield from zip(PLACES, rows, (now - then for then, now in zip(before, after, strict=True)), strict=True)


def triples(batch):
    return zip(*(batch[name].tolist() for name in ("user", "positive", "negative")), strict=True)


def train(model, batches):
    losses = []
    for at in range(len(batches["user"])):
        batch = {name: values[at] for name, values in batches.items()}
        margins = [model.score(user, one) - model.score(user, other) for user, one, other in triples(batch)]
        penalty = model.lambda_reg / 2 * squares(export(model), batch) / len(margins)
        losses.append(np.mean(np.logaddexp(0, -np.array(margins))) + penalty)
        for name, slope in gradients(model, batch).items():
            getattr(model, PLACES[name])[...] -= model.learning_rate * slope
    return model, np.array(losses, np.float32)


def gradients(model, batch):
    """What its steps change at a learning rate of one, all from the same start, on average."""
    total = {name: np.zeros_like(value) for name, value in export(model).items()}
    rate, model.learning_rate = model.learning_rate, 1.0
    for triple in triples(batch):
        for name, rows, change in changed(model, *triple):
            np.subtract.at(total[name], rows, change)
    model.learning_rate = rate
    return {name: value / np.float32(len(batch["user"])) for name, value in total.items()}


def embed_users(model, inputs):
    return model.get_user_vectors().astype(np.float32)[inputs["user"]]


def embed_items(model):
    return model.get_item_vectors().astype(np.float32)


def export(model):
    return {name: getattr(model, place).copy() for name, place in PLACES.items()}
