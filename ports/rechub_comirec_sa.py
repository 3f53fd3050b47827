"""torch-rechub's ComiRec-SA on the ladder; see docs/ports.md.

python -m benchmarks agree --adapter ports/rechub_comirec_sa.py --models comirec-sa --quick --varied
"""

import dataclasses
from dataclasses import dataclass

import autograd.numpy as np
from modules import Place, Port, Table, export, gradients, train
from rechub_features import features, list_wise
from rechub_features import items as embed_items
from rechub_features import users as embed_users
from rechub_varied import Lengths
from torch_rechub.models.matching import ComirecSA

from benchmarks.specs.comirec_sa import ComiRecSA

__all__ = ["Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]


@dataclass(frozen=True)
class Varied(Lengths, ComiRecSA):
    """Without positions, and with an attention of four times the dimension; see `rechub_varied.Lengths`."""

    @classmethod
    def for_ladder(cls):
        (small,) = super().for_ladder()
        return (dataclasses.replace(small, attention_dim=4 * small.embedding_dim),)

    def table(self, sizes):
        return tuple(row for row in super().table(sizes) if row.name != "position_embedding")

    def loss(self, p, batch):
        return self.list_wise(p, self.user_vectors(p, batch), batch["target"])

    def user_vectors(self, p, inputs):
        none = np.zeros((self.length, self.embedding_dim))
        return self._scaled(p, ComiRecSA.user_vectors(self, {**p, "position_embedding": none}, inputs))


def init(spec, parameters, device, mode):  # noqa: ARG001 - torch-rechub is asked for the CPU
    user, history, item, negatives = features(len(parameters["item_embedding"]) - 1, spec.embedding_dim)
    module = ComirecSA(user, history, item, negatives, interest_num=spec.n_interests)
    attention = module.multi_interest_sa
    places = {
        "item_embedding": Table(module.embedding.embed_dict["history"].weight),
        "profile_embedding": Place(module.embedding.embed_dict["profile"].weight),
        "user_weight": Place(module.convert_user_weight),
        "attention_hidden": Place(attention.W1, is_transposed=True),
        "attention_interests": Place(attention.W2, is_transposed=True),
    }
    return Port(spec, parameters, module, places, list_wise)
