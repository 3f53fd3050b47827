"""Indexes by the size of the catalogue that they search: what is fastest at a recall, and by how much over Annoy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from reports.tables.answers import FASTEST, RECALL, UNMEASURED, Answer, Lead, TableAnswers, best, lead, reaching
from reports.tables.leaderboard import Leaderboards
from reports.tables.records import grouped
from reports.tables.retrieval import IndexRow, IndexTable

_NOT_MEASURED = Answer(RECALL, FASTEST, None, None, None, Lead(None, UNMEASURED))


@dataclass(frozen=True)
class SizeAnswer:
    """Catalogues of one order of magnitude: the index that is fastest at the recall.

    Attributes:
        low, high: items of the smallest and the largest of these catalogues, None where that was not recorded.
        run, answered: the set of vectors with the most settings tried, which stands for the others.
        answer: what is fastest there.
        to_annoy: the winner's lead over the fastest Annoy, None where there is none to compare it with.
        n_won, n_sets: of how many sets of vectors the winner is the fastest.
    """

    low: int | None
    high: int | None
    run: str
    answered: TableAnswers
    answer: Answer
    to_annoy: Lead | None
    n_won: int
    n_sets: int


@dataclass(frozen=True)
class Catalogue:
    """One set of vectors, for the picture of recall against queries a second."""

    run: str
    table: IndexTable
    contestants: tuple[tuple[IndexRow, Lead | None], ...]
    """The fastest setting of each index that reaches the recall, from the fastest, and its lead over Annoy."""


def size_answers(runs: Mapping[str, Leaderboards]) -> tuple[SizeAnswer, ...]:
    """By order of magnitude, from the smallest catalogue."""
    found = [(run, answered) for run, of in runs.items() for answered in of.answers if answered.answers]
    found.sort(key=lambda pair: _magnitude(pair[1].table))
    return tuple(_size(list(of)) for _, of in groupby(found, key=lambda pair: _magnitude(pair[1].table)))


def _magnitude(table: IndexTable) -> int:
    return len(str(table.n_items)) if table.n_items else 0


def _size(found: Sequence[tuple[str, TableAnswers]]) -> SizeAnswer:
    run, answered = max(found, key=lambda pair: (_n_timed(pair[1].table), pair[1].table.n_items or 0))
    answer = answered.fastest or _NOT_MEASURED
    won = [of.fastest.winner.name for _, of in found if of.fastest and of.fastest.winner]
    sizes = [of.table.n_items for _, of in found if of.table.n_items]
    winner = answer.winner
    return SizeAnswer(
        low=min(sizes, default=None),
        high=max(sizes, default=None),
        run=run,
        answered=answered,
        answer=answer,
        to_annoy=_over_annoy(winner, answered.table) if winner else None,
        n_won=won.count(winner.name) if winner else 0,
        n_sets=len(found),
    )


def _n_timed(table: IndexTable) -> int:
    return sum(row.in_group for row in table.rows)


def _over_annoy(row: IndexRow, table: IndexTable) -> Lead | None:
    annoy = best(reaching(table.rows, RECALL, "annoy"), FASTEST)
    return lead(row, annoy, FASTEST) if annoy and not row.name.startswith("annoy") else None


def catalogues(runs: Mapping[str, Leaderboards]) -> tuple[Catalogue, ...]:
    """Of each data set's catalogue the set of vectors that the most settings were tried on, the smallest first."""
    places: dict[tuple[str, int | None], tuple[str, IndexTable]] = {}
    for run, of in runs.items():
        for table in of.retrieval:
            place = (table.dataset, table.n_items)
            drawn = any(row.on_front for row in table.rows)
            if drawn and (place not in places or _n_timed(table) > _n_timed(places[place][1])):
                places[place] = run, table
    ordered = sorted(places.values(), key=lambda pair: (pair[1].n_items or 0, pair[1].dataset))
    return tuple(Catalogue(run, table, _contestants(table)) for run, table in ordered)


def _contestants(table: IndexTable) -> tuple[tuple[IndexRow, Lead | None], ...]:
    by_name = grouped(reaching(table.rows, RECALL), lambda row: row.name)
    fastest = [row for of_one in by_name.values() if (row := best(of_one, FASTEST))]
    fastest.sort(key=lambda row: (-row.rate, row.name))
    return tuple((row, _over_annoy(row, table)) for row in fastest)
