"""Accuracy: one table a data set and protocol, and the models against the baselines on the same queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import (
    CONTESTANT,
    Block,
    Cell,
    Column,
    Columns,
    Table,
    figure,
    folded,
    rows_of,
    status,
    verdict,
    without_empty_columns,
    word,
)
from reports.pages.order import real_first
from reports.tables.accuracy import AccuracyRow, AccuracyTable, FateRow
from reports.tables.leaderboard import Leaderboards
from reports.tables.paired import Lead, PairedRow, PairedTable
from reports.tables.published import Published

ANCHOR = "accuracy"
TITLE = "Accuracy"
LEAD = (
    "Which model recommends best, on each data set. Figures are means over seeds with a 95 % interval. A model has to "
    "beat both popularity rows; no model can beat the oracle, which synthetic data have. Frameworks and modes that "
    "give the same figures share a row, which can be opened. The agreement column says whether the frameworks agree "
    "on a model from the same initial parameters and batches."
)
_REFERENCES = {"oracle": " (upper reference)", "popularity": " (reference)"}
_RARE = 0.05  # what is less likely than this is no chance
_PERIODS = {"whole": "none, before they are cut", "later": "none, after all of them"}
_USES = {
    "trains": "trained on",
    "asked": "asked for",
    "history": "told as history, not asked for",
    "dropped": "left out",
    "unreachable": "of those asked for: no model can find them",
}
PUBLISHED: Column[Any] = figure(  # of any row that has it
    "published", lambda row: f"{row.published.value:g}" if row.published else None
)
DIFFERENCE: Column[AccuracyRow] = figure(
    "measured − published",
    lambda row: text.signed(row.primary.mean - row.published.value) if row.primary and row.published else None,
)


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    return [_block(table, leaderboards.paired, commands) for table in real_first(leaderboards.accuracy)]


def _block(table: AccuracyTable, paired: Sequence[PairedTable], commands: Mapping[str, str]) -> Block:
    notes = list(sources_of(row.published for row in table.rows))
    notes += known_faults(table)
    notes += [f"Warning: {table.warning}."] if table.warning else []
    unfinished = [row for row in table.rows if row.primary is None]
    notes += [f"{row.model} {row.variant} {row.backend} {row.mode}: {row.status}. {row.reason}" for row in unfinished]
    columns = _columns(table)
    # Seeds that a suite does not have are asked for by themselves.
    rows = rows_of(
        columns,
        table.rows,
        lambda row: row.role if row.primary else "failed",
        lambda row: "\n".join(dict.fromkeys(commands[cell] for cell in row.cells)),
    )
    caption = f"Models on {table.dataset}, {table.protocol}, best {table.metric or 'primary metric'} first"
    about = (("dataset", table.dataset), ("metric", table.metric or ""))
    everything = Table(caption, columns, rows, (table.dataset, table.protocol), len(CONTESTANT), about)
    tables = [folded(without_empty_columns(everything, kept=len(CONTESTANT) + 2))]
    tables += [_fates(table)] if table.fates else []
    beside = [p for p in paired if (p.dataset, p.protocol) == (table.dataset, table.protocol)]
    tables += map(_paired, beside)
    notes += [_lead(p, p.lead) for p in beside if p.lead is not None]
    title = f"{table.dataset} / {table.protocol}"
    return Block(title, tuple(tables), notes=tuple(notes), dataset=table.dataset, shows=table)


def _fates(table: AccuracyTable) -> Table:
    of_period = Counter[str]()
    for fate in table.fates:
        of_period[fate.period] += fate.rows * (fate.use != "unreachable")

    def share(fate: FateRow) -> str:
        return text.percent(fate.rows / of_period[fate.period])

    columns: Columns[FateRow] = (
        word("period", lambda fate: _PERIODS.get(fate.period, fate.period)),
        word("what becomes of them", lambda fate: _USES[fate.use]),
        word("why", lambda fate: fate.reason or text.MISSING),
        figure("rows", lambda fate: f"{fate.rows:,}"),
        figure("of the period", share),
        figure("users", lambda fate: f"{fate.users:,}"),
        figure("items", lambda fate: f"{fate.items:,}"),
    )
    caption = f"What becomes of the rows of {table.dataset} under {table.protocol}"
    key, about = (table.dataset, table.protocol, "rows"), (("dataset", table.dataset),)
    return Table(caption, columns, rows_of(columns, table.fates), key, 3, about, is_detail=True)


def sources_of(published: Iterable[Published | None]) -> Iterator[str]:
    """A sentence for each source of the figures that there are."""
    said = {f"{one.source.words}{one.remark and f' ({one.remark})'}" for one in published if one}
    yield from (f"Published figures are from {words}." for words in sorted(said))


def known_faults(table: AccuracyTable) -> Iterator[str]:
    for model, variant, fault in table.faults:
        yield f"Known fault of the publication of {model} {variant}: {fault}."


def _columns(table: AccuracyTable) -> Columns[AccuracyRow]:
    several = len({machine for row in table.rows for machine in row.machines}) > 1

    def further(place: int, name: str) -> Column[AccuracyRow]:
        return figure(name, lambda row: text.metric(row.further[place]))

    return (
        word("model", lambda row: row.model + _REFERENCES.get(row.role, "")),
        *CONTESTANT[1:],
        figure(
            table.metric or "primary metric",
            lambda row: text.metric(row.primary.mean) if row.primary else status(row),
        ),
        word("95 % interval", _interval),
        figure("% of oracle", lambda row: text.percent(row.oracle_share)),
        word("agreement", lambda row: verdict(row.badge.verdict, row.badge.reason, row.badge.mark)),
        PUBLISHED,
        DIFFERENCE,
        *(further(place, name) for place, name in enumerate(table.further)),
        word("seeds", _seeds),
        *((word("machine", lambda row: ", ".join(row.machines)),) if several else ()),
    )


def _interval(row: AccuracyRow) -> str:
    interval = text.interval(row.primary.low, row.primary.high) if row.primary else ""
    return f"{interval} ({row.primary.method})" if row.primary and interval else ""


def _seeds(row: AccuracyRow) -> Cell:
    seeds, failed = (", ".join(map(str, of)) for of in (row.seeds, row.failed_seeds))
    parts = (seeds, failed and f"failed: {failed}")
    return Cell("; ".join(filter(None, parts)) or text.MISSING, "", "failed" if failed else "")


def _lead(table: PairedTable, lead: Lead) -> str:
    (best, variant), (next_best, other) = lead.ahead, lead.behind
    n = lead.n_others
    said = "is ahead of" if lead.p < _RARE else "cannot be told apart from"
    against = f", corrected for the {n} models that could have come next" if n > 1 else ""
    return (
        f"{best} ({variant}) {said} {next_best} ({other}): {text.signed(lead.by)} {table.metric} on the same "
        f"{table.n_queries:,} queries, p = {text.p_value(lead.p)} (sign-flip test{against})."
    )


def _paired(table: PairedTable) -> Table:
    def apart(place: int, name: str) -> Column[PairedRow]:
        return figure(name, lambda row: text.difference(d.mean, d.low, d.high) if (d := row.differences[place]) else "")

    caption = f"Difference from the baselines in {table.metric}, on the same {table.n_queries:,} queries, "
    caption += "with the 95 % interval of a paired bootstrap"
    baselines = (apart(place, f"− {' '.join(of)}") for place, of in enumerate(table.baselines))
    columns = (*CONTESTANT, figure("seeds", lambda row: row.n_seeds), *baselines)
    about = (("dataset", table.dataset), ("metric", table.metric))
    key = (table.dataset, table.protocol, "against")
    rows = rows_of(columns, table.rows)
    return folded(Table(caption, columns, rows, key, len(CONTESTANT), about, is_detail=True))
