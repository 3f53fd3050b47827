"""Training throughput, and where the time of a cell goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Cell, Row, Table, cells, figures, status, words
from reports.tables.leaderboard import Leaderboards
from reports.tables.throughput import OverheadRow, ThroughputRow, ThroughputTable

ANCHOR = "throughput"
TITLE = "Training throughput"
LEAD = (
    "Medians over windows with the smallest and the largest. Ratios are formed window by window between cells that "
    "were timed by turns in one run, and nowhere else. The first step includes compilation; both are apart from "
    "the windows."
)
_OVERHEAD_NOTE = (
    "Seconds of a train cell: median over cells with the smallest and the largest. The overhead is the whole cell less "
    "the framework's own import, initialisation and training."
)


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    timed = [_block(table, charts, commands) for table in leaderboards.throughput]
    return [*timed, *_overhead(leaderboards.overhead)]


def _block(table: ThroughputTable, charts: Sequence[Chart], commands: Mapping[str, str]) -> Block:
    columns = (*words("backend", "mode"), *figures("samples/s", "min – max", "ratio to slowest"))
    columns += figures("ratio to torch eager", "first step, s", "compile, s", "peak memory, MiB", "windows")
    threads = f"{table.threads} thread{'s' if table.threads > 1 else ''}"
    caption = f"{table.model} {table.variant} on {table.dataset}, {table.protocol}; {table.device}, {threads}"
    caption += f"; group {table.group}" if table.group else "; no group, so no ratios"
    rows = tuple(Row(_cells(row), "" if row.status == "ok" else "failed", commands[row.cell]) for row in table.rows)
    notes = (f"{row.backend} {row.mode}: {row.status}. {row.reason}" for row in table.rows if row.status != "ok")
    key = (table.dataset, table.protocol, table.model, table.variant, table.device, str(table.threads))
    shown = Table(caption, columns, rows, key, 2, (("model", table.model),))
    own = tuple(chart for chart in charts if chart.table is table)
    return Block(f"{table.model} {table.variant} on {table.dataset}", (shown,), own, tuple(notes))


def _cells(row: ThroughputRow) -> tuple[Cell, ...]:
    rate = Cell(text.median(row.samples_per_s, text.rate))
    return cells(
        row.backend,
        row.mode,
        rate if row.status == "ok" else status(row.status, row.reason),
        text.extent(row.samples_per_s, text.rate),
        text.both(row.to_slowest, text.ratio),
        text.both(row.to_torch_eager, text.ratio),
        text.number(row.first_step_s),
        text.number(row.compile_s),
        text.mebibytes(row.peak_rss_bytes),
        str(row.samples_per_s.n) if row.samples_per_s else "",
    )


def _overhead(rows: Sequence[OverheadRow]) -> list[Block]:
    columns = (*words("backend"), *figures("cells", "whole cell", "framework import", "initialisation", "training"))
    columns += figures("overhead", "of it evaluation", "of it batches")
    body = []
    for row in rows:
        spreads = (row.wall_s, row.import_s, row.init_s, row.train_s, row.overhead_s, row.evaluate_s, row.batches_s)
        parts = [text.both(spread, text.significant) for spread in spreads]
        body.append(Row(cells(row.backend, str(row.n_cells), *parts)))
    table = Table("Seconds a train cell", columns, tuple(body), ("overhead",))
    return [Block("Overhead of the harness", (table,), notes=(_OVERHEAD_NOTE,))] if rows else []
