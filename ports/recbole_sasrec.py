"""RecBole's SASRec on the ladder; see docs/ports.md.

python -m benchmarks agree --adapter ports/recbole_sasrec.py --models sasrec --quick --varied
"""

from dataclasses import dataclass

import float64
import torch
from autograd.scipy.special import erf
from modules import Place, Port, export, gradients, train
from recbole.model.sequential_recommender import SASRec as RecBoleSASRec
from recbole_data import FIELDS, PaddingIsAClass, Sizes, embed_items, next_item

from benchmarks.specs.base import Parameter
from benchmarks.specs.sasrec import SASRec

__all__ = ["AsInstalled", "Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]

LINEAR = ("query", "key", "value", "dense", "inner", "outer")
NORMS = ("attention", "ffn")


@dataclass(frozen=True)
class Varied(SASRec):
    """The encoder of BERT, as RecBole's documentation says: biases, an output layer, GELU, norms after the sums.

    And a norm of the embedded history, whose items are not scaled.
    """

    @classmethod
    def for_ladder(cls):
        return super().for_ladder()[:1]

    def table(self, sizes):
        dim, ffn_dim = self.embedding_dim, self.ffn_dim or self.embedding_dim
        shapes = {"inner": (ffn_dim, dim), "outer": (dim, ffn_dim)}
        blocks = [f"block_{block}" for block in range(self.n_blocks)]
        linear = [(f"{block}_{name}", shapes.get(name, (dim, dim))) for block in blocks for name in LINEAR]
        norms = ["first", *(f"{block}_{name}" for block in blocks for name in NORMS)]
        return (
            Parameter("item_embedding", (sizes.n_items + 1, dim), dim**-0.5),
            Parameter("position_embedding", (self.length, dim), dim**-0.5),
            *(row for name, shape in linear for row in float64.linear_parameters(name, shape)),
            *(row for name in norms for row in float64.norm_parameters(name, dim)),
        )

    def _outputs(self, p, inputs):
        x = self._normed(p, "first", p["item_embedding"][inputs["history"]] + p["position_embedding"])
        for block in (f"block_{block}" for block in range(self.n_blocks)):
            heads = (self._heads(float64.linear(p, f"{block}_{part}", x)) for part in ("query", "key", "value"))
            mixed = float64.linear(p, f"{block}_dense", float64.attention(*heads))
            x = self._normed(p, f"{block}_attention", x + mixed)
            inner = float64.linear(p, f"{block}_inner", x)
            dense = float64.linear(p, f"{block}_outer", inner * (1 + erf(inner / 2**0.5)) / 2)
            x = self._normed(p, f"{block}_ffn", x + dense)
        return x

    def _normed(self, p, name, x):
        return float64.norm(p, name, x, self.norm_epsilon)


@dataclass(frozen=True)
class AsInstalled(PaddingIsAClass, Varied):
    """The same with padding as a class."""


def init(spec, parameters, device, mode):  # noqa: ARG001 - RecBole is asked for the CPU
    chosen = {
        "n_layers": spec.n_blocks, "n_heads": spec.n_heads, "hidden_size": spec.embedding_dim,
        "inner_size": spec.ffn_dim or spec.embedding_dim, "hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0,
        "hidden_act": "gelu", "layer_norm_eps": spec.norm_epsilon, "initializer_range": 0.02, "loss_type": "CE",
        "MAX_ITEM_LIST_LENGTH": spec.length,
    }  # fmt: skip
    module = RecBoleSASRec({**FIELDS, **chosen}, Sizes(item_id=len(parameters["item_embedding"])))
    places = {
        "item_embedding": Place(module.item_embedding.weight),
        "position_embedding": Place(module.position_embedding.weight),
        "first_scale": Place(module.LayerNorm.weight),
        "first_shift": Place(module.LayerNorm.bias),
    }
    for number, layer in enumerate(module.trm_encoder.layer):
        attention, dense = layer.multi_head_attention, layer.feed_forward
        linear = (attention.query, attention.key, attention.value, attention.dense, dense.dense_1, dense.dense_2)
        for name, part in zip(LINEAR, linear, strict=True):
            places[f"block_{number}_{name}_weight"] = Place(part.weight)
            places[f"block_{number}_{name}_bias"] = Place(part.bias)
        for name, norm in zip(NORMS, (attention.LayerNorm, dense.LayerNorm), strict=True):
            places[f"block_{number}_{name}_scale"] = Place(norm.weight)
            places[f"block_{number}_{name}_shift"] = Place(norm.bias)
    return Port(spec, parameters, module, places, next_item)


def embed_users(port, inputs):
    """RecBole cannot be asked about an empty history and never is: here it is one place of padding."""
    module = port.module

    def asked(given):
        length = given["length"].long()
        found = module(given["history"].long(), length.clamp(min=1))
        embedded = module.LayerNorm(module.item_embedding.weight[:1] + module.position_embedding.weight[:1])[None]
        of_nothing = module.trm_encoder(embedded, torch.zeros(1, 1, 1, 1), output_all_encoded_layers=True)[-1][0]
        return torch.where(length[:, None] > 0, found, of_nothing)

    return port.ask(asked, inputs)
