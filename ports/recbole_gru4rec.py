"""RecBole's GRU4Rec on the ladder; see docs/ports.md.

python -m benchmarks agree --adapter ports/recbole_gru4rec.py --models gru4rec --quick --varied
"""

import dataclasses
from dataclasses import dataclass

import autograd.numpy as np
import torch
from modules import Place, Port, export, gradients, train
from recbole.model.sequential_recommender import GRU4Rec as RecBoleGRU4Rec
from recbole_data import FIELDS, PaddingIsAClass, Sizes, embed_items, next_item

from benchmarks.specs.base import Parameter
from benchmarks.specs.gru4rec import GRU4Rec

__all__ = ["AsInstalled", "Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]


@dataclass(frozen=True)
class Varied(GRU4Rec):
    """Without biases in the GRU, and with a dense layer behind it; a sample is one cut of a history."""

    @classmethod
    def for_ladder(cls):
        return (dataclasses.replace(super().for_ladder()[0], normalised=False),)

    def table(self, sizes):
        dim = self.embedding_dim
        dense = (Parameter("dense_weight", (dim, dim), dim**-0.5), Parameter("dense_bias", (dim,), dim**-0.5))
        return (*(one for one in super().table(sizes) if "gru_bias" not in one.name), *dense)

    def _outputs(self, p, inputs):
        without = {name: np.zeros(3 * self.embedding_dim) for name in ("gru_bias_input", "gru_bias_hidden")}
        return super()._outputs({**p, **without}, inputs) @ p["dense_weight"].T + p["dense_bias"]


@dataclass(frozen=True)
class AsInstalled(PaddingIsAClass, Varied):
    """The same with padding as a class."""


def init(spec, parameters, device, mode):  # noqa: ARG001 - RecBole is asked for the CPU
    chosen = {"embedding_size": spec.embedding_dim, "hidden_size": spec.embedding_dim, "num_layers": 1,
              "dropout_prob": 0.0, "loss_type": "CE", "MAX_ITEM_LIST_LENGTH": spec.length}  # fmt: skip
    module = RecBoleGRU4Rec({**FIELDS, **chosen}, Sizes(item_id=len(parameters["item_embedding"])))
    places = {
        "item_embedding": Place(module.item_embedding.weight),
        "gru_weight_input": Place(module.gru_layers.weight_ih_l0),
        "gru_weight_hidden": Place(module.gru_layers.weight_hh_l0),
        "dense_weight": Place(module.dense.weight),
        "dense_bias": Place(module.dense.bias),
    }
    return Port(spec, parameters, module, places, next_item)


def embed_users(port, inputs):
    """RecBole cannot be asked about an empty history and never is: here it is one of zeros."""
    module = port.module

    def asked(given):
        length = given["length"].long()
        found = module(given["history"].long(), length.clamp(min=1))
        of_zeros, _ = module.gru_layers(torch.zeros(1, 1, module.embedding_size))
        return torch.where(length[:, None] > 0, found, module.dense(of_zeros)[0])

    return port.ask(asked, inputs)
