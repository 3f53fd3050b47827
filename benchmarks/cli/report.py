"""`report`: writes the pages of results folders anew, and one site over all of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.console import entrances, say
from benchmarks.cli.options import Subcommands, add_always, path
from benchmarks.exit_codes import FINE


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("report", help="write the leaderboards and the site again from recorded results")
    command.add_argument(
        "--results", nargs="+", default=[Path("RESULTS")], type=path, metavar="DIR",
        help="results folders (default RESULTS), or folders of them",
    )  # fmt: skip
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Writes them, and says where they are."""
    write_pages(options, options.results)
    return FINE


def write_pages(options: argparse.Namespace, folders: Sequence[Path]) -> None:
    from reports import write

    loaded = write.load_all(folders)
    written = write.publish(loaded, folders)
    say(options, *(f"{folder}: {sentence}" for folder, boards in loaded.items() for sentence in boards.left_out))
    say(options, *(f"written: {line}" for line in entrances(written)))
