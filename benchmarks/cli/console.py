"""What several commands print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console as _RichConsole

from benchmarks.harness import store
from benchmarks.records import Agreement, AnyRecord, Index, Record
from datasets.errors import InputError

PUBLISHED = Path(__file__).resolve().parents[2] / "reports" / "published"


class Console(_RichConsole):
    """A console that leaves a broken pipe to benchmarks/exit_codes.py; rich's own ends with the code of a failure."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Found(NamedTuple):
    """A record and the results folder that holds it."""

    folder: Path
    record: AnyRecord


def recorded(folder: Path) -> list[Found]:
    """All records of a results folder, or of a folder of several.

    Raises:
        InputError: there is none, as after a run that was ended before its first cell.
    """
    there = [Found(inside, record) for inside in store.folders(folder) for record in store.read(inside)]
    if not there:
        raise InputError(f"{folder} has no records yet, expected those of a run; run `python -m benchmarks run` first.")
    return there


def say(options: argparse.Namespace, *lines: str) -> None:
    """Lines that `--quiet` leaves out."""
    if not options.quiet:
        sys.stdout.writelines(f"{line}\n" for line in lines)


def warn(sentence: str) -> None:
    """Says what nobody is to overlook, quiet or not."""
    sys.stderr.write(f"warning: {sentence}\n")


def entrances(written: Sequence[Path]) -> list[str]:
    """Of all files of the leaderboards those that a reader opens."""
    return [str(path) for path in written if path.name in {"index.html", "leaderboard.md", "leaderboard.csv"}]


def published() -> list[AnyRecord]:
    """The records that this repository holds, none where a copy of it was made without them."""
    return [found.record for found in recorded(PUBLISHED)] if has_records(PUBLISHED) else []


def has_records(folder: Path) -> bool:
    """Whether it is a results folder, or a folder of some."""
    return any(store.file_of(inside) for inside in store.folders(folder))


def title(record: Record) -> str:
    """What a record is of, in a line: "train · mf-bpr (small) · torch · eager · ml-1m · time-split · seed 0"."""
    words = [record.kind, f"{record.model} ({record.variant})", record.backend, record.mode]
    if isinstance(record, Index):
        options = {**record.index.build, **record.index.query}
        words.append(" ".join([record.index.name, *(f"{name}={value}" for name, value in options.items())]))
    if isinstance(record, Agreement) and record.climb != "whole":
        words.append(f"climb {record.climb}")
    return " · ".join([*words, record.dataset, record.protocol, f"seed {record.seed}"])
