"""What libraries do otherwise, each with the exact transformation that turns their value into ours.

A difference wraps what is asked: `theirs` takes their metric as a function of a case and gives a function that is
nearer to ours. Where nothing that they say could be turned into ours, because they were never told, `ours` restricts
the comparison instead, by wrapping ours as well. Differences are applied to a case in the order in which a row of the
table names them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from metric_cases import Case, strictly_falling

Ask = Callable[[Case], float]


def unchanged(ask: Ask) -> Ask:
    return ask


@dataclass(frozen=True)
class Difference:
    """One thing that a library does otherwise.

    Attributes:
        name: what it is, as tables say it.
        remedy: the transformation in words and symbols.
        theirs, ours: the transformation.
        always: whether it shows on plain cases too: full lists of distinct items without ties, for users who all have
            targets, each on one row.
    """

    name: str
    remedy: str
    theirs: Callable[[Ask], Ask] = unchanged
    ours: Callable[[Ask], Ask] = unchanged
    always: bool = False


def asked_about(change: Callable[[Case], Case]) -> Callable[[Ask], Ask]:
    """Ask about a changed case."""
    return lambda ask: lambda case: ask(change(case))


def times(factor: Callable[[Case], float]) -> Callable[[Ask], Ask]:
    return lambda ask: lambda case: ask(case) * factor(case)


def each_share(correct: Callable[[float, Case, Ask], float]) -> Callable[[Ask], Ask]:
    """Replace the share that each user with targets has in a mean over all users."""

    def corrected(ask: Ask) -> Ask:
        def mean(case: Case) -> float:
            shares = [(ask(user), user) for user in case.alone]
            gained = sum(correct(share, user, ask) - share for share, user in shares)
            return ask(case) + gained / len(case.rankings)

        return mean

    return corrected


def _map_lists(case: Case, change: Callable[[list[int]], list[int]]) -> Case:
    return replace(case, rankings=[change(ranking) for ranking in case.rankings])


def _strike_out(ranking: list[int]) -> list[int]:
    return [-1 if item in ranking[:place] else item for place, item in enumerate(ranking)]


def _first_k(case: Case) -> Case:
    return _map_lists(case, lambda ranking: ranking[: case.k] + [-1] * (len(ranking) - case.k))


def _with_strangers(case: Case) -> Case:
    filled = _map_lists(case, lambda row: [case.n_items + at if item < 0 else item for at, item in enumerate(row)])
    return replace(filled, n_items=case.n_items + len(case.rankings[0]))


def _full(case: Case) -> Case:
    def fill(ranking: list[int]) -> list[int]:
        others = iter(sorted(set(range(case.n_items)) - set(ranking)))
        return [next(others) if item < 0 else item for item in _strike_out(ranking)]

    return _map_lists(case, fill)


def _distinct(case: Case) -> Case:
    return replace(case, targets=[sorted(set(rows)) for rows in case.targets])


def _first_target(case: Case) -> Case:
    asked = case.users(case.asked)
    return replace(asked, targets=[rows[:1] for rows in asked.targets])


def _in_min(case: Case) -> float:
    """Σ min(K, n) over the users."""
    return float(sum(min(case.k, n) for n in case.n_distinct))


def _hit_rate(ask: Ask) -> Ask:
    return lambda case: float(np.mean([ask(user) > 0 for user in case.alone]))


def _without_the_rest(theirs: float, user: Case, _: Ask) -> float:
    (n,) = user.n_distinct
    missed = n - len(set(user.targets[0]) & set(user.rankings[0][: user.k]))
    return (theirs * n - missed * n / user.n_items) / min(user.k, n)


def _over_the_best(theirs: float, user: Case, ask: Ask) -> float:
    best = sorted(set(user.targets[0]), key=user.targets[0].count, reverse=True)
    others = sorted(set(range(user.n_items)) - set(best))
    rankings = [[*best, *others][: max(user.k, len(best))]]
    return theirs / ask(replace(user, rankings=rankings, scores=strictly_falling(rankings)))


def _unrounded(ask: Ask) -> Ask:
    def exact(case: Case) -> float:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("torch_rechub.basic.metric.round", lambda value, _: value, raising=False)
            return ask(case)

    return exact


def _with_np_float(ask: Ask) -> Ask:
    def working(case: Case) -> float:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(np, "float", float, raising=False)
            return ask(case)

    return working


REPEATS = Difference(
    "repeated recommendations", "the second and later ones become −1", asked_about(lambda c: _map_lists(c, _strike_out))
)
TIES = Difference(
    "ties",
    "the list's order is kept: scores fall strictly",
    asked_about(lambda c: replace(c, scores=strictly_falling(c.rankings))),
)
NO_NONE = Difference(
    "no −1", "each −1 becomes an item of its own, beyond the catalogue, that nobody wants", asked_about(_with_strangers)
)
ROWS = Difference(
    "repeated targets", "both sides are given the distinct targets", asked_about(_distinct), asked_about(_distinct)
)
EXPONENTIAL = Difference(
    "gain 2^rel − 1", "both sides are given the distinct targets", asked_about(_distinct), asked_about(_distinct)
)
ZEROS = Difference(
    "users without targets count 0",
    "× users / users with targets",
    times(lambda case: len(case.rankings) / len(case.asked)),
)
ONES = Difference(
    "users without targets count 1",
    "(theirs × users − users without targets) / users with targets",
    lambda ask: lambda c: (ask(c) * len(c.rankings) - (len(c.rankings) - len(c.asked))) / len(c.asked),
)
DIGITS = Difference("four digits", "its rounding is put aside", _unrounded, always=True)
NP_FLOAT = Difference(
    "needs `np.float`", "the name, gone since NumPy 1.24, is given back to NumPy", _with_np_float, always=True
)
OVER_N = Difference(
    "divides by n",
    "each user's share × n / min(K, n), with n distinct targets",
    each_share(lambda theirs, user, _: theirs * user.n_distinct[0] / min(user.k, user.n_distinct[0])),
    always=True,
)
POOLED = Difference(
    "pooled, over Σ min(K, n)",
    "× Σ min(K, n) / (K × users with targets)",
    times(lambda case: _in_min(case) / (case.k * len(case.asked))),
    always=True,
)
OVER_MIN = Difference(
    "over Σ min(K, n), not Σ n",
    "× Σ min(K, n) / Σ n",
    times(lambda case: _in_min(case) / sum(case.n_distinct)),
    always=True,
)
MEAN_HITS = Difference(
    "a mean number of hits", "× users / Σ n", times(lambda case: len(case.rankings) / sum(case.n_distinct)), always=True
)
POOLED_HITS = Difference(
    "hits pooled over all targets", "the share of users with targets whose own value is above 0", _hit_rate, always=True
)
UNCUT = Difference(
    "not cut at K",
    "it is given the first K only, and each user's share becomes (n × share − m × n / N) / min(K, n): n distinct "
    "targets, m of them missed, N items with a score",
    lambda ask: asked_about(_first_k)(each_share(_without_the_rest)(ask)),
    always=True,
)
NO_IDEAL = Difference(
    "not normalised",
    "each user's share is divided by that of the user's best list",
    each_share(_over_the_best),
    always=True,
)
ONE_TARGET = Difference(
    "one target a user",
    "both sides are given each user's first target, and no user without one",
    asked_about(_first_target),
    asked_about(_first_target),
    always=True,
)
PADDING = Difference(
    "[PAD] is in the catalogue",
    "× (items + 1) / items",
    times(lambda case: (case.n_items + 1) / case.n_items),
    always=True,
)
ALWAYS_FULL = Difference(
    "lists are always full",
    "both sides are given full lists: repeats and −1 become the lowest items that are not listed",
    asked_about(_full),
    asked_about(_full),
)
ONLY_ASKED = Difference(
    "users without targets are not asked",
    "ours is given the lists of the others only",
    ours=asked_about(lambda case: case.users(case.asked)),
)
CLOSE_UP = Difference("lists close up", "a list is cut at K before its −1 are left out", asked_about(_first_k))
