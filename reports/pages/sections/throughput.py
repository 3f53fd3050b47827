"""Training throughput, and where the time of a training run goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from reports.charts import text
from reports.charts.draw import ratios
from reports.charts.drawing import Chart
from reports.pages.blocks import (
    Block,
    Cell,
    Columns,
    Table,
    figure,
    named,
    on_device,
    role_of,
    rows_of,
    status,
    threads,
    word,
)
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
_OVERHEAD: Columns[OverheadRow] = (
    *named("backend"),
    figure("runs", lambda row: row.n_cells),
    figure("whole run", lambda row: text.both(row.wall_s, text.significant)),
    figure("framework import", lambda row: text.both(row.import_s, text.significant)),
    figure("initialisation", lambda row: text.both(row.init_s, text.significant)),
    figure("training", lambda row: text.both(row.train_s, text.significant)),
    figure("overhead", lambda row: text.both(row.overhead_s, text.significant)),
    figure("of which evaluation", lambda row: text.both(row.evaluate_s, text.significant)),
    figure("of which batches", lambda row: text.both(row.batches_s, text.significant)),
)


def _gpu_memory(row: ThroughputRow) -> str:
    return text.mebibytes(row.peak_device_bytes)


def _energy(row: ThroughputRow) -> str:
    return text.number(None if row.joules_per_sample is None else 1000 * row.joules_per_sample)


_OF_A_GPU: Columns[ThroughputRow] = (figure("peak GPU memory, MiB", _gpu_memory), figure("mJ/sample", _energy))
"""What arrays took of a GPU's memory, and what its whole board drew."""


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    tables = real_first(leaderboards.throughput)
    on = leaderboards.environment.on
    timed = [_block(table, charts, commands, on(table.machine)) for table in tables]
    return [*_summary(tables, on), *timed, *_overhead(leaderboards.overhead, on)]


def _summary(tables: Sequence[ThroughputTable], on: Callable[[str], str]) -> list[Block]:
    """One row per model: every framework and mode over PyTorch eager, where that was timed."""
    compared = [table for table in tables if any(row.to_torch_eager for row in table.rows)]
    ways = sorted({(row.backend, row.mode) for table in compared for row in table.rows},
                  key=lambda way: (way[0] != "torch", way[1] != "eager", way))  # fmt: skip
    columns: Columns[ThroughputTable] = (
        *named("model"),
        word("variant", lambda table: on_device(table.variant, table.device)),
        *named("dataset"),
        *_machine_column(on, tables),
        *(figure(" ".join(way), partial(_speed_up, way)) for way in ways),
    )
    caption = "Speed-up over PyTorch eager, one row per model"
    shown = Table(caption, columns, rows_of(columns, compared), ("speed-up",), 3)
    return [Block("Speed-up over PyTorch eager", (shown,), is_first=True)] if compared else []


def _speed_up(way: tuple[str, str], table: ThroughputTable) -> str | Cell:
    row = next((row for row in table.rows if (row.backend, row.mode) == way), None)
    if row is None or row.to_torch_eager is None:
        return Cell(row.status, row.reason) if row and row.status != "ok" else ""
    ratio = row.to_torch_eager.median
    best = max(other.to_torch_eager.median for other in table.rows if other.to_torch_eager)
    return Cell(text.ratio(ratio), "the fastest", "agrees") if ratio == best else text.ratio(ratio)


def _block(table: ThroughputTable, charts: Sequence[Chart], commands: Mapping[str, str], on: str) -> Block:
    name, ratio = ratios(table)
    columns: Columns[ThroughputRow] = (
        *named("backend", "mode"),
        figure(
            "samples/s", lambda row: text.median(row.samples_per_s, text.rate) if row.status == "ok" else status(row)
        ),
        figure("min – max", lambda row: text.extent(row.samples_per_s, text.rate)),
        figure(name, lambda row: text.both(ratio(row), text.ratio)),
        figure("first step, s", lambda row: text.number(row.first_step_s)),
        figure("compile, s", lambda row: text.number(row.compile_s)),
        figure("peak memory, MiB", lambda row: text.mebibytes(row.peak_rss_bytes)),
        *(_OF_A_GPU if table.device == "gpu" else ()),
        figure("windows", lambda row: row.samples_per_s.n if row.samples_per_s else None),
    )
    caption = f"{table.model} {table.variant} on {table.dataset}, {table.protocol}; {table.device}, "
    caption += threads(table.threads) + ("; interleaved in one session" if table.group else "; not interleaved")
    rows = rows_of(columns, table.rows, role_of, lambda row: commands[row.cell])
    notes = (f"{row.backend} {row.mode}: {row.status}. {row.reason}" for row in table.rows if row.status != "ok")
    caption += f"; {on}" if on else ""
    key = (table.dataset, table.protocol, table.model, table.variant, table.device, str(table.threads))
    shown = Table(
        caption, columns, rows, (*key, on) if on else key, 2, (("model", table.model), ("dataset", table.dataset))
    )
    own = tuple(chart for chart in charts if chart.table is table)
    title = on_device(f"{table.model} {table.variant} on {table.dataset}", table.device)
    title += f", {on}" if on else ""
    return Block(title, (shown,), own, tuple(notes), table.dataset, _in_short(table), shows=table)


def _in_short(table: ThroughputTable) -> str:
    """The fastest of a table, in a line."""
    timed = [row for row in table.rows if row.samples_per_s]
    if not timed:
        return "nothing was timed"
    name, ratio = ratios(table)
    best = table.fastest or timed[0]  # without ratios the rate says it, by which rows are ordered
    said = f"fastest: {best.backend} {best.mode}, {text.median(best.samples_per_s, text.rate)} samples/s"
    of_best = ratio(best)
    return said + (f"; {name} {text.ratio(of_best.median)}" if of_best else "")


def _overhead(rows: Sequence[OverheadRow], on: Callable[[str], str]) -> list[Block]:
    columns = (*_OVERHEAD[:1], *_machine_column(on, rows), *_OVERHEAD[1:])
    table = Table("Seconds per training run", columns, rows_of(columns, rows), ("overhead",))
    return [Block("Overhead of the harness", (table,), notes=(_OVERHEAD_NOTE,), is_detail=True)] if rows else []


def _machine_column(on: Callable[[str], str], rows: Sequence[Any]) -> Columns[Any]:
    """Of rows that have a machine, where there are several."""
    return (word("machine", lambda row: row.machine),) if any(on(row.machine) for row in rows) else ()
