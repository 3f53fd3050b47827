"""User-based neighbours (Breese, Heckerman and Kadie, UAI 1998) on sets of items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.settings import Name
from benchmarks.specs.neighbours import NeighbourSpec


@dataclass(frozen=True)
class UserCF(NeighbourSpec):
    """An item scores by how similar those are who have it.

    With I(v) the items that training user v has and n_v of them, H the items of the history and n_H of them (which
    changes no list), n_i the number of users who have item i:

        similarity(H, v) = sum of w_i over the items i in H and I(v) / sqrt(n_H n_v)
        score(j) = sum of similarity(H, v) over the neighbours v who have j

    The neighbours are the `n_neighbours` users most similar to the history; the user who asks is never among them.
    With w_i = 1 the similarity is the cosine of the two sets of items.

    Attributes:
        item_weighted: whether w_i is 1 / log(1 + n_i) in place of 1, so that what everybody has says little of who is
            alike: Breese et al.'s inverse user frequency, which is log(n / n_i) of n users, in a form that never
            reaches 0.
    """

    model: ClassVar[str] = "user-cf"
    variant: Name = "cosine"
    item_weighted: bool = False
