"""`gate`: is one revision, or one interpreter, slower than another by more than chance?"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.console import warn
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
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness import environment
from benchmarks.protocols import counts
from datasets.errors import InputError

if TYPE_CHECKING:
    from benchmarks.gate.holding import Held
    from benchmarks.gate.sequential import Judgement


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("gate", help="hold a revision, or an interpreter, to be no slower than another")
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
    add_data_dir(command)
    command.add_argument(
        "--margin", type=share, default=0.1, metavar="SHARE", help="by how much worse is too much (default 0.1)"
    )
    command.add_argument(
        "--pairs", type=count, default=32, metavar="N", help="pairs of processes at most for a cell (default 32)"
    )
    command.add_argument(
        "--timeout", type=time_limit, default=600.0, metavar="S", help="seconds that a process may take (default 600)"
    )
    command.add_argument("--threads", type=count, default=1, metavar="N", help="threads of every process (default 1)")
    command.add_argument("--json", action="store_true", help="a JSON line for each figure of each cell")
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Measures, prints a line a figure, the worst first, and returns the exit code that they come to."""
    from benchmarks.gate import contestants, holding, sequential

    _check(options)
    own = Path(options.results).resolve() / "gate"
    more = ["--threads", str(options.threads)]
    more += ["--data-dir", str(options.data_dir.resolve())] if options.data_dir else []
    for name in ("models", "backends"):
        more += [f"--{name}", *getattr(options, name)] if getattr(options, name) else []
    suite = str(Path(options.suite).resolve()) if options.suite.endswith(".toml") else options.suite
    with contextlib.ExitStack() as stack:
        stack.enter_context(holding.alone())
        own.mkdir(parents=True, exist_ok=True)
        sides = []
        for name, revision, python in (
            ("base", options.base, options.base_python),
            ("head", options.head, options.head_python),
        ):
            called, root = stack.enter_context(contestants.tree(revision, name))
            called = f"{called}, {python}" if python else called
            side = contestants.Contestant(called, root, contestants.python_of(python))
            sides.append(contestants.planned(side, suite, own / name, more))
        base, head = sides
        n_figures = sum(len(what) + 1 for what in base.cells)
        plan = sequential.Plan(options.pairs, max(1, n_figures), options.margin)
        _say(options, f"{head.name} against {base.name}: {counts.of(len(base.cells), 'cell')} to time")
        kept = holding.Kept(own / "pairs.jsonl", environment.machine().id)
        gate = holding.Gate(base, head, plan, kept, options.timeout)
        held = gate.hold(lambda one: _progress(options, one))
    if options.json:
        sys.stdout.write(holding.as_json(held, {"base": base.name, "head": head.name}))
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(held, options.margin))
    if not held:
        warn(f"nothing of {options.suite} is timed, so that there is nothing to compare")
    _summarise(held, options.margin, f"{head.name} against {base.name}")
    return code_of(held)


def _check(options: argparse.Namespace) -> None:
    if options.base is None and not (options.base_python or options.head_python):
        raise InputError(
            "nothing is named to compare with, expected a revision or --base-python; such as: gate HEAD~1."
        )
    if not 0 < options.margin < 1:
        raise InputError(f"--margin is {options.margin:g}, expected a number between 0 and 1; correct it.")
    if options.pairs < 2:
        raise InputError(f"--pairs is {options.pairs}, expected 2 or more, since of one nothing can be said; raise it.")


def _say(options: argparse.Namespace, line: str) -> None:
    if not (options.quiet or options.json):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _progress(options: argparse.Namespace, one: Held) -> None:
    state = one.reason if one.fault else f"{len(one.pairs)} pairs"
    _say(options, f"  measured {' and '.join(one.what)}: {state}")


def _lines(held: Sequence[Held], margin: float) -> list[str]:
    from benchmarks.gate import holding

    return [
        f"{verdict(one, judged, margin)}: {' · '.join(filter(None, (line, figure)))}{_figures(one, judged)}"
        for one, line, figure, judged in holding.worst_first(held)
    ]


def verdict(one: Held, judged: Judgement | None, margin: float) -> str:
    """In words: what a line begins with."""
    from benchmarks.gate.sequential import NO_WORSE, UNDECIDED

    if judged is None:
        return one.fault
    if judged.verdict == NO_WORSE:
        return f"no worse than by {margin:.0%}"
    if judged.verdict == UNDECIDED:
        return f"undecided (needs {judged.n_more} more)"
    return judged.verdict


def _figures(one: Held, judged: Judgement | None) -> str:
    """What a line ends with."""
    if judged is None:
        return f": {one.reason}"
    return f", {judged.ratio:.3f} of base's ({judged.low:.3f} – {judged.high:.3f}), {judged.n} pairs"


def _summarise(held: Sequence[Held], margin: float, title: str) -> None:
    """The same as a table where GitHub shows what a job says of itself."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    from benchmarks.gate import holding

    rows = [
        f"| {verdict(one, judged, margin)} | {line} | {figure} | "
        + (
            f"{judged.ratio:.3f} | {judged.low:.3f} – {judged.high:.3f} | {judged.n} |"
            if judged
            else f"{one.reason} | | |"
        )
        for one, line, figure, judged in holding.worst_first(held)
    ]
    head = ["| verdict | cell | figure | of base's | interval | pairs |", "|---|---|---|---:|---|---:|"]
    with Path(path).open("a", encoding="utf-8") as file:
        file.write("\n".join([f"### {title}", "", *head, *rows, ""]) + "\n")


def code_of(held: Sequence[Held]) -> int:
    """A regression or a failure of head fails; a base that is missing never passes."""
    from benchmarks.gate import holding
    from benchmarks.gate.sequential import REGRESSED

    if any(one.fault == holding.FAILED or any(j.verdict == REGRESSED for j in one.judgements.values()) for one in held):
        return FAILED
    return NOTHING_MEASURED if not held or any(one.fault for one in held) else FINE
