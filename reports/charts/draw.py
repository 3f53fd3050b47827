"""Leaderboards to pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import groupby

import matplotlib.style
from matplotlib.axes import Axes

from benchmarks.agreement.verdict import said
from reports.charts import ladder, maps, pareto, text, tuning
from reports.charts.drawing import COLOURS, GREY, MARKERS, STYLE, Chart, Place, chart_of, figure_of, legend, title
from reports.charts.svg import INK
from reports.tables.accuracy import AccuracyRow, AccuracyTable
from reports.tables.leaderboard import Leaderboards
from reports.tables.spread import Spread
from reports.tables.throughput import ThroughputRow, ThroughputTable

SECTIONS = ("curve", "ladder", "throughput", "retrieval", "items", "tuning")  # the first word of a picture's name


def draw(leaderboards: Leaderboards) -> tuple[Chart, ...]:
    """Every picture that there are figures for."""
    with matplotlib.style.context(STYLE, after_reset=True):  # a user's own matplotlibrc must not show
        charts = [chart for table in leaderboards.accuracy for chart in _learning_curves(table)]
        charts += ladder.draw(leaderboards.ladder, leaderboards.rungs)
        taken: Counter[str] = Counter()
        charts += [_throughput(t, taken) for t in leaderboards.throughput if any(r.to_slowest for r in t.rows)]
        for table in leaderboards.retrieval:
            charts += pareto.draw(table, lambda name: _numbered(name, taken))
        charts += [chart for table in leaderboards.searches for chart in tuning.draw(table)]
        charts += [maps.draw(t, row) for t in leaderboards.item_maps for row in t.rows if row.x]
    return tuple(charts)


def _learning_curves(table: AccuracyTable) -> list[Chart]:
    trained = sorted((r for r in table.rows if len(r.curve) > 2), key=lambda r: (r.model, r.variant))
    charts = []
    for (model, variant), rows in groupby(trained, key=lambda r: (r.model, r.variant)):
        curves = sorted(rows, key=lambda r: (r.backend, r.mode, r.device))
        figure, axes = figure_of(4.3)
        _references(axes, table)
        places = [place for turn, row in enumerate(curves) for place in _curve(axes, row, turn, len(curves))]
        if curves[0].published and curves[0].published.by_epoch:
            places += _line(axes, "published", list(enumerate(curves[0].published.by_epoch, 1)))
        axes.set(xlabel="epoch", ylabel=text.drawn(table.metric))
        title(axes, text.drawn(f"{model} {variant}"))
        legend(figure, *axes.get_legend_handles_labels())
        name = text.slug("curve", table.dataset, table.protocol, model, variant)
        words = f"Learning curves of {text.plain(model)} {text.plain(variant)}"
        last = (f"{_label(row)} {text.metric(row.curve[-1].mean)}" for row in curves)
        description = (
            f"{text.plain(table.metric)} by epoch on {text.plain(table.dataset)}; last epoch: {', '.join(last)}."
        )
        absent = [r for r in table.rows if (r.model, r.variant) == (model, variant) and r.status != "ok"]
        if absent:
            description += f" Without figures: {', '.join(f'{_label(row)} {said(row.status)}' for row in absent)}."
        charts.append(chart_of(figure, name, table, words, description, model=model, places=places))
    return charts


def _line(axes: Axes, label: str, points: list[tuple[int, float]]) -> list[Place]:
    axes.plot(*zip(*points, strict=True), "x--", color=INK, linewidth=1, label=label)
    return [Place(axes, f"{label}, epoch {epoch}: {text.metric(value)}", [epoch], [value]) for epoch, value in points]


def _references(axes: Axes, table: AccuracyTable) -> None:
    for row, style in zip((r for r in table.rows if r.role == "popularity" and r.primary), (":", "-."), strict=False):
        label = f"popularity, {text.drawn(row.variant)}"
        axes.axhline(row.primary.mean, color=GREY, linestyle=style, linewidth=1.2, label=label)  # type: ignore[union-attr]


def _curve(axes: Axes, row: AccuracyRow, turn: int, n_curves: int) -> list[Place]:
    """Curves take turns in marking epochs, so that those which agree can be told apart on one line."""
    epochs = [point.epoch for point in row.curve]
    colour = COLOURS.get(row.backend, GREY)
    style = "-" if row.mode == "compiled" else (0, (4, 1.5))
    means = [point.mean for point in row.curve]
    turns = (turn % len(epochs), n_curves)
    marker = MARKERS.get(row.backend, "P")
    axes.plot(
        epochs, means, color=colour, linewidth=1.3, linestyle=style, marker=marker, markevery=turns, label=_label(row)
    )
    if len(row.seeds) > 1:
        axes.fill_between(epochs, [p.low for p in row.curve], [p.high for p in row.curve], color=colour, alpha=0.15)
    return [
        Place(axes, f"{_label(row)}, epoch {point.epoch}: {text.metric(point.mean)}", [point.epoch], [point.mean])
        for point in row.curve
    ]


def _throughput(table: ThroughputTable, taken: Counter[str]) -> Chart:
    rows = [row for row in table.rows if row.to_slowest]
    of, ratio_of = ratios(table)
    figure, axes = figure_of(1.3 + 0.34 * len(rows))
    places = []
    for line, row in enumerate(rows):
        spread = ratio_of(row)
        assert spread is not None  # noqa: S101 - chosen above; the type checker cannot see it
        colour = COLOURS.get(row.backend, GREY)
        axes.barh(line, spread.median, color=colour, height=0.62, alpha=0.85 if row.mode == "compiled" else 0.55)
        axes.plot([spread.low, spread.high], [line, line], "|-", color=INK, linewidth=1.2, markersize=8)
        axes.annotate(text.ratio(spread.median), (spread.high, line), (6, 0), textcoords="offset points", va="center")
        label = f"{_label(row)}: {text.both(spread, text.ratio)}, {text.median(row.samples_per_s, text.rate)} samples/s"
        places.append(Place(axes, label, [spread.median], [line]))
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.16)
    axes.set_xlim(left=0)
    axes.set(xlabel=f"{of}\nmedian, smallest and largest window")
    words = f"Training throughput of {text.drawn(f'{table.model} {table.variant}')}"
    title(axes, words)
    parts = (f"{_label(row)} {text.both(ratio_of(row), text.ratio)}" for row in rows)
    names = (table.dataset, table.protocol, table.model, table.variant, table.device, str(table.threads))
    name = _numbered(text.slug("throughput", *names), taken)
    description = f"{of[0].upper()}{of[1:]}: {', '.join(parts)}."
    return chart_of(figure, name, table, words, description, model=table.model, places=places)


def ratios(table: ThroughputTable) -> tuple[str, Callable[[ThroughputRow], Spread | None]]:
    """What the rates of a table are divided by, in words: those of PyTorch eager, or the lowest where it has none.

    A table of which nothing was timed by turns has no ratios, and no slowest.
    """
    if any(row.to_torch_eager for row in table.rows):
        return "speed-up over PyTorch eager", lambda row: row.to_torch_eager
    return f"speed-up over {text.drawn(table.slowest or 'the slowest')}", lambda row: row.to_slowest


def _numbered(name: str, taken: Counter[str]) -> str:
    """The same name whenever it is measured anew; several groups of one run are told apart by a number."""
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}-{taken[name]}"


def _label(row: AccuracyRow | ThroughputRow) -> str:
    return text.drawn(f"{row.backend} {row.mode}")
