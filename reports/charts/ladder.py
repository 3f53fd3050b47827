"""Pictures of the ladder: who holds on which rung, and how training moves away from the reference step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from reports.charts import text
from reports.charts.drawing import COLOURS, GREY, Chart, Place, as_table, chart_of, figure_of, legend
from reports.charts.svg import INK
from reports.tables.agreement import LadderRow, RungRow, count

_STEPS = 40  # of a training's divergence are drawn
_READINGS = 4  # of them can be read off
_COLUMNS = 4
_LEVELS = (  # how much of its tolerance a rung takes up, and its colour
    (0.0, "nothing", "#d6ece5"),
    (0.1, "up to 10 %", "#8fcdb8"),
    (0.5, "up to half", "#2f9e7c"),
    (1.0, "up to all of it", "#b88400"),
    (math.inf, "breaks", "#d9541e"),
)


def draw(rows: Sequence[LadderRow], rungs: Sequence[RungRow]) -> list[Chart]:
    """A heat map of models, frameworks and rungs, and a panel of divergences for each variant of a model."""
    charts = [_heat_map(rows)] if any(row.shares for row in rows) else []
    if any(row.divergence for row in rows):
        charts.append(_divergences(rows, sorted({rung.tolerance for rung in rungs if rung.rung == "trajectory"})))
    return charts


def _heat_map(rows: Sequence[LadderRow]) -> Chart:
    models = sorted({row.model for row in rows})
    rungs = list(dict.fromkeys(rung for row in rows for rung, _ in row.shares))
    adapters = sorted({(row.backend, row.mode, row.device) for row in rows})
    figure, axes = figure_of(1.9 + 0.26 * len(models), 11)
    squares: dict[str, list[tuple[float, float]]] = {}
    readings = []
    for (adapter, model, rung), (share, variant) in _largest_shares(rows).items():
        left = rungs.index(rung) * (len(adapters) + 0.8) + adapters.index(adapter)
        top = models.index(model)
        squares.setdefault(_colour(share), []).append((left, top))
        words = f"{_adapter(*adapter)}, {model} {variant}, {rung}: {_share(share)}"
        readings.append(Place(axes, text.plain(words), [left + 0.5], [top + 0.5]))
    for colour, places in squares.items():
        axes.add_patch(PathPatch(_squares(places), facecolor=colour, linewidth=0))
    middles = [place * (len(adapters) + 0.8) + len(adapters) / 2 for place in range(len(rungs))]
    axes.set(xlim=(-0.2, len(rungs) * (len(adapters) + 0.8)), ylim=(len(models), 0))
    axes.set_xticks(middles, [text.drawn(rung) for rung in rungs])
    axes.set_yticks([place + 0.5 for place in range(len(models))], [text.drawn(model) for model in models])
    as_table(axes)
    handles = [Patch(color=colour) for _, _, colour in _LEVELS]
    legend(figure, handles, [name for _, name, _ in _LEVELS])
    columns = ", ".join(_adapter(*adapter) for adapter in adapters)
    title = "How much of its tolerance each rung of the ladder takes up"
    description = f"The largest of all variants and climbs of a model. Columns within a rung: {columns}. "
    n_held, n_able, fell = count(rows)
    description += f"{n_held} of {n_able} adapters and modes hold to the last rung{f'; {fell}' * bool(fell)}."
    figure.suptitle(f"{title}\nwithin a rung: {columns}", x=0.01, ha="left", fontsize=9)
    return chart_of(figure, "ladder-rungs", rows, title, description, places=readings)


def _largest_shares(rows: Sequence[LadderRow]) -> dict[tuple[tuple[str, str, str], str, str], tuple[float, str]]:
    """Adapter, model and rung -> the largest share of any of the model's variants, and which that is."""
    largest: dict[tuple[tuple[str, str, str], str, str], tuple[float, str]] = {}
    for row in rows:
        for rung, share in row.shares:
            key = ((row.backend, row.mode, row.device), row.model, rung)
            largest[key] = max(largest.get(key, (share, row.variant)), (share, row.variant))
    return largest


def _families(rows: Sequence[LadderRow]) -> list[tuple[str, str]]:
    return sorted({(row.model, row.variant) for row in rows})


def _adapter(backend: str, mode: str, device: str) -> str:
    return text.drawn(f"{backend} {mode}" + ("" if device == "cpu" else f" {device}"))


def _share(share: float) -> str:
    return "breaks" if math.isinf(share) else f"{100 * share:.2g} %"


def _colour(share: float) -> str:
    return next(colour for limit, _, colour in _LEVELS if share <= limit)


def _squares(places: Sequence[tuple[float, float]]) -> Path:
    """All squares of one colour as one path: a fraction of the bytes of as many patches."""
    corners = ((0.06, 0.08), (0.94, 0.08), (0.94, 0.92), (0.06, 0.92), (0.06, 0.08))
    points = [(left + x, top + y) for left, top in places for x, y in corners]
    return Path(points, [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY] * len(places))


def _divergences(rows: Sequence[LadderRow], tolerances: Sequence[float]) -> Chart:
    drawn = [row for row in rows if row.divergence]
    families = _families(drawn)
    n_lines = math.ceil(len(families) / _COLUMNS)
    figure = Figure(figsize=(11, 0.9 + 1.75 * n_lines), layout="constrained")
    panels = figure.subplots(n_lines, _COLUMNS, sharey=True, squeeze=False).ravel()
    readings = []
    for axes, family in zip(panels, families, strict=False):
        readings += _panel(axes, family, [row for row in drawn if (row.model, row.variant) == family])
        for tolerance in tolerances:
            axes.axhline(tolerance, color=INK, linestyle=":", linewidth=1)
    for axes in panels[len(families) :]:
        axes.set_visible(False)
    adapters = sorted({(row.backend, row.mode, row.device) for row in drawn})
    handles = [Line2D([], [], **_line(backend, mode)) for backend, mode, _ in adapters]
    handles.append(Line2D([], [], color=INK, linestyle=":"))
    legend(figure, handles, [*(_adapter(*adapter) for adapter in adapters), "tolerance"])
    title = "Divergence from the float64 reference: the largest relative difference of the losses, by step"
    figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    worst = (f"{' '.join(family)} {text.small(largest)}" for family, largest in _largest(drawn))
    description = f"Largest of all: {', '.join(worst)}."
    return chart_of(figure, "ladder-divergence", rows, title, description, places=readings)


def _panel(axes: Axes, family: tuple[str, str], rows: Sequence[LadderRow]) -> list[Place]:
    readings = []
    for row in sorted(rows, key=lambda row: (row.backend, row.mode)):
        every = max(1, len(row.divergence) // _STEPS)
        steps = range(0, len(row.divergence), every)
        axes.plot(
            [step + 1 for step in steps], [row.divergence[step] for step in steps], **_line(row.backend, row.mode)
        )
        name = f"{_adapter(row.backend, row.mode, row.device)}, {' '.join(family)}"
        for step in range(len(row.divergence) - 1, -1, -max(1, len(row.divergence) // _READINGS)):
            words = f"{name}, step {step + 1}: {text.small(row.divergence[step])}"
            readings.append(Place(axes, text.plain(words), [step + 1], [row.divergence[step]]))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: text.power(value))
    axes.set_title(text.drawn(" ".join(family)), fontsize="small")
    axes.tick_params(labelsize="x-small")
    return readings


def _line(backend: str, mode: str) -> dict[str, Any]:
    return {
        "color": COLOURS.get(backend, GREY),
        "linestyle": "-" if mode == "compiled" else (0, (4, 1.5)),
        "linewidth": 1.1,
    }


def _largest(rows: Sequence[LadderRow]) -> Iterator[tuple[tuple[str, str], float]]:
    for family in _families(rows):
        yield family, max(row.divergence[-1] for row in rows if (row.model, row.variant) == family)
