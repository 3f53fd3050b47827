"""When to stop measuring, and what may be said then: repeated looks at one mean, with the error of all of them bounded.

Two errors are bounded apart. That anything is called better or worse and is not happens in at most LEVEL of all gates:
every look at every noisy figure has the same share of it (Bonferroni). That a figure which is worse by the margin is
called no worse happens to at most MISSED of such figures: the looks at one figure share it. Both are by intervals of
Student's t for the mean of normal values. Source of repeated intervals: Jennison and Turnbull, Group Sequential Methods
with Applications to Clinical Trials, 2000, chapter 9; the equal shares are the plainest choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.gate.figures import FARTHEST

LEVEL = 0.01
"""The chance that anything is called better or worse that is not, over all looks at all figures of a gate."""
MISSED = 0.02
"""The chance that a figure which is worse by the margin is called no worse, over all looks at it."""
LOOKS = (4, 6, 8, 12, 16, 24, 32, 48)
"""After how many pairs of processes the figures are looked at, as far as the cap allows."""
REGRESSED, IMPROVED, NO_WORSE, SAME, UNDECIDED = "regressed", "improved", "no worse", "the same", "undecided"


@dataclass(frozen=True)
class Plan:
    """How often is looked, at how many figures, and how much worse is too much.

    Attributes:
        most: pairs of processes, the cap.
        n_figures: that chance has a part in.
        margin: the share by which head may be worse, such as 0.1.
    """

    most: int
    n_figures: int
    margin: float

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of pairs after which is looked: those of LOOKS, the last one the cap."""
        return (*(n for n in LOOKS if n < self.most), self.most)

    @property
    def level(self) -> float:
        """The share of one end of one interval, outside of which a figure is better or worse."""
        return LEVEL / (2 * self.n_figures * len(self.looks))

    @property
    def missed(self) -> float:
        """The share of one look in calling a figure no worse that is."""
        return MISSED / len(self.looks)


@dataclass(frozen=True)
class Judgement:
    """What the pairs so far say of head's figure, base's being 1.

    Attributes:
        verdict: REGRESSED, IMPROVED, NO_WORSE (than by the margin), SAME (in every pair) or UNDECIDED.
        ratio: the geometric mean of head's figures, as parts of base's; above 1 is better.
        low, high: its interval, which holds over all looks and figures; of what is no worse `low` is the one-sided
            bound that says so.
        n: pairs of processes.
        n_more: pairs that are lacking for a decision, if mean and spread stay as they are; 0 if it is decided.
    """

    verdict: str
    ratio: float
    low: float
    high: float
    n: int
    n_more: int = 0


def judge(values: Sequence[float], plan: Plan, margins: float = 1.0) -> Judgement:
    """Judges the logarithms of head's figures as parts of base's, one a pair of processes, better being above 0.

    Head has regressed where the whole interval is below 0, unless it is also above the margin: it is then worse by more
    than chance, and by less than matters.

    Args:
        values: at least two.
        plan: what the intervals have to hold over.
        margins: how many of the plan's margins worse is too much.
    """
    if not any(values):
        return Judgement(SAME, 1.0, 1.0, 1.0, len(values))
    n, mean, deviation = len(values), float(np.mean(values)), float(np.std(values, ddof=1))
    error = deviation / math.sqrt(n)
    half, below = (float(stats.t.ppf(1 - level, n - 1)) * error for level in (plan.level, plan.missed))
    low, high, floor = mean - half, mean + half, mean - below
    margin = math.log1p(-share(plan.margin, margins))
    verdict = _verdict(low, high, floor, margin)
    n_more = 0 if verdict != UNDECIDED else _n_more(mean, deviation, n, plan, margin)
    return Judgement(verdict, _ratio(mean), _ratio(floor if verdict == NO_WORSE else low), _ratio(high), n, n_more)


def settled(value: float) -> Judgement:
    """What one pair says that chance has no part in."""
    verdict = SAME if value == 0 else IMPROVED if value > 0 else REGRESSED
    return Judgement(verdict, _ratio(value), _ratio(value), _ratio(value), 1)


def share(margin: float, margins: float) -> float:
    """So many margins as the share by which a figure may be worse, never all of it."""
    return min(margin * margins, 0.99)


def _ratio(logarithm: float) -> float:
    return math.exp(min(max(logarithm, -FARTHEST), FARTHEST))


def _verdict(low: float, high: float, floor: float, margin: float) -> str:
    if low > 0:
        return IMPROVED
    if floor > margin:
        return NO_WORSE
    return REGRESSED if high < 0 else UNDECIDED


def _n_more(mean: float, deviation: float, n: int, plan: Plan, margin: float) -> int:
    """Pairs until 0 is outside of the interval, or the margin below the bound."""
    sizes = np.arange(n + 1, 1_000)
    errors = deviation / np.sqrt(sizes)
    is_clear = stats.t.ppf(1 - plan.level, sizes - 1) * errors < abs(mean)
    is_clear |= stats.t.ppf(1 - plan.missed, sizes - 1) * errors < mean - margin
    return int(sizes[np.argmax(is_clear)]) - n if is_clear.any() else 1_000 - n
