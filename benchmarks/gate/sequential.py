"""When to stop measuring, and what may be said then: repeated looks at one mean, with the error of all of them bounded.

A look is an interval for the mean of normal values from Student's t. Each look of each cell has the same share of the
error that is allowed in all (Bonferroni), so that the chance that any interval of any look misses what is true is at
most that: whoever decides by them is wrong no more often. Source of repeated intervals: Jennison and Turnbull, Group
Sequential Methods with Applications to Clinical Trials, 2000, chapter 9; the equal shares are the plainest choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.01
"""The chance that anything is said that is not so, over all looks at all cells."""
LOOKS = (4, 6, 8, 12, 16, 24, 32, 48)
"""After how many pairs of processes the figures are looked at, as far as the cap allows."""
FARTHEST = 50.0
"""Where the logarithm of a ratio ends: two pairs that differ leave next to nothing out."""
REGRESSED, IMPROVED, NO_WORSE, UNDECIDED = "regressed", "improved", "no worse", "undecided"


@dataclass(frozen=True)
class Plan:
    """How often is looked, at how many cells, and how much worse is too much.

    Attributes:
        most: pairs of processes, the cap.
        n_cells: that are judged, each by itself.
        margin: the share by which head may be worse, such as 0.1.
    """

    most: int
    n_cells: int
    margin: float

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of pairs after which is looked: those of LOOKS, the last one the cap."""
        return (*(n for n in LOOKS if n < self.most), self.most)

    @property
    def level(self) -> float:
        """The share of one end of one interval."""
        return LEVEL / (2 * self.n_cells * len(self.looks))


@dataclass(frozen=True)
class Judgement:
    """What the pairs so far say of head's figure, base's being 1.

    Attributes:
        verdict: REGRESSED, IMPROVED, NO_WORSE (than by the margin) or UNDECIDED.
        ratio: the geometric mean of head's figures, as parts of base's; above 1 is better.
        low, high: its interval, which holds over all looks and cells.
        n: pairs of processes.
        n_more: pairs that are lacking for a decision, if mean and spread stay as they are; 0 if it is decided.
    """

    verdict: str
    ratio: float
    low: float
    high: float
    n: int
    n_more: int = 0


def judge(values: Sequence[float], plan: Plan) -> Judgement:
    """Judges the logarithms of head's figures as parts of base's, one a pair of processes, better being above 0.

    Head has regressed where the whole interval is below 0, unless it is also above the margin: it is then worse by more
    than chance, and by less than matters.

    Args:
        values: at least two.
        plan: what the intervals have to hold over.
    """
    n, mean, deviation = len(values), float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(stats.t.ppf(1 - plan.level, n - 1)) * deviation / math.sqrt(n)
    low, high = mean - half, mean + half
    verdict = _verdict(low, high, math.log1p(-plan.margin))
    n_more = 0 if verdict != UNDECIDED else _n_more(mean, deviation, n, plan)
    return Judgement(verdict, _ratio(mean), _ratio(low), _ratio(high), n, n_more)


def _ratio(logarithm: float) -> float:
    return math.exp(min(max(logarithm, -FARTHEST), FARTHEST))


def _verdict(low: float, high: float, margin: float) -> str:
    if low > 0:
        return IMPROVED
    if low > margin:
        return NO_WORSE
    return REGRESSED if high < 0 else UNDECIDED


def _n_more(mean: float, deviation: float, n: int, plan: Plan) -> int:
    """Pairs until the interval leaves 0 or the margin, whichever is farther from the mean, outside."""
    reach = max(abs(mean), abs(mean - math.log1p(-plan.margin)))
    sizes = np.arange(n + 1, 1_000)
    enough = stats.t.ppf(1 - plan.level, sizes - 1) * deviation / np.sqrt(sizes) < reach
    return int(sizes[np.argmax(enough)]) - n if enough.any() else 1_000 - n
