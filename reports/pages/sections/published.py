"""What others published, held against what we measured, with the known faults of the publications."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Row, Table, cells, figures, folded, mode, words
from reports.pages.order import real_first
from reports.tables.accuracy import AccuracyRow, AccuracyTable
from reports.tables.leaderboard import Leaderboards

ANCHOR = "published"
TITLE = "Published against measured"
LEAD = (
    "How our figures compare with those that others published. They stand side by side only where model, settings, "
    "data, protocol and metric are those of the publication. “Within” means that the published figure lies in our "
    "95 % interval. Known faults of a publication are listed below its table."
)
_COLUMNS = (
    *words("model", "variant", "backend", "mode", "metric"),
    *figures("published", "measured"),
    *words("95 % interval"),
    *figures("measured − published"),
    *words("published is", "source"),
)


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    return [
        _block(table, leaderboards)
        for table in real_first(leaderboards.accuracy)
        if any(row.published and row.primary for row in table.rows)
    ]


def _block(table: AccuracyTable, leaderboards: Leaderboards) -> Block:
    commands = leaderboards.commands.of_cell
    held = [row for row in table.rows if row.published and row.primary]
    rows = tuple(_row(row, table.metric or "", commands[row.cells[0]]) for row in held)
    notes = tuple(
        f"Known fault of the publication of {model} {variant}: {fault}." for model, variant, fault in table.faults
    )
    title = f"{table.dataset} / {table.protocol}"
    about = (("dataset", table.dataset), ("metric", table.metric or ""))
    shown = Table(f"Published and measured on {title}", _COLUMNS, rows, (table.dataset, table.protocol), 4, about)
    return Block(title, (folded(shown),), notes=notes, dataset=table.dataset)


def _row(row: AccuracyRow, metric: str, command: str) -> Row:
    published, primary = row.published, row.primary
    assert published is not None  # noqa: S101 - chosen above; the type checker cannot see it
    assert primary is not None  # noqa: S101
    interval, place = "", ""
    if primary.low is not None and primary.high is not None:
        interval = f"{text.metric(primary.low)} – {text.metric(primary.high)}"
        place = "below" if published.value < primary.low else "above" if published.value > primary.high else "within"
    return Row(
        cells(
            row.model,
            row.variant,
            row.backend,
            mode(row.mode, row.device),
            metric,
            f"{published.value:g}",
            text.metric(primary.mean),
            interval,
            text.signed(primary.mean - published.value),
            place,
            published.source,
        ),
        row.role,
        command,
    )
