"""Recall against queries a second for one catalogue: one line an index family, on that family's own front."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from reports.charts import text
from reports.charts.drawing import COLOURS, GREY, MARKERS, PHONE, Chart, Place, chart_of, figure_of
from reports.charts.svg import INK
from reports.tables.answers import RECALL
from reports.tables.catalogues import Catalogue
from reports.tables.retrieval import IndexRow

_LEAST = 0.5  # recall below which nobody wants an index
_GAP = 0.058  # of the height, between labels
_FAR = 0.4  # of the width: a line that ends before has its name beside it, the others in the margin
_ALL = 0.0005  # recall that is missing where nothing is: the axis ends there
_TICKS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1)


def draw(catalogue: Catalogue, *, titled: bool = False) -> Chart:
    """The picture of one set of vectors, each line named beside its end; with a title where it stands by itself."""
    table = catalogue.table
    figure, axes = figure_of(4.3, PHONE)
    axes.set_yscale("log")
    axes.set_xscale("function", functions=(_stretched, _shrunk))
    axes.set(xlabel=text.drawn(table.recall_metric), ylabel="queries per second, one thread")
    if table.search_threads > 1:
        axes.set_ylabel(f"queries per second, {table.search_threads} threads")
    rows = sorted((row for row in table.rows if _drawn(row)), key=lambda row: row.name)
    lines = {name: _front(list(of)) for name, of in groupby(rows, key=lambda row: row.name)}
    places = [place for name, front in lines.items() for place in _line(axes, name, front)]
    axes.axvline(RECALL, color=INK, alpha=0.35, linewidth=1, linestyle=(0, (4, 2)))
    axes.margins(x=0.04, y=0.08)
    axes.set_xticks([tick for tick in _TICKS if tick >= axes.get_xlim()[0]], minor=False)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.tick_params(axis="x", labelsize="small")
    axes.yaxis.set_major_formatter(lambda value, _: text.rate(value))
    low, high = axes.get_ylim()
    labelled = "25" if high > 30 * low else "2345678"
    axes.yaxis.set_minor_formatter(lambda value, _: text.rate(value) if f"{value:e}"[0] in labelled else "")
    _labels(axes, {name: front[-1] for name, front in lines.items() if front})
    name = text.slug("recall-queries", table.dataset, str(table.n_items), *table.source.replace(",", "").split())
    vectors = f"vectors of {text.drawn(table.source)}" if table.task_metric else "synthetic vectors"
    items = f"{table.n_items:,} items" if table.n_items else "a catalogue of unknown size"
    title = f"Recall against queries per second, {items}, {vectors}"
    if titled:
        axes.set_title(textwrap.fill(title, 46), loc="left", fontsize="medium")
    best = (f"{text.plain(row.name)} {text.median(row.qps, text.rate)}/s" for row, _ in catalogue.contestants)
    description = f"Fastest at recall {RECALL:g} or more: {', '.join(best) or 'none'}."
    return chart_of(figure, name, table, title, description, model=table.model, places=places)


def _stretched(recall: np.ndarray) -> np.ndarray:
    """What is missing of all counts by its order of magnitude: from 0.90 to 0.99 is as far as from 0.99 to 0.999."""
    return -np.log10(np.maximum(1 - recall, 0) + _ALL)


def _shrunk(place: np.ndarray) -> np.ndarray:
    return 1 + _ALL - 10.0**-place


def _drawn(row: IndexRow) -> bool:
    """Whether it has a place on a logarithmic axis, in the part of the picture that matters."""
    return row.in_group and (row.recall or 0.0) >= _LEAST and row.qps is not None and row.qps.low > 0


def _point(row: IndexRow) -> tuple[float, float]:
    return row.recall or 0.0, row.qps.median if row.qps else 0.0


def _front(rows: Sequence[IndexRow]) -> list[IndexRow]:
    """The settings that no other of the same index beats in recall without losing in rate, by recall."""
    front: list[IndexRow] = []
    for row in sorted(rows, key=_point, reverse=True):
        if not front or _point(row)[1] > _point(front[-1])[1]:
            front.append(row)
    return front[::-1]


def _line(axes: Axes, name: str, front: Sequence[IndexRow]) -> list[Place]:
    colour = COLOURS.get(name, GREY)
    recalls, rates = zip(*map(_point, front), strict=True)
    axes.plot(recalls, rates, color=colour, marker=MARKERS.get(name, "P"), linewidth=1.6, markersize=5.5, clip_on=False)
    return [Place(axes, _said(row), [recall], [rate]) for row, recall, rate in zip(front, recalls, rates, strict=True)]


def _said(row: IndexRow) -> str:
    return f"{text.index(row)}: recall {text.metric(row.recall)}, {text.both(row.qps, text.rate)} queries/s"


def _labels(axes: Axes, ends: dict[str, IndexRow]) -> None:
    """Names beside the ends of the lines, in the lines' order and so far apart that each can be read."""
    to_share = axes.transData + axes.transAxes.inverted()
    points = {name: tuple(map(float, to_share.transform(_point(row)))) for name, row in ends.items()}
    near = {name: place for name, place in points.items() if place[0] < _FAR}
    ordered = sorted(points.keys() - near.keys(), key=lambda name: (points[name][1], name))
    heights = _apart([points[name][1] for name in ordered])
    placed = dict(zip(ordered, heights, strict=True))
    for name, (x, y) in points.items():
        colour = COLOURS.get(name, GREY)
        leader = {"arrowstyle": "-", "color": colour, "alpha": 0.5, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            text.drawn(name), (x, y), (1.05, placed[name]) if name in placed else (x + 0.03, y),
            xycoords="axes fraction", textcoords="axes fraction", color=colour, fontsize="small", va="center",
            annotation_clip=False, arrowprops=leader if name in placed else None,
        )  # fmt: skip


def _apart(heights: Sequence[float]) -> list[float]:
    """Ascending heights moved as far as needed to stand a gap apart, within the picture if there is room."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + _GAP) if placed else height)
    top = 1.0
    for place in range(len(placed) - 1, -1, -1):
        placed[place] = min(placed[place], top)
        top = placed[place] - _GAP
    return placed
