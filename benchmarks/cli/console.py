"""What several commands print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console as _RichConsole


class Console(_RichConsole):
    """A console that leaves a broken pipe to benchmarks/exit_codes.py; rich's own ends with the code of a failure."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def say(options: argparse.Namespace, *lines: str) -> None:
    """Lines that `--quiet` leaves out."""
    if not options.quiet:
        sys.stdout.writelines(f"{line}\n" for line in lines)


def entrances(written: Sequence[Path]) -> list[str]:
    """Of all files of the leaderboards those that a reader opens."""
    return [str(path) for path in written if path.name in {"index.html", "leaderboard.md", "leaderboard.csv"}]
