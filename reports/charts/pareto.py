"""Indexes over one set of vectors as pictures: index recall against speed, and against size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes

from reports.charts import text
from reports.charts.drawing import COLOURS, GREY, MARKERS, Chart, Place, chart_of, figure_of, legend, title
from reports.charts.svg import INK
from reports.tables.retrieval import IndexRow, IndexTable
from reports.tables.spread import Spread, spread_of

_MIB = 2**20
_MANY_SIZES = 12  # of fewer the tables say enough


@dataclass(frozen=True)
class _Measure:
    """What stands against index recall.

    Attributes:
        words, axis: for the title and for the axis.
        of: the figure of an index, None where it was not taken.
        form: the figure in words, without its unit.
        unit: for the words beside a point.
        sign: 1 where more is better, else -1.
    """

    words: str
    axis: str
    of: Callable[[IndexRow], Spread | None]
    form: Callable[[float], str]
    unit: str
    sign: int


_RATE = _Measure(
    "queries per second", "queries per second", lambda row: row.qps if row.in_group else None, text.rate, "/s", 1
)
_SIZE = _Measure(
    "size",
    "size of the index, MiB (less is better)",
    lambda row: spread_of([row.index_bytes / _MIB]) if row.index_bytes else None,
    text.significant,
    " MiB",
    -1,
)


def draw(table: IndexTable, named: Callable[[str], str]) -> list[Chart]:
    """Recall against queries a second, and against bytes where indexes differ in them.

    Args:
        table: the indexes.
        named: makes a name that was taken before another one.
    """
    if not any(row.on_front for row in table.rows):
        return []
    source = table.source.replace(",", "").split()
    place = (table.dataset, table.protocol, *source, str(table.seed), table.device, str(table.threads))
    name = named(text.slug("retrieval", *place))
    sizes = {row.index_bytes for row in table.rows if row.recall is not None} - {None}
    measures = {name: _RATE} | ({f"{name}-size": _SIZE} if len(sizes) > _MANY_SIZES else {})
    return [_chart(table, name, measure) for name, measure in measures.items() if _drawn(table, measure)]


def _drawn(table: IndexTable, measure: _Measure) -> list[IndexRow]:
    """Rows that have a place on a logarithmic axis."""
    return [row for row in table.rows if row.recall is not None and (of := measure.of(row)) and of.low > 0]


def _chart(table: IndexTable, name: str, measure: _Measure) -> Chart:
    rows = _drawn(table, measure)
    front = [row for row in rows if _on_front(row, rows, measure)]
    figure, axes = figure_of(4.9)
    line = sorted({_point(row, measure) for row in front}, reverse=True)
    axes.plot(
        *zip(*line, strict=True), color=INK, alpha=0.25, linewidth=7, solid_capstyle="round", label="Pareto front"
    )
    for family, of_family in groupby(sorted(rows, key=lambda r: r.name), key=lambda r: r.name):
        _family(axes, text.drawn(family), list(of_family), measure)
    axes.set_yscale("log")
    axes.set(xlabel=text.drawn(table.recall_metric), ylabel=measure.axis)
    axes.margins(x=0.06, y=0.12)
    low, high = axes.get_ylim()
    labelled = "25" if high > 30 * low else "2345678"
    axes.yaxis.set_major_formatter(lambda value, _: text.tick(value))
    axes.yaxis.set_minor_formatter(lambda value, _: text.tick(value) if f"{value:e}"[0] in labelled else "")
    words = f"Index recall against {measure.words}, {text.drawn(text.vectors(table.source))}"
    title(axes, words)
    legend(figure, *axes.get_legend_handles_labels())
    best = (f"{text.index(row)} {text.metric(row.recall)} at {_figure(row, measure)}" for row in front)
    places = [_place(axes, row, measure) for row in rows]
    description = f"Pareto front: {'; '.join(best)}."
    return chart_of(figure, name, table, words, description, model=table.model, places=places)


def _point(row: IndexRow, measure: _Measure) -> tuple[float, float]:
    spread = measure.of(row)
    return row.recall or 0.0, spread.median if spread else 0.0


def _on_front(row: IndexRow, rows: Sequence[IndexRow], measure: _Measure) -> bool:
    """Whether no other is better in recall or in the figure without being worse in the other."""
    recall, figure = _point(row, measure)
    others = (_point(other, measure) for other in rows)
    return not any(r >= recall and measure.sign * (f - figure) >= 0 and (r, f) != (recall, figure) for r, f in others)


def _family(axes: Axes, name: str, rows: Sequence[IndexRow], measure: _Measure) -> None:
    """One line for each build of an index, from its least to its most exact query setting."""
    colour, marker = COLOURS.get(name, GREY), MARKERS.get(name, "P")
    for place, (_, of_build) in enumerate(groupby(sorted(rows, key=lambda r: r.build), key=lambda r: r.build)):
        spreads = [(row.recall or 0.0, spread) for row in of_build if (spread := measure.of(row))]
        spreads.sort(key=lambda point: (point[0], -point[1].median))
        medians = [spread.median for _, spread in spreads]
        errors = [[spread.median - spread.low for _, spread in spreads],
                  [spread.high - spread.median for _, spread in spreads]]  # fmt: skip
        axes.errorbar(
            [recall for recall, _ in spreads], medians, yerr=errors, color=colour, marker=marker, linewidth=1.4,
            elinewidth=1, markeredgewidth=0.8, label=name if place == 0 else None,
        )  # fmt: skip


def _place(axes: Axes, row: IndexRow, measure: _Measure) -> Place:
    recall, figure = _point(row, measure)
    label = f"{text.index(row)}: recall {text.metric(recall)}, {_figure(row, measure)}"
    return Place(axes, label, [recall], [figure])


def _figure(row: IndexRow, measure: _Measure) -> str:
    return text.median(measure.of(row), measure.form) + measure.unit
