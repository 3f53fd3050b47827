"""`tune`: searches the settings of a suite's models, each with the same budget, by the validation period alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backends.registry import FRAMEWORKS
from benchmarks import suites
from benchmarks.cli import report
from benchmarks.cli.executing import add_executor, executor
from benchmarks.cli.options import (
    Subcommands,
    add_always,
    add_data,
    add_models,
    add_results,
    count,
    natural,
    time_limit,
)
from benchmarks.exit_codes import FAILED, FINE
from benchmarks.harness import store
from benchmarks.harness.plan import Options
from benchmarks.harness.run import Run
from benchmarks.protocols import counts
from datasets import FILE_PREFIX

if TYPE_CHECKING:
    from benchmarks.records import Trial
    from benchmarks.tuning.search import Searched


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("tune", help="search for the best settings of a suite's models")
    add_data(command)
    add_models(command)
    command.add_argument(
        "--trials", type=count, default=20, metavar="N", help="settings that are tried for every model (default 20)"
    )
    command.add_argument(
        "--cap", type=time_limit, default=900.0, metavar="S",
        help="seconds after which a trial begins no further epoch (default 900)",
    )  # fmt: skip
    command.add_argument(
        "--backend", default="torch", metavar="BACKEND", choices=FRAMEWORKS,
        help=f"the framework that searches: {', '.join(FRAMEWORKS)} (default torch)",
    )  # fmt: skip
    command.add_argument(
        "--seed", type=natural, default=0, metavar="SEED", help="what all draws are keyed by (default 0)"
    )
    command.add_argument(
        "--mode",
        choices=("eager", "compiled"),
        help="the mode of every trial (default: compiled where the suite has it)",
    )
    command.add_argument("--threads", type=count, default=1, metavar="N", help="threads of every trial (default 1)")
    add_executor(command, "trials")
    command.add_argument(
        "--timeout", type=time_limit, default=7200.0, metavar="S", help="seconds that a trial may take (default 7200)"
    )
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Runs what is left of the search, writes the suite that it has chosen and the pages, and says what it took."""
    from benchmarks.tuning import chosen, search  # here, because they bring Optuna with them

    blocks = suites.for_datasets(tuple(options.datasets), options.suite)
    wanted = Options(
        models=tuple(options.models), modes=(options.mode,) if options.mode else (), threads=options.threads
    )
    budget = search.Budget(options.trials, options.cap, options.backend, options.seed, wanted)
    with store.locked(options.results), executor(options) as where:
        session = Run(options.results, options.timeout, executor=where)
        path = _path(options)
        chosen.refuse_edited(path)
        everything = search.planned(blocks, budget, session, options.data_dir)
        searches = [one for one in everything if not options.models or one.row.model in options.models]
        if not options.quiet:
            sys.stdout.writelines(f"{_begun(one)}\n" for one in searches)
        search.run(searches, session, lambda one, trial: _print(options, one, trial))
        chosen.write(path, chosen.suite(path.stem, blocks, everything, _remarks(options, path, everything)))
    _conclude(searches, path)
    report.write_pages(options, [options.results])
    return FINE if all(one.study.best for one in searches) else FAILED


def _begun(one: Searched) -> str:
    study = one.study
    tried = f", {len(study.trials)} of them tried before" if study.trials else ""
    queries = next((row.rows for row in one.prepared.counts if (row.period, row.use) == ("validation", "asked")), 0)
    own = "" if study.begins_with_own else "; its own settings lie outside of what is searched, and are not tried"
    n = counts.of(study.n_trials, "trial")
    return f"{study.name}: {n}{tried}, judged by {queries:,} rows of the validation period{own}"


def _print(options: argparse.Namespace, one: Searched, trial: Trial) -> None:
    """A line for a trial that has ended."""
    if options.quiet:
        return
    from benchmarks.tuning.studies import value_of

    if trial.status == "ok":
        epoch = trial.curve[-1].epoch if trial.curve else 0
        how = "" if trial.ended == "complete" else f", {trial.ended} after epoch {epoch}"
        is_best = ", the best so far" if one.study.best is trial else ""
        said = f"{trial.primary_metric} {value_of(trial):.4f}{how}{is_best}"
    else:
        said = f"{trial.status}, {trial.reason}"
    sys.stdout.write(f"{one.study.name}, trial {trial.number}: {_drawn(trial)}: {said}\n")
    sys.stdout.flush()


def _drawn(trial: Trial) -> str:
    """The settings of a trial in a line."""
    words = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in trial.drawn.items()}
    return ", ".join(f"{name}={word}" for name, word in words.items())


def _path(options: argparse.Namespace) -> Path:
    """The suite file that is written, beside the records."""
    from benchmarks.tuning import chosen

    named = [options.suite] if options.suite else []
    named += [name.removeprefix(FILE_PREFIX) for name in options.datasets]
    return (
        Path(options.results)
        / f"{'-'.join([chosen.TUNED, *(Path(name).stem for name in named or [suites.DEFAULT])])}.toml"
    )


def _remarks(options: argparse.Namespace, path: Path, searches: Sequence[Searched]) -> list[str]:
    spent = {trial.cell: trial for one in searches for trial in one.study.trials}
    return [
        f"At most {options.trials} trials a model with {options.backend}, seed {options.seed}, judged by the",
        f"validation period alone; {_hours(spent.values())}. Train with it: python -m benchmarks run --suite {path}",
    ]


def _hours(trials: Iterable[Trial]) -> str:
    """What trials took in all."""
    from benchmarks.tuning.studies import cpu_s

    seconds = sum(map(cpu_s, trials))
    return (
        f"{seconds / 3600:.2f} CPU hours in all"
        if seconds >= 36
        else f"{counts.of(round(seconds), 'CPU second')} in all"
    )


def _conclude(searches: Sequence[Searched], path: Path) -> None:
    """What was chosen for each, and what it took."""
    from benchmarks.tuning.studies import value_of

    for one in searches:
        found = one.study.best
        if found is None:
            sys.stdout.write(f"{one.study.name}: no trial has ended well, so that its settings stay as they are\n")
            continue
        n = len(one.study.trials)
        sys.stdout.write(
            f"{one.study.name}: trial {found.number} of {n}, validation {found.primary_metric} {value_of(found):.4f}: "
            f"{_drawn(found)}; {_hours(one.study.trials)}\n"
        )
    sys.stdout.write(f"written: {path}\n")
