"""The first page: every model in a line."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Cell, Row, Table, cells, figures, status, verdict, words
from reports.tables.leaderboard import Leaderboards
from reports.tables.overview import OverviewRow

ANCHOR = "overview"
TITLE = "Overview"
LEAD = (
    "A line a model: the range of its metric over all frameworks, what its worst framework is above the better "
    "popularity, what was published, whether the frameworks agree from the same initial parameters and batches, and "
    "which of them trains fastest, as a ratio to the slowest in the same interleaved run."
)
_COLUMNS = (
    *words("model", "variant", "data", "protocol", "metric"),
    *figures("measured", "above popularity", "published"),
    *words("frameworks", "fastest"),
    *figures("times the slowest"),
)


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    rows = tuple(map(_row, leaderboards.overview))
    return [Block("", (Table("Every model in a line", _COLUMNS, rows, ("overview",), 4),))] if rows else []


def _row(row: OverviewRow) -> Row:
    measured: str | Cell = status(row.status, "")
    if row.low is not None and row.high is not None:
        measured = text.metrics(row.low, row.high)
    agreement = (
        verdict(row.badge.verdict, row.badge.reason, row.badge.mark) if row.role == "model" else Cell("reference")
    )
    untimed = f" ({', '.join(row.untimed)})" if row.untimed else ""
    return Row(
        cells(
            row.model,
            row.variant,
            row.dataset,
            row.protocol,
            row.metric or "",
            measured,
            text.signed(row.above),
            f"{row.published.value:g}" if row.published else "",
            agreement,
            Cell(f"{row.fastest or text.MISSING}{untimed}", "", "failed" if untimed else ""),
            text.ratio(row.ratio.median) if row.ratio else "",
        ),
        row.role if row.low is not None else "failed",
    )
