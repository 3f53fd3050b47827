"""torch-rechub's SASRec on the ladder; see docs/ports.md.

python -m benchmarks agree --adapter ports/rechub_sasrec.py --models sasrec --quick --varied
"""

import dataclasses
from dataclasses import dataclass

import autograd.numpy as np
import float64
import torch
from modules import Place, Port, Table, export, gradients, train
from torch_rechub.basic.features import SequenceFeature
from torch_rechub.models.matching import SASRec as RechubSASRec

from benchmarks.specs.base import Parameter
from benchmarks.specs.sasrec import SASRec

__all__ = ["InPairs", "Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]


@dataclass(frozen=True)
class Varied(SASRec):
    """The authors' code: queries alone are normalised, and what attends is added to them; as many inner units.

    And PyTorch's attention, which has biases and an output layer.
    """

    @classmethod
    def for_ladder(cls):
        return (dataclasses.replace(super().for_ladder()[0], ffn_dim=0, norm_epsilon=1e-8),)

    def table(self, sizes):
        dim = self.embedding_dim
        blocks = [f"block_{block}" for block in range(self.n_blocks)]
        shapes = {"attention": (3 * dim, dim), **dict.fromkeys(("output", "inner", "outer"), (dim, dim))}
        linear = [(f"{block}_{name}", shape) for block in blocks for name, shape in shapes.items()]
        norms = [*(f"{block}_{name}" for block in blocks for name in ("attention", "ffn")), "final"]
        return (
            Parameter("item_embedding", (sizes.n_items + 1, dim), dim**-0.5),
            Parameter("position_embedding", (self.length, dim), dim**-0.5),
            *(row for name, shape in linear for row in float64.linear_parameters(name, shape)),
            *(row for name in norms for row in float64.norm_parameters(name, dim)),
        )

    def _outputs(self, p, inputs):
        known = (inputs["history"] > 0)[..., None]
        x = self._embedded(p, inputs["history"])
        for block in (f"block_{block}" for block in range(self.n_blocks)):
            query = self._normed(p, f"{block}_attention", x)
            x = self._normed(p, f"{block}_ffn", query + self._attending(p, block, query, x))
            inner = np.maximum(float64.linear(p, f"{block}_inner", x), 0)
            x = (float64.linear(p, f"{block}_outer", inner) + x) * known
        return self._normed(p, "final", x)

    def _attending(self, p, block, query, x):
        weights, biases = (np.split(p[f"{block}_attention_{name}"], 3) for name in ("weight", "bias"))
        of_parts = zip((query, x, x), weights, biases, strict=True)
        heads = (self._heads(given @ weight.T + bias) for given, weight, bias in of_parts)
        return float64.linear(p, f"{block}_output", float64.attention(*heads))

    def _normed(self, p, name, x):
        return float64.norm(p, name, x, self.norm_epsilon)


@dataclass(frozen=True)
class InPairs(Varied):
    """The same where a user alone is asked about twice: of one, it cannot tell the batch from the places."""


def init(spec, parameters, device, mode):  # noqa: ARG001 - torch-rechub is asked for the CPU
    dim = spec.embedding_dim
    table = {"vocab_size": len(parameters["item_embedding"]), "embed_dim": dim, "padding_idx": 0, "pooling": "concat"}
    names = {"seq": {}, "pos": {"shared_with": "seq"}, "neg": {"shared_with": "seq"}}
    features = [SequenceFeature(name, **table, **more) for name, more in names.items()]
    module = RechubSASRec(features, spec.length, 0.0, spec.n_blocks, spec.n_heads)
    places = {
        "item_embedding": Table(module.item_emb.embed_dict["seq"].weight),
        "position_embedding": Place(module.position_emb.weight),
        **_norm_places("final", module.last_layernorm),
    }
    for number in range(spec.n_blocks):
        attention, dense = module.attention_layers[number], module.forward_layers[number]
        block = f"block_{number}"
        places |= {
            **_norm_places(f"{block}_attention", module.attention_layernorms[number]),
            **_norm_places(f"{block}_ffn", module.forward_layernorms[number]),
            f"{block}_attention_weight": Place(attention.in_proj_weight),
            f"{block}_attention_bias": Place(attention.in_proj_bias),
            f"{block}_output_weight": Place(attention.out_proj.weight),
            f"{block}_output_bias": Place(attention.out_proj.bias),
            f"{block}_inner_weight": Place(dense.conv1.weight, shape=(dim, dim)),
            f"{block}_inner_bias": Place(dense.conv1.bias),
            f"{block}_outer_weight": Place(dense.conv2.weight, shape=(dim, dim)),
            f"{block}_outer_bias": Place(dense.conv2.bias),
        }
    return Port(spec, parameters, module, places, loss_of(spec))


def _norm_places(name, norm):
    return {f"{name}_scale": Place(norm.weight), f"{name}_shift": Place(norm.bias)}


def tower(module, history, spec):
    n_users = len(history)
    if n_users == 1 and isinstance(spec, InPairs):
        history = history.repeat(2, 1)
    return module.user_tower({"seq": history.long()})[:n_users, 0]


def loss_of(spec):
    """It has no softmax over all items: this is one of what its tower for users gives."""

    def loss(module, batch):
        scores = tower(module, batch["history"], spec) @ module.item_emb.embed_dict["seq"].weight[1:].T
        return torch.nn.functional.cross_entropy(scores, batch["target"].long())

    return loss


def embed_users(port, inputs):
    return port.ask(lambda given: tower(port.module, given["history"], port.spec), inputs)


def embed_items(port):
    return port.ask(lambda _: port.module.item_emb.embed_dict["seq"].weight[1:], {})
