"""RecBole's BPR on the ladder; see docs/ports.md.

python -m benchmarks agree --adapter ports/recbole_bpr.py --models mf-bpr --quick --varied
"""

from dataclasses import dataclass

import autograd.numpy as np
from modules import Place, Port, export, gradients, train
from recbole.model.general_recommender import BPR
from recbole_data import FIELDS, Sizes, embed_items

from benchmarks.specs.mf_bpr import MFBPR

__all__ = ["Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]


@dataclass(frozen=True)
class Varied(MFBPR):
    """Without a bias of items, as in section 4.3.1 of the paper, and without the optimizer's penalty."""

    def parameters(self, sizes):
        return super().parameters(sizes)[:2]

    def loss(self, p, batch):
        user = p["user_factors"][batch["user"]]
        apart = p["item_factors"][batch["positive"]] - p["item_factors"][batch["negative"]]
        return np.mean(np.logaddexp(0.0, -np.sum(user * apart, 1)))

    def user_vectors(self, p, inputs):
        return p["user_factors"][inputs["user"]]

    def item_vectors(self, p):
        return p["item_factors"]


def init(spec, parameters, device, mode):  # noqa: ARG001 - RecBole is asked for the CPU
    n_users, n_items = (len(parameters[name]) + 1 for name in ("user_factors", "item_factors"))
    module = BPR({**FIELDS, "embedding_size": spec.embedding_dim}, Sizes(user_id=n_users, item_id=n_items))
    places = {
        "user_factors": Place(module.user_embedding.weight, 1),
        "item_factors": Place(module.item_embedding.weight, 1),
    }
    return Port(spec, parameters, module, places, loss)


def loss(module, batch):
    named = {"user_id": batch["user"], "item_id": batch["positive"], "neg_item_id": batch["negative"]}
    return module.calculate_loss({name: ids + 1 for name, ids in named.items()})


def embed_users(port, inputs):
    return port.ask(lambda asked: port.module.get_user_embedding(asked["user"] + 1), inputs)
