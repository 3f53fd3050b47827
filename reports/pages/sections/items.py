"""Maps of item vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import CONTESTANT, Block, Cell, Columns, Table, figure, role_of, rows_of, status, word
from reports.pages.order import real_first
from reports.tables.leaderboard import Leaderboards
from reports.tables.maps import ItemMap, ItemMapTable

ANCHOR = "items"
TITLE = "Item vectors"
LEAD = (
    "What a model thinks is alike. Each dot is one of the most popular items; dots lie near each other where the "
    "model's vectors of them point the same way. t-SNE keeps neighbours together, but distances between clusters and "
    "their sizes mean nothing; of a catalogue too large for it the first two principal components are shown. Where "
    "items have categories, the table gives the share of items whose nearest neighbour among the vectors is of the "
    "same category, and what it would be by chance."
)
_COLUMNS: Columns[ItemMap] = (
    *CONTESTANT,
    figure("seed", lambda row: row.seed),
    word("method", lambda row: Cell(row.method) if row.method else status(row)),
    figure("items shown", lambda row: f"{len(row.x):,}" if row.x else ""),
    figure("of", lambda row: f"{row.n_items:,}" if row.n_items else ""),
    figure("neighbour of the same category", lambda row: text.percent(row.share)),
    figure("by chance", lambda row: text.percent(row.chance)),
)


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    return [_block(table, charts, commands) for table in real_first(leaderboards.item_maps)]


def _block(table: ItemMapTable, charts: Sequence[Chart], commands: Mapping[str, str]) -> Block:
    failed = [row for row in table.rows if row.status != "ok"]
    notes = (f"{row.model} {row.variant} {row.backend} {row.mode}: {row.status}. {row.reason}" for row in failed)
    rows = rows_of(_COLUMNS, table.rows, role_of, lambda row: commands[row.cell])
    caption = f"Maps of item vectors, {table.dataset}, {table.protocol}"
    shown = Table(caption, _COLUMNS, rows, (table.dataset, table.protocol), 5, (("dataset", table.dataset),))
    own = tuple(chart for chart in charts if chart.table is table)
    return Block(f"{table.dataset} / {table.protocol}", (shown,), own, tuple(notes), table.dataset)
