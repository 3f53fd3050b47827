"""What the front page says: which framework, which model and which index, over all runs of a site.

Every figure is one of the tables' own; nothing is formed here across two of them but counts and the best of several.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from backends.registry import FAMILIES, FRAMEWORKS
from datasets import DATASETS
from reports.tables.accuracy import AccuracyTable
from reports.tables.catalogues import Catalogue, SizeAnswer, catalogues, size_answers
from reports.tables.leaderboard import Leaderboards
from reports.tables.overview import OverviewRow
from reports.tables.throughput import ThroughputRow, ThroughputTable

Runs: TypeAlias = Mapping[str, Leaderboards]  # name of the run -> its leaderboards
Contestant: TypeAlias = tuple[str, str]  # backend, mode


@dataclass(frozen=True)
class Timing:
    """One model whose frameworks ran interleaved in one session: a row of the heat map."""

    run: str
    kind: str
    table: ThroughputTable

    def row(self, contestant: Contestant) -> ThroughputRow | None:
        """What was measured of one framework and mode, None where it has no figure here."""
        return next((row for row in self.table.timed if (row.backend, row.mode) == contestant), None)

    @property
    def has_baseline(self) -> bool:
        """Whether PyTorch eager was among them: without it there is no speed-up over it."""
        return any(row.to_torch_eager for row in self.table.timed)


@dataclass(frozen=True)
class KindAnswer:
    """One kind of model: who trains it fastest.

    Attributes:
        compared: its timings with PyTorch eager among them.
        others: those without, from which no speed-up can be formed.
        winner: who was fastest most often, among `compared`, or where there are none among `others`.
        speed_ups: the winner's, over PyTorch eager, one for each of `compared` that it has a figure in.
        n_first: in how many it was the fastest.
    """

    kind: str
    compared: tuple[Timing, ...]
    others: tuple[Timing, ...]
    winner: Contestant | None
    speed_ups: tuple[float, ...]
    n_first: int


@dataclass(frozen=True)
class Scores:
    """One data set and protocol: its models from the best to the worst, those without a figure last."""

    run: str
    table: AccuracyTable
    is_generated: bool
    models: tuple[OverviewRow, ...]
    popularity: OverviewRow | None

    @property
    def n_compared(self) -> int:
        """How many models were trained in more frameworks than one."""
        return sum(score.n_frameworks > 1 for score in self.models)

    @property
    def finished(self) -> list[OverviewRow]:
        return [score for score in self.models if score.estimate]


@dataclass(frozen=True)
class Line:
    """One row of the front table: a model on a data set, in the best of its variants.

    `timing` is of this variant or, where that was not timed, of another of the same model.
    """

    scores: Scores
    best: OverviewRow
    n_variants: int
    above: float | None
    timing: Timing | None


@dataclass(frozen=True)
class Front:
    """Everything on the front page; what was not measured is empty."""

    contestants: tuple[Contestant, ...]
    timings: tuple[Timing, ...]
    kinds: tuple[KindAnswer, ...]
    scores: tuple[Scores, ...]
    aside: tuple[Scores, ...]
    sizes: tuple[SizeAnswer, ...]
    catalogues: tuple[Catalogue, ...]
    lines: tuple[Line, ...]


def front(runs: Runs) -> Front:
    """The facts of these runs, which are given in the order of their importance."""
    timings = _timings(runs)
    scores, aside = _chosen(runs)
    seen = {(row.backend, row.mode) for timing in timings if timing.has_baseline for row in timing.table.timed}
    return Front(
        contestants=tuple(sorted(seen, key=_column)),
        timings=timings,
        kinds=_kinds(timings, scores),
        scores=scores,
        aside=aside,
        sizes=size_answers(runs),
        catalogues=catalogues(runs),
        lines=tuple(line for of in scores for line in _lines(of, timings)),
    )


def kind_of(model: str) -> str:
    """What sort of model it is; one that is no longer in the registry is of another kind."""
    return FAMILIES[model].kind if model in FAMILIES else "other"


def _timings(runs: Runs) -> tuple[Timing, ...]:
    """By kind, in the order of the registry."""
    order = list(dict.fromkeys(family.kind for family in FAMILIES.values()))
    found = [Timing(run, kind_of(t.model), t) for run, of in runs.items() for t in of.throughput]
    timed = [t for t in found if t.table.timed]
    return tuple(sorted(timed, key=lambda t: order.index(t.kind) if t.kind in order else len(order)))


def _column(contestant: Contestant) -> tuple[int, bool, str]:
    backend, mode = contestant
    return (FRAMEWORKS.index(backend) if backend in FRAMEWORKS else len(FRAMEWORKS)), mode != "eager", mode


def _kinds(timings: Sequence[Timing], scores: Sequence[Scores]) -> tuple[KindAnswer, ...]:
    """Kinds that were timed, and then those that were trained in a framework and not timed."""
    trained = (s.model for of in scores for s in of.models if _trains(s.model))
    kinds = dict.fromkeys([*(t.kind for t in timings), *map(kind_of, trained)])
    return tuple(_kind(kind, [t for t in timings if t.kind == kind]) for kind in kinds)


def _trains(model: str) -> bool:
    return model not in FAMILIES or any(backend in FRAMEWORKS for backend in FAMILIES[model].adapters)


def _kind(kind: str, timings: Sequence[Timing]) -> KindAnswer:
    compared = tuple(timing for timing in timings if timing.has_baseline)
    others = tuple(timing for timing in timings if not timing.has_baseline)
    asked = compared or others
    first = Counter((row.backend, row.mode) for timing in asked if (row := timing.table.fastest))
    if not first:
        return KindAnswer(kind, compared, others, None, (), 0)
    speed_ups = {who: _speed_ups(who, compared) for who in first}
    winner = max(first, key=lambda who: (first[who], _mean(speed_ups[who]), who))
    return KindAnswer(kind, compared, others, winner, speed_ups[winner], first[winner])


def _speed_ups(who: Contestant, timings: Iterable[Timing]) -> tuple[float, ...]:
    rows = (timing.row(who) for timing in timings)
    return tuple(row.to_torch_eager.median for row in rows if row and row.to_torch_eager)


def _mean(ratios: Sequence[float]) -> float:
    """The geometric mean; 0 where there is none to take it of."""
    positive = [ratio for ratio in ratios if ratio > 0]
    return math.exp(sum(map(math.log, positive)) / len(positive)) if positive else 0.0


def _chosen(runs: Runs) -> tuple[tuple[Scores, ...], tuple[Scores, ...]]:
    """What the front page tells of accuracy, and what it leaves to the other pages.

    Trainings in one framework alone are made to choose a setting, or to have vectors for the indexes: they stand
    aside where there are others. Of two runs on one data set and protocol the one that compared more models counts.
    """
    found = [_scores(run, table, of.overview) for run, of in runs.items() for table in of.accuracy]
    found = [of for of in found if of.models]
    compared = [of for of in found if of.n_compared or not any(_trains(score.model) for score in of.models)]
    places: dict[tuple[str, ...], Scores] = {}
    for of in compared or found:
        place = (of.table.dataset, of.table.protocol, of.table.metric or "")
        if place not in places or _weight(of) > _weight(places[place]):
            places[place] = of
    chosen = sorted(places.values(), key=lambda of: (of.is_generated, -of.n_compared))
    return tuple(chosen), tuple(of for of in found if not any(of is one for one in chosen))


def _weight(of: Scores) -> tuple[int, int]:
    return of.n_compared, len(of.models)


def _scores(run: str, table: AccuracyTable, overview: Sequence[OverviewRow]) -> Scores:
    own = [row for row in overview if (row.dataset, row.protocol) == (table.dataset, table.protocol)]
    models = [row for row in own if row.role == "model"]
    models.sort(key=lambda row: (row.estimate is None, -_figure(row), row.model, row.variant))
    popularity = [row for row in own if row.role == "popularity" and row.estimate]
    known = DATASETS.get(table.dataset)
    is_generated = known is not None and known.origin == "embedded"
    return Scores(run, table, is_generated, tuple(models), max(popularity, key=_figure, default=None))


def _figure(score: OverviewRow) -> float:
    return score.estimate.mean if score.estimate else -math.inf


def _lines(of: Scores, timings: Sequence[Timing]) -> list[Line]:
    lines = []
    for model in dict.fromkeys(score.model for score in of.models):
        variants = [score for score in of.models if score.model == model]
        first = variants[0]
        above = _figure(first) - _figure(of.popularity) if first.estimate and of.popularity else None
        lines.append(Line(of, first, len(variants), above, _timing(of, first, timings)))
    return lines


def _timing(of: Scores, score: OverviewRow, timings: Sequence[Timing]) -> Timing | None:
    """Of the same run if it can be, of the same variant before another, with PyTorch eager before without it."""
    place = (of.table.dataset, of.table.protocol, score.model)
    own = [t for t in timings if (t.table.dataset, t.table.protocol, t.table.model) == place]
    return max(own, key=lambda t: (t.run == of.run, t.table.variant == score.variant, t.has_baseline), default=None)


def newest(boards: Leaderboards) -> str:
    """The day of the newest of the runs that made the records, "" where their names do not tell it."""
    run_ids = boards.cells["run_id"]
    day = run_ids[run_ids.str.match(r"[0-9]{8}T")].str[:8].max()
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if isinstance(day, str) else ""
