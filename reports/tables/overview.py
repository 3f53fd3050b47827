"""The leaderboards in one table: a line a model, what it reaches, whether the frameworks agree, and who is fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.tables.accuracy import AccuracyRow, AccuracyTable, Badge, Estimate
from reports.tables.published import Published
from reports.tables.records import grouped
from reports.tables.throughput import ThroughputRow, ThroughputTable, rank


@dataclass(frozen=True)
class OverviewRow:
    """One model on one data set, over all frameworks and modes.

    Attributes:
        role: model, popularity or oracle.
        estimate: that of the framework in the middle, None where none finished.
        low, high: smallest and largest of the frameworks' figures, None where none finished.
        n_frameworks: how many finished.
        above: the smallest figure less that of the better popularity row, None where either is missing.
        fastest: the row of who trains it fastest, None where nobody was timed.
        untimed: who was to be timed too and was not, and why.
    """

    dataset: str
    protocol: str
    model: str
    variant: str
    role: str
    status: str
    metric: str | None
    estimate: Estimate | None
    low: float | None
    high: float | None
    n_frameworks: int
    above: float | None
    published: Published | None
    badge: Badge
    fastest: ThroughputRow | None
    untimed: tuple[str, ...]


def overview_rows(accuracy: Sequence[AccuracyTable], timed: Sequence[ThroughputTable]) -> tuple[OverviewRow, ...]:
    """The rows in the order of the accuracy tables."""
    return tuple(row for table in accuracy for row in _rows(table, timed))


def _rows(table: AccuracyTable, timed: Sequence[ThroughputTable]) -> list[OverviewRow]:
    def name(row: AccuracyRow) -> tuple[str, str]:
        return row.model, row.variant

    popularity = max((r.primary.mean for r in table.rows if r.role == "popularity" and r.primary), default=None)
    return [_row(table, rows, popularity, timed) for rows in grouped(table.rows, name).values()]


def _row(
    table: AccuracyTable, rows: Sequence[AccuracyRow], popularity: float | None, timed: Sequence[ThroughputTable]
) -> OverviewRow:
    first = rows[0]
    found = sorted((row.primary for row in rows if row.primary), key=lambda estimate: estimate.mean)
    low, high = (found[0].mean, found[-1].mean) if found else (None, None)
    place = (table.dataset, table.protocol, first.model, first.variant)
    own = [t for t in timed if (t.dataset, t.protocol, t.model, t.variant) == place]
    return OverviewRow(
        *place,
        role=first.role,
        status=first.status,
        metric=table.metric,
        estimate=found[(len(found) - 1) // 2] if found else None,
        low=low,
        high=high,
        n_frameworks=len({row.backend for row in rows if row.primary}),
        above=low - popularity if first.role == "model" and low is not None and popularity is not None else None,
        published=first.published,
        badge=first.badge,
        fastest=max((row for t in own for row in t.timed), key=rank, default=None),
        untimed=tuple(dict.fromkeys(words for t in own for words in t.missing)),
    )
