"""What others published, held against what we measured, with the known faults of the publications."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Row, Table, cells, figures, mode, words
from reports.tables.accuracy import AccuracyRow, AccuracyTable
from reports.tables.leaderboard import Leaderboards

ANCHOR = "published"
TITLE = "Published against measured"
LEAD = (
    "Figures stand beside each other only where model, settings, data, protocol and metric are those of the "
    "publication. “within” says that the published figure lies in the 95 % interval of ours. What we know to be wrong "
    "with a publication is said below its table."
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
        for table in leaderboards.accuracy
        if any(row.published and row.primary for row in table.rows)
    ]


def _block(table: AccuracyTable, leaderboards: Leaderboards) -> Block:
    commands = leaderboards.commands.of_cell
    held = [row for row in table.rows if row.published and row.primary]
    rows = tuple(_row(row, table.metric or "", commands[row.cells[0]]) for row in held)
    notes = tuple(f"Fault of {model} {variant}: {fault}." for model, variant, fault in table.faults)
    title = f"{table.dataset} / {table.protocol}"
    shown = Table(f"{title}: published and measured", _COLUMNS, rows, (table.dataset, table.protocol), 4)
    return Block(title, (shown,), notes=notes)


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
