"""torch-rechub's ComiRec-DR on the ladder; see docs/ports.md.

python -m benchmarks agree --adapter ports/rechub_comirec_dr.py --models comirec-dr --quick --varied
"""

import dataclasses
from dataclasses import dataclass

import autograd.numpy as np
from modules import Place, Port, Table, export, gradients, train
from rechub_features import features, list_wise
from rechub_features import items as embed_items
from rechub_features import users as embed_users
from rechub_varied import Lengths, over_places
from torch_rechub.models.matching import ComirecDR

from benchmarks.specs import sequences
from benchmarks.specs.comirec_dr import ComiRecDR

__all__ = ["AsInstalled", "Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]


@dataclass(frozen=True)
class Varied(Lengths, ComiRecDR):
    """See `rechub_varied.Lengths`."""

    @classmethod
    def for_ladder(cls):
        (small,) = super().for_ladder()
        return (dataclasses.replace(small, squash_epsilon=1e-9),)

    def loss(self, p, batch):
        interests = sequences.capsules(self._votes(p, batch), batch["coupling"], self.squash_epsilon)
        return self.list_wise(p, self._scaled(p, interests), batch["target"])


@dataclass(frozen=True)
class AsInstalled(Varied):
    """The same with coefficients that sum to one over the places, padding among them, and not over the interests."""

    def held_fixed(self, p, batch):
        return {"coupling": self._over_places(self._votes(p, batch))}

    def user_vectors(self, p, inputs):
        votes = self._votes(p, inputs)
        return self._scaled(p, sequences.capsules(votes, self._over_places(votes), self.squash_epsilon))

    def _over_places(self, votes):
        return over_places(votes, np.zeros(votes.shape[:-1]), self.n_routing, self.squash_epsilon)


def init(spec, parameters, device, mode):  # noqa: ARG001 - torch-rechub is asked for the CPU
    user, history, item, negatives = features(len(parameters["item_embedding"]) - 1, spec.embedding_dim)
    module = ComirecDR(user, history, item, negatives, max_length=spec.length, interest_num=spec.n_interests)
    places = {
        "item_embedding": Table(module.embedding.embed_dict["history"].weight),
        "profile_embedding": Place(module.embedding.embed_dict["profile"].weight),
        "user_weight": Place(module.convert_user_weight),
        "bilinear": Place(module.capsule.w, shape=parameters["bilinear"].shape),
    }
    return Port(spec, parameters, module, places, list_wise)
