"""The page of a gate's proof: how often it is wrong on a machine, and how often it finds what is planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
import numpy as np

from benchmarks.gate import MOST_PAIRS, proof
from benchmarks.gate.plants import DUE, NOTHING, PLANTS
from benchmarks.gate.proof import Comparison, Rate
from reports.charts import proof as drawing
from reports.charts import text
from reports.charts.drawing import STYLE, Chart
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


@dataclass(frozen=True)
class CostRow:
    """What a gate of code that has not changed spends on a cell, or on all of a suite's, in seconds.

    Attributes:
        suite, cell: its name; "all of them" in a suite's last row.
        pair: that a pair of processes takes.
        pairs: that the figure takes which takes the most, on average.
        usual: of so many pairs.
        most: of as many as a gate takes at most, where each stays undecided.
    """

    suite: str
    cell: str
    pair: float
    pairs: float | None
    usual: float
    most: float


@dataclass(frozen=True)
class Section:
    """What was measured on a machine that had nothing else to do, or on one that had."""

    due: list[RateRow]
    quiet: list[RateRow]
    charts: list[Chart]
    load: str


def write(folder: Path, found: Sequence[Comparison]) -> Path:
    """Writes the page beside the comparisons, and returns its path."""
    return shell.write(folder / FILE, page(found))


def page(found: Sequence[Comparison]) -> str:
    """HTML of comparisons, at least one."""
    quiet, busy = ([one for one in found if one.is_busy is is_busy] for is_busy in (False, True))
    return shell.render(
        "proof.html.j2",
        ["site.css"],
        ["site.js"],
        quiet=_section(quiet, "gate-proof"),
        busy=_section(busy, "gate-proof-busy") if busy else None,
        costs=_cost_rows(quiet),
        cells=_cell_rows(found),
        n=len(found),
        most=MOST_PAIRS,
        busy_from=proof.BUSY,
        suites=sorted({one.suite for one in found}),
        machines=sorted({one.machine for one in found}),
        commits=sorted({one.commit or "unknown" for one in found}),
    )


def _section(found: Sequence[Comparison], name: str) -> Section:
    rates = proof.rates(found)
    with matplotlib.style.context(STYLE, after_reset=True):  # a user's own matplotlibrc must not show
        chart = drawing.draw(rates, name)
    loads = [one.load for one in found if one.load is not None]
    return Section(
        [_row(rate) for rate in rates if rate.place == DUE],
        [_row(rate) for rate in rates if rate.place != DUE],
        [chart] if chart else [],
        f"{np.median(loads):.2f} (nine of ten below {np.quantile(loads, 0.9):.2f})" if loads else "",
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


def _cost_rows(found: Sequence[Comparison]) -> list[CostRow]:
    """A row a cell and one a suite, of those comparisons of the same code that say how long they took."""
    of: dict[str, dict[str, list[Comparison]]] = {}
    for one in found:
        if one.plant == NOTHING and one.seconds is not None:
            of.setdefault(one.suite, {}).setdefault(one.cell, []).append(one)
    rows = []
    for suite, cells in sorted(of.items()):
        own = [_cost_row(suite, cell, of_cell) for cell, of_cell in sorted(cells.items())]
        usual, most = sum(row.usual for row in own), sum(row.most for row in own)
        rows += [*own, CostRow(suite, "all of them", sum(row.pair for row in own), None, usual, most)]
    return rows


def _cost_row(suite: str, cell: str, found: Sequence[Comparison]) -> CostRow:
    pair = float(np.mean([one.seconds for one in found]))
    pairs = max(
        float(np.mean([one.pairs for one in found if one.figure == figure])) for figure in {one.figure for one in found}
    )
    return CostRow(suite, cell, pair, pairs, pairs * pair, MOST_PAIRS * pair)


def _cell_rows(found: Sequence[Comparison]) -> list[CellRow]:
    of: dict[tuple[str, bool, str, str], list[Comparison]] = {}
    for one in found:
        if one.plant in _FIGURE and (one.place == DUE or one.plant == NOTHING):  # and not what an older gate planted
            of.setdefault((one.plant, one.is_busy, one.cell, one.figure), []).append(one)
    order = [plant.name for plant in PLANTS]
    rows = sorted(of.items(), key=lambda row: (order.index(row[0][0]), row[0][1:]))
    return [
        CellRow(
            f"{plant}, on a busy machine" if is_busy else plant,
            cell,
            figure,
            ", ".join(f"{n} × {verdict}" for verdict, n in Counter(one.verdict for one in own).most_common()),
            f"{np.exp(np.mean(np.log([one.ratio for one in own]))):.3f}",
        )
        for (plant, is_busy, cell, figure), own in rows
    ]
