"""The model summary: one row per model."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Cell, Columns, Table, figure, named, rows_of, verdict, word
from reports.pages.order import real_first
from reports.pages.sections.accuracy import PUBLISHED
from reports.tables.leaderboard import Leaderboards
from reports.tables.overview import OverviewRow

ANCHOR = "overview"
TITLE = "Model summary"
LEAD = (
    "One row per model: the range of its metric over all frameworks, how far its worst framework is above the better "
    "of the two popularity baselines, what was published, whether the frameworks agree from the same initial "
    "parameters and batches, and which of them trains fastest, with its speed-up over PyTorch eager."
)


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    rows = real_first(leaderboards.overview)
    shown = rows_of(_COLUMNS, rows, lambda row: row.role if row.low is not None else "failed")
    return [Block("", (Table("One row per model", _COLUMNS, shown, ("overview",), 4),))] if rows else []


def _measured(row: OverviewRow) -> str | Cell:
    if row.low is None or row.high is None:
        return Cell(row.status, "", "failed")
    return text.metrics(row.low, row.high)


def _agreement(row: OverviewRow) -> Cell:
    if row.role != "model":
        return Cell("reference")
    return verdict(row.badge.verdict, row.badge.reason, row.badge.mark)


def _fastest(row: OverviewRow) -> Cell:
    untimed = f" ({', '.join(row.untimed)})" if row.untimed else ""
    name = f"{row.fastest.backend} {row.fastest.mode}" if row.fastest else text.MISSING
    return Cell(f"{name}{untimed}", "", "failed" if untimed else "")


def _speed_up(row: OverviewRow) -> str:
    """Of the fastest over PyTorch eager, which was interleaved with it."""
    ratio = row.fastest.to_torch_eager if row.fastest else None
    return text.ratio(ratio.median) if ratio else ""


_COLUMNS: Columns[OverviewRow] = (
    *named("model", "variant"),
    word("data", lambda row: row.dataset),
    *named("protocol", "metric"),
    figure("measured", _measured),
    figure("above popularity", lambda row: text.signed(row.above)),
    PUBLISHED,
    word("frameworks", _agreement),
    word("fastest", _fastest),
    figure("speed-up over PyTorch eager", _speed_up),
)
