"""torch-rechub's MIND on the ladder; see docs/ports.md.

python -m benchmarks agree --adapter ports/rechub_mind.py --models mind --quick --varied
"""

import contextlib
import dataclasses
from dataclasses import dataclass

import torch
from modules import Place, Port, Table, export, gradients, train
from rechub_features import features, list_wise, users
from rechub_features import items as embed_items
from rechub_varied import Lengths, over_places
from torch_rechub.models import matching

from benchmarks.specs import sequences
from benchmarks.specs.mind import MIND

__all__ = ["AsInstalled", "Varied", "embed_items", "embed_users", "export", "gradients", "init", "train"]


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


@dataclass(frozen=True)
class AsInstalled(Varied):
    """The same with coefficients that sum to one over the places, padding among them, and not over the interests."""

    def _coupling(self, p, votes):
        return over_places(votes, p["routing_logits"], self.n_routing, self.squash_epsilon)


@contextlib.contextmanager
def drawn(logits):
    """While the module runs, what it draws are these logits, of every user the same."""
    randn = torch.randn
    torch.randn = lambda n, *_, **__: logits.expand(n, *logits.shape)
    try:
        yield
    finally:
        torch.randn = randn


def init(spec, parameters, device, mode):  # noqa: ARG001 - torch-rechub is asked for the CPU
    user, history, item, negatives = features(len(parameters["item_embedding"]) - 1, spec.embedding_dim)
    module = matching.MIND(user, history, item, negatives, max_length=spec.length, interest_num=spec.n_interests)
    places = {
        "item_embedding": Table(module.embedding.embed_dict["history"].weight),
        "profile_embedding": Place(module.embedding.embed_dict["profile"].weight),
        "user_weight": Place(module.convert_user_weight),
        "bilinear": Place(module.capsule.linear.weight),
        "routing_logits": Place(torch.zeros(parameters["routing_logits"].shape)),
    }
    return Port(spec, parameters, module, places, loss_with(places))


def loss_with(places):
    def loss(module, batch):
        with drawn(places["routing_logits"].tensor):
            return list_wise(module, batch)

    return loss


def embed_users(port, inputs):
    with drawn(port.places["routing_logits"].tensor):
        return users(port, inputs)
