"""Training throughput, and where the time of a training run goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.charts import text
from reports.charts.draw import ratios
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Cell, Row, Table, cells, figures, mode, status, threads, words
from reports.pages.order import real_first
from reports.tables.leaderboard import Leaderboards
from reports.tables.throughput import OverheadRow, ThroughputRow, ThroughputTable

ANCHOR = "throughput"
TITLE = "Training throughput"
LEAD = (
    "Which framework trains fastest. Figures are medians over windows, with the smallest and the largest window. "
    "Ratios are formed window by window, only between runs that were interleaved in the same session. The first step "
    "includes compilation; both are apart from the windows."
)
_OVERHEAD_NOTE = (
    "Seconds of a training run: median over runs, with the smallest and the largest. The overhead is the whole run "
    "less the framework's own import, initialisation and training."
)


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    tables = real_first(leaderboards.throughput)
    timed = [_block(table, charts, commands) for table in tables]
    return [*_summary(tables), *timed, *_overhead(leaderboards.overhead)]


def _summary(tables: Sequence[ThroughputTable]) -> list[Block]:
    """One row per model: every framework and mode over PyTorch eager, where that was timed."""
    compared = [table for table in tables if any(row.to_torch_eager for row in table.rows)]
    ways = sorted({(row.backend, row.mode) for table in compared for row in table.rows},
                  key=lambda way: (way[0] != "torch", way[1] != "eager", way))  # fmt: skip
    rows = []
    for table in compared:
        of = {(row.backend, row.mode): row for row in table.rows}
        best = max((row for row in table.rows if row.to_torch_eager), key=lambda row: _speed_up(row)[0])
        figures_of = (_speed_up_cell(of.get(way), best) for way in ways)
        rows.append(Row(cells(table.model, mode(table.variant, table.device), table.dataset, *figures_of)))
    columns = (*words("model", "variant", "data set"), *figures(*(f"{backend} {mode}" for backend, mode in ways)))
    shown = Table("Speed-up over PyTorch eager, one row per model", columns, tuple(rows), ("speed-up",), 3)
    return [Block("Speed-up over PyTorch eager", (shown,), is_first=True)] if rows else []


def _speed_up(row: ThroughputRow) -> tuple[float, str]:
    return (row.to_torch_eager.median if row.to_torch_eager else 0.0), row.backend


def _speed_up_cell(row: ThroughputRow | None, best: ThroughputRow) -> str | Cell:
    if row is None or row.to_torch_eager is None:
        return Cell(row.status, row.reason) if row and row.status != "ok" else ""
    figure = text.ratio(row.to_torch_eager.median)
    return Cell(figure, "the fastest", "agrees") if row is best else figure


def _block(table: ThroughputTable, charts: Sequence[Chart], commands: Mapping[str, str]) -> Block:
    columns = (*words("backend", "mode"), *figures("samples/s", "min – max", ratios(table)[0]))
    columns += figures("first step, s", "compile, s", "peak memory, MiB", "windows")
    caption = f"{table.model} {table.variant} on {table.dataset}, {table.protocol}; {table.device}, "
    caption += threads(table.threads) + ("; interleaved in one session" if table.group else "; not interleaved")
    rows = tuple(Row(_cells(row, table), _role(row), commands[row.cell])
                 for row in table.rows)  # fmt: skip
    notes = (f"{row.backend} {row.mode}: {row.status}. {row.reason}" for row in table.rows if row.status != "ok")
    key = (table.dataset, table.protocol, table.model, table.variant, table.device, str(table.threads))
    shown = Table(caption, columns, rows, key, 2, (("model", table.model), ("dataset", table.dataset)))
    own = tuple(chart for chart in charts if chart.table is table)
    title = mode(f"{table.model} {table.variant} on {table.dataset}", table.device)
    return Block(title, (shown,), own, tuple(notes), table.dataset, _in_short(table), shows=table)


def _in_short(table: ThroughputTable) -> str:
    """The fastest of a table, in a line."""
    timed = [row for row in table.rows if row.samples_per_s]
    if not timed:
        return "nothing was timed"
    name, ratio = ratios(table)

    def speed(row: ThroughputRow) -> tuple[float, float]:  # as in all other places: the ratio, where there is one
        of_row, rate = ratio(row), row.samples_per_s
        return of_row.median if of_row else 0.0, rate.median if rate else 0.0

    best = max(timed, key=speed)
    said = f"fastest: {best.backend} {best.mode}, {text.median(best.samples_per_s, text.rate)} samples/s"
    of_best = ratio(best)
    return said + (f"; {name} {text.ratio(of_best.median)}" if of_best else "")


def _role(row: ThroughputRow) -> str:
    return "" if row.status == "ok" else "failed"


def _cells(row: ThroughputRow, table: ThroughputTable) -> tuple[Cell, ...]:
    rate = Cell(text.median(row.samples_per_s, text.rate))
    return cells(
        row.backend,
        row.mode,
        rate if row.status == "ok" else status(row.status, row.reason),
        text.extent(row.samples_per_s, text.rate),
        text.both(ratios(table)[1](row), text.ratio),
        text.number(row.first_step_s),
        text.number(row.compile_s),
        text.mebibytes(row.peak_rss_bytes),
        str(row.samples_per_s.n) if row.samples_per_s else "",
    )


def _overhead(rows: Sequence[OverheadRow]) -> list[Block]:
    columns = (*words("backend"), *figures("runs", "whole run", "framework import", "initialisation", "training"))
    columns += figures("overhead", "of which evaluation", "of which batches")
    body = []
    for row in rows:
        spreads = (row.wall_s, row.import_s, row.init_s, row.train_s, row.overhead_s, row.evaluate_s, row.batches_s)
        parts = [text.both(spread, text.significant) for spread in spreads]
        body.append(Row(cells(row.backend, str(row.n_cells), *parts)))
    table = Table("Seconds per training run", columns, tuple(body), ("overhead",))
    return [Block("Overhead of the harness", (table,), notes=(_OVERHEAD_NOTE,), is_detail=True)] if rows else []
