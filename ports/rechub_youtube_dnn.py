"""torch-rechub's YoutubeDNN on the ladder; see docs/ports.md.

python -m benchmarks agree --adapter ports/rechub_youtube_dnn.py --models youtube-dnn --quick --varied
"""

import dataclasses
from dataclasses import dataclass

import torch
from modules import Place, Port, Table, export, gradients, train
from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.matching import YoutubeDNN

from benchmarks.specs.youtube_dnn import YouTubeDNN

__all__ = ["Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]


@dataclass(frozen=True)
class Varied(YouTubeDNN):
    """Of a user's number and the mean of the last items."""

    @classmethod
    def for_ladder(cls):
        (small,) = super().for_ladder()
        return (dataclasses.replace(small, user_features=("user", "history"), pooling="mean"),)


def init(spec, parameters, device, mode):  # noqa: ARG001 - torch-rechub is asked for the CPU
    n_users, n_items = (len(parameters[f"{name}_embedding"]) for name in ("user", "item"))
    table = {"vocab_size": n_items, "embed_dim": spec.embedding_dim, "padding_idx": 0}
    module = YoutubeDNN(
        [
            SparseFeature("user", vocab_size=n_users, embed_dim=spec.embedding_dim),
            SequenceFeature("history", pooling=spec.pooling, shared_with="item", **table),
        ],
        [SparseFeature("item", **table)],
        [SequenceFeature("negatives", pooling="concat", shared_with="item", **table)],
        {"dims": list(spec.user_tower), "activation": spec.activation},
        spec.temperature,
    )
    places = {
        "user_embedding": Place(module.embedding.embed_dict["user"].weight),
        "item_embedding": Table(module.embedding.embed_dict["item"].weight),
    }
    for number in range(len(spec.user_tower)):
        linear, norm, activation = module.user_mlp.mlp[4 * number : 4 * number + 3]
        # The normalisation takes it away again: its slope is rounding alone, of which Adam would make steps.
        linear.bias.requires_grad_(requires_grad=False).zero_()
        places |= {
            f"user_weight_{number}": Place(linear.weight),
            f"user_norm_scale_{number}": Place(norm.weight),
            f"user_norm_shift_{number}": Place(norm.bias),
            f"user_norm_mean_{number}": Place(norm.running_mean),
            f"user_norm_variance_{number}": Place(norm.running_var),
            f"user_slope_{number}": Place(activation.weight),
        }
    return Port(spec, parameters, module, places, loss)


def loss(module, batch):
    item = batch["item"].long() + 1
    asked = {"item": item[:, 0], "negatives": item[:, 1:], **of_users(batch)}
    return torch.nn.functional.cross_entropy(module(asked), torch.zeros(len(item), dtype=torch.long))


def of_users(inputs):
    return {"user": inputs["user"].long() + 1, "history": inputs["history"].long()}


def embed_users(port, inputs):
    return port.ask(lambda given: port.module.user_tower(of_users(given))[:, 0], inputs)


def embed_items(port):
    def whole(_):
        n_items = len(port.module.embedding.embed_dict["item"].weight) - 1
        asked = {"item": torch.arange(1, n_items + 1), "negatives": torch.ones(n_items, 1, dtype=torch.long)}
        return port.module.item_tower(asked)[:, 0]

    return port.ask(whole, {})
