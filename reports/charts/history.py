"""The gates of a machine as pictures: each figure of a cell over the gates, and where it has changed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from benchmarks.gate.history import Series
from reports.charts import text
from reports.charts.drawing import GREY, PALETTE, PHONE, Chart, Place, chart_of, figure_of, legend

_MARKERS = ("o", "s", "^", "D", "v")


def draw(cell: str, of_cell: Sequence[Series]) -> Chart:
    """One picture of a cell: each figure as a part of what it was in the first gate.

    Args:
        cell: its line.
        of_cell: its series of one machine and suite, at least one.
    """
    figure, axes = figure_of(3.2, PHONE)
    places = []
    for turn, one in enumerate(of_cell):
        numbers = list(range(1, len(one.values) + 1))
        parts = [value / one.values[0] if one.values[0] else 1.0 for value in one.values]
        colour, marker = PALETTE[turn % len(PALETTE)], _MARKERS[turn % len(_MARKERS)]
        axes.plot(numbers, parts, color=colour, marker=marker, markersize=4, linewidth=1.2, label=one.figure)
        places += [
            Place(axes, f"{one.figure}, gate {number}, {gate.at}: {part:.3f} of the first", [number], [part])
            for number, part, gate in zip(numbers, parts, one.gates, strict=True)
        ]
        for change in one.changes:
            axes.axvline(change.place + 0.5, color=colour, linestyle=":", linewidth=1.2)
    axes.axhline(1.0, color=GREY, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.margins(x=0.06, y=0.12)
    axes.set(xlabel="gate", ylabel="as a part of the first gate's")
    axes.set_title(textwrap.fill(text.drawn(cell), 46), loc="left", fontsize="medium")
    legend(figure, *axes.get_legend_handles_labels())
    n = sum(len(one.changes) for one in of_cell)
    said = f"{cell}: {len(of_cell)} figures over {len(of_cell[0].values)} gates, {n} changes."
    return chart_of(figure, text.slug("history", of_cell[0].machine, cell), cell, cell, said, places=places)
