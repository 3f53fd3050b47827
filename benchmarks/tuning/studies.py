"""One search a row of a suite: Optuna draws settings and says which learning curves are not worth going on with.

A study has no storage of its own: it is made of the records of its trials, whenever it begins. So a search that was
killed goes on where it stopped, and what a page shows of it is what its next draw depends on.
"""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from benchmarks import specs
from benchmarks.harness.plan import Cell
from benchmarks.harness.training import POINT, STOP
from benchmarks.records import Axis, Record, Trial
from benchmarks.specs.base import digest, settings
from benchmarks.suites import spaces
from datasets.errors import InputError

FIRST_AT_RANDOM = 8
"""Trials that are drawn at random before the others are drawn where those were good (Optuna's TPE)."""
FIRST_TO_THE_END = 4
"""Trials whose curves run to their end before one is held against their median."""
SPARED_EPOCHS = 2
"""Epochs for which no curve is judged."""
MOST_DRAWS = 200
"""Draws in search of settings that can be, and were not tried yet."""
COUNTED = frozenset({"ok", "diverged", "oom", "timeout", "unsupported", "skipped"})
"""How a trial has to have ended to count when a search goes on: a failed one may have failed for another reason."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Study:
    """The search of one row: what is left of its budget, and what has been tried.

    Args:
        origin: the trial with the row's own settings; every other differs from it in what is drawn.
        space: what is drawn, and from what.
        n_trials: different settings that are tried at most.
        records: of the results folder; those of this search count, as many as the budget has, by their numbers.

    Attributes:
        search: 16 hex digits, the same for searches of the same.
        trials: that have ended.
        begins_with_own: whether the row's own settings are among those that are searched, and so the first.
    """

    def __init__(
        self, origin: Cell, space: Mapping[str, spaces.Axis], n_trials: int, records: Iterable[Record]
    ) -> None:
        described = spaces.described(space)
        self.name = f"{origin.model} ({origin.variant}) on {origin.dataset}, {origin.protocol['name']}"
        self.n_trials = min(n_trials, spaces.n_settings(space.values()) or n_trials)
        self.search = digest([origin.key, described])
        self._origin = dataclasses.replace(origin, inputs={**origin.inputs, "space": described})
        self._distributions = distributions(space)
        known = (
            record for record in records
            if isinstance(record, Trial) and record.search == self.search and record.status in COUNTED
        )  # fmt: skip
        self.trials = sorted(known, key=lambda record: record.number)[: self.n_trials]
        self._numbers = {record.cell: record.number for record in self.trials}
        self._running: dict[str, optuna.Trial] = {}
        self._study = rebuilt(self.trials, self._distributions)
        own = {name: origin.settings[name] for name in space}
        self.begins_with_own = all(spaces.is_within(space[name], value) for name, value in own.items())
        first = self._cell(own, 1)
        if self.begins_with_own and first is not None and first.key not in self._numbers:
            self._study.enqueue_trial(own)

    @property
    def n_left(self) -> int:
        """How many settings are still to be drawn."""
        return self.n_trials - len(self._numbers)

    def draw(self) -> Cell | None:
        """A trial with settings that were not tried yet; None where none were found, or the budget is spent.

        What is drawn follows from the seed and from the trials that have ended before it.
        """
        number = next(n for n in itertools.count(1) if n not in self._numbers.values())
        for attempt in range(MOST_DRAWS if self.n_left > 0 else 0):
            self._study.sampler = _sampler(int(digest([self._origin.seed, number, attempt]), 16))
            trial = self._study.ask(dict(self._distributions))
            cell = self._cell(trial.params, number)
            if cell is None or cell.key in self._numbers:
                self._study.tell(trial, state=TrialState.FAIL)
                continue
            self._numbers[cell.key] = number
            self._running[cell.key] = trial
            return cell
        self.n_trials = len(self._numbers)
        return None

    def _cell(self, drawn: Mapping[str, Any], number: int) -> Cell | None:
        """The trial with these settings; None where they do not go together."""
        try:
            spec = specs.make(self._origin.model, {**self._origin.settings, **drawn})
        except InputError:
            return None
        return dataclasses.replace(
            self._origin,
            settings=settings(spec),
            trial={
                "search": self.search,
                "number": number,
                "drawn": dict(drawn),
                "space": self._origin.inputs["space"],
                "cap_s": self._origin.inputs["search"]["cap_s"],
            },
        )

    def hear(self, cell: Cell, folder: Path, line: str) -> None:
        """Takes in a point of a trial's learning curve, and has the trial ended where it is below most others."""
        match line.split():
            case [word, epoch, value] if word == POINT:
                trial = self._running[cell.key]
                trial.report(float(value), int(epoch))
            case _:  # a library may print what it likes
                return
        if trial.should_prune():
            (folder / STOP).touch()

    def tell(self, record: Trial) -> None:
        """Takes in how a trial has ended."""
        self.trials.append(record)
        known = _frozen(record, self._distributions)
        self._study.tell(self._running.pop(record.cell), known.value, state=known.state)

    @property
    def best(self) -> Trial | None:
        """The trial of the highest metric, the first of several; one that was pruned only where all were."""
        return best(self.trials)


def best(trials: Iterable[Trial]) -> Trial | None:
    """The trial whose settings are chosen."""
    done = [trial for trial in trials if trial.status == "ok"]
    whole = [trial for trial in done if trial.ended != "pruned"]
    return max(whole or done, key=lambda trial: (value_of(trial), -trial.number), default=None)


def value_of(trial: Trial) -> float:
    """The metric that a trial that ended well is judged by."""
    return float(trial.metrics[str(trial.primary_metric)])


def rebuilt(trials: Iterable[Trial], of: Mapping[str, BaseDistribution]) -> optuna.Study:
    """Optuna's study of trials that have ended."""
    study = optuna.create_study(
        direction="maximize",
        sampler=_sampler(0),
        pruner=optuna.pruners.MedianPruner(FIRST_TO_THE_END, SPARED_EPOCHS + 1),
    )
    study.add_trials(_frozen(trial, of) for trial in sorted(trials, key=lambda trial: trial.number))
    return study


def distributions(space: Mapping[str, spaces.Axis | Axis]) -> dict[str, BaseDistribution]:
    """A space as Optuna has it, whether it is a suite's or a record's."""
    return {name: _distribution(axis) for name, axis in space.items()}


def _distribution(axis: spaces.Axis | Axis) -> BaseDistribution:
    values = axis.values if isinstance(axis, Axis | spaces.Choice) else None
    if values is not None:
        return CategoricalDistribution(tuple(values))
    low, high, log = axis.low, axis.high, axis.log  # type: ignore[union-attr]
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)  # type: ignore[arg-type]


def _sampler(seed: int) -> optuna.samplers.TPESampler:
    return optuna.samplers.TPESampler(n_startup_trials=FIRST_AT_RANDOM, seed=seed % 2**32)


def _frozen(record: Trial, of: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """A trial that has ended, as Optuna has it: of a pruned one it takes the curve alone."""
    state = TrialState.FAIL
    if record.status == "ok":
        state = TrialState.PRUNED if record.ended == "pruned" else TrialState.COMPLETE
    primary = str(record.primary_metric)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.trial.create_trial(
            state=state,
            value=value_of(record) if state == TrialState.COMPLETE else None,
            params=dict(record.drawn),
            distributions=dict(of),
            intermediate_values={
                point.epoch: float(point.metrics[primary]) for point in record.curve if point.epoch > 0
            },
        )


def cpu_s(trial: Trial) -> float:
    """Processor seconds that a trial took; of one that failed the seconds that it ran, by all threads that it had."""
    taken = trial.single("cpu_s")
    return taken if taken is not None else (trial.single("wall_s") or 0.0) * trial.threads
