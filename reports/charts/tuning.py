"""Searches of settings as pictures: the best so far by trial, and for each setting the metric by its value."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.records.kinds import Drawn
from reports.charts import text
from reports.charts.drawing import COLOURS, PALETTE, PHONE, Chart, Place, chart_of, figure_of, legend
from reports.charts.svg import INK
from reports.tables.tuning import Search, SearchTable, Setting, TrialRow, in_words, shown

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # as many as make of the palette's colours no two that look alike
_DOT, _CHOSEN = COLOURS["paddle"], COLOURS["torch"]
_PANEL = 1.75  # inches
_LEAST = 2  # trials with a metric below which a picture by value shows nothing
_LONGEST_TICK = 11
_MANY_CHOICES = 4  # from which labels are too close to each other to stand upright
_BETWEEN = {10: "25", 30: "3"}  # times the smallest value that the largest is: digits of ticks between powers of ten


def draw(table: SearchTable) -> list[Chart]:
    """The best so far of all models in one picture, then a picture of each search's settings."""
    drawn = [search for search in table.searches if search.so_far]
    judged = (search for search in drawn if search.settings and len(_judged(search)) >= _LEAST)
    return [_best_so_far(table, drawn), *(_by_value(table, search) for search in judged)] if drawn else []


def _best_so_far(table: SearchTable, searches: Sequence[Search]) -> Chart:
    figure, axes = figure_of(3.4, PHONE)
    places = [place for turn, search in enumerate(searches) for place in _line(axes, search, turn, searches)]
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.margins(x=0.04, y=0.08)
    axes.set(xlabel="trial", ylabel=f"best {text.drawn(table.metric)} so far, validation")
    words = f"Best settings so far by trial, {text.drawn(table.dataset)}, {text.drawn(table.protocol)}"
    axes.set_title(textwrap.fill(words, 46), loc="left", fontsize="medium")
    legend(figure, *axes.get_legend_handles_labels())
    said = "; ".join(f"{text.plain(_label(one, searches))} {_in_short(one)}" for one in searches)
    name = text.slug("tuning-best", table.dataset, table.protocol)
    return chart_of(figure, name, table, words, f"{words}: {said}.", places=places)


def _line(axes: Axes, search: Search, turn: int, searches: Sequence[Search]) -> list[Place]:
    """A step a trial, marked where it was better than all before it."""
    numbers, best = zip(*search.so_far, strict=True)
    better = [place for place, value in enumerate(best) if place == 0 or value > best[place - 1]]
    colour, marker = PALETTE[turn % len(PALETTE)], _MARKERS[turn % len(_MARKERS)]
    label = _label(search, searches)
    axes.plot(
        numbers, best, color=colour, linewidth=1.5, drawstyle="steps-post", marker=marker, markersize=5,
        markevery=better, label=text.drawn(label),
    )  # fmt: skip
    return [
        Place(axes, f"{text.plain(label)}, trial {number}: best so far {text.metric(value)}", [number], [value])
        for number, value in search.so_far
    ]


def _label(search: Search, searches: Sequence[Search]) -> str:
    """As little of its name as tells it from the others."""
    alike = [one for one in searches if one.model == search.model]
    if len(alike) == 1:
        return search.model
    backend = f", {search.backend}" if len({one.backend for one in alike}) > 1 else ""
    return search.name + backend


def _in_short(search: Search) -> str:
    return f"{text.metric(search.best.metric)} at trial {search.best.number}" if search.best else ""


def _judged(search: Search) -> list[TrialRow]:
    return [trial for trial in search.trials if trial.metric is not None]


def _by_value(table: SearchTable, search: Search) -> Chart:
    """A panel a setting, all of one height: the metric of each trial by the value that it has drawn."""
    n_rows = (len(search.settings) + 1) // 2
    figure = Figure(figsize=(PHONE, 0.9 + _PANEL * n_rows), layout="constrained")
    places = []
    beside: Axes | None = None
    for place, setting in enumerate(search.settings):
        axes = figure.add_subplot(n_rows, min(2, len(search.settings)), place + 1, sharey=beside)
        beside = beside or axes
        places += _panel(axes, search, setting)
        axes.set_xlabel("\n".join(textwrap.wrap(text.drawn(setting.name), 26)))
        axes.tick_params(axis="x", labelsize="small")
        axes.tick_params(axis="y", labelleft=place % 2 == 0)
    figure.supylabel(f"{text.drawn(search.metric)}, validation", fontsize="medium")
    words = f"What each setting came to: {text.drawn(search.name)}, {text.drawn(search.backend)}"
    figure.suptitle(textwrap.fill(words, 46), x=0.02, ha="left", fontsize="medium", fontweight="bold")
    _explain(figure, beside, search)
    of = (search.model, search.variant, search.backend, search.told_apart)
    name = text.slug("tuning-settings", table.dataset, table.protocol, *filter(None, of))
    best = f" Chosen: {text.plain(_said(search, search.best))}." if search.best else ""
    lost = f" {search.n_failed} failed and have no dot." if search.n_failed else ""
    description = f"{words}, on {text.plain(table.dataset)}: {len(_judged(search))} trials.{best}{lost}"
    return chart_of(figure, name, table, words, description, model=search.model, places=places)


def _panel(axes: Axes, search: Search, setting: Setting) -> list[Place]:
    """Pruned trials are hollow; the chosen one lies on top of the others."""
    trials = [trial for trial in _judged(search) if setting.name in trial.drawn]
    at = _scale(axes, setting, [trial.drawn[setting.name] for trial in trials])
    places = []
    for trial in sorted(trials, key=lambda trial: trial == search.best):
        x, y = at[_key(trial.drawn[setting.name])], trial.metric
        assert y is not None  # noqa: S101 - judged ones have one; the type checker cannot see it
        axes.plot([x], [y], linestyle="", **_look(trial, search))
        places.append(Place(axes, text.plain(_said(search, trial)), [x], [y]))
    axes.margins(x=0.1, y=0.1)
    return places


def _look(trial: TrialRow, search: Search) -> dict[str, Any]:
    if trial == search.best:
        return {"marker": "D", "markersize": 8, "color": _CHOSEN, "markeredgecolor": INK}
    face = "none" if trial.ended == "pruned" else _DOT
    return {"marker": "o", "markersize": 5, "markerfacecolor": face, "markeredgecolor": _DOT}


def _said(search: Search, trial: TrialRow) -> str:
    """A trial in words, with all its settings."""
    ended = "" if trial.ended == "complete" else f", {trial.ended}"
    return f"trial {trial.number}: {search.metric} {text.metric(trial.metric)}{ended}; {in_words(trial.drawn)}"


def _key(value: Drawn) -> tuple[bool, Drawn]:
    """True is no 1."""
    return isinstance(value, bool), value


def _scale(axes: Axes, setting: Setting, values: Sequence[Drawn]) -> Mapping[tuple[bool, Drawn], float]:
    """Where each value stands: choices side by side, numbers at what they are."""
    if setting.choices or any(isinstance(value, bool | str) for value in values):
        keys = list(dict.fromkeys(map(_key, (*setting.choices, *values))))
        crowded = len(keys) >= _MANY_CHOICES
        names = [textwrap.shorten(text.plain(shown(value)), _LONGEST_TICK, placeholder="…") for _, value in keys]
        axes.set_xticks(range(len(keys)), names, rotation=30 if crowded else 0, ha="right" if crowded else "center")
        axes.set_xlim(-0.5, len(keys) - 0.5)
        return {key: float(place) for place, key in enumerate(keys)}
    at = {_key(value): float(value) for value in values}
    if setting.is_log and min(at.values(), default=0) > 0:
        _in_powers(axes, list(at.values()))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=all(isinstance(value, int) for value in values)))
        axes.xaxis.set_major_formatter(lambda value, _: text.tick(value))
    return at


def _in_powers(axes: Axes, values: Sequence[float]) -> None:
    axes.set_xscale("log")
    labelled = next((digits for times, digits in _BETWEEN.items() if max(values) <= times * min(values)), "")
    axes.tick_params(axis="x", which="minor", labelbottom=True, labelsize="small", length=3.5, pad=3.5)
    axes.xaxis.set_major_formatter(lambda value, _: text.tick(value))
    axes.xaxis.set_minor_formatter(lambda value, _: text.tick(value) if f"{value:e}"[0] in labelled else "")


def _explain(figure: Figure, axes: Axes | None, search: Search) -> None:
    """What the marks mean, of those that there are."""
    if axes is None:
        return
    looks = {"chosen": search.best}
    for trial in _judged(search):
        if trial != search.best:
            looks.setdefault("pruned" if trial.ended == "pruned" else "other trials", trial)
    handles = [axes.plot([], [], linestyle="", **_look(trial, search))[0] for trial in looks.values() if trial]
    legend(figure, handles, [name for name, trial in looks.items() if trial])
