"""The command line: a file a command, each with `add`, its arguments, and `call`, what it does.

It is where everything meets: the one room that may import the reports, when a command is called and not before.

Exit codes: 0 fine; 1 a verdict or a cell failed, or nothing meets the needs; 2 wrong usage or input; 3 nothing was
measured; 4 the machine failed: disk, memory, permission; 70 a fault in recallbench itself; 130 interrupted, by Ctrl-C,
SIGTERM or SIGHUP; 141 whoever read the output went away, as in `| head`. Whatever is recorded stays recorded, and the
same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import sys
import tomllib
from collections.abc import Sequence
from typing import NoReturn

from benchmarks import exit_codes
from benchmarks.cli import (
    advise,
    agree,
    audit,
    compare,
    completion,
    doctor,
    gate,
    listing,
    mutate,
    prepare,
    recommend,
    report,
    run,
    show,
    tune,
)
from benchmarks.cli.options import Parser
from benchmarks.harness import environment

COMMANDS = (
    listing,
    prepare,
    run,
    tune,
    agree,
    mutate,
    audit,
    report,
    show,
    compare,
    gate,
    recommend,
    advise,
    doctor,
    completion,
)
"""In the order in which the help lists them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; where it is not fine, one sentence on stderr says why."""
    given = sys.argv[1:] if arguments is None else list(arguments)

    def call() -> int:
        if "_ARGCOMPLETE" in os.environ:  # it is the shell that asks: answer, and end
            import argcomplete

            argcomplete.autocomplete(parser())
        options = parser().parse_args(given)
        return int(options.command(options))

    return exit_codes.ended(call, given)


def parser() -> argparse.ArgumentParser:
    """All commands with their arguments; what it parses has the function to be called as its `command`."""
    codes = "; ".join(f"{code} {meaning}" for code, meaning in exit_codes.MEANINGS.items())
    what = "Candidate-retrieval recommenders in four frameworks, compared."
    top = Parser(prog="python -m benchmarks", description=what, epilog=f"exit codes: {codes}")
    top.add_argument("--version", action=_Version, help="the version, the commit and the Python that runs it")
    top.set_defaults(command=functools.partial(_help, top))  # of a bare call
    subcommands = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        command.add(subcommands)
    return top


def _help(top: argparse.ArgumentParser, _: argparse.Namespace) -> int:
    top.print_help()
    return exit_codes.FINE


class _Version(argparse.Action):
    """Finds the version out when it is asked for, not whenever the command line starts."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002 - argparse's name
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        project = tomllib.loads((environment.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        commit, dirty = environment.commit()
        at = f"commit {commit[:12]}{' with local changes' if dirty else ''}" if commit else "no git commit"
        sys.stdout.write(f"{project['name']} {project['version']}, {at}, Python {platform.python_version()}\n")
        parser.exit()
