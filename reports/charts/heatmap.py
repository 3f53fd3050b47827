"""Speed-up over PyTorch eager as a picture of its own, for a README: the site has a table that can be read aloud."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from reports.charts import text
from reports.charts.drawing import Chart, as_table, chart_of, figure_of
from reports.tables.front import Front

_STEPS = LinearSegmentedColormap.from_list("speed-up", ["#e08a3c", "#f4f5f7", "#5b97dc"])
_LIMIT = 3.0  # powers of two: at 8 and 1/8 the colours are at their ends


def draw(front: Front) -> Chart | None:
    """Models by framework and mode; None where nothing was timed beside PyTorch eager."""
    rows = [timing for timing in front.timings if timing.has_baseline]
    if not rows:
        return None
    figure, axes = figure_of(1.5 + 0.34 * len(rows), 10.6)
    ratios = np.full((len(rows), len(front.contestants)), np.nan)
    for line, timing in enumerate(rows):
        for place, contestant in enumerate(front.contestants):
            row = timing.row(contestant)
            if row and row.to_torch_eager:
                ratios[line, place] = row.to_torch_eager.median
    with np.errstate(divide="ignore"):
        shades = np.clip(np.log2(ratios), -_LIMIT, _LIMIT)
    axes.pcolormesh(shades, cmap=_STEPS, vmin=-_LIMIT, vmax=_LIMIT, edgecolors="#ffffff", linewidth=1.5)
    for (line, place), ratio in np.ndenumerate(ratios):
        words = text.MISSING if math.isnan(ratio) else text.times(ratio)
        best = not math.isnan(ratio) and ratio == np.nanmax(ratios[line])
        axes.text(place + 0.5, line + 0.5, words, ha="center", va="center", fontweight="bold" if best else "normal")
    heads = [f"{text.framework(backend)}\n{mode}" for backend, mode in front.contestants]
    axes.set_xticks(np.arange(len(heads)) + 0.5, heads)
    names = [text.drawn(f"{t.table.model} {t.table.variant} · {t.table.dataset}") for t in rows]
    axes.set_yticks(np.arange(len(rows)) + 0.5, names)
    axes.invert_yaxis()
    as_table(axes)
    title = "Training speed-up over PyTorch eager"
    axes.set_title(title, loc="left", pad=14)
    said = (f"{name}: {_fastest(ratios[line], front)}" for line, name in enumerate(names))
    return chart_of(figure, "heat-map", front, title, f"{title}; fastest of each model: {'; '.join(said)}.")


def _fastest(ratios: np.ndarray, front: Front) -> str:
    place = int(np.nanargmax(ratios))
    backend, mode = front.contestants[place]
    return f"{text.framework(backend)} {mode} {text.times(float(ratios[place]))}"
