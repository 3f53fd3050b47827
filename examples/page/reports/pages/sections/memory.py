"""How much memory each training takes."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Columns, Table, figure, named, rows_of
from reports.tables.leaderboard import Leaderboards
from reports.tables.throughput import ThroughputRow, ThroughputTable

ANCHOR = "memory"
TITLE = "Memory"
LEAD = "The most memory that the process of each training took, the framework itself included; the smallest first."
_COLUMNS: Columns[ThroughputRow] = (
    *named("backend", "mode"),
    figure("peak memory, MiB", lambda row: text.mebibytes(row.peak_rss_bytes)),
)


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    return [_block(table, leaderboards) for table in leaderboards.throughput]


def _block(table: ThroughputTable, leaderboards: Leaderboards) -> Block:
    measured = sorted((row for row in table.rows if row.peak_rss_bytes), key=lambda row: row.peak_rss_bytes or 0)
    commands = leaderboards.commands.of_cell
    rows = rows_of(_COLUMNS, measured, command=lambda row: commands[row.cell])
    title = f"{table.model} {table.variant} on {table.dataset}"
    return Block(title, (Table(f"Peak memory of {title}", _COLUMNS, rows, ("memory", title), 2),))
