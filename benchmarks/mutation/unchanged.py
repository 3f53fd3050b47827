"""How adapters climb as they are: which of their lines run in which climb, and how long it takes.

Without that nobody knows in which climbs a mutant runs, nor when it takes too long. It is kept on disk, since all
mutants of all files of a framework ask for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.mutation import children
from datasets import durable

LONGEST_S = 1800.0
"""Seconds that a climb of an adapter as it is may take, its reference's own training included."""


@dataclass(frozen=True)
class Climbed:
    """A climb of an adapter as it is.

    Attributes:
        name: of the climb, in as many words as tell it from the family's others.
        lines: the lines that ran, by the names of the framework's modules.
    """

    model: str
    name: tuple[str, ...]
    mode: str
    seconds: float
    lines: Mapping[str, frozenset[int]]


class Unchanged:
    """The climbs of one framework's adapters.

    Args:
        backend: the framework.
        kept: the folder in which they are kept.
        key: of a family, and whatever its climbs depend on: what they are kept under.
        folder: an empty one, for what the process is asked.
    """

    def __init__(self, backend: str, kept: Path, key: Callable[[str, str], str], folder: Path) -> None:
        self._backend, self._kept, self._key, self._folder = backend, kept, key, folder

    def climbs(self, models: Sequence[str], mode: str) -> list[Climbed]:
        """All climbs of some families in one mode, those of the first family first.

        Raises:
            RuntimeError: one of them does not hold, or does not end.
        """
        known = {model: self._known(model, mode) for model in models}
        missing = [model for model in models if not known[model]]
        if missing:
            self._climb(missing, mode)
            known |= {model: self._known(model, mode) for model in missing}
        return [climb for model in models for climb in known[model]]

    def _known(self, model: str, mode: str) -> list[Climbed]:
        """What is kept of a family; nothing where there is nothing, or it is damaged."""
        try:
            kept = json.loads(self._path(model, mode).read_text(encoding="utf-8"))
            return [Climbed(model, tuple(line["name"]), mode, line["seconds"], _sets(line["lines"])) for line in kept]
        except (OSError, ValueError, TypeError, KeyError):
            return []

    def _path(self, model: str, mode: str) -> Path:
        return self._kept / f"{self._key(model, mode)}.json"

    def _climb(self, models: Sequence[str], mode: str) -> None:
        log = self._folder / "traced.log"  # PyTorch's compiler writes there which lines it goes through
        asked = {"task": "unchanged", "backend": self._backend, "device": "cpu", "mode": mode, "models": models}
        environment = {"TORCH_LOGS": "trace_source", "TORCH_LOGS_OUT": str(log)} if mode == "compiled" else {}
        found: list[Any] = []
        left, trying = list(models), "the first"
        try:
            for line in children.said(self._folder, {**asked, "traced": str(log)}, LONGEST_S, environment):
                if "begins" in line:
                    trying = line["begins"]
                elif "climbed" in line:
                    with durable.replacing(self._path(left.pop(0), mode)) as partial:
                        partial.write_text(json.dumps(found), encoding="utf-8")
                    found = []
                else:
                    found.append(line)
        except TimeoutError as error:
            raise RuntimeError(f"{trying}, {mode}, as it is: {error}") from error
        finally:
            log.unlink(missing_ok=True)
        if left:
            raise RuntimeError(f"{trying}, {mode}, as it is: the process died")


def _sets(lines: Mapping[str, Sequence[int]]) -> dict[str, frozenset[int]]:
    return {module: frozenset(ran) for module, ran in lines.items()}
