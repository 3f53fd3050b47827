"""What others published, held against what we measured, with the known faults of the publications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import CONTESTANT, Block, Column, Columns, Table, figure, folded, rows_of, word
from reports.pages.order import real_first
from reports.pages.sections.accuracy import DIFFERENCE, PUBLISHED, known_faults, sources_of
from reports.tables.accuracy import AccuracyRow, AccuracyTable
from reports.tables.leaderboard import Leaderboards
from reports.tables.published import ReportRow, ReportTable
from reports.tables.ties import TieRow, TieTable

ANCHOR = "published"
TITLE = "Published against measured"
LEAD = (
    "How our figures compare with those that others published. They stand side by side only where model, settings, "
    "data, protocol and metric are those of the publication. “Within” means that the published figure lies in our "
    "95 % interval. Known faults of a publication are listed below its table. A table apart shows what others report "
    "for the same task with data prepared, settings chosen and trainings stopped in ways of their own: figures there "
    "differ for more than one reason."
)
_TIES = (
    "42 % of the users of MovieLens-1M have rated several films at the time of their last. Which of these is the last "
    "one depends on the order of equal times, and most publications do not say theirs; ours is that of the rows in the "
    "publisher’s file."
)
_ORDERS = (
    "Rows of one user at the same moment come in the order of the file, in the reverse of it, or by the numbers of "
    "their items (the protocol’s `equal_times`). Training data, histories and what is asked for differ then."
)


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    commands = leaderboards.commands.of_cell
    held = [table for table in real_first(leaderboards.accuracy) if any(map(_is_held, table.rows))]
    return [
        *(_block(table, commands) for table in held),
        *map(_beside, leaderboards.reported),
        *map(_ties, leaderboards.ties),
    ]


def _is_held(row: AccuracyRow) -> bool:
    return bool(row.published and row.primary)


def _block(table: AccuracyTable, commands: Mapping[str, str]) -> Block:
    title = f"{table.dataset} / {table.protocol}"
    columns = _columns(table.metric)
    held = filter(_is_held, table.rows)
    rows = rows_of(columns, held, lambda row: row.role, lambda row: commands[row.cells[0]])
    about = (("dataset", table.dataset), ("metric", table.metric or ""))
    shown = Table(f"Published and measured on {title}", columns, rows, (table.dataset, table.protocol), 4, about)
    notes = (*sources_of(row.published for row in table.rows), *known_faults(table))
    return Block(title, (folded(shown),), notes=notes, dataset=table.dataset)


def _columns(metric: str | None) -> Columns[AccuracyRow]:
    return (
        *CONTESTANT,
        word("metric", lambda _: metric),
        PUBLISHED,
        figure("measured", lambda row: text.metric(row.primary.mean) if row.primary else None),
        word("95 % interval", lambda row: text.interval(row.primary.low, row.primary.high) if row.primary else None),
        DIFFERENCE,
        word("published is", _place),
        word("source", _source),
    )


def _source(row: AccuracyRow) -> str | None:
    return ", ".join(filter(None, (row.published.source.name, row.published.remark))) if row.published else None


def _place(row: AccuracyRow) -> str:
    published, primary = row.published, row.primary
    if published is None or primary is None or primary.low is None or primary.high is None:
        return ""
    return "below" if published.value < primary.low else "above" if published.value > primary.high else "within"


def _beside(table: ReportTable) -> Block:
    columns: Columns[ReportRow] = (
        word("model", attrgetter("name")),
        word("reported by", lambda row: ", ".join(filter(None, (row.source.name, row.remark)))),
        word("metric", attrgetter("metric")),
        figure("reported", _reported),
        word("nearest of ours", lambda row: f"{row.model}, {row.variant}" if row.model else "no such model"),
        figure("measured", lambda row: text.metric(row.mean)),
        word("95 % interval", lambda row: text.interval(row.mean_low, row.mean_high)),
        word("reported is", _side),
    )
    caption = f"What others report on {table.dataset}, {table.protocol}, beside the nearest of ours"
    key, about = (table.dataset, table.protocol, "reported"), (("dataset", table.dataset),)
    shown = Table(caption, columns, rows_of(columns, table.rows), key, 4, about)
    notes = (*(f"{source.words}." for source in table.sources), *((_TIES,) if table.dataset == "ml-1m" else ()))
    return Block(f"Others on {table.dataset} / {table.protocol}", (shown,), notes=notes, dataset=table.dataset)


def _reported(row: ReportRow) -> str:
    return f"{row.low:g}" if row.low == row.high else f"{row.low:g} to {row.high:g}"


def _side(row: ReportRow) -> str:
    if row.mean_low is None or row.mean_high is None:
        return ""
    return "within" if row.is_within else "above" if row.low > row.mean_high else "below"


def _ties(table: TieTable) -> Block:
    def under(place: int, order: str) -> Column[TieRow]:
        return figure(f"{order}: moves by", lambda row: text.signed(row.moves[place]))

    columns: Columns[TieRow] = (
        word("model", attrgetter("model")),
        word("variant", attrgetter("variant")),
        figure(f"{table.metric}, order of the file", lambda row: text.metric(row.figure)),
        *(under(place, order) for place, order in enumerate(table.orders)),
    )
    caption = f"Models on {table.dataset}, {table.protocol}, with rows of equal times in one order or another"
    key, about = (table.dataset, table.protocol, "equal times"), (("dataset", table.dataset), ("metric", table.metric))
    shown = Table(caption, columns, rows_of(columns, table.rows), key, 2, about)
    title = f"The order of equal times on {table.dataset} / {table.protocol}"
    return Block(title, (shown,), notes=(_ORDERS,), dataset=table.dataset)
