"""`mutate`: many small changes of our own sources, made one by one, each of which what checks them has to notice."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from backends.registry import FRAMEWORKS
from benchmarks.cli import report
from benchmarks.cli.options import LONGEST_S, Subcommands, add_always, add_results, count, nonempty, path, time_limit
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness import environment, mixture, store
from benchmarks.harness.environment import ROOT
from benchmarks.harness.plan import Cell, Prepared
from benchmarks.harness.run import FAILURES, Group, Run
from benchmarks.mutation import judging
from benchmarks.mutation.mutants import mutants, sample
from benchmarks.records import Mutation, Record
from datasets.errors import InputError

PROTOCOL = {"name": "mutants", "primary_metric": "n_caught"}
LADDER_DATA, OWN_TESTS = "the ladder's own data", "its own tests"
LONGEST = 100
"""Characters of a changed text that are shown."""


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("mutate", help="change our own sources bit by bit, and see what is not noticed")
    command.add_argument(
        "paths", nargs="*", type=path, metavar="PATH",
        help="source files, or folders of them (default: all that can be judged)",
    )  # fmt: skip
    command.add_argument(
        "--backends", nargs="+", default=(), metavar="BACKEND", choices=FRAMEWORKS, help="only files of these"
    )
    command.add_argument("--sample", type=count, metavar="N", help="try N of all mutants, drawn at random")
    command.add_argument(
        "--seed", type=nonempty, metavar="TEXT", help="what the draw is keyed by (default: the commit)"
    )
    command.add_argument(
        "--least", type=share, default=0.95, metavar="SHARE",
        help="the share that has to be noticed, or could not be by anything (default 0.95)",
    )  # fmt: skip
    command.add_argument(
        "--jobs", type=count, default=os.cpu_count() or 1, metavar="N", help="files at a time (default: one a core)"
    )
    command.add_argument(
        "--timeout", type=time_limit, metavar="S",
        help="seconds that a check of one mutant may take (default: ten times as long as without it, at least 60)",
    )  # fmt: skip
    add_results(command)
    add_always(command, call)


def share(text: str) -> float:
    """From 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number from 0 to 1")
    return value


def call(options: argparse.Namespace) -> int:
    """Tries the mutants, and writes the pages."""
    cells = list(_cells(options, _files(options.paths, options.backends)))
    with store.locked(options.results):
        mixture.refuse_other_machine(options.results)
        session = Run(options.results, LONGEST_S, _print)
        left = [cell for cell in cells if not session.finished(cell)]
        for cell in cells:
            if cell not in left:
                _print(cell, session.records[cell.key])
        if left:
            prepared = Prepared(LADDER_DATA, PROTOCOL, Path(), {"split": "mutants"}, ())
            session.execute(Group(tuple((cell,) for cell in left), turns=0, at_once=options.jobs), prepared)
    code = _conclude([session.records[cell.key] for cell in cells], options.least)
    report.write_pages(options, [options.results])
    return code


def _files(paths: Sequence[Path], backends: Sequence[str]) -> dict[str, str]:
    """The files to be judged, by their paths relative to the root, each with its backend.

    Raises:
        InputError: a path leads to none that can be.
    """
    able = judging.files()
    wanted = set[str]() if paths else set(able)
    for given in paths:
        found = {name for name in able if (ROOT / name).is_relative_to(given.resolve())}
        if not found:
            known = ", ".join(sorted({str(Path(name).parent) for name in able}))
            raise InputError(f"{given} has no mutants that can be judged, expected files or folders in {known}.")
        wanted |= found
    return {name: of for name, of in able.items() if name in wanted and (of in backends or not backends)}


def _cells(options: argparse.Namespace, files: Mapping[str, str]) -> Iterator[Cell]:
    """One for each file with any mutants."""
    made = {name: mutants(name, (ROOT / name).read_text(encoding="utf-8")) for name in files}
    settings: dict[str, Any] = {"variant": "all mutants"}
    asked = set(itertools.chain.from_iterable(made.values()))
    if options.sample is not None:
        seed = options.seed or environment.commit()[0] or "none"
        asked = set(sample(list(itertools.chain.from_iterable(made.values())), options.sample, seed))
        settings = {"variant": "sample", "sample": options.sample, "sample_seed": seed}
    for name, backend in files.items():
        places = [at for at, mutant in enumerate(made[name]) if mutant in asked]
        if places:
            yield Cell(
                kind="mutation",
                model=name,
                settings=settings,
                backend=backend,
                mode="eager",
                device="cpu",
                threads=1,
                seed=0,
                dataset=LADDER_DATA if backend in FRAMEWORKS else OWN_TESTS,
                protocol=PROTOCOL,
                inputs={**judging.inputs(name, backend), "chosen": places, "timeout_s": options.timeout},
            )


def _print(cell: Cell, record: Record) -> None:
    """One line for a file, and one for each of its mutants that nothing noticed."""
    if not isinstance(record, Mutation) or record.status != "ok":
        sys.stdout.write(f"{cell.model}: {record.status}, {record.reason}\n")
    else:
        n = record.metrics
        sys.stdout.write(
            f"{cell.model}: {n['n_caught']} of {n['n_mutants']} caught, {n['n_equivalent']} equivalent, "
            f"{n['n_survived']} survived\n"
        )
        for mutant in (mutant for mutant in record.mutants if mutant.fate == "survived"):
            change = f"{_shown(mutant.old)} -> {_shown(mutant.new)}"
            sys.stdout.write(f"  {cell.model}:{mutant.line}  {change}  ({mutant.operator})\n")
    sys.stdout.flush()


def _shown(text: str) -> str:
    """A text in a line, cut where it is long; of none, the word."""
    line = " ".join(text.split()) or "nothing"
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _conclude(records: Sequence[Record], least: float) -> int:
    """Says how many were noticed, and gives the exit code."""
    done = [record for record in records if record.status == "ok"]
    n, caught, equivalent, survived = (
        sum(int(record.metrics[name]) for record in done)
        for name in ("n_mutants", "n_caught", "n_equivalent", "n_survived")
    )
    n_failed = sum(record.status in FAILURES for record in records)
    rate = f" ({(caught + equivalent) / n:.1%} caught or equivalent)" if n else ""
    lost = f"; {n_failed} of {len(records)} files failed, and their mutants are not among these" if n_failed else ""
    sys.stdout.write(
        f"kill rate: {caught} of {n} mutants caught, {equivalent} equivalent, {survived} survived{rate}{lost}\n"
    )
    if n_failed:
        return FAILED
    if not n:
        return NOTHING_MEASURED
    return FINE if caught + equivalent >= least * n else FAILED
