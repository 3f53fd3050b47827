"""Item-based neighbours (Sarwar et al., WWW 2001; Deshpande and Karypis, TOIS 2004)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.settings import Name
from benchmarks.specs.neighbours import NeighbourSpec


@dataclass(frozen=True)
class ItemCF(NeighbourSpec):
    """An item scores by how similar it is to the items of the history.

    With U(i) the users who have item i in training and n_i of them, n_u the number of items that user u has:

        similarity(i, j) = sum of w_u over the users u in U(i) and U(j) / sqrt(n_i n_j)
        score(j) = sum of similarity(i, j) over the items i of the history that have j among their neighbours

    The neighbours of i are the `n_neighbours` items most similar to it, itself not among them. That table is made
    beforehand and looked up for each query (Linden, Smith and York 2003). With w_u = 1 the similarity is the cosine of
    the two sets of users.

    Attributes:
        user_weighted: whether w_u is 1 / log(1 + n_u) in place of 1, so that who has nearly everything says little of
            what is alike; Breese et al. (UAI 1998) weight items by such a logarithm.
    """

    model: ClassVar[str] = "item-cf"
    variant: Name = "as_published"
    user_weighted: bool = False
