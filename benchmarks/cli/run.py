"""`run`: runs the matrix of a suite, writes the leaderboards, and ends with the verdicts."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from backends.ann import INDEXES
from benchmarks import suites
from benchmarks.cli.console import entrances, published, warn
from benchmarks.cli.executing import add_executor, executor
from benchmarks.cli.options import (
    Subcommands,
    add_always,
    add_execution,
    add_matrix,
    add_overrides,
    add_results,
    natural,
    overrides,
    time_limit,
)
from benchmarks.cli.progress import Board, between, in_all
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness import mixture, store
from benchmarks.harness.estimates import Estimate
from benchmarks.harness.groups import Group, stages
from benchmarks.harness.plan import Cell, Options, Prepared, lines
from benchmarks.harness.run import FAILURES, Run, Wanted, plan
from benchmarks.harness.teams import Executor
from benchmarks.records import Record
from datasets.errors import InputError

if TYPE_CHECKING:
    from benchmarks.agreement.verdict import Verdict


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("run", help="run a suite and write its leaderboards")
    add_matrix(command)
    command.add_argument(
        "--indexes", nargs="+", default=(), metavar="INDEX", choices=INDEXES, help=f"only these of {', '.join(INDEXES)}"
    )
    add_overrides(command)
    command.add_argument(
        "--seeds", nargs="+", default=(), type=natural, metavar="SEED", help="seeds (default: the suite's)"
    )
    command.add_argument(
        "--timeout", type=time_limit, default=3600.0, metavar="S", help="seconds that a cell may take (default 3600)"
    )
    add_executor(command, "trainings, never what is timed,")
    command.add_argument("--force", action="store_true", help="run finished cells again")
    command.add_argument("--dry-run", action="store_true", help="list the cells and an estimate, and run nothing")
    command.add_argument("--json", action="store_true", help="print the run's records as JSON lines at the end")
    command.add_argument(
        "--keep-paths", action="store_true", help="record the folders of files of data, not their names alone"
    )
    add_execution(command)
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Runs what is not finished, and returns the exit code that the verdicts come to."""
    blocks, said = suites.chosen(tuple(options.datasets), options.suite, overrides(options))
    chosen = Options(
        models=tuple(options.models),
        backends=tuple(options.backends),
        indexes=tuple(options.indexes),
        seeds=tuple(options.seeds),
        modes=(options.mode,) if options.mode else (),
        device=options.device,
        threads=options.threads,
        keep_paths=options.keep_paths,
    )
    with store.locked(options.results), executor(options) as where:
        chosen = dataclasses.replace(chosen, machine=where.machine.id)
        planned = plan(blocks, chosen, options.results, options.data_dir, accept_download=not options.dry_run)
        data = ((prepared.dataset, prepared.hashes.get("dataset")) for prepared, _ in planned)
        mixture.refuse_other_data(options.results, data)
        counted = (line for prepared, _ in planned for line in prepared.said if not options.dry_run)
        _tell(options, (*said, *counted))
        for warning in dict.fromkeys(f"{p.place}: {p.warning}." for p, _ in planned if p.warning):
            warn(warning)
        if not any(cells for _, cells in planned):
            raise InputError("no cell fits these options; `python -m benchmarks list` shows what there is.")
        if options.dry_run:
            return _dry_run(options, planned, where)
        session = Run(options.results, options.timeout, executor=where)
        everything = [cell for _, cells in planned for cell in cells]
        session.expect(everything)
        with Board(options, everything, session.records.values(), published(), where) as board:
            session.report = board.done
            for stage in stages(planned):
                session.follow(_unfinished(options, session, board, stage))
        store.restore(options.results, session.records.values())
        keys = {cell.key for cell in everything}
        records = [record for key, record in session.records.items() if key in keys]
    return _conclude(options, records)


def _unfinished(
    options: argparse.Namespace, session: Run, board: Board, stage: Sequence[tuple[Group, Prepared]]
) -> Iterator[Wanted]:
    """Those groups of a stage that are to be run, each looked at when there is room for it."""
    for group, prepared in stage:
        if not options.force and not session.unfinished(group):
            board.kept(group)
        else:
            board.doing(group)
            yield Wanted(group, prepared)


def _tell(options: argparse.Namespace, sentences: Sequence[str]) -> None:
    if not options.quiet:  # with --json stdout is the records' alone
        (sys.stderr if options.json else sys.stdout).writelines(
            f"{sentence}\n" for sentence in dict.fromkeys(sentences)
        )


def _conclude(options: argparse.Namespace, records: Sequence[Record]) -> int:
    # Here, because it brings all of SciPy's statistics with it.
    from benchmarks.agreement.verdict import ending, verdicts
    from reports import write
    from reports.pages import markdown

    leaderboards = write.load(options.results)
    reached = verdicts(records)
    if options.json:
        for record in records:
            sys.stdout.write(store.as_line(record).decode())
    else:
        sys.stdout.write(markdown.summary(leaderboards) + "\n")
        for verdict in reached:
            sys.stdout.write(f"{verdict.badge:12} {verdict.model} ({verdict.variant}): {verdict.reason}\n")
        statuses = Counter(record.status for record in records)
        sys.stdout.write("cells: " + ", ".join(f"{n} {status}" for status, n in sorted(statuses.items())) + "\n")
    # Pages come after what was measured: one that was edited by hand is refused, and the run has not been for nothing.
    written = write.publish({options.results: leaderboards}, [options.results])
    if not options.json:
        sys.stdout.writelines(f"written: {line}\n" for line in entrances(written))
        sys.stdout.writelines(f"{sentence}\n" for sentence in leaderboards.left_out)
        if against := ending(reached, records):
            sys.stdout.write(f"exit code {_code(reached, records)}: {against}\n")
    return _code(reached, records)


def _code(reached: Sequence[Verdict], records: Sequence[Record]) -> int:
    if not any(record.status == "ok" for record in records):
        return NOTHING_MEASURED
    disagree = any(verdict.verdict in {"differs", "undecided"} for verdict in reached)
    return FAILED if disagree or any(record.status in FAILURES for record in records) else FINE


def _dry_run(options: argparse.Namespace, planned: Sequence[tuple[Prepared, list[Cell]]], where: Executor) -> int:
    session = Run(options.results, options.timeout)
    estimate = Estimate(session.records.values(), published())
    cells = [cell for _, of_block in planned for cell in of_block]
    session.expect(cells)
    shown = lines(cells)
    waiting = [cell for cell in cells if options.force or not session.finished(cell)]
    unfinished = {cell.key for cell in waiting}
    absent = dict.fromkeys(prepared.dataset for prepared, _ in planned if not prepared.hashes)
    sys.stdout.writelines(f"{name} is not on this machine: `run` downloads it first\n" for name in absent)
    for cell in cells:
        span = estimate.seconds(cell)
        time = "time not known" if span is None else between(span)
        sys.stdout.write(f"{shown[cell.key]}  {time if cell.key in unfinished else 'finished'}\n")
    total = estimate.total(waiting, where.at_once, where.timed_at_once)
    sys.stdout.write(f"{len(cells)} cell{'s' * (len(cells) != 1)}, {in_all(total)}\n")
    return FINE
