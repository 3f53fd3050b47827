"""Searches of settings: what each has tried, what it has chosen, and which settings mattered."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from benchmarks.records import AnyRecord, Axis, Trial
from benchmarks.records.kinds import Drawn
from reports.tables.records import grouped

JUDGED = 8
"""Trials that have to have run to their end before one says which settings mattered."""


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        metric: on the validation period; None where it failed.
        ended: "complete", "pruned" or "capped", or of a failed one its status.
        epochs: of its learning curve; None where it has none.
    """

    number: int
    drawn: Mapping[str, Drawn]
    metric: float | None
    ended: str
    reason: str
    epochs: int | None
    cpu_s: float
    cell: str


@dataclass(frozen=True)
class Setting:
    """One setting of a search.

    Attributes:
        choices: what it was drawn from; () where that is a range.
        is_log: whether its logarithm was drawn evenly.
        importance: the share of what the metric varies by that is due to it alone; None where too little is known.
    """

    name: str
    choices: tuple[Drawn, ...]
    is_log: bool
    importance: float | None


@dataclass(frozen=True)
class Search:
    """One search: the trials of one row of a suite.

    Attributes:
        told_apart: in what it differs from other searches of the same model and variant; "" where it is the only one.
        protocol: its name, told apart where it stands for several.
        metric: that trials are judged by; None where none got so far as to say.
        trials: by number.
        first: of the first trial, which has the suite's own settings where they are within what is searched.
        best: the trial whose settings are chosen; None where all failed.
        so_far: the number of each trial with a metric, and the best metric up to it.
    """

    model: str
    variant: str
    told_apart: str
    backend: str
    mode: str
    dataset: str
    protocol: str
    metric: str | None
    seed: int
    search: str
    settings: tuple[Setting, ...]
    trials: tuple[TrialRow, ...]
    n_complete: int
    n_pruned: int
    n_capped: int
    n_failed: int
    first: float | None
    best: TrialRow | None
    cpu_s: float
    so_far: tuple[tuple[int, float], ...]

    @property
    def name(self) -> str:
        """The model and its variant, with what tells them from others of that name."""
        return f"{self.model} {self.variant}" + (f" ({self.told_apart})" if self.told_apart else "")

    def points(self, setting: str) -> tuple[tuple[Drawn, float | None, str], ...]:
        """Value of a setting, metric and how it ended, of all trials that have drawn it."""
        drawn = (trial for trial in self.trials if setting in trial.drawn)
        return tuple((trial.drawn[setting], trial.metric, trial.ended) for trial in drawn)


@dataclass(frozen=True)
class SearchTable:
    """The searches of one data set and protocol."""

    dataset: str
    protocol: str
    metric: str | None
    searches: tuple[Search, ...]

    @property
    def cpu_s(self) -> float:
        return sum(search.cpu_s for search in self.searches)

    @property
    def n_trials(self) -> int:
        return sum(len(search.trials) for search in self.searches)


def search_tables(records: Iterable[AnyRecord]) -> tuple[SearchTable, ...]:
    """One table for each data set and protocol that settings were searched on, from prepared records."""
    of_search = grouped((one for one in records if isinstance(one, Trial)), lambda trial: trial.search)
    found = [_of_search(sorted(trials, key=lambda t: (t.number, t.cell))) for _, trials in sorted(of_search.items())]
    tables = grouped(_told_apart(found), lambda search: (search.dataset, search.protocol))
    return tuple(
        SearchTable(dataset, protocol, next((one.metric for one in of if one.metric), None), tuple(of))
        for (dataset, protocol), of in sorted(tables.items())
    )


def shown(value: Drawn) -> str:
    """A value of a setting as a suite writes it, in four digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def in_words(drawn: Mapping[str, Drawn]) -> str:
    """Settings in a line."""
    return ", ".join(f"{name}={shown(value)}" for name, value in drawn.items())


@dataclass(frozen=True)
class _Found:
    """A search with what it is told apart by, where others have its name."""

    search: Search
    protocol: Mapping[str, str]
    facts: Mapping[str, str]


def _of_search(trials: Sequence[Trial]) -> _Found:
    """What is known of a search, from its trials by number."""
    from benchmarks.tuning import studies  # here, because Optuna is not loaded where there are no trials

    judged = [trial for trial in trials if _metric(trial) is not None]
    chosen = studies.best(judged)
    rows = [_row(trial, studies.cpu_s(trial)) for trial in trials]
    ends = Counter(row.ended if row.metric is not None else "failed" for row in rows)
    first, shares = trials[0], _importances(judged, trials[0].space)
    search = Search(
        **{name: getattr(first, name) for name in ("model", "variant", "backend", "mode", "dataset", "protocol")},
        told_apart="",
        metric=next((trial.primary_metric for trial in [*judged, *trials] if trial.primary_metric), None),
        seed=first.seed,
        search=first.search,
        settings=tuple(_settings(first.space, shares)),
        trials=tuple(rows),
        n_complete=ends["complete"],
        n_pruned=ends["pruned"],
        n_capped=ends["capped"],
        n_failed=ends["failed"],
        first=rows[0].metric if first.number == 1 else None,
        best=next((row for row in rows if chosen and row.cell == chosen.cell), None),
        cpu_s=sum(row.cpu_s for row in rows),
        so_far=_so_far(rows),
    )
    judgement: Mapping[str, Any] = next((of for trial in trials if (of := trial.settings.get("protocol"))), {})
    return _Found(search, {name: str(value) for name, value in judgement.items()}, _facts(first))


def _metric(trial: Trial) -> float | None:
    value = trial.metrics.get(trial.primary_metric or "") if trial.status == "ok" else None
    return None if value is None else float(value)


def _row(trial: Trial, cpu_s: float) -> TrialRow:
    metric = _metric(trial)
    lost = "failed" if trial.status == "ok" else trial.status
    return TrialRow(
        number=trial.number,
        drawn=trial.drawn,
        metric=metric,
        ended=lost if metric is None else trial.ended or "complete",
        reason=trial.reason or ("" if metric is not None else "it has no metric"),
        epochs=trial.curve[-1].epoch if trial.curve else None,
        cpu_s=cpu_s,
        cell=trial.cell,
    )


def _so_far(rows: Sequence[TrialRow]) -> tuple[tuple[int, float], ...]:
    """The running maximum; as in what is chosen, pruned trials count only where there are no others."""
    judged = [(row.number, row.metric, row.ended) for row in rows if row.metric is not None]
    whole = [one for one in judged if one[2] != "pruned"] or judged
    running = itertools.accumulate((metric for _, metric, _ in whole), max)
    return tuple(zip((number for number, *_ in whole), running, strict=True))


def _settings(space: Mapping[str, Axis], shares: Mapping[str, float]) -> Iterator[Setting]:
    for name, axis in space.items():
        share = shares.get(name, 0.0) if shares else None  # of one that can have one value only nothing is told
        yield Setting(name, tuple(axis.values or ()), axis.log, share)


def _importances(judged: Sequence[Trial], space: Mapping[str, Axis]) -> Mapping[str, float]:
    """By fANOVA, which adds up to 1; empty where too few trials ran to their end, or all came to the same."""
    done = [msgspec.structs.replace(trial, curve=[]) for trial in judged if trial.ended != "pruned"]
    if len(done) < JUDGED or len({_metric(trial) for trial in done}) == 1:
        return {}
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    from benchmarks.tuning import studies

    try:
        study = studies.rebuilt(done, studies.distributions(space))
        shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    except (ValueError, RuntimeError):  # values that are not of the space, or differences too small for its trees
        return {}
    return {name: float(share) for name, share in shares.items()}


def _facts(trial: Trial) -> dict[str, str]:
    """What two searches of one model may differ in, in words."""
    space = {name: _axis_in_words(axis) for name, axis in trial.space.items()}
    return {"mode": trial.mode, "seed": str(trial.seed), "threads": str(trial.threads), **space}


def _axis_in_words(axis: Axis) -> str:
    if axis.values is not None:
        return " or ".join(map(shown, axis.values))
    low, high = (shown(end) for end in (axis.low or 0, axis.high or 0))
    return f"{low} – {high}{', log' * axis.log}"


def _told_apart(found: Sequence[_Found]) -> list[Search]:
    """The searches in order, each with a protocol and a name of its own."""
    named: list[_Found] = []
    for of_name in grouped(found, lambda one: (one.search.dataset, one.search.protocol)).values():
        for one, label in zip(of_name, _labels([one.protocol for one in of_name], "="), strict=True):
            protocol = one.search.protocol + (f" ({label})" if label else "")
            named.append(replace(one, search=replace(one.search, protocol=protocol)))
    searches: list[Search] = []
    for of_place in grouped(named, lambda one: _place(one.search)).values():
        labels = _labels([one.facts for one in of_place], " ")
        is_told = len(set(labels)) == len(labels)
        for one, label in zip(of_place, labels, strict=True):
            own = label if is_told else ", ".join(filter(None, (label, f"search {one.search.search[:6]}")))
            searches.append(replace(one.search, told_apart=own))
    return sorted(searches, key=lambda one: (*_place(one), one.told_apart, one.search))


def _place(search: Search) -> tuple[Any, ...]:
    return search.dataset, search.protocol, search.model, search.variant, search.backend


def _labels(described: Sequence[Mapping[str, str]], sign: str) -> list[str]:
    """What each says where they do not all say the same; "" for one that says nothing."""
    told = [of for of in described if of]
    telling = [name for name in dict.fromkeys(itertools.chain(*told)) if len({of.get(name) for of in told}) > 1]
    return [", ".join(f"{name}{sign}{of[name]}" for name in telling if name in of) for of in described]
