"""The page of a gate's proof: how often it is wrong on a machine, and how often it finds what is planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
import numpy as np

from benchmarks.gate import proof
from benchmarks.gate.plants import DUE, NOTHING, PLANTS
from benchmarks.gate.proof import Comparison, Rate
from reports.charts import proof as drawing
from reports.charts import text
from reports.charts.drawing import STYLE
from reports.pages import shell

FILE = "proof.html"
_FIGURE = {plant.name: plant.figure for plant in PLANTS}


@dataclass(frozen=True)
class RateRow:
    """A rate in words; `figure` is where it has to show, "" where nothing is to be said."""

    plant: str
    figure: str
    said: str
    share: str
    interval: str
    undecided: int
    pairs: str


@dataclass(frozen=True)
class CellRow:
    """What was said of one figure of one cell where something is due, or of the same code."""

    plant: str
    cell: str
    figure: str
    said: str
    ratio: str


def write(folder: Path, found: Sequence[Comparison]) -> Path:
    """Writes the page beside the comparisons, and returns its path."""
    return shell.write(folder / FILE, page(found))


def page(found: Sequence[Comparison]) -> str:
    """HTML of comparisons, at least one."""
    rates = proof.rates(found)
    with matplotlib.style.context(STYLE, after_reset=True):  # a user's own matplotlibrc must not show
        chart = drawing.draw(rates)
    loads = [one.load for one in found if one.load is not None]
    return shell.render(
        "proof.html.j2",
        ["site.css"],
        ["site.js"],
        charts=[chart] if chart else [],
        due=[_row(rate) for rate in rates if rate.place == DUE],
        quiet=[_row(rate) for rate in rates if rate.place != DUE],
        cells=_cell_rows(found),
        n=len(found),
        suites=sorted({one.suite for one in found}),
        machines=sorted({one.machine for one in found}),
        commits=sorted({one.commit or "unknown" for one in found}),
        load=f"{np.median(loads):.2f} (nine of ten below {np.quantile(loads, 0.9):.2f})" if loads else "",
    )


def _row(rate: Rate) -> RateRow:
    low, high = rate.interval
    pairs = f"{np.median(rate.pairs):g} ({np.quantile(rate.pairs, 0.9):g})" if rate.pairs else text.MISSING
    return RateRow(
        plant="nothing: the same code twice" if rate.plant == NOTHING else rate.plant,
        figure=_FIGURE[rate.plant] if rate.place == DUE else "",
        said=f"{rate.said} of {rate.n}",
        share=f"{rate.said / rate.n:.1%}" if rate.n else text.MISSING,
        interval=f"{low:.1%} – {high:.1%}",
        undecided=rate.undecided,
        pairs=pairs,
    )


def _cell_rows(found: Sequence[Comparison]) -> list[CellRow]:
    of: dict[tuple[str, str, str], list[Comparison]] = {}
    for one in found:
        if one.plant in _FIGURE and (one.place == DUE or one.plant == NOTHING):  # and not what an older gate planted
            of.setdefault((one.plant, one.cell, one.figure), []).append(one)
    order = [plant.name for plant in PLANTS]
    rows = sorted(of.items(), key=lambda row: (order.index(row[0][0]), row[0][1:]))
    return [
        CellRow(
            plant,
            cell,
            figure,
            ", ".join(f"{n} × {verdict}" for verdict, n in Counter(one.verdict for one in own).most_common()),
            f"{np.exp(np.mean(np.log([one.ratio for one in own]))):.3f}",
        )
        for (plant, cell, figure), own in rows
    ]
