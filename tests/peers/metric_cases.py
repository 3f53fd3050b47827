"""Generated rankings with everything that metrics disagree about, and what our metrics say of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.metrics import evaluate
from benchmarks.sampling import generator

KINDS = ("plain", "repeats", "repeated targets", "no targets", "short lists", "gaps", "ties", "everything")
"""What a case is made to hold; the last holds all of it."""

CASES_A_KIND = 10


@dataclass(frozen=True)
class Case:
    """Some users' recommendations and what they wanted.

    Attributes:
        rankings: a list a user, all of one length, items best first, -1 where there is none.
        scores: as long as the rankings, never rising along a list; what a library sees that ranks by itself.
        targets: a list a user, of the rows held out; some may be empty, not all.
        n_items: size of the catalogue.
        k: the cut-off, at most the length of the rankings.
    """

    rankings: list[list[int]]
    scores: list[list[float]]
    targets: list[list[int]]
    n_items: int
    k: int

    def users(self, chosen: list[int]) -> Case:
        """The same case with these users only."""
        parts = ([of_users[user] for user in chosen] for of_users in (self.rankings, self.scores, self.targets))
        return Case(*parts, self.n_items, self.k)

    @property
    def asked(self) -> list[int]:
        """The users who have targets."""
        return [user for user, targets in enumerate(self.targets) if targets]

    @property
    def alone(self) -> list[Case]:
        """A case for every user who has targets."""
        return [self.users([user]) for user in self.asked]

    @property
    def n_distinct(self) -> list[int]:
        """How many distinct targets the users have who have any."""
        return [len(set(targets)) for targets in self.targets if targets]


def ours(metric: str, case: Case) -> float:
    """What benchmarks/metrics.py says."""
    counts = [len(targets) for targets in case.targets]
    rows = np.array(list(itertools.chain(*case.targets)))
    return evaluate(np.array(case.rankings), np.cumsum([0, *counts]), rows, case.n_items, (case.k,)).metrics[
        f"{metric}@{case.k}"
    ]


def strictly_falling(rankings: list[list[int]]) -> list[list[float]]:
    return [[float(-place) for place in range(len(ranking))] for ranking in rankings]


def orders_of_ties(case: Case) -> list[Case]:
    """The case of one user with its tied items in every order."""
    (ranking,), (scores,) = case.rankings, case.scores
    pairs = zip(scores, ranking, strict=True)
    tied = [[item for _, item in group] for _, group in itertools.groupby(pairs, key=lambda pair: pair[0])]
    orders = itertools.product(*map(itertools.permutations, tied))
    return [replace(case, rankings=[list(itertools.chain(*order))]) for order in orders]


def generated() -> dict[str, list[Case]]:
    """The cases of every kind, the same in every run."""
    return {kind: [_drawn(kind, number) for number in range(CASES_A_KIND)] for kind in KINDS}


def _drawn(kind: str, number: int) -> Case:
    rng = generator("metric cases", kind, number)
    n_users, depth = int(rng.integers(2, 6)), int(rng.integers(3, 8))
    n_items, k = depth + int(rng.integers(3, 8)), int(rng.integers(2, depth + 1))
    rankings = [rng.permutation(n_items)[:depth].tolist() for _ in range(n_users)]
    targets = [rng.permutation(n_items)[: rng.integers(1, 6)].tolist() for _ in range(n_users)]
    scores = strictly_falling(rankings)
    if kind in {"repeats", "everything"}:
        again = rng.random((n_users, depth)) < 0.3
        rankings = [_repeated(ranking, of_ranking) for ranking, of_ranking in zip(rankings, again, strict=True)]
    if kind in {"repeated targets", "everything"}:
        targets = [rng.permutation([*rows, *rows[:2], rows[0]]).tolist() for rows in targets]
    if kind in {"no targets", "everything"}:
        targets[int(rng.integers(n_users))] = []
    if kind in {"short lists", "everything"}:
        lengths = rng.integers(1, depth + 1, n_users)
        rankings = [row[:n] + [-1] * (depth - n) for row, n in zip(rankings, lengths.tolist(), strict=True)]
    if kind in {"gaps", "everything"}:
        gaps = rng.integers(1, depth, n_users)  # never the first place, so that every list holds an item
        rankings = [[*row[:at], -1, *row[at + 1 :]] for row, at in zip(rankings, gaps.tolist(), strict=True)]
    if kind in {"ties", "everything"}:
        scores = [[float(-((place + 2) // 3)) for place in range(depth)] for _ in rankings]
    return Case(rankings, scores, targets, n_items, k)


def _repeated(ranking: list[int], again: Any) -> list[int]:
    """The ranking with the item before last once more at the places that are marked, from the third on."""
    return [
        ranking[place - 2] if place > 1 and once_more else item
        for place, (item, once_more) in enumerate(zip(ranking, again, strict=True))
    ]
