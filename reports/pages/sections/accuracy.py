"""Accuracy: one table a data set and protocol, and the models against the baselines on the same queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import (
    Block,
    Cell,
    Row,
    Table,
    cells,
    figures,
    folded,
    mode,
    status,
    verdict,
    without_empty_columns,
    words,
)
from reports.pages.order import real_first
from reports.tables.accuracy import AccuracyRow, AccuracyTable
from reports.tables.leaderboard import Leaderboards
from reports.tables.paired import PairedRow, PairedTable

ANCHOR = "accuracy"
TITLE = "Accuracy"
LEAD = (
    "Which model recommends best, on each data set. Figures are means over seeds with a 95 % interval. A model has to "
    "beat both popularity rows; no model can beat the oracle, which synthetic data have. Frameworks and modes that "
    "give the same figures share a row, which can be opened. The agreement column says whether the frameworks agree "
    "on a model from the same initial parameters and batches."
)
_NAMES = ("model", "variant", "backend", "mode")


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    return [_block(table, leaderboards.paired, commands) for table in real_first(leaderboards.accuracy)]


def _block(table: AccuracyTable, paired: Sequence[PairedTable], commands: Mapping[str, str]) -> Block:
    columns = (*words(*_NAMES), *figures(table.metric or "primary metric"), *words("95 % interval"))
    columns += (*figures("% of oracle"), *words("agreement"), *figures("published", "measured − published"))
    columns += (*figures(*table.further), *words("seeds"))
    rows = tuple(Row(_cells(row), row.role if row.primary else "failed", _command(row, commands)) for row in table.rows)
    sources = sorted({row.published.source for row in table.rows if row.published})
    notes = [f"Published figures: {'; '.join(sources)}."] if sources else []
    notes += [
        f"Known fault of the publication of {model} {variant}: {fault}." for model, variant, fault in table.faults
    ]
    unfinished = [row for row in table.rows if row.primary is None]
    notes += [f"{row.model} {row.variant} {row.backend} {row.mode}: {row.status}. {row.reason}" for row in unfinished]
    caption = f"Models on {table.dataset}, {table.protocol}, best {table.metric or 'primary metric'} first"
    about = (("dataset", table.dataset), ("metric", table.metric or ""))
    everything = Table(caption, columns, rows, (table.dataset, table.protocol), len(_NAMES), about)
    tables = [folded(without_empty_columns(everything, kept=len(_NAMES) + 2))]
    tables += [_paired(p) for p in paired if (p.dataset, p.protocol) == (table.dataset, table.protocol)]
    title = f"{table.dataset} / {table.protocol}"
    return Block(title, tuple(tables), notes=tuple(notes), dataset=table.dataset, shows=table)


def _command(row: AccuracyRow, commands: Mapping[str, str]) -> str:
    """Seeds that a suite does not have are asked for by themselves."""
    return "\n".join(dict.fromkeys(commands[cell] for cell in row.cells))


def _cells(row: AccuracyRow) -> tuple[Cell, ...]:
    primary = row.primary
    interval = text.MISSING
    if primary and primary.low is not None and primary.high is not None:
        interval = f"{text.metric(primary.low)} – {text.metric(primary.high)} ({primary.method})"
    reference = {"oracle": " (upper reference)", "popularity": " (reference)"}.get(row.role, "")
    published = row.published
    seeds = ", ".join(map(str, row.seeds))
    failed = f"failed: {', '.join(map(str, row.failed_seeds))}" if row.failed_seeds else ""
    return cells(
        row.model + reference,
        row.variant,
        row.backend,
        mode(row.mode, row.device),
        Cell(text.metric(primary.mean)) if primary else status(row.status, row.reason),
        interval,
        text.percent(row.oracle_share),
        verdict(row.badge.verdict, row.badge.reason, row.badge.mark),
        f"{published.value:g}" if published else "",
        text.signed(primary.mean - published.value) if primary and published else "",
        *(text.metric(value) for value in row.further),
        Cell(
            "; ".join(part for part in (seeds, failed) if part) or text.MISSING,
            "",
            "failed" if row.failed_seeds else "",
        ),
    )


def _paired(table: PairedTable) -> Table:
    columns = (*words(*_NAMES), *figures("seeds"))
    columns += figures(*(f"− {model} {variant}" for model, variant in table.baselines))
    caption = f"Difference from the baselines in {table.metric}, on the same {table.n_queries:,} queries, "
    caption += "with the 95 % interval of a paired bootstrap"
    rows = tuple(Row(_paired_cells(row)) for row in table.rows)
    about = (("dataset", table.dataset), ("metric", table.metric))
    key = (table.dataset, table.protocol, "against")
    return folded(Table(caption, columns, rows, key, len(_NAMES), about, is_detail=True))


def _paired_cells(row: PairedRow) -> tuple[Cell, ...]:
    apart = (
        f"{text.signed(d.mean)} ({text.signed(d.low)} – {text.signed(d.high)})" if d else "" for d in row.differences
    )
    return cells(row.model, row.variant, row.backend, mode(row.mode, row.device), str(row.n_seeds), *apart)
