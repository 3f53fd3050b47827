"""Maps of item vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Cell, Row, Table, cells, figures, mode, status, words
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


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    return [_block(table, charts, commands) for table in real_first(leaderboards.item_maps)]


def _block(table: ItemMapTable, charts: Sequence[Chart], commands: Mapping[str, str]) -> Block:
    columns = (*words("model", "variant", "backend", "mode"), *figures("seed"), *words("method"))
    columns += figures("items shown", "of", "neighbour of the same category", "by chance")
    rows = tuple(Row(_cells(row), "" if row.status == "ok" else "failed", commands[row.cell]) for row in table.rows)
    caption = f"Maps of item vectors, {table.dataset}, {table.protocol}"
    failed = [row for row in table.rows if row.status != "ok"]
    notes = (f"{row.model} {row.variant} {row.backend} {row.mode}: {row.status}. {row.reason}" for row in failed)
    shown = Table(caption, columns, rows, (table.dataset, table.protocol), 5, (("dataset", table.dataset),))
    own = tuple(chart for chart in charts if chart.table is table)
    return Block(f"{table.dataset} / {table.protocol}", (shown,), own, tuple(notes), table.dataset)


def _cells(row: ItemMap) -> tuple[Cell, ...]:
    return cells(
        row.model,
        row.variant,
        row.backend,
        mode(row.mode, row.device),
        str(row.seed),
        Cell(row.method) if row.method else status(row.status, row.reason),
        f"{len(row.x):,}" if row.x else "",
        f"{row.n_items:,}" if row.n_items else "",
        text.percent(row.share),
        text.percent(row.chance),
    )
