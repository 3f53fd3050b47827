"""What others published, held against what we measured, with the known faults of the publications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import CONTESTANT, Block, Columns, Table, figure, folded, rows_of, word
from reports.pages.order import real_first
from reports.pages.sections.accuracy import DIFFERENCE, PUBLISHED, known_faults
from reports.tables.accuracy import AccuracyRow, AccuracyTable
from reports.tables.leaderboard import Leaderboards

ANCHOR = "published"
TITLE = "Published against measured"
LEAD = (
    "How our figures compare with those that others published. They stand side by side only where model, settings, "
    "data, protocol and metric are those of the publication. “Within” means that the published figure lies in our "
    "95 % interval. Known faults of a publication are listed below its table."
)


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    held = [table for table in real_first(leaderboards.accuracy) if any(map(_is_held, table.rows))]
    return [_block(table, commands) for table in held]


def _is_held(row: AccuracyRow) -> bool:
    return bool(row.published and row.primary)


def _block(table: AccuracyTable, commands: Mapping[str, str]) -> Block:
    title = f"{table.dataset} / {table.protocol}"
    columns = _columns(table.metric)
    held = filter(_is_held, table.rows)
    rows = rows_of(columns, held, lambda row: row.role, lambda row: commands[row.cells[0]])
    about = (("dataset", table.dataset), ("metric", table.metric or ""))
    shown = Table(f"Published and measured on {title}", columns, rows, (table.dataset, table.protocol), 4, about)
    return Block(title, (folded(shown),), notes=tuple(known_faults(table)), dataset=table.dataset)


def _columns(metric: str | None) -> Columns[AccuracyRow]:
    return (
        *CONTESTANT,
        word("metric", lambda _: metric),
        PUBLISHED,
        figure("measured", lambda row: text.metric(row.primary.mean) if row.primary else None),
        word("95 % interval", lambda row: text.interval(row.primary.low, row.primary.high) if row.primary else None),
        DIFFERENCE,
        word("published is", _place),
        word("source", lambda row: row.published.source if row.published else None),
    )


def _place(row: AccuracyRow) -> str:
    published, primary = row.published, row.primary
    if published is None or primary is None or primary.low is None or primary.high is None:
        return ""
    return "below" if published.value < primary.low else "above" if published.value > primary.high else "within"
