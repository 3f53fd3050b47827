"""What has become of the mutants of a file so far, on disk: a run that is killed loses the one that it was trying."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.mutation.mutants import Mutant

Outcome: TypeAlias = dict[str, Any]
"""mode, how and by of a record's mutant; `how` is None where nothing noticed it."""


def identity(mutant: Mutant) -> str:
    """What tells a mutant from the others of its file."""
    return json.dumps([mutant.start, mutant.stop, mutant.new])


class Kept:
    """Outcomes by the identities of their mutants; those that are added are on the disk at once.

    A last line that breaks off is what a killed run leaves behind: it is passed over, and so is what follows it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.outcomes: dict[str, Outcome | None] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            with contextlib.suppress(ValueError, TypeError):  # a damaged line: its mutant is tried again
                self.outcomes |= dict(json.loads(line))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(whole)

    def put(self, identity: str, outcome: Outcome | None) -> None:
        """None forgets an outcome, which is to be found out again."""
        self.outcomes[identity] = outcome
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({identity: outcome}) + "\n")
