"""`gate`: is one revision, or one interpreter, worse than another by more than chance?"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.console import warn
from benchmarks.cli.executing import add_executor, executor
from benchmarks.cli.options import (
    Subcommands,
    add_always,
    add_data_dir,
    add_matrix_names,
    add_results,
    count,
    nonempty,
    share,
    time_limit,
)
from benchmarks.exit_codes import FINE, NOTHING_MEASURED
from benchmarks.gate import MOST_PAIRS
from benchmarks.harness import environment, files
from benchmarks.protocols import counts
from datasets.errors import InputError

if TYPE_CHECKING:
    from benchmarks.gate.contestants import Contestant
    from benchmarks.gate.history import Gated
    from benchmarks.gate.holding import Held
    from benchmarks.gate.kept import Kept
    from benchmarks.gate.pairs import Where
    from benchmarks.gate.sequential import Plan

AT_ONCE = 2
"""Of what is not timed base and head run side by side."""


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("gate", help="hold a revision, or an interpreter, to be no worse than another")
    command.add_argument("base", nargs="?", type=nonempty, metavar="BASE", help="the git revision to compare with")
    command.add_argument(
        "head", nargs="?", type=nonempty, metavar="HEAD", help="the one that is judged (default: the working tree)"
    )
    for side in ("base", "head"):
        command.add_argument(
            f"--{side}-python", type=nonempty, metavar="PYTHON", help=f"the interpreter of {side} (default: this one)"
        )
    command.add_argument(
        "--suite", default="gate", type=nonempty, metavar="SUITE", help="a suite or a .toml file (default gate)"
    )
    add_matrix_names(command)
    command.add_argument("--pieces", action="store_true", help="hold the speed of benchmarks/bench_*.py, too")
    add_data_dir(command)
    command.add_argument(
        "--margin", type=share, default=0.1, metavar="SHARE", help="by how much worse is too much (default 0.1)"
    )
    command.add_argument(
        "--pairs",
        type=count,
        default=MOST_PAIRS,
        metavar="N",
        help=f"pairs of processes at most for a cell (default {MOST_PAIRS})",
    )
    command.add_argument(
        "--prove",
        type=count,
        metavar="ROUNDS",
        help="measure how often it is wrong here: the last commit against itself, and with what is planted in it",
    )
    command.add_argument(
        "--planted", nargs="+", default=[], type=nonempty, metavar="PLANT",
        help="what --prove plants, by how its name begins (default: everything)",
    )  # fmt: skip
    command.add_argument(
        "--timeout", type=time_limit, default=600.0, metavar="S", help="seconds that a process may take (default 600)"
    )
    command.add_argument("--threads", type=count, default=1, metavar="N", help="threads of every process (default 1)")
    add_executor(command, "trainings and climbs", AT_ONCE)
    command.add_argument("--json", action="store_true", help="a JSON line for each figure of each cell")
    command.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="write what other tools read: JUnit XML, and JSON of pytest-benchmark, github-action-benchmark, Bencher",
    )
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Measures, prints a line a figure, the worst first, and returns the exit code that they come to."""
    from benchmarks.gate import contestants, exporting, history, holding, telling
    from benchmarks.gate.kept import Kept
    from benchmarks.gate.pairs import Where
    from benchmarks.harness.run import UNTIMEABLE

    _check(options)
    own = Path(options.results).resolve() / "gate"
    own.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(holding.alone())
        _sweep(own)
        runs = stack.enter_context(executor(options, AT_ONCE, "gate"))
        if not runs.timed_at_once:
            raise InputError(f"{UNTIMEABLE}; start one with `ray start --resources`, as docs/cluster.md has it.")
        stack.callback(_sweep, own)
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="work-", dir=own)))
        where = Where(runs, work, options.timeout)
        kept = Kept(own / "pairs.jsonl", runs.machine.id)
        if options.prove:
            return _prove(options, own, kept, where)
        sides = []
        for name, revision, python in (
            ("base", options.base, options.base_python),
            ("head", options.head, options.head_python),
        ):
            called, root = stack.enter_context(contestants.tree(revision, name))
            called = f"{called}, {python}" if python else called
            side = contestants.Contestant(called, root, contestants.python_of(python))
            sides.append(_planned(options, own / name, side))
        base, head = sides
        _say(options, f"{head.name} against {base.name}: {counts.of(sum(map(len, base.cells)), 'cell')} to compare")
        gate = holding.Gate(base, head, _plan(options, base), kept, where)
        held = gate.hold(lambda one: _progress(options, one))
    told = telling.rows(held, options.margin)
    if options.json:
        sys.stdout.write(telling.as_json(told, {"base": base.name, "head": head.name}))
    else:
        sys.stdout.writelines(f"{line}\n" for line in telling.lines(told))
    if skipped := [line for one in held for line in one.skipped]:
        warn(f"{counts.of(len(skipped), 'benchmark')} skipped themselves on both sides: {', '.join(skipped)}")
    if not held:
        warn(f"nothing of {options.suite} can be held, so that there is nothing to compare")
    title = f"{head.name} against {base.name}"
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):  # GitHub shows it beside what the job says of itself
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(telling.as_markdown(told, title))
    if options.export is not None:
        exporting.write(options.export, told, title, runs.machine)
    if any(one.judgements for one in held):
        seconds = sum(pair.seconds for one in held for pair in one.pairs)
        gated = history.gated(told, options.suite, base.name, head.name, machine=kept.machine, seconds=seconds)
        _remember(options, own, gated)
    return telling.code_of(held)


def _sweep(own: Path) -> None:
    """Deletes what a gate leaves behind: of one that was killed its worktrees and work, and what was sent to nodes."""
    from benchmarks.gate import contestants

    contestants.sweep()
    files.remove(own / "trees")
    for work in own.glob("work-*"):
        for folder in work.glob("*/*"):
            files.remove(files.temporary(folder))
        files.remove(work)


def _remember(options: argparse.Namespace, own: Path, gate: Gated) -> None:
    """Adds a line to the history, unless it is that of the same pairs, and draws its page anew."""
    from benchmarks.gate import history
    from reports.pages import history as page

    known = history.read(own / history.FILE)
    if not known or known[-1].figures != gate.figures:  # the same pairs, looked at once more, say nothing new
        history.append(own / history.FILE, gate)
        known.append(gate)
    _say(options, f"written: {page.write(own, known)}")


def _planned(options: argparse.Namespace, folder: Path, side: Contestant) -> Contestant:
    from benchmarks.gate import contestants

    more = ["--threads", str(options.threads), *(["--pieces"] if options.pieces else [])]
    more += ["--data-dir", str(options.data_dir.resolve())] if options.data_dir else []
    for name in ("models", "backends"):
        more += [f"--{name}", *getattr(options, name)] if getattr(options, name) else []
    suite = str(Path(options.suite).resolve()) if options.suite.endswith(".toml") else options.suite
    return contestants.planned(side, suite, folder, more)


def _plan(options: argparse.Namespace, base: Contestant) -> Plan:
    from benchmarks.gate import figures, sequential

    n_figures = sum(figures.n_noisy(job["kind"], len(what)) for what, job in base.cells.items())
    return sequential.Plan(options.pairs, max(1, n_figures), options.margin)


def _prove(options: argparse.Namespace, own: Path, kept: Kept, where: Where) -> int:
    """Measures rounds with what is planted, and prints how often the gate is right."""
    from benchmarks.gate import proof
    from benchmarks.gate.plants import chosen
    from reports.pages import proof as page

    def said(number: int, what: tuple[str, ...], lost: Sequence[str]) -> None:
        _say(options, f"  round {number} of {options.prove}: measured {' and '.join(what)}")
        for reason in lost:
            warn(f"left out of round {number}: {reason}")

    commit, _ = environment.commit()  # which is planted, whatever is committed while it is measured
    with proof.planted(lambda side: _planned(options, own / "proof", side), chosen(options.planted)) as sides:
        streams = proof.measure(sides, kept, options.prove, where, said)
        origin = {"suite": options.suite, "machine": kept.machine, "commit": commit}
        found = list(proof.comparisons(streams, _plan(options, sides[0]), **origin))
    everything = proof.write(own / proof.FILE, found)
    sys.stdout.writelines(f"{line}\n" for line in proof.lines(everything))
    if everything:
        _say(options, f"written: {page.write(own, everything)}")
    return FINE if found else NOTHING_MEASURED


def _check(options: argparse.Namespace) -> None:
    if options.prove and (options.base or options.base_python or options.head_python):
        raise InputError("--prove holds the last commit against itself, so it takes no revision and no interpreter.")
    if options.planted:
        from benchmarks.gate.plants import chosen

        chosen(options.planted)
        if not options.prove:
            raise InputError("--planted says what --prove plants; add --prove ROUNDS, or leave it out.")
    if not options.prove and options.base is None and not (options.base_python or options.head_python):
        raise InputError(
            "nothing is named to compare with, expected a revision or --base-python; such as: gate HEAD~1."
        )
    if not 0 < options.margin < 1:
        raise InputError(f"--margin is {options.margin:g}, expected a number between 0 and 1; correct it.")
    if options.executor == "ray" and (options.base_python or options.head_python):
        raise InputError(
            "--executor ray runs the interpreter that every node has, so it takes neither --base-python nor "
            "--head-python; leave them out, or run on one machine."
        )
    if options.pairs < 2:
        raise InputError(f"--pairs is {options.pairs}, expected 2 or more, since of one nothing can be said; raise it.")


def _say(options: argparse.Namespace, line: str) -> None:
    if not (options.quiet or options.json):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _progress(options: argparse.Namespace, one: Held) -> None:
    state = one.reason if one.fault else counts.of(len(one.pairs), "pair")
    _say(options, f"  measured {' and '.join(one.what)}: {state}")
