"""EASE, linear and in closed form (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.settings import Name, Positive
from benchmarks.specs.sets import SetSpec


@dataclass(frozen=True)
class EASE(SetSpec):
    """An item scores by weights of the items of the history, which are those that rebuild the training sets best.

    With X the training sets, 1 where a user has an item and 0 elsewhere (equations 3, 4 and 8 of the paper):

        minimise |X - X B|^2 + regularization |B|^2 over B, whose diagonal is 0
        P = (X' X + regularization I)^-1,  B[i, j] = -P[i, j] / P[j, j] where i is not j
        score(j) = sum of B[i, j] over the items i of the history

    Weights and scores may be negative, and every item of the training is ranked. A history of which training knows no
    item has no answer. The weights are 8 n^2 bytes of n items, and their inversion takes n^3 steps.

    Attributes:
        regularization: the paper's lambda; 500 is the one that it chose for MovieLens-20M.
    """

    model: ClassVar[str] = "ease"
    variant: Name = "closed form"
    regularization: Positive = 500.0
