"""Retrieval: what an index costs in recall and in the task's metric, and what it costs in time and memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages import answer_blocks, links
from reports.pages.answer_blocks import loss, source
from reports.pages.blocks import (
    Block,
    Columns,
    Table,
    figure,
    named,
    role_of,
    rows_of,
    status,
    threads,
    without_empty_columns,
    word,
)
from reports.tables.answers import TableAnswers, wins_rows
from reports.tables.leaderboard import Leaderboards
from reports.tables.retrieval import IndexRow, IndexTable

ANCHOR = "retrieval"
TITLE = "Retrieval"
LEAD = (
    "Which index answers fastest at the recall that one needs. Index recall is the share of the exact top K that an "
    "index returns; task-metric loss is what that costs in the model's own metric, with the 95 % interval of a paired "
    "bootstrap over queries. Rates are medians over windows, with the smallest and the largest. A ● marks the Pareto "
    "front: no other setting has more of both recall and rate."
)
_N_ALWAYS = 6  # columns that are shown in any case


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    return [block for _, block in blocks_of([("", leaderboards, charts)])]


def blocks_of(runs: Sequence[tuple[str, Leaderboards, Sequence[Chart]]]) -> list[tuple[str, Block]]:
    """The sets of vectors of several runs, the largest catalogue first, each with the name of its run."""
    found = [(name, answered, charts, boards.commands.of_cell, boards.environment.on(answered.table.machine))
             for name, boards, charts in runs for answered in boards.answers]  # fmt: skip
    found.sort(key=lambda one: -(one[1].table.n_items or 0))
    answered = [one[1] for one in found]
    blocks, taken = [], Counter[str]()
    for block in (_block(*one) for one in found):  # several groups of one run are told apart by a number
        taken[block.anchor] += 1
        n = taken[block.anchor]
        blocks.append(replace(block, anchor=f"{block.anchor}-{n}") if n > 1 else block)
    short = answer_blocks.summary([(a, block.anchor) for a, block in zip(answered, blocks, strict=True)])
    sets = [(name, block) for (name, *_), block in zip(found, blocks, strict=True)]
    over_all = answer_blocks.overview(wins_rows(answered), [a.table for a in answered])
    return [*(("", block) for block in short), *sets, *(("", block) for block in over_all)]


def _block(run: str, answered: TableAnswers, charts: Sequence[Chart], commands: Mapping[str, str], on: str) -> Block:
    table = answered.table
    on = f", {on}" if on else ""
    columns = _columns(table)
    rows = rows_of(columns, table.rows, role_of, lambda row: commands[row.cell])
    about = (("model", table.model), ("dataset", table.dataset))
    everything = Table(_caption(table) + on, columns, rows, links.set_key(table), 3, about, is_detail=True)
    return Block(
        f"{source(table)} on {table.dataset}{on}",
        (*answer_blocks.of_table(answered), without_empty_columns(everything, _N_ALWAYS)),
        tuple(chart for chart in charts if chart.table is table),
        tuple(f"{text.index(row)}: {row.status}. {row.reason}" for row in table.rows if row.status != "ok"),
        table.dataset,
        answer_blocks.in_short(answered),
        f"{text.count(table.n_items)} items, {table.dataset}",
        links.anchor(run, f"{table.source} on {table.dataset}{on}"),
        shows=table,
    )


def _caption(table: IndexTable) -> str:
    size = f"{text.count(table.n_items)} items × {text.count(table.dim)}"
    size += f", {table.n_queries:,} queries" if table.n_queries else ""
    size += f" of {table.n_interests} interests" if (table.n_interests or 1) > 1 else ""
    where = f"vectors of {source(table)}, seed {table.seed}, on {table.dataset}, {table.protocol}; {size}"
    together = "interleaved in one session" if table.group else "not interleaved, so without ratios"
    return f"All settings: {where}; {table.device}, {threads(table.threads)}; {together}"


def _columns(table: IndexTable) -> Columns[IndexRow]:
    task = table.task_metric or "task metric"
    all_threads = threads(table.threads_all) if table.threads_all else "all threads"
    return (
        word("index", lambda row: f"{row.name} ●" if row.on_front else row.name),
        *named("build", "query"),
        figure(
            table.recall_metric or "index recall",
            lambda row: text.metric(row.recall) if row.status == "ok" else status(row),
        ),
        figure(f"queries/s, {threads(table.search_threads)}", lambda row: text.median(row.qps, text.rate)),
        figure("min – max", lambda row: text.extent(row.qps, text.rate)),
        figure("ratio to exact", lambda row: text.both(row.to_exact, text.ratio)),
        figure(f"queries/s, {all_threads}", lambda row: text.both(row.qps_all, text.rate)),
        figure(f"{task}, exact", lambda row: text.metric(row.exact)),
        figure(f"{task}, index", lambda row: text.metric(row.task)),
        figure("loss (95 %)", loss),
        figure("p50, ms", lambda row: text.milliseconds(row.p50_s)),
        figure("p95, ms", lambda row: text.milliseconds(row.p95_s)),
        figure("p99, ms", lambda row: text.milliseconds(row.p99_s)),
        figure("build, s", lambda row: text.number(row.build_s)),
        figure("load, s", lambda row: text.median(row.load_s, text.significant)),
        figure("index, MiB", lambda row: text.mebibytes(row.index_bytes)),
        figure("resident, MiB", lambda row: text.mebibytes(row.resident_bytes)),
        figure("call overhead", lambda row: text.both(row.call_overhead, text.percent)),
    )
