"""Retrieval: what an index costs in recall and in the task's metric, and what it costs in time and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages import answer_blocks
from reports.pages.blocks import Block, Cell, Row, Table, cells, figures, status, without_empty_columns, words
from reports.tables.answers import TableAnswers
from reports.tables.leaderboard import Leaderboards
from reports.tables.retrieval import IndexRow, IndexTable

ANCHOR = "retrieval"
TITLE = "Retrieval"
LEAD = (
    "Index recall is the share of the exact top K that an index returns. What exact search misses of the task is the "
    "model's own error; what is lost beside it is the index's, with the 95 % interval of a paired bootstrap over "
    "queries. Rates are medians over repetitions with the smallest and the largest. Rows with a ● are on the Pareto "
    "front: no other has more of both recall and rate."
)
_N_ALWAYS = 6  # columns that are shown in any case


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    overview = answer_blocks.overview(leaderboards.wins, leaderboards.retrieval)
    return [*overview, *(_block(answered, charts, commands) for answered in leaderboards.answers)]


def _block(answered: TableAnswers, charts: Sequence[Chart], commands: Mapping[str, str]) -> Block:
    table = answered.table
    rows = tuple(Row(_cells(row), "" if row.status == "ok" else "failed", commands[row.cell]) for row in table.rows)
    key = (table.dataset, table.protocol, table.source, str(table.seed), table.device, str(table.threads))
    about = (("model", table.model),)
    everything = Table(_caption(table), _columns(table), rows, key, 3, about)
    tables = (*answer_blocks.of_table(answered), without_empty_columns(everything, _N_ALWAYS))
    notes = (f"{_name(row)}: {row.status}. {row.reason}" for row in table.rows if row.status != "ok")
    own = tuple(chart for chart in charts if chart.table is table)
    return Block(f"{table.source} on {table.dataset}", tables, own, tuple(notes))


def _caption(table: IndexTable) -> str:
    size = f"{table.n_items or text.MISSING} items × {table.dim or text.MISSING}"
    size += f", {table.n_queries:,} queries" if table.n_queries else ""
    size += f" of {table.n_interests} interests" if (table.n_interests or 1) > 1 else ""
    where = f"vectors of {table.source}, seed {table.seed}, on {table.dataset}, {table.protocol}; {size}"
    threads = f"{table.threads} thread{'s' if table.threads > 1 else ''}"
    group = f"group {table.group}" if table.group else "no group, so no ratios"
    return f"All indexes: {where}; {table.device}, {threads}; {group}"


def _columns(table: IndexTable) -> tuple:
    task = table.task_metric or "task metric"
    one = f"{table.search_threads} thread{'s' if table.search_threads > 1 else ''}"
    heads = (*words("index", "build", "query"), *figures(table.recall_metric or "index recall"))
    heads += figures(
        f"queries/s, {one}", "min – max", "ratio to exact", f"queries/s, {table.threads_all or 'all'} threads"
    )
    heads += figures(f"{task}, exact", f"{task}, index", "lost (95 %)", "p50, ms", "p95, ms", "p99, ms")
    return heads + figures("build, s", "load, s", "index, MiB", "resident, MiB", "call overhead")


def _cells(row: IndexRow) -> tuple[Cell, ...]:
    return cells(
        f"{row.name} ●" if row.on_front else row.name,
        row.build,
        row.query,
        Cell(text.metric(row.recall)) if row.status == "ok" else status(row.status, row.reason),
        text.median(row.qps, text.rate),
        text.extent(row.qps, text.rate),
        text.both(row.to_exact, text.ratio),
        text.both(row.qps_all, text.rate),
        text.metric(row.exact),
        text.metric(row.task),
        text.difference(row.lost.value, row.lost.low, row.lost.high) if row.lost else "",
        text.milliseconds(row.p50_s),
        text.milliseconds(row.p95_s),
        text.milliseconds(row.p99_s),
        text.number(row.build_s),
        text.median(row.load_s, text.significant),
        text.mebibytes(row.index_bytes),
        text.mebibytes(row.resident_bytes),
        text.both(row.call_overhead, text.percent),
    )


def _name(row: IndexRow) -> str:
    return " ".join(part for part in (row.name, row.build, row.query) if part)
