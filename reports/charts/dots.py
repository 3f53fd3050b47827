"""The models of one data set as a dot plot: scores with intervals, popularity as a line, published hollow."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.charts import text
from reports.charts.drawing import COLOURS, GREY, PHONE, Chart, Place, chart_of, figure_of
from reports.charts.svg import INK
from reports.tables.front import Scores
from reports.tables.overview import OverviewRow

_DOT = COLOURS["paddle"]
_ROW = 0.4
_APART = 0.0005  # frameworks that differ by less have one dot


def draw(scores: Scores) -> Chart | None:
    """The picture of one data set and protocol, best model first; None where no model has a figure."""
    rows = scores.finished
    if not rows:
        return None
    figure, axes = figure_of(0.75 + _ROW * len(rows), PHONE)
    places = [place for line, score in enumerate(rows) for place in _row(axes, line, score)]
    if scores.popularity and scores.popularity.estimate:
        places.append(_popularity(axes, scores.popularity.estimate.mean))
    axes.set_yticks(range(len(rows)), ["\n".join(_name(score)) for score in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(text.drawn(scores.table.metric))
    table = scores.table
    name = text.slug("scores", table.dataset, table.protocol, table.metric or "")
    title = f"Models on {text.plain(table.dataset)}, {text.plain(table.protocol)}, by {text.plain(table.metric)}"
    said = "; ".join(_said(score) for score in rows)
    return chart_of(figure, name, table, title, f"{title}: {said}.", places=places)


def _row(axes: Axes, line: int, score: OverviewRow) -> list[Place]:
    estimate = score.estimate
    assert estimate is not None  # noqa: S101 - only finished scores are drawn
    axes.plot(_interval(score), [line, line], color=_DOT, linewidth=2, alpha=0.45, solid_capstyle="round")
    low, high = _range(score)
    if high - low > _APART:
        axes.plot([low, high], [line, line], "|", color=_DOT, markersize=8)
    axes.plot([estimate.mean], [line], "o", color=_DOT, markersize=6.5)
    aside: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "va": "center", "annotation_clip": False}
    weight = "bold" if line == 0 else "normal"
    below = 0.17 if score.published else 0.0
    axes.annotate(text.metric(estimate.mean), (1.02, line - below), fontweight=weight, **aside)
    places = [Place(axes, _said(score), [estimate.mean], [line])]
    if score.published:
        value = score.published.value
        axes.plot([value], [line], "D", markerfacecolor="none", markeredgecolor=INK, markersize=6)
        axes.annotate(f"published {value:g}", (1.02, line + below + 0.06), fontsize=7.5, alpha=0.75, **aside)
        places.append(Place(axes, f"{score.model} {score.variant}, published: {value:g}", [value], [line]))
    return places


def _popularity(axes: Axes, value: float) -> Place:
    axes.axvline(value, color=GREY, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.annotate(
        f"popularity {text.metric(value)}", (value, 1.0), (0, 3), xycoords=axes.get_xaxis_transform(),
        textcoords="offset points", ha="center", va="bottom", fontsize="small",
    )  # fmt: skip
    return Place(axes, f"popularity: {text.metric(value)}", [value], [0])


def _interval(score: OverviewRow) -> tuple[float, float]:
    estimate = score.estimate
    if estimate is None or estimate.low is None or estimate.high is None:
        return _range(score)
    return estimate.low, estimate.high


def _range(score: OverviewRow) -> tuple[float, float]:
    """From the smallest to the largest of its frameworks."""
    assert score.low is not None  # noqa: S101 - only finished scores are drawn
    assert score.high is not None  # noqa: S101
    return score.low, score.high


def _name(score: OverviewRow) -> list[str]:
    return [text.drawn(score.model), *textwrap.wrap(text.drawn(score.variant), 24, max_lines=1, placeholder=" …")]


def _said(score: OverviewRow) -> str:
    """One model in words."""
    low, high = _interval(score)
    shown = f"{text.plain(score.model)} {text.plain(score.variant)} {text.metrics(*_range(score))}"
    return f"{shown} (95 % interval {text.metric(low)} – {text.metric(high)})"
