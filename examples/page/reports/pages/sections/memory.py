"""How much memory each training takes."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Row, Table, cells, figures, words
from reports.tables.leaderboard import Leaderboards
from reports.tables.throughput import ThroughputTable

ANCHOR = "memory"
TITLE = "Memory"
LEAD = "The most memory that the process of each training took, the framework itself included; the smallest first."


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    return [_block(table, leaderboards) for table in leaderboards.throughput]


def _block(table: ThroughputTable, leaderboards: Leaderboards) -> Block:
    measured = sorted((row for row in table.rows if row.peak_rss_bytes), key=lambda row: row.peak_rss_bytes or 0)
    commands = leaderboards.commands.of_cell
    rows = tuple(
        Row(cells(row.backend, row.mode, text.mebibytes(row.peak_rss_bytes)), command=commands[row.cell])
        for row in measured
    )
    title = f"{table.model} {table.variant} on {table.dataset}"
    columns = (*words("backend", "mode"), *figures("peak memory, MiB"))
    return Block(title, (Table(f"Peak memory of {title}", columns, rows, ("memory", title), 2),))
