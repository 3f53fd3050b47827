"""The pairs that were measured, in a file: a gate that was killed goes on from there."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import FIGURES
from benchmarks.gate.pairs import Pair
from benchmarks.harness import files
from benchmarks.specs.base import digest


class _Line(msgspec.Struct, frozen=True):
    key: str
    pair: Pair


class Kept:
    """The pairs of a results folder, each added to the file's end.

    Args:
        path: of the file.
        machine: on which they are measured; those of another are as if they were not there.
    """

    def __init__(self, path: Path, machine: str) -> None:
        self._path, self.machine = path, machine

    def key(self, base: Contestant, head: Contestant, what: tuple[str, ...]) -> str:
        """16 hex digits, the same for the same sources and interpreters that are told the same on this machine."""
        return digest([self.machine, base.key, head.key, what, base.measures(what), head.measures(what)])

    def of(self, key: str) -> list[Pair]:
        """The pairs of a process's cells in the order of their numbers, of each the first that was measured."""
        if not self._path.exists():
            return []
        found: dict[int, Pair] = {}
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(msgspec.MsgspecError):  # not written to its end, or not by a gate
                kept = msgspec.json.decode(line, type=_Line)
                if kept.key == key and all(one.figure in FIGURES for one in kept.pair.measured):
                    found.setdefault(kept.pair.number, kept.pair)
        return [found[number] for number in sorted(found)]

    def add(self, key: str, pair: Pair) -> None:
        files.append_line(self._path, msgspec.json.encode(_Line(key, pair)))
