"""The front page: the answers first, each linked to its evidence, and what is left under "Details"."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import matplotlib.style

from backends.registry import BACKENDS, FRAMEWORKS
from benchmarks.agreement.verdict import said
from reports.charts import dots, heatmap, recall, text
from reports.charts.drawing import STYLE, Chart
from reports.pages import answer_cards, links, shell
from reports.pages.badges import badges
from reports.tables import front as facts
from reports.tables.answers import RECALL
from reports.tables.catalogues import Catalogue
from reports.tables.front import Front, Line, Scores, Timing
from reports.tables.leaderboard import Leaderboards
from reports.tables.overview import OverviewRow

if TYPE_CHECKING:
    from reports.pages.site import Run

_ROOT = Path(__file__).resolve().parents[2]
_STEEPEST = 6  # shades to each side of no difference: half a power of two each
_FILES = (("CSV", "leaderboard.csv"), ("Parquet", "leaderboard.parquet"))
_COUNTED = {  # a badge -> its words on the trust strip, the table of its parts, and the block of the page with that
    "agreement": ("models whose frameworks agree", "verdicts", "Verdicts"),
    "ladder": ("adapters match the reference", "ladder", "The agreement ladder"),
    "mutants-ladder": ("mutants caught by the ladder", "mutants", "Mutants"),
    "mutants-tests": ("mutants caught by the tests", "mutants", "Mutants"),
}


class Page(Protocol):
    """A page of the site, as the bar of links needs it."""

    @property
    def file(self) -> str: ...
    @property
    def short(self) -> str: ...
    @property
    def title(self) -> str: ...


@dataclass(frozen=True)
class _Ran:
    """One results folder in a line."""

    name: str
    day: str
    cells: str
    machine: str
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Shade:
    """One cell of the heat map: its words, its step from no difference, and what lies behind it."""

    words: str
    step: str
    title: str


@dataclass(frozen=True)
class _Count:
    """One count of the trust strip."""

    label: str
    value: str
    mark: str
    href: str | None
    title: str = ""


def files(runs: Sequence[Run], pages: Sequence[Page], where: links.Where) -> dict[str, str]:
    """The front page and its two pictures for a README, by their paths inside of the site's folder.

    Runs are given in the order of their importance.
    """
    found = facts.front({run.name: run.leaderboards for run in runs})
    with matplotlib.style.context(STYLE, after_reset=True):  # a user's own matplotlibrc must not show
        heat = heatmap.draw(found)
        drawn = [(catalogue, recall.draw(catalogue)) for catalogue in found.catalogues]
        largest = recall.draw(found.catalogues[-1], titled=True) if found.catalogues else None
        plots = [(scores, chart) for scores in found.scores if (chart := dots.draw(scores))]
    made = {"index.html": _render(runs, pages, found, plots, drawn, where=where)}
    made |= {"heat-map.svg": heat.file_text} if heat else {}
    return made | ({"recall-queries.svg": largest.file_text} if largest else {})


def _render(
    runs: Sequence[Run],
    pages: Sequence[Page],
    found: Front,
    plots: Sequence[tuple[Scores, Chart]],
    drawn: Sequence[tuple[Catalogue, Chart]],
    *,
    where: links.Where,
) -> str:
    there = {page.file for page in pages}
    citation = _own("CITATION.cff")
    return shell.render(
        "front.html.j2",
        ["site.css", "front.css"],
        ["site.js", "front.js"],
        pages=pages,
        where=where,
        text=text,
        day=max(facts.newest(run.leaderboards) for run in runs),
        first=_ran(runs[0]),
        machine=runs[0].leaderboards.environment.machine,
        threads=_threads(runs[0].leaderboards),
        versions=_versions(runs),
        runs=[_ran(run) for run in runs] if len(runs) > 1 else [],
        recall=f"{RECALL:g}",
        citation=shell.lines(citation),
        licence=_licence(citation),
        left_out=[(run.name, sentence) for run in runs for sentence in run.leaderboards.left_out],
        overhead=_overhead(runs),
        cards=answer_cards.cards(found, where),
        heads=[(text.framework(backend), mode) for backend, mode in found.contestants],
        heat=[(timing, _shades(timing, found)) for timing in found.timings if timing.has_baseline],
        unheated=[(timing, _fastest(timing)) for timing in found.timings if not timing.has_baseline],
        plots=plots,
        catalogues=[(catalogue, chart, _catalogue_name(catalogue, found)) for catalogue, chart in drawn],
        trust=_trust(runs, there),
        lines=[(line, _agreement(line.best), _trained_by(line, where)) for line in found.lines],
        aside=found.aside,
        there=there,
        rest=[page for page in pages if page.file != "index.html"],
    )


def _own(name: str) -> str:
    """A file of the repository's root, "" where it was left out of a copy."""
    path = _ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _ran(run: Run) -> _Ran:
    headline, machine = run.leaderboards.headline, run.leaderboards.environment.machine
    finished = headline.n_cells - headline.n_failed
    return _Ran(
        name=run.name,
        day=facts.newest(run.leaderboards),
        cells=f"{finished:,} of {headline.n_cells:,}",
        machine=f"{machine.cpu}, {machine.cores} cores",
        files=tuple((label, f"{run.home}/{file}") for label, file in (*_FILES, ("records", run.records))),
    )


def _threads(boards: Leaderboards) -> str:
    """Of the first run: "1 thread", "1 or 2 threads"."""
    numbers = sorted({n for _, n, _ in boards.environment.devices})
    return f"{' or '.join(map(str, numbers))} thread{'s' if numbers != [1] else ''}"


def _versions(runs: Sequence[Run]) -> list[str]:
    """The frameworks as the first run that used them has them: "PyTorch 2.13.0"."""
    found = []
    for backend in FRAMEWORKS:
        known = (dict(of) for run in runs for name, of in run.leaderboards.environment.versions if name == backend)
        packages = next(known, {})
        version = next((packages[name] for name in BACKENDS[backend].packages if name in packages), None)
        found += [f"{text.framework(backend)} {version.partition('+')[0]}"] if version else []
    return found


def _shades(timing: Timing, found: Front) -> list[_Shade]:
    best = timing.table.fastest
    shades = []
    for contestant in found.contestants:
        row = timing.row(contestant)
        ratio = row.to_torch_eager if row else None
        if row is None or ratio is None:
            shades.append(_Shade(_absent(timing, contestant), "none", "no figure"))
            continue
        step = round(2 * math.log2(ratio.median)) if ratio.median > 0 else -_STEEPEST
        step = max(-_STEEPEST, min(_STEEPEST, step))
        name = f"{'slower' if step < 0 else 'faster'}-{abs(step)}" if step else "same"
        behind = f"{text.extent(ratio, text.ratio)} over {ratio.n} windows; {text.median(row.samples_per_s, text.rate)}"
        shades.append(_Shade(text.times(ratio.median), f"{name} best" if row is best else name, f"{behind} samples/s"))
    return shades


def _absent(timing: Timing, contestant: facts.Contestant) -> str:
    """Why there is no figure, "–" where it was not asked for."""
    lost = (row for row in timing.table.rows if (row.backend, row.mode) == contestant and row.status != "ok")
    return next((said(row.status) for row in lost), text.MISSING)


def _fastest(timing: Timing) -> str:
    row = timing.table.fastest
    if row is None:
        return text.MISSING
    return f"{text.framework(row.backend)} {row.mode}, {text.median(row.samples_per_s, text.rate)} samples/s"


def _catalogue_name(catalogue: Catalogue, found: Front) -> str:
    """Its number of items, and its data where another has as many."""
    n_items = catalogue.table.n_items
    named = f"{n_items:,} items" if n_items else "unknown size"
    alone = sum(other.table.n_items == n_items for other in found.catalogues) == 1
    return named if alone else f"{named}, {catalogue.table.dataset}"


def _agreement(score: OverviewRow) -> tuple[str, str]:
    """Whether its frameworks agree, and how many they are where that is all of them."""
    several = score.n_frameworks > 1
    words = score.badge.verdict.replace("not compared", "not comparable") if several else score.badge.verdict
    return words, f"all {score.n_frameworks}" if several and words == "agrees" else ""


def _trained_by(line: Line, where: links.Where) -> tuple[str, str, str]:
    """Framework and mode that train it fastest, over PyTorch eager, and the page where that stands."""
    row = line.timing.table.fastest if line.timing else None
    if row is None or line.timing is None:
        return "", "", ""
    other = line.timing.table.variant if line.timing.table.variant != line.best.variant else ""
    aside = ", ".join(filter(None, (other, *line.timing.table.missing)))
    name = f"{text.framework(row.backend)} {row.mode}" + (f" ({aside})" if aside else "")
    speed_up = text.times(row.to_torch_eager.median) if row.to_torch_eager else "eager not timed"
    return name, speed_up, where(line.timing.table)


def _trust(runs: Sequence[Run], there: set[str]) -> list[_Count]:
    """What the figures may be trusted for, each count with the way to its parts."""
    counts = []
    for badge in badges([run.leaderboards for run in runs]):
        label = _COUNTED[badge.name][0] if badge.name in _COUNTED else badge.label
        counts.append(_Count(label, badge.value, badge.mark, _where(badge.name, runs, there)))
    several = [v for run in runs for v in run.leaderboards.verdicts if v.n_expected > 1]
    vain = [v for v in several if v.counted_as == "not compared"]
    if vain:
        why = "; ".join(f"{v.model} {v.variant}: {v.reason}" for v in vain)
        href = _where("agreement", runs, there)
        counts.insert(1, _Count("models not comparable", f"{len(vain)} of {len(several)}", "not-compared", href, why))
    return counts


def _where(name: str, runs: Sequence[Run], there: set[str]) -> str | None:
    """What is counted has its parts on the agreement page, in the first run that has any; else among the failures."""
    if name not in _COUNTED:
        return "failures.html" if "failures.html" in there else None
    _, parts, title = _COUNTED[name]
    run = next((run for run in runs if getattr(run.leaderboards, parts)), None)
    return links.block("agreement", run.name, title) if run and "agreement.html" in there else None


def _overhead(runs: Sequence[Run]) -> str:
    """Where the harness's own time stands, "" where nothing was trained."""
    run = next((run for run in runs if run.leaderboards.overhead), None)
    return links.block("throughput", run.name, "Overhead of the harness") if run else ""


def _licence(citation: str) -> str:
    """The licence by the name that the citation gives it, "" where it gives none."""
    found = re.search(r"^license:\s*(\S+)", citation, re.MULTILINE)
    return found[1] if found else ""
