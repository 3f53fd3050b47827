"""SLIM, a sparse linear model of items (Ning and Karypis, SLIM: Sparse Linear Methods for Top-N ..., ICDM 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.settings import Name, NonNegative, Positive
from benchmarks.specs.sets import SetSpec


@dataclass(frozen=True)
class SLIM(SetSpec):
    """An item scores by weights of the items of the history: few, none negative, fitted for each item by itself.

    With A the training sets, 1 where a user has an item and 0 elsewhere (equations 3 and 4 of the paper):

        minimise 1/2 |A - A W|^2 + l2 / 2 |W|^2 + l1 sum |W| over W >= 0, whose diagonal is 0
        score(j) = sum of W[i, j] over the items i of the history

    Items without a score above 0 are not listed. In scikit-learn's `ElasticNet`, which divides by the number of users
    n, alpha is (l1 + l2) / n and l1_ratio l1 / (l1 + l2).

    Attributes:
        l1: the paper's lambda; a pair of items that no more than so many users share has a weight of 0.
        l2: the paper's beta, above 0 so that there is one answer.
    """

    model: ClassVar[str] = "slim"
    variant: Name = "non-negative"
    l1: NonNegative = 1.0
    l2: Positive = 100.0
