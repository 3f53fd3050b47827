"""Mutants of a framework's adapters, and of what they share, judged by the agreement ladder.

A mutant is tried in the climbs that run its line, the cheapest first, until one breaks. Nothing here imports a
framework: that happens in processes of their own, see benchmarks/mutation/climber.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from backends.registry import BACKENDS, FAMILIES, FRAMEWORKS
from benchmarks.agreement import SHARED
from benchmarks.harness.environment import ROOT
from benchmarks.mutation import children
from benchmarks.mutation.kept import Outcome
from benchmarks.mutation.mutants import Mutant
from benchmarks.mutation.places import Place, place
from benchmarks.mutation.unchanged import Climbed, Unchanged

LADDER = (
    "backends/ann",
    "backends/contract.py",
    "backends/heap.py",
    "backends/stretches.py",
    "benchmarks/agreement/climbs.py",
    "benchmarks/agreement/differences.py",
    "benchmarks/agreement/injection.py",
    "benchmarks/agreement/ladder.py",
    "benchmarks/agreement/ladder_data.py",
    "benchmarks/agreement/pairs.py",
    "benchmarks/agreement/reference.py",
    "benchmarks/agreement/truths.py",
    "benchmarks/agreement/tolerances.py",
    "benchmarks/harness/evaluation.py",
    "benchmarks/hashing.py",
    "benchmarks/metrics.py",
    "benchmarks/mutation/by_ladder.py",
    "benchmarks/mutation/places.py",
    "benchmarks/mutation/climber.py",
    "benchmarks/negatives.py",
    "benchmarks/protocols",
    "benchmarks/resampling.py",
    "benchmarks/sampling.py",
    "benchmarks/settings.py",
    "benchmarks/specs",
)
"""The sources on which it depends what the ladder says of an adapter."""
LOT = 40
"""Mutants of one process: what frameworks keep of each adds up."""
TIMES, LEAST_S = 10.0, 60.0
"""A climb with a mutant may take so many times as long as the slowest without one, and at least so many seconds."""
N_ALIKE = 3
"""Of the families that run the same lines of a file, so many are tried."""


def files() -> dict[str, str]:
    """The files that it judges, by their paths relative to the root: the framework of each."""
    found = {}
    for framework in FRAMEWORKS:
        for name in (*SHARED, *sorted({module for _, module in _adapters(framework)})):
            path = f"backends/{framework}/{name}.py"
            if (ROOT / path).exists():
                found[path] = framework
    return found


def judges(path: str) -> tuple[str, ...]:
    """The sources besides the file itself on which its mutants' fates depend."""
    framework, name = _parts(path)
    beside = (name, *SHARED) if name not in SHARED else (*SHARED, *(module for _, module in _adapters(framework)))
    return (*LADDER, *(f"backends/{framework}/{module}.py" for module in dict.fromkeys(beside)))


def adapter(framework: str, model: str) -> str:
    """The path of a family's adapter."""
    return f"backends/{framework}/{dict(_adapters(framework))[model]}.py"


def _parts(path: str) -> tuple[str, str]:
    """The framework of a file, and the name of its module."""
    pure = PurePosixPath(path)
    return pure.parent.name, pure.stem


def _adapters(framework: str) -> list[tuple[str, str]]:
    """The families that a framework has, each with the name of its adapter's module."""
    adapters = ((model, family.adapters.get(framework)) for model, family in FAMILIES.items())
    return [(model, adapter.rpartition(".")[2]) for model, adapter in adapters if isinstance(adapter, str)]


@dataclass(frozen=True)
class Trial:
    """A mutant with what it is to be tried in.

    Attributes:
        climbs: the cheapest first.
        alone: whether it needs a process of its own.
    """

    mutant: Mutant
    mode: str
    climbs: tuple[Climbed, ...]
    alone: bool


class Judge:
    """Tries mutants of one file.

    Args:
        path: the file's, relative to the root.
        folder: an empty one, for what the processes are asked.
        unchanged: how the adapters climb as they are.
        timeout_s: seconds that a climb may take; None for what the climbs without a mutant suggest.
    """

    def __init__(self, path: str, folder: Path, unchanged: Unchanged, timeout_s: float | None) -> None:
        self.backend, self.module = _parts(path)
        self._file, self._folder, self._unchanged, self._timeout_s = ROOT / path, folder, unchanged, timeout_s
        shared = self.module in SHARED
        self._compiles = "compiled" in BACKENDS[self.backend].modes
        self._models = [model for model, module in _adapters(self.backend) if shared or module == self.module]

    def tried(self, mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Outcome | None]]:
        """What becomes of each, as soon as it is known; None takes back what was said of it before.

        Raises:
            RuntimeError: an adapter does not climb as it is, so that its mutants show nothing.
        """
        trials = self._trials(mutants)
        for trial in (trial for trial in trials if trial.alone):
            yield from self._alone(trial)
        waiting = [trial for trial in trials if not trial.alone]
        while waiting:
            lot, done = waiting[:LOT], set[Mutant]()
            for mutant, outcome in self._lot(lot):
                done.add(mutant)
                yield mutant, outcome
            waiting = [trial for trial in waiting if trial.mutant not in done]

    def _alone(self, trial: Trial) -> Iterator[tuple[Mutant, Outcome | None]]:
        """A setting of the framework may matter where it compiles, and nowhere else."""
        ((mutant, outcome),) = self._lot([trial])
        if outcome is not None and outcome["how"] is None and trial.mode == "eager" and self._compiles:
            climbs = self._few(self._unchanged.climbs(self._models, "compiled"))
            yield from self._lot([replace(trial, mode="compiled", climbs=climbs)])
        else:
            yield mutant, outcome

    def _trials(self, mutants: Sequence[Mutant]) -> list[Trial]:
        """Eager where the line runs there: a compiled mode goes through the same lines, and its own."""
        if not mutants:
            return []
        source = self._file.read_text(encoding="utf-8")
        places = {mutant: place(source, mutant.line) for mutant in mutants}
        eager = self._unchanged.climbs(self._models, "eager")
        running = {mutant: self._running(places[mutant], eager) for mutant in mutants}
        if not all(running.values()) and self._compiles:
            compiled = self._unchanged.climbs(self._models, "compiled")
            for mutant in (mutant for mutant in mutants if not running[mutant]):
                # Where a framework translates Python into its own, nobody sees its lines run: it is tried in all.
                running[mutant] = self._running(places[mutant], compiled) or compiled
        return [
            Trial(mutant, climbs[0].mode, self._few(climbs), places[mutant].beyond)
            for mutant, found in running.items()
            for climbs in [found or eager]
        ]

    def _running(self, of: Place, climbs: Sequence[Climbed]) -> Sequence[Climbed]:
        """The climbs that run a place."""
        return [climb for climb in climbs if not of.lines or of.lines & climb.lines.get(self.module, frozenset())]

    def _few(self, climbs: Sequence[Climbed]) -> tuple[Climbed, ...]:
        """The climbs of all families that run different lines of the file, and of three where they run the same."""
        alike: dict[frozenset[int], list[str]] = {}
        families: dict[str, list[Climbed]] = {}
        for climb in climbs:
            families.setdefault(climb.model, []).append(climb)
        for model, own in sorted(families.items(), key=lambda family: sum(climb.seconds for climb in family[1])):
            lines = frozenset[int]().union(*(climb.lines.get(self.module, ()) for climb in own))
            alike.setdefault(lines, []).append(model)
        few = {model for models in alike.values() for model in models[:N_ALIKE]}
        return tuple(sorted((climb for climb in climbs if climb.model in few), key=lambda climb: climb.seconds))

    def _lot(self, lot: Sequence[Trial]) -> Iterator[tuple[Mutant, Outcome | None]]:
        """What a process says of some mutants, of all or of those up to one that ended it."""
        n_done, trying, how, is_clean = 0, "", "crash", len(lot) == 1
        try:
            for line in children.said(self._folder, self._asked(lot), self._limit_s(lot), {}):
                if "begins" in line:
                    trying = line["begins"]
                elif "is_clean" in line:
                    is_clean = line["is_clean"]
                else:
                    yield _outcome(lot[n_done], line["how"], line["by"])
                    n_done, trying = n_done + 1, ""
        except TimeoutError:
            how = "timeout"
        if n_done == len(lot):
            yield from () if is_clean else self._again(lot)
        elif not trying:
            raise RuntimeError(f"the process that was to try mutants of {self._file.name} did not begin")
        elif len(lot) == 1:
            yield _outcome(lot[0], how, trying)
        else:  # by itself, since another one may have left behind what ended it
            yield from self._lot([lot[n_done]])

    def _again(self, lot: Sequence[Trial]) -> Iterator[tuple[Mutant, Outcome | None]]:
        """One of them has left something behind in the process, in which the adapter itself breaks: each by itself."""
        yield from ((trial.mutant, None) for trial in lot)
        for trial in lot:
            yield from self._lot([trial])

    def _asked(self, lot: Sequence[Trial]) -> Mapping[str, Any]:
        return {
            "task": "mutants",
            "backend": self.backend,
            "device": "cpu",
            "file": str(self._file),
            "module": f"backends.{self.backend}.{self.module}",
            "trials": [
                {
                    "start": trial.mutant.start,
                    "stop": trial.mutant.stop,
                    "new": trial.mutant.new,
                    "mode": trial.mode,
                    "climbs": [[climb.model, *climb.name] for climb in trial.climbs],
                }
                for trial in lot
            ],
        }

    def _limit_s(self, lot: Sequence[Trial]) -> float:
        slowest = max(climb.seconds for trial in lot for climb in trial.climbs)
        return self._timeout_s or max(LEAST_S, TIMES * slowest)


def _outcome(trial: Trial, how: str | None, by: str) -> tuple[Mutant, Outcome]:
    return trial.mutant, {"mode": trial.mode, "how": how, "by": by}
