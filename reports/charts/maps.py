"""Maps of item vectors to pictures: a dot an item, a colour a category."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from reports.charts import text
from reports.charts.drawing import GREY, PALETTE, Chart, Place, chart_of, figure_of, legend, title
from reports.tables.maps import ItemMap, ItemMapTable


def draw(table: ItemMapTable, row: ItemMap) -> Chart:
    """The map of one model; what can be asked of a dot is its category."""
    figure, axes = figure_of(5.8)
    axes.set_axis_off()  # neither t-SNE's axes nor their units mean anything
    axes.set(xlim=(-1.03, 1.03), ylim=(-1.03, 1.03), aspect="equal")
    groups = _groups(row)
    for _, colour, items in sorted(groups, key=lambda group: -len(group[2])):  # small groups on top of large ones
        _dots(axes, [(row.x[item], row.y[item]) for item in items], colour)
    if row.categories:
        handles = [Line2D([], [], linestyle="", marker="o", color=colour) for _, colour, _ in groups]
        names = [textwrap.shorten(text.plain(name), 28, placeholder=" …") for name, _, _ in groups]
        legend(figure, handles, names)
    source = text.drawn(f"{row.model} {row.variant}, {row.backend} {row.mode}")
    n_shown = f"{len(row.x):,}" + (f" of {row.n_items:,}" if row.n_items else "")
    words = f"Item vectors of {source} on {text.drawn(table.dataset)}: {row.method} of {n_shown} items"
    title(axes, words)
    description = f"{words}."
    if row.share is not None:
        description += f" The nearest neighbour is of the same category for {text.percent(row.share)} of them, "
        description += f"by chance for {text.percent(row.chance)}."
    of = (row.model, row.variant, row.backend, row.mode, str(row.seed), row.device)
    name = text.slug("items", table.dataset, table.protocol, *of)
    places = [Place(axes, label, *zip(*at, strict=True)) for label, at in _places(row).items()]
    return chart_of(figure, name, table, words, description, model=row.model, places=places)


def _places(row: ItemMap) -> dict[str, list[tuple[float, float]]]:
    """Where the items of each category lie, also of those that have no colour of their own."""
    at: dict[str, list[tuple[float, float]]] = {}
    for item in range(len(row.x)):
        label = text.plain(row.categories[row.category[item]]) if row.categories else "item"
        at.setdefault(label, []).append((row.x[item], row.y[item]))
    return at


def _groups(row: ItemMap) -> list[tuple[str, str, list[int]]]:
    """Name, colour and items of the most frequent categories, and of all others together."""
    if not row.categories:
        return [("", PALETTE[0], list(range(len(row.x))))]
    items_of: dict[int, list[int]] = {}
    for item, code in enumerate(row.category):
        items_of.setdefault(code, []).append(item)
    frequent = sorted(items_of.items(), key=lambda group: (-len(group[1]), group[0]))
    named = zip(frequent, PALETTE, strict=False)
    groups = [(row.categories[code], colour, items) for (code, items), colour in named]
    others = [item for _, items in frequent[len(PALETTE) :] for item in items]
    return [*groups, ("other", GREY, others)] if others else groups


def _dots(axes: Axes, places: Sequence[tuple[float, float]], colour: str) -> None:
    """All dots as one path: lines of no length with round ends, a third of the bytes of as many markers.

    A bitmap in their place takes no fewer, and the page's policy would not let a browser show it.
    """
    path = Path([place for place in places for _ in range(2)], [Path.MOVETO, Path.LINETO] * len(places))
    path.should_simplify = False  # which would leave out lines of no length
    axes.add_patch(PathPatch(path, fill=False, edgecolor=colour, linewidth=3.4, capstyle="round", alpha=0.8))
