"""The pairs that were measured, in a file: a gate that was killed goes on from there."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import msgspec

from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import FIGURES, Measured
from benchmarks.gate.pairs import Pair
from benchmarks.harness import files
from benchmarks.specs.base import digest


class Kept:
    """The pairs of a results folder, each added to the file's end.

    Args:
        path: of the file.
        machine: on which they are measured; those of another are as if they were not there.
    """

    def __init__(self, path: Path, machine: str) -> None:
        self._path, self._machine = path, machine

    def key(self, base: Contestant, head: Contestant, what: tuple[str, ...]) -> str:
        """16 hex digits, the same for the same sources and interpreters that are told the same on this machine."""
        return digest([self._machine, base.key, head.key, what, base.measures(what), head.measures(what)])

    def of(self, key: str) -> list[Pair]:
        """The pairs of a process's cells, in the order in which they were measured."""
        if not self._path.exists():
            return []
        found = []
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # not written to its end, or not by a gate
                kept = json.loads(line)
                if kept["key"] == key:
                    measured = msgspec.convert(kept["measured"], tuple[Measured, ...])
                    found += [Pair(measured)] if all(one.figure in FIGURES for one in measured) else []
        return found

    def add(self, key: str, pair: Pair) -> None:
        files.append_line(self._path, msgspec.json.encode({"key": key, "measured": pair.measured}))
