"""The model summary: one row per model."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Cell, Row, Table, cells, figures, status, verdict, words
from reports.pages.order import real_first
from reports.tables.leaderboard import Leaderboards
from reports.tables.overview import OverviewRow
from reports.tables.spread import Spread
from reports.tables.throughput import ThroughputTable

ANCHOR = "overview"
TITLE = "Model summary"
LEAD = (
    "One row per model: the range of its metric over all frameworks, how far its worst framework is above the better "
    "of the two popularity baselines, what was published, whether the frameworks agree from the same initial "
    "parameters and batches, and which of them trains fastest, with its speed-up over PyTorch eager."
)
_COLUMNS = (
    *words("model", "variant", "data", "protocol", "metric"),
    *figures("measured", "above popularity", "published"),
    *words("frameworks", "fastest"),
    *figures("speed-up over PyTorch eager"),
)


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    rows = tuple(_row(row, _speed_up(row, leaderboards.throughput)) for row in real_first(leaderboards.overview))
    return [Block("", (Table("One row per model", _COLUMNS, rows, ("overview",), 4),))] if rows else []


def _speed_up(row: OverviewRow, timed: Sequence[ThroughputTable]) -> Spread | None:
    """Of the fastest over PyTorch eager, which was interleaved with it."""
    place = (row.dataset, row.protocol, row.model, row.variant)
    own = (r for t in timed if (t.dataset, t.protocol, t.model, t.variant) == place for r in t.rows)
    return next((r.to_torch_eager for r in own if f"{r.backend} {r.mode}" == row.fastest), None)


def _row(row: OverviewRow, speed_up: Spread | None) -> Row:
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
            text.ratio(speed_up.median) if speed_up else "",
        ),
        row.role if row.low is not None else "failed",
    )
