"""The leaderboards in one table: a line a model, what it reaches, whether the frameworks agree, and who is fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from reports.tables.accuracy import AccuracyRow, AccuracyTable, Badge, Published
from reports.tables.spread import Spread
from reports.tables.throughput import ThroughputTable


@dataclass(frozen=True)
class OverviewRow:
    """One model on one data set, over all frameworks and modes.

    Attributes:
        low, high: smallest and largest of the frameworks' figures, None where none finished.
        above: the smallest figure less that of the better popularity row, None where either is missing.
        fastest, ratio: the framework and mode with the highest training throughput, and what it is of the slowest.
        untimed: who was to be timed too and was not, and why.
    """

    dataset: str
    protocol: str
    model: str
    variant: str
    role: str
    status: str
    metric: str | None
    low: float | None
    high: float | None
    above: float | None
    published: Published | None
    badge: Badge
    fastest: str | None
    ratio: Spread | None
    untimed: tuple[str, ...]


def overview_rows(accuracy: Sequence[AccuracyTable], timed: Sequence[ThroughputTable]) -> tuple[OverviewRow, ...]:
    """The rows in the order of the accuracy tables."""
    return tuple(row for table in accuracy for row in _rows(table, timed))


def _rows(table: AccuracyTable, timed: Sequence[ThroughputTable]) -> list[OverviewRow]:
    def name(row: AccuracyRow) -> tuple[str, str]:
        return row.model, row.variant

    ranked = list(dict.fromkeys(map(name, table.rows)))
    popularity = max((r.primary.mean for r in table.rows if r.role == "popularity" and r.primary), default=None)
    by_model = sorted(table.rows, key=lambda row: ranked.index(name(row)))
    return [_row(table, list(rows), popularity, timed) for _, rows in groupby(by_model, key=name)]


def _row(
    table: AccuracyTable, rows: Sequence[AccuracyRow], popularity: float | None, timed: Sequence[ThroughputTable]
) -> OverviewRow:
    first = rows[0]
    means = [row.primary.mean for row in rows if row.primary]
    low, high = (min(means), max(means)) if means else (None, None)
    place = (table.dataset, table.protocol, first.model, first.variant)
    own = [t for t in timed if (t.dataset, t.protocol, t.model, t.variant) == place]
    rated = [(row.to_slowest, f"{row.backend} {row.mode}") for t in own for row in t.rows if row.to_slowest]
    ratio, fastest = max(rated, key=lambda pair: (pair[0].median, pair[1]), default=(None, None))
    return OverviewRow(
        *place,
        role=first.role,
        status=first.status,
        metric=table.metric,
        low=low,
        high=high,
        above=low - popularity if first.role == "model" and low is not None and popularity is not None else None,
        published=first.published,
        badge=first.badge,
        fastest=fastest,
        ratio=ratio,
        untimed=tuple(dict.fromkeys(words for t in own for words in t.missing)),
    )
