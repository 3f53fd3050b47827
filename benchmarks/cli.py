"""The command line.

Exit codes: 0 fine; 1 a verdict or a cell failed, or nothing meets the needs; 2 wrong usage or input; 3 nothing was
measured; 4 the machine failed: disk, memory, permission; 70 a fault in recallbench itself; 130 interrupted, by Ctrl-C,
SIGTERM or SIGHUP; 141 whoever read the output went away, as in `| head`. Whatever is recorded stays recorded, and the
same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backends.ann import INDEXES
from backends.registry import BACKENDS, FAMILIES, FRAMEWORKS
from benchmarks import commands, exit_codes, quantities, suites
from datasets.errors import InputError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # it does not return
        raise InputError(f"{message}; `python -m {self.prog} --help` lists the options.")

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stdout).write(message)  # argparse's own passes over what cannot be written


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; where it is not fine, one sentence on stderr says why."""
    given = sys.argv[1:] if arguments is None else list(arguments)

    def call() -> int:
        options = parser().parse_args(given)
        return int(options.command(options))

    return exit_codes.ended(call, given)


def parser() -> argparse.ArgumentParser:
    codes = "; ".join(f"{code} {meaning}" for code, meaning in exit_codes.MEANINGS.items())
    what = "Candidate-retrieval recommenders in four frameworks, compared."
    top = _Parser(prog="benchmarks", description=what, epilog=f"exit codes: {codes}")
    subcommands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    add = subcommands.add_parser("list", help="what there is: models, backends, data sets, indexes, suites")
    add.add_argument("--json", action="store_true", help="as JSON")
    _common(add, commands.list_all)

    add = subcommands.add_parser("prepare", help="load, check, cache and cut the data sets of a run")
    _matrix(add)
    _common(add, commands.prepare)

    add = subcommands.add_parser("run", help="run a suite and write its leaderboards")
    _matrix(add)
    add.add_argument("--indexes", nargs="+", default=(), metavar="INDEX", choices=INDEXES, help=", ".join(INDEXES))
    add.add_argument("--seeds", nargs="+", default=(), type=_natural, metavar="SEED", help="instead of the suite's")
    add.add_argument("--timeout", type=_time_limit, default=3600.0, metavar="S", help="seconds a cell may take")
    add.add_argument("--force", action="store_true", help="run finished cells again")
    add.add_argument("--dry-run", action="store_true", help="list the cells and an estimate, and run nothing")
    add.add_argument("--json", action="store_true", help="print the run's records as JSON lines at the end")
    add.add_argument(
        "--keep-paths", action="store_true", help="record the folders of files of data, not their names alone"
    )
    _execution(add)
    _common(add, commands.run)

    add = subcommands.add_parser("agree", help="hold every adapter to its reference, rung by rung")
    _climbs(add)
    _execution(add)
    _common(add, commands.agree)

    add = subcommands.add_parser(
        "audit", help="look for what is asked for in what is learnt from: in a suite, or in files"
    )
    _data(add)
    for name in ("train", "validation", "test"):
        add.add_argument(f"--{name}", metavar="FILE", help="a file of a split of your own, read as file:PATH is")
    add.add_argument("--json", action="store_true", help="a JSON line for each report")
    _common(add, commands.audit)

    add = subcommands.add_parser("report", help="write the leaderboards and the site of results folders anew")
    add.add_argument("--results", nargs="+", default=[Path("RESULTS")], type=Path, metavar="DIR",
                     help="default RESULTS; a folder of results folders stands for all of them")  # fmt: skip
    _always(add, commands.report)

    add = subcommands.add_parser("advise", help="which index to take for given needs, from measured records alone")
    _needs(add)
    add.add_argument("--results", nargs="+", default=(), type=Path, metavar="DIR",
                     help="results folders, or folders of them (default: the published ones, and RESULTS)")  # fmt: skip
    add.add_argument("--json", action="store_true", help="as JSON")
    _always(add, commands.advise, quiet="the recommendation only, in one sentence")

    add = subcommands.add_parser("doctor", help="which backends work here, and why not")
    _common(add, commands.doctor)
    return top


def _matrix(add: argparse.ArgumentParser) -> None:
    _data(add)
    add.add_argument("--models", nargs="+", default=(), metavar="MODEL", choices=FAMILIES, help=", ".join(FAMILIES))
    add.add_argument("--backends", nargs="+", default=(), metavar="BACKEND", choices=BACKENDS, help=", ".join(BACKENDS))


def _data(add: argparse.ArgumentParser) -> None:
    add.add_argument("--suite", metavar="SUITE", help=f"{', '.join(suites.names())}, or a .toml file")
    add.add_argument("--datasets", nargs="+", default=(), metavar="DATASET", help="names from `list`, or file:PATH")
    add.add_argument("--data-dir", type=Path, metavar="DIR", default=_environment_path("RECALLBENCH_DATA"),
                     help="where the publishers' archives are (RECALLBENCH_DATA)")  # fmt: skip


def _climbs(add: argparse.ArgumentParser) -> None:
    add.add_argument("--models", nargs="+", default=(), metavar="MODEL", choices=FAMILIES, help="instead of all")
    add.add_argument("--backends", nargs="+", default=(), metavar="BACKEND", choices=FRAMEWORKS, help="instead of all")
    add.add_argument("--mutants", action="store_true", help="inject the known bugs, each in its own mode")
    add.add_argument("--adapter", type=Path, metavar="FILE",
                     help="a Python file of your own as the adapter of the one model named; only prints")  # fmt: skip
    add.add_argument("--seeds", nargs="+", default=(), type=_natural, metavar="SEED", help="of the ladder's data")
    add.add_argument("--repeats", type=_count, default=1, metavar="N", help="climb so often: do the bits come again?")
    add.add_argument("--jobs", type=_count, default=os.cpu_count() or 1, metavar="N", help="workers at a time")
    add.add_argument("--timeout", type=_time_limit, default=900.0, metavar="S", help="seconds a cell may take")


def _execution(add: argparse.ArgumentParser) -> None:
    add.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    add.add_argument("--mode", choices=("eager", "compiled"), help="instead of the suite's modes")
    add.add_argument("--threads", type=_count, default=1, metavar="N", help="threads of every worker (default 1)")


def _needs(add: argparse.ArgumentParser) -> None:
    add.add_argument(
        "--recall", type=quantities.share, required=True, metavar="R", help="of exact search, such as 0.95"
    )
    add.add_argument("--items", type=quantities.n_items, required=True, metavar="N", help="in the catalogue: 1e6")
    add.add_argument("--dim", type=quantities.n_items, required=True, metavar="D", help="of a vector: 64")
    add.add_argument("--memory", type=quantities.n_bytes, metavar="BYTES", help="the index may take: 2GB, 1.5GiB")
    add.add_argument("--build-time", type=quantities.seconds, metavar="TIME", help="a build may take: 10min")
    add.add_argument("--latency", type=quantities.seconds, metavar="TIME", help="95 %% of single queries may take: 5ms")
    add.add_argument("--threads", choices=("1", "all"), default="1", help="of a batch of queries (default 1)")


def _common(add: argparse.ArgumentParser, command: object) -> None:
    add.add_argument("--results", type=Path, default=Path("RESULTS"), metavar="DIR", help="default RESULTS")
    _always(add, command)


def _always(add: argparse.ArgumentParser, command: object, quiet: str = "no progress") -> None:
    add.add_argument("--quiet", action="store_true", help=quiet)
    add.add_argument("--debug", action="store_true", help="a traceback with an error")
    add.set_defaults(command=command)


def _environment_path(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


LONGEST_S = 7 * 86_400
MOST = 4096
"""Threads, workers and repeats."""


def _natural(text: str) -> int:
    return _whole(text, 0, 2**63 - 1)


def _count(text: str) -> int:
    return _whole(text, 1, MOST)


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 30 and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {least} to {most:,}")
    return int(text)


def _time_limit(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is not a number of seconds above 0 and up to {LONGEST_S:,}, a week"
        )
    return value
