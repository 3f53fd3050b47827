"""RecBole's SASRec on the ladder.

RECALLBENCH_PYTHON_OWN=.tox/peers/bin/python python -m benchmarks agree --adapter \
        ports/recbole_sasrec.py --models sasrec --varied
"""

from dataclasses import dataclass

import autograd.numpy as np
import torch
from autograd.scipy.special import erf
from modules import Place, Port, export, gradients, train
from recbole.model.sequential_recommender import SASRec as RecBoleSASRec
from recbole_data import FIELDS, Sizes

from benchmarks.specs.base import Parameter
from benchmarks.specs.sasrec import SASRec

__all__ = ["AsInstalled", "Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]

LINEAR = ("query", "key", "value", "dense", "inner", "outer")
NORMS = ("attention", "ffn")


@dataclass(frozen=True)
class Varied(SASRec):
    """The encoder of BERT, as RecBole's documentation says: biases, an output layer, GELU, norms after the sums.

    And a norm of the embedded history, whose items are not scaled. A norm's scale is no difference from 1 here.
    """

    @classmethod
    def for_ladder(cls):
        return super().for_ladder()[:1]

    def table(self, sizes):
        dim, ffn_dim = self.embedding_dim, self.ffn_dim or self.embedding_dim
        shapes = {"inner": (ffn_dim, dim), "outer": (dim, ffn_dim)}
        return (
            Parameter("item_embedding", (sizes.n_items + 1, dim), dim**-0.5),
            Parameter("position_embedding", (self.length, dim), dim**-0.5),
            *_norm_parameters("first", dim),
            *(
                row
                for block in range(self.n_blocks)
                for row in (
                    *(
                        parameter
                        for name in LINEAR
                        for shape in (shapes.get(name, (dim, dim)),)
                        for parameter in (
                            Parameter(f"block_{block}_{name}_weight", shape, shape[1] ** -0.5),
                            Parameter(f"block_{block}_{name}_bias", shape[:1], 0.1),
                        )
                    ),
                    *(parameter for name in NORMS for parameter in _norm_parameters(f"block_{block}_{name}", dim)),
                )
            ),
        )

    def _outputs(self, p, inputs):
        x = self._norm(p, "first", p["item_embedding"][inputs["history"]] + p["position_embedding"])
        for block in (f"block_{block}" for block in range(self.n_blocks)):
            x = self._norm(p, f"{block}_attention", x + self._attention(p, block, x))
            inner = _linear(p, f"{block}_inner", x)
            x = self._norm(p, f"{block}_ffn", x + _linear(p, f"{block}_outer", inner * (1 + erf(inner / 2**0.5)) / 2))
        return x

    def _attention(self, p, block, x):
        query, key, value = (self._heads(_linear(p, f"{block}_{part}", x)) for part in ("query", "key", "value"))
        scores = query @ np.swapaxes(key, 2, 3) / np.sqrt(query.shape[3])
        scores = np.where(np.tril(np.ones(scores.shape[2:], bool)), scores, -np.inf)
        weights = np.exp(scores - np.max(scores, 3, keepdims=True))
        mixed = weights / np.sum(weights, 3, keepdims=True) @ value
        return _linear(p, f"{block}_dense", np.reshape(np.swapaxes(mixed, 1, 2), x.shape))

    def _norm(self, p, name, x):
        centred = x - np.mean(x, -1, keepdims=True)
        deviation = np.sqrt(np.mean(centred**2, -1, keepdims=True) + self.norm_epsilon)
        return p[f"{name}_scale"] * centred / deviation + p[f"{name}_shift"]


@dataclass(frozen=True)
class AsInstalled(Varied):
    """The same with padding as one class more, whose vector is learnt as those of items are."""

    def loss(self, p, batch):
        return self.next_item_loss(self.user_vectors(p, batch), p["item_embedding"], batch, 1)


def _norm_parameters(name, dim):
    return Parameter(f"{name}_scale", (dim,), 1.0), Parameter(f"{name}_shift", (dim,), 0.1)


def _linear(p, name, x):
    return x @ p[f"{name}_weight"].T + p[f"{name}_bias"]


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
    return Port(spec, parameters, module, {name: places[name] for name in parameters if name in places}, loss)


def loss(module, batch):
    named = {"item_id_list": batch["history"].long(), "item_length": batch["length"].long(),
             "item_id": batch["target"].long() + 1}  # fmt: skip
    return module.calculate_loss(named)


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


def embed_items(port):
    return port.ask(lambda _: port.module.item_embedding.weight[1:], {})
