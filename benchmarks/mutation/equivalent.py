"""Mutants that nothing could notice, each with the reason: `equivalent.toml` beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutation.mutants import Mutant, mutants

TABLE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Equivalent:
    """Mutants of one line.

    Attributes:
        path: the file, relative to the repository's root.
        line_text: the line on which the replaced text begins, without the blanks around it.
        old: the replaced text.
        new: what stands there instead; None for whatever it is.
        reason: why nothing could notice, in a sentence.
    """

    path: str
    line_text: str
    old: str
    new: str | None
    reason: str

    def covers(self, mutant: Mutant, source: str) -> bool:
        """Whether a mutant of this source is one of these."""
        line = source.split("\n")[mutant.line - 1].strip()
        same_place = (mutant.path, line, mutant.old) == (self.path, self.line_text, self.old)
        return same_place and self.new in {None, mutant.new}


def equivalents(table: Path = TABLE) -> tuple[Equivalent, ...]:
    """The table, in its order.

    Raises:
        KeyError: if a row lacks one of its fields.
    """
    rows = tomllib.loads(table.read_text(encoding="utf-8")).get("mutant", [])
    return tuple(Equivalent(row["path"], row["line_text"], row["old"], row.get("new"), row["reason"]) for row in rows)


def reason(mutant: Mutant, source: str, table: Sequence[Equivalent]) -> str | None:
    """Why nothing could notice a mutant of this source; None if something should."""
    return next((row.reason for row in table if row.covers(mutant, source)), None)


def outdated(table: Sequence[Equivalent], root: Path) -> list[Equivalent]:
    """The rows that are no mutant of the sources as they stand: their line, or the operator, is no longer there."""
    left: list[Equivalent] = []
    for path in dict.fromkeys(row.path for row in table):
        source = (root / path).read_text(encoding="utf-8") if (root / path).is_file() else ""
        made = mutants(path, source)
        rows = [row for row in table if row.path == path]
        left += [row for row in rows if not any(row.covers(mutant, source) for mutant in made)]
    return left
