"""What a gate's proof has found as a picture: how often a slow-down is found, by how much slower it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.gate.plants import DUE, NOTHING, PLANTS
from benchmarks.gate.proof import Rate
from reports.charts import text
from reports.charts.drawing import COLOURS, PHONE, Chart, Place, chart_of, figure_of

_SLOWER = {plant.name: plant.slower for plant in PLANTS if plant.slower or plant.name == NOTHING}


def draw(rates: Sequence[Rate], name: str) -> Chart | None:
    """The share of comparisons that say so, with its 95 % interval, by the planted slow-down.

    At 0 % stand the false alarms. None where no slow-down was planted.

    Args:
        rates: as `proof.rates` gives them.
        name: of the chart on its page.
    """
    told = (rate for rate in rates if rate.n and (rate.place == DUE or rate.plant == NOTHING))
    shown = [(_SLOWER[rate.plant], rate) for rate in told if rate.plant in _SLOWER]  # in the order of PLANTS: rising
    if len(shown) < 2:
        return None
    x = np.array([100 * share for share, _ in shown])
    y = np.array([100 * rate.said / rate.n for _, rate in shown])
    ends = 100 * np.array([rate.interval for _, rate in shown]).T
    figure, axes = figure_of(3.0, PHONE)
    axes.errorbar(x, y, np.abs(ends - y), color=COLOURS["paddle"], marker="o", markersize=5, linewidth=1.2, capsize=3)
    axes.set(xlabel="% of the speed taken away", ylabel="% called worse", ylim=(-3, 103))
    axes.set_xticks(x)
    title = "How often a slow-down is found (at 0 %: false alarms)"
    axes.set_title(title, loc="left", fontsize="medium")
    words = [f"{at:g} % slower: {_in_words(rate)}" for at, (_, rate) in zip(x, shown, strict=True)]
    places = [Place(axes, label, [at], [value]) for label, at, value in zip(words, x, y, strict=True)]
    return chart_of(figure, name, shown, title, f"{title}. {'; '.join(words)}.", places=places)


def _in_words(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.said} of {rate.n} ({text.percent(low)} to {text.percent(high)})"
