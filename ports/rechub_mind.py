"""torch-rechub's MIND on the ladder; see docs/ports.md.

python -m benchmarks agree --adapter ports/rechub_mind.py --models mind --quick --varied
"""

import dataclasses
from dataclasses import dataclass

from modules import Place, Port, Table, export, gradients, train
from rechub_features import features, list_wise
from rechub_features import items as embed_items
from rechub_features import users as embed_users
from rechub_varied import Lengths
from torch_rechub.models import matching

from benchmarks.specs import sequences
from benchmarks.specs.mind import MIND

__all__ = ["Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]


@dataclass(frozen=True)
class Varied(Lengths, MIND):
    """Without a dense layer, and with the interest closest to the target as the user; see `rechub_varied.Lengths`."""

    @classmethod
    def for_ladder(cls):
        (small,) = super().for_ladder()
        return (dataclasses.replace(small, squash_epsilon=1e-9),)

    def table(self, sizes):
        return tuple(row for row in super().table(sizes) if "dense" not in row.name)

    def _dense(self, p, votes, coupling):  # noqa: ARG002 - the layer that is not there would have parameters
        return sequences.capsules(votes, coupling, self.squash_epsilon)

    def loss(self, p, batch):
        interests = self._dense(p, self._votes(p, batch), batch["coupling"])
        return self.list_wise(p, self._scaled(p, interests), batch["target"])


def init(spec, parameters, device, mode):  # noqa: ARG001 - torch-rechub is asked for the CPU
    user, history, item, negatives = features(len(parameters["item_embedding"]) - 1, spec.embedding_dim)
    module = matching.MIND(user, history, item, negatives, max_length=spec.length, interest_num=spec.n_interests)
    places = {
        "item_embedding": Table(module.embedding.embed_dict["history"].weight),
        "profile_embedding": Place(module.embedding.embed_dict["profile"].weight),
        "user_weight": Place(module.convert_user_weight),
        "bilinear": Place(module.capsule.linear.weight),
    }
    return Port(spec, parameters, module, {name: places[name] for name in parameters if name in places}, list_wise)
