"""Leaderboards to pictures."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from reports import ladder_charts, text
from reports.accuracy import AccuracyRow, AccuracyTable
from reports.drawing import COLOURS, GREY, INK, MARKERS, STYLE, Chart, chart_of, figure_of
from reports.item_maps import ItemMap, ItemMapTable
from reports.leaderboard import Leaderboards
from reports.retrieval import IndexRow, IndexTable
from reports.throughput import ThroughputRow, ThroughputTable

_CATEGORY_COLOURS = (
    "#2f81c7", "#d9541e", "#0a9a72", "#8a63d2", "#b88400", "#d6408f", "#1592a5", "#a5693f", "#6b8e1e", "#c93a3a",
)  # fmt: skip
SECTIONS = ("curve", "ladder", "throughput", "retrieval", "items")  # the first word of a picture's name


def draw(leaderboards: Leaderboards) -> tuple[Chart, ...]:
    """Every picture that there are figures for."""
    with matplotlib.style.context(STYLE, after_reset=True):  # a user's own matplotlibrc must not show
        charts = [chart for table in leaderboards.accuracy for chart in _learning_curves(table)]
        charts += ladder_charts.draw(leaderboards.ladder, leaderboards.rungs)
        taken: Counter[str] = Counter()
        charts += [_throughput(t, taken) for t in leaderboards.throughput if any(r.to_slowest for r in t.rows)]
        charts += [_retrieval(t, taken) for t in leaderboards.retrieval if any(r.on_front for r in t.rows)]
        charts += [_item_map(t, row) for t in leaderboards.item_maps for row in t.rows if row.x]
    return tuple(charts)


def _learning_curves(table: AccuracyTable) -> list[Chart]:
    trained = sorted((r for r in table.rows if len(r.curve) > 2), key=lambda r: (r.model, r.variant))
    charts = []
    for (model, variant), rows in groupby(trained, key=lambda r: (r.model, r.variant)):
        curves = sorted(rows, key=lambda r: (r.backend, r.mode, r.device))
        figure, axes = figure_of(4.3)
        _references(axes, table)
        for place, row in enumerate(curves):
            _curve(axes, row, place, len(curves))
        if curves[0].published and curves[0].published.by_epoch:
            points = curves[0].published.by_epoch
            axes.plot(range(1, len(points) + 1), points, "x--", color=INK, linewidth=1, label="published")
        axes.set(xlabel="epoch", ylabel=text.plain(table.metric))
        axes.set_title(textwrap.fill(text.plain(f"{model} {variant}"), 64), loc="left")
        figure.legend(loc="outside lower center", ncols=4, fontsize="small")
        name = text.slug("curve", table.dataset, table.protocol, model, variant)
        title = f"Learning curves of {text.plain(model)} {text.plain(variant)}"
        last = (f"{_label(row)} {text.metric(row.curve[-1].mean)}" for row in curves)
        description = (
            f"{text.plain(table.metric)} by epoch on {text.plain(table.dataset)}; last epoch: {', '.join(last)}."
        )
        charts.append(chart_of(figure, name, table, title, description))
    return charts


def _references(axes: Axes, table: AccuracyTable) -> None:
    for row, style in zip((r for r in table.rows if r.role == "popularity" and r.primary), (":", "-."), strict=False):
        label = f"popularity, {text.plain(row.variant)}"
        axes.axhline(row.primary.mean, color=GREY, linestyle=style, linewidth=1.2, label=label)  # type: ignore[union-attr]


def _curve(axes: Axes, row: AccuracyRow, place: int, n_curves: int) -> None:
    """Curves take turns in marking epochs, so that those which agree can be told apart on one line."""
    epochs = [point.epoch for point in row.curve]
    colour = COLOURS.get(row.backend, GREY)
    style = "-" if row.mode == "compiled" else (0, (4, 1.5))
    means = [point.mean for point in row.curve]
    turns = (place % len(epochs), n_curves)
    marker = MARKERS.get(row.backend, "P")
    axes.plot(
        epochs, means, color=colour, linewidth=1.3, linestyle=style, marker=marker, markevery=turns, label=_label(row)
    )
    if len(row.seeds) > 1:
        axes.fill_between(epochs, [p.low for p in row.curve], [p.high for p in row.curve], color=colour, alpha=0.15)


def _throughput(table: ThroughputTable, taken: Counter[str]) -> Chart:
    rows = [row for row in table.rows if row.to_slowest]
    figure, axes = figure_of(1.3 + 0.38 * len(rows))
    places = list(range(len(rows)))
    for place, row in zip(places, rows, strict=True):
        spread = row.to_slowest
        assert spread is not None  # noqa: S101 - chosen above; the type checker cannot see it
        colour = COLOURS.get(row.backend, GREY)
        axes.barh(place, spread.median, color=colour, height=0.62, alpha=0.85 if row.mode == "compiled" else 0.55)
        axes.plot([spread.low, spread.high], [place, place], "|-", color=INK, linewidth=1.2, markersize=8)
        axes.annotate(text.ratio(spread.median), (spread.high, place), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(places, [_label(row) for row in rows])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.12)
    axes.set_xlim(left=0)
    axes.set(xlabel="samples/s as a ratio to the slowest: median, smallest and largest window")
    title = f"Training throughput of {text.plain(table.model)} {text.plain(table.variant)}"
    axes.set_title(textwrap.fill(title, 64), loc="left")
    parts = (f"{_label(row)} {text.both(row.to_slowest, text.ratio)}" for row in rows)
    words = (table.dataset, table.protocol, table.model, table.variant, table.device, str(table.threads))
    name = _numbered(text.slug("throughput", *words), taken)
    return chart_of(figure, name, table, title, f"Ratio to {table.slowest}: {', '.join(parts)}.")


def _retrieval(table: IndexTable, taken: Counter[str]) -> Chart:
    rows = [row for row in table.rows if _drawable(row)]
    figure, axes = figure_of(4.9)
    front = sorted(((r.recall, r.qps.median) for r in rows if r.on_front and r.qps), reverse=True)
    recalls, rates = zip(*front, strict=True)
    axes.plot(recalls, rates, color=INK, alpha=0.25, linewidth=7, solid_capstyle="round", label="Pareto front")
    for name, of_name in groupby(sorted(rows, key=lambda r: r.name), key=lambda r: r.name):
        _family(axes, text.plain(name), list(of_name))
    axes.set_yscale("log")
    axes.set(xlabel=text.plain(table.recall_metric), ylabel="queries per second")
    axes.yaxis.set_major_formatter(lambda value, _: text.rate(value))
    axes.yaxis.set_minor_formatter(lambda value, _: text.rate(value) if f"{value:e}"[0] in "25" else "")
    axes.margins(x=0.06, y=0.12)
    title = f"Index recall against queries per second, vectors of {text.plain(table.source)}"
    axes.set_title(textwrap.fill(title, 64), loc="left")
    figure.legend(loc="outside lower center", ncols=6, fontsize="small")
    best = (f"{_index(r)} {text.metric(r.recall)} at {text.median(r.qps, text.rate)}/s" for r in rows if r.on_front)
    source = table.source.replace(",", "").split()
    place = (table.dataset, table.protocol, *source, str(table.seed), table.device, str(table.threads))
    name = _numbered(text.slug("retrieval", *place), taken)
    return chart_of(figure, name, table, title, f"Pareto front: {'; '.join(best)}.")


def _numbered(name: str, taken: Counter[str]) -> str:
    """The same name whenever it is measured anew; several groups of one run are told apart by a number."""
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}-{taken[name]}"


def _family(axes: Axes, name: str, rows: Sequence[IndexRow]) -> None:
    """One line for each build of an index, from its least to its most exact query setting."""
    colour, marker = COLOURS.get(name, GREY), MARKERS.get(name, "P")
    for place, (_, of_build) in enumerate(groupby(sorted(rows, key=lambda r: r.build), key=lambda r: r.build)):
        points = [(r.recall or 0.0, r.qps.median, r.qps.low, r.qps.high) for r in of_build if r.qps]
        points.sort(key=lambda point: (point[0], -point[1]))
        recalls, medians, lows, highs = zip(*points, strict=True)
        errors = [[m - low for m, low in zip(medians, lows, strict=True)],
                  [high - m for m, high in zip(medians, highs, strict=True)]]  # fmt: skip
        axes.errorbar(
            recalls, medians, yerr=errors, color=colour, marker=marker, linewidth=1.4, capsize=2.5, elinewidth=1,
            markeredgewidth=0.8, label=name if place == 0 else None,
        )  # fmt: skip


def _item_map(table: ItemMapTable, row: ItemMap) -> Chart:
    figure, axes = figure_of(7.4)
    axes.set_axis_off()  # neither t-SNE's axes nor their units mean anything
    axes.set(xlim=(-1.03, 1.03), ylim=(-1.03, 1.03), aspect="equal")
    groups = _groups(row)
    for _, colour, items in sorted(groups, key=lambda group: -len(group[2])):  # small groups on top of large ones
        _dots(axes, [(row.x[item], row.y[item]) for item in items], colour)
    if row.categories:
        handles = [Line2D([], [], linestyle="", marker="o", color=colour) for _, colour, _ in groups]
        names = [textwrap.shorten(text.plain(name), 28, placeholder=" …") for name, _, _ in groups]
        figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize="small")
    source = text.plain(f"{row.model} {row.variant}, {_label(row)}")
    n_shown = f"{len(row.x):,}" + (f" of {row.n_items:,}" if row.n_items else "")
    title = f"Item vectors of {source} on {text.plain(table.dataset)}: {row.method} of {n_shown} items"
    axes.set_title(textwrap.fill(title, 64), loc="left")
    description = f"{title}."
    if row.share is not None:
        description += f" The nearest neighbour is of the same category for {text.percent(row.share)} of them, "
        description += f"by chance for {text.percent(row.chance)}."
    words = (row.model, row.variant, row.backend, row.mode, str(row.seed), row.device)
    return chart_of(figure, text.slug("items", table.dataset, table.protocol, *words), table, title, description)


def _groups(row: ItemMap) -> list[tuple[str, str, list[int]]]:
    """Name, colour and items of the most frequent categories, and of all others together."""
    if not row.categories:
        return [("", _CATEGORY_COLOURS[0], list(range(len(row.x))))]
    items_of: dict[int, list[int]] = {}
    for item, code in enumerate(row.category):
        items_of.setdefault(code, []).append(item)
    frequent = sorted(items_of.items(), key=lambda group: (-len(group[1]), group[0]))
    named = zip(frequent, _CATEGORY_COLOURS, strict=False)
    groups = [(row.categories[code], colour, items) for (code, items), colour in named]
    others = [item for _, items in frequent[len(_CATEGORY_COLOURS) :] for item in items]
    return [*groups, ("other", GREY, others)] if others else groups


def _dots(axes: Axes, places: Sequence[tuple[float, float]], colour: str) -> None:
    """All dots as one path: lines of no length with round ends, a third of the bytes of as many markers.

    A bitmap in their place takes no fewer, and the page's policy would not let a browser show it.
    """
    path = Path([place for place in places for _ in range(2)], [Path.MOVETO, Path.LINETO] * len(places))
    path.should_simplify = False  # which would leave out lines of no length
    axes.add_patch(PathPatch(path, fill=False, edgecolor=colour, linewidth=4, capstyle="round", alpha=0.8))


def _drawable(row: IndexRow) -> bool:
    return row.recall is not None and row.qps is not None


def _label(row: AccuracyRow | ThroughputRow | ItemMap) -> str:
    return text.plain(f"{row.backend} {row.mode}")


def _index(row: IndexRow) -> str:
    return text.plain(" ".join(part for part in (row.name, row.build, row.query) if part))
