"""What torch-rechub's multi-interest models have that the papers have not, in float64."""

import autograd.numpy as np

from benchmarks.specs import sequences
from benchmarks.specs.base import Parameter


class Lengths:
    """A feature of the user beside each interest, a matrix for both, and vectors of length one."""

    def table(self, sizes):
        dim = self.embedding_dim
        return (
            *super().table(sizes),
            Parameter("profile_embedding", (1, dim), dim**-0.5),
            Parameter("user_weight", (2 * dim, dim), (2 * dim) ** -0.5),
        )

    def user_vectors(self, p, inputs):
        return self._scaled(p, super().user_vectors(p, inputs))

    def item_vectors(self, p):
        return sequences.normalised(p["item_embedding"][1:])

    def _scaled(self, p, interests):
        profile = p["profile_embedding"][0] * np.ones(interests.shape)
        return sequences.normalised(np.concatenate([profile, interests], 2) @ p["user_weight"])

    def list_wise(self, p, interests, target):
        items = self.item_vectors(p)
        return sequences.softmax_loss(sequences.closest(interests, items[target]) @ items.T, target)


def over_places(votes, logits, n_routing, epsilon):
    """Coefficients as torch-rechub has them: they sum to one over the places, padding among them."""
    for _ in range(n_routing - 1):
        interests = sequences.capsules(votes, sequences.softmax(logits, -1), epsilon)
        logits = logits + np.sum(votes * interests[:, :, None], -1)
    return sequences.softmax(logits, -1)
