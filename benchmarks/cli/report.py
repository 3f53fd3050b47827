"""`report`: writes the pages of results folders anew, and one site over all of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
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
    for folder in folders:
        say(options, *(f"written: {page}" for page in _gates(folder / "gate")))


def _gates(folder: Path) -> Iterator[Path]:
    """The pages of the gates and of the proof of a results folder, where it has some."""
    from benchmarks.gate import history, proof
    from reports.pages import history as page_of_history
    from reports.pages import proof as page_of_proof

    if gates := history.read(folder / history.FILE):
        yield page_of_history.write(folder, gates)
    if found := proof.read(folder / proof.FILE):
        yield page_of_proof.write(folder, found)
