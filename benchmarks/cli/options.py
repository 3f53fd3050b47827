"""What the arguments of several commands have in common: the parser, its groups of arguments, and their types."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from backends.registry import BACKENDS, FAMILIES
from benchmarks import suites
from benchmarks.protocols.base import METRICS
from benchmarks.settings import meant, shown
from benchmarks.suites import asked
from datasets import DATASETS
from datasets.errors import InputError

Call: TypeAlias = Callable[[argparse.Namespace], int]
Subcommands: TypeAlias = "argparse._SubParsersAction[Parser]"

LONGEST_S = 7 * 86_400
MOST = 4096
"""Threads, workers and repeats."""
MOST_ITEMS = 100_000
"""Of a list: as many as a metric may look at."""


class Parser(argparse.ArgumentParser):
    """Refuses what is wrong as every other input is refused: in one sentence, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; `{self.prog} --help` lists the options.")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuses what is not known, where argparse would leave that to the parser of all commands and its help."""
        parsed, unknown = super().parse_known_args(args, namespace)
        for name in unknown:
            if not name.startswith("-"):
                self.error(f"unexpected argument {shown(name)}")
            self.error(f"there is no option {shown(name)}{meant(name, self._option_string_actions)}")
        return parsed, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices and value != []:  # that is, none of them given
            what = "/".join(action.option_strings) or str(action.metavar).lower()
            known = ", ".join(map(str, action.choices))
            self.error(f"{what}: unknown name {shown(value)}{meant(value, action.choices)}, expected one of {known}")

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stdout).write(message)  # argparse's own passes over what cannot be written


def add_always(command: Parser, call: Call, quiet: str = "print no progress") -> None:
    """What every command takes."""
    command.add_argument("--quiet", action="store_true", help=quiet)
    command.add_argument("--debug", action="store_true", help="print a traceback with an error")
    command.set_defaults(command=call)


def add_results(command: Parser) -> None:
    """The one folder that a command writes to."""
    command.add_argument(
        "--results", type=path, default=Path("RESULTS"), metavar="DIR", help="results folder (default RESULTS)"
    )


def add_data(command: Parser) -> None:
    named = command.add_argument(
        "--suite", type=nonempty, metavar="SUITE", help=f"one of {', '.join(suites.names())}, or a .toml file"
    )
    complete_with(named, suites.names())
    named = command.add_argument(
        "--datasets",
        nargs="+",
        default=(),
        type=nonempty,
        metavar="DATASET",
        help="data sets by their names (see `list datasets`), or file:PATH",
    )
    complete_with(named, [kind + colon for kind, colon, _ in (name.partition(":") for name in DATASETS)])
    add_data_dir(command)


def add_data_dir(command: Parser) -> None:
    command.add_argument(
        "--data-dir", type=path, metavar="DIR", default=_environment_path("RECALLBENCH_DATA"),
        help="folder of the publishers' archives (default: what RECALLBENCH_DATA says)",
    )  # fmt: skip


def add_matrix(command: Parser) -> None:
    """Which part of a suite."""
    add_data(command)
    add_matrix_names(command)


def add_matrix_names(command: Parser) -> None:
    """Which models and which backends."""
    add_models(command)
    add_backends(command, BACKENDS)


def add_backends(command: Parser, names: Collection[str]) -> None:
    command.add_argument(
        "--backends",
        nargs="+",
        default=(),
        metavar="BACKEND",
        choices=names,
        help=f"only these of {', '.join(names)}",
    )


def add_models(command: Parser) -> None:
    command.add_argument(
        "--models",
        nargs="+",
        default=(),
        metavar="MODEL",
        choices=FAMILIES,
        help=f"only these of {', '.join(FAMILIES)}",
    )


def add_overrides(command: Parser) -> None:
    """What is taken in place of what the suite says."""
    given = command.add_argument_group("instead of what the suite says")
    named = given.add_argument(
        "--protocol", type=asked.protocol, default={}, metavar="NAME[:setting=value,...]",
        help=f"{', '.join(asked.PROTOCOLS)}; such as leave-k-out:k=2,min_items=5",
    )  # fmt: skip
    complete_with(named, asked.PROTOCOLS)
    given.add_argument(
        "--k", nargs="+", default=(), type=length, metavar="K", help="lengths of the lists that are judged"
    )
    named = given.add_argument(
        "--metric", type=asked.metric, metavar="METRIC@K",
        help=f"the metric by which models are ranked: {', '.join(METRICS)}",
    )  # fmt: skip
    complete_with(named, [f"{metric}@10" for metric in METRICS])
    given.add_argument(
        "--set", nargs="+", action="extend", default=[], type=asked.setting, metavar="[MODEL.]FIELD=VALUE",
        help="a setting of a model, or of all that have it: gru4rec.learning_rate=0.001",
    )  # fmt: skip


def overrides(options: argparse.Namespace) -> asked.Asked:
    """What `add_overrides` has read, with the names of what is to be run even where a suite lacks it."""
    return asked.Asked(
        protocol=options.protocol,
        ks=tuple(options.k),
        metric=options.metric or "",
        settings=tuple(options.set),
        models=tuple(options.models),
        indexes=tuple(options.indexes),
        backends=tuple(options.backends),
    )


def add_execution(command: Parser, mode: str = "only this mode") -> None:
    command.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to train (default cpu)")
    command.add_argument("--mode", choices=("eager", "compiled"), help=mode)
    command.add_argument("--threads", type=count, default=1, metavar="N", help="threads of every worker (default 1)")


def complete_with(argument: argparse.Action, names: Sequence[str]) -> None:
    """Names that Tab completes, of an argument that takes others too; see benchmarks/cli/completion.py."""
    argument.completer = lambda **_: names  # type: ignore[attr-defined]  # argcomplete looks there


def _environment_path(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


def nonempty(text: str) -> str:
    """A text that names something, as an empty variable of a script does not."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text[:40]!r} names nothing; give a name, or leave the option out")
    return text


def path(text: str) -> Path:
    """A path: an empty text would be the folder that one stands in."""
    return Path(nonempty(text))


def length(text: str) -> int:
    """Of a list."""
    return _whole(text, 1, MOST_ITEMS)


def natural(text: str) -> int:
    return _whole(text, 0, 2**63 - 1)


def count(text: str) -> int:
    return _whole(text, 1, MOST)


def jobs(text: str) -> int:
    """How many run side by side; `auto`: one a core."""
    return os.cpu_count() or 1 if text == "auto" else count(text)


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 30 and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {least} to {most:,}")
    return int(text)


def share(text: str) -> float:
    """From 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number from 0 to 1")
    return value


def time_limit(text: str) -> float:
    """Seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is not a number of seconds above 0 and up to {LONGEST_S:,}, a week"
        )
    return value
