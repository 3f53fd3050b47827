"""What comes first on a page: real data before made data, and many frameworks before one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from reports.tables.leaderboard import Leaderboards

_MADE = ("synthetic", "vectors", "the ladder")  # how the names of data begin that nobody collected


class _OfDataset(Protocol):
    @property
    def dataset(self) -> str: ...


T = TypeVar("T", bound=_OfDataset)


def real_first(tables: Iterable[T]) -> list[T]:
    """Tables of real data, then those of made data, each in the order in which they came."""
    return sorted(tables, key=lambda table: not is_real(table.dataset))


def is_real(dataset: str) -> bool:
    return not dataset.startswith(_MADE)


def is_aside(boards: Leaderboards) -> bool:
    """Whether a run trains in one framework alone: a search of settings, or models made for their vectors."""
    return len(boards.headline.frameworks) == 1


def rank(boards: Leaderboards) -> tuple[bool, bool, int, int, int]:
    """The key by which runs are sorted: what compares most frameworks, on real data, comes first."""
    n_compared = sum(verdict.verdict != "not compared" for verdict in boards.verdicts)
    n_models = len({(row.model, row.variant) for table in boards.accuracy for row in table.rows})
    headline = boards.headline
    real = any(map(is_real, headline.datasets))
    return is_aside(boards), not real, -len(headline.frameworks), -n_compared, -n_models
