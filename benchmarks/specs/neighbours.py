"""What neighbourhood models share: of items or of users, the most similar count."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.settings import Count
from benchmarks.specs.sets import SetSpec


@dataclass(frozen=True)
class NeighbourSpec(SetSpec):
    """Items without a score above 0 are not listed; of equally similar neighbours the smaller number comes first.

    Attributes:
        n_neighbours: how many of the most similar count.
    """

    n_neighbours: Count = 50
