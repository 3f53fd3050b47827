"""`mutate`: many small changes of our own sources, made one by one, each of which what checks them has to notice."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from backends.registry import FRAMEWORKS
from benchmarks.cli import report
from benchmarks.cli.options import (
    LONGEST_S,
    Subcommands,
    add_always,
    add_results,
    count,
    length,
    nonempty,
    path,
    share,
    time_limit,
)
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness import environment, store
from benchmarks.harness.groups import Group
from benchmarks.harness.plan import Cell
from benchmarks.harness.run import FAILURES, Run
from benchmarks.harness.teams import Here
from benchmarks.records import Mutation, Record

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
    command.add_argument("--sample", type=length, metavar="N", help="try N mutants of a few files, drawn at random")
    command.add_argument(
        "--seed", type=nonempty, metavar="TEXT", help="what the draw is keyed by (default: the commit)"
    )
    command.add_argument(
        "--least", type=share, default=0.95, metavar="SHARE",
        help="the smallest share of mutants, caught or equivalent, that is enough (default 0.95)",
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


def call(options: argparse.Namespace) -> int:
    """Tries the mutants, and writes the pages."""
    from benchmarks.mutation import planning  # here, because it brings Numba with it

    files = planning.files(options.paths, options.backends)
    seed = options.seed or environment.commit()[0] or "no commit"
    cells = list(planning.cells(files, options.sample, seed, options.timeout))
    with store.locked(options.results):
        session = Run(options.results, LONGEST_S, _print, Here(options.jobs))
        left = [cell for cell in cells if not session.finished(cell)]
        for cell in cells:
            if cell not in left:
                _print(cell, session.records[cell.key])
        if left:
            session.execute(Group(tuple((cell,) for cell in left), turns=0), planning.PREPARED)
    code = _conclude([session.records[cell.key] for cell in cells], options.least)
    report.write_pages(options, [options.results])
    return code


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
