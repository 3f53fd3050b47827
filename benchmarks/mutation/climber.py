"""A process of its own for one framework: it climbs with adapters as they are, or with one mutant after the other.

`python -m benchmarks.mutation.climber FOLDER` reads what is asked for from trial.json in the folder, and prints a line
of JSON for all that it begins and for all that it has found out. Whoever started it ends it where it takes too long.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from backends.registry import FAMILIES
from benchmarks.agreement import climbs, ladder
from benchmarks.agreement.climbs import Climb
from benchmarks.agreement.injection import replaced
from benchmarks.harness import orphans

if TYPE_CHECKING:
    from coverage import CoverageData

Say: TypeAlias = Callable[..., None]

TRACED = re.compile(r"TRACE starts_line (\S+):(\d+) ")
"""What PyTorch's compiler logs of a line that it goes through: it reads bytecode, so that coverage sees nothing run."""


def unchanged(asked: dict[str, Any], say: Say) -> None:
    """Climbs with adapters as they are, and says of each climb how long it took and which lines of which file ran.

    In compiled mode with those to the end alone: they run the lines that eager mode does not, and compiling takes long.

    Raises:
        ValueError: a climb does not hold, so that whatever a mutant broke in it would prove nothing.
    """
    import coverage  # here, where it is needed: who lacks it is told so

    seen = _Traced(Path(asked["traced"]))
    for model in asked["models"]:
        adapter = _adapter(asked, model)
        for climb in climbs.of(model, quick=asked["mode"] == "compiled"):
            name = climb.spec.variant, climb.name
            words = " ".join((model, *name))
            say(begins=words)
            start = time.perf_counter()
            with replaced(adapter, {}) as module:
                copies = Path(str(module.__file__)).parent
                watch = coverage.Coverage(data_file=None, include=[f"{copies}/*"])
                with watch.collect():
                    broken = _broken(module, climb, asked["device"], asked["mode"])
                lines = _lines(watch.get_data(), copies, seen.new())
            if broken:
                raise ValueError(f"{adapter}, {words}, {asked['mode']}, breaks at {broken[1]} as it is; mend it first.")
            say(name=name, seconds=time.perf_counter() - start, lines=lines)
        say(climbed=model)


def mutants(asked: dict[str, Any], say: Say) -> None:
    """Climbs with one mutant after the other until something breaks, and at last with the adapter as it is.

    What that finds says whether a mutant has left something behind in this process.
    """
    source = Path(asked["file"]).read_text(encoding="utf-8")
    for trial in asked["trials"]:
        edited = source[: trial["start"]] + trial["new"] + source[trial["stop"] :]
        say(**_fate(asked, trial, {asked["module"]: edited}, say))
    if len(asked["trials"]) > 1:
        first = asked["trials"][0]
        fate = _fate(asked, {**first, "climbs": first["climbs"][:1]}, {}, say)
        say(is_clean=fate["how"] is None)


def _fate(asked: dict[str, Any], trial: dict[str, Any], sources: dict[str, str], say: Say) -> dict[str, Any]:
    """The first climb that breaks, and how; nothing where all hold."""
    for model, variant, name in trial["climbs"]:
        words = f"{model} {variant} {name}"
        say(begins=words)
        try:
            with replaced(_adapter(asked, model), sources) as module:
                broken = _broken(module, climbs.named(model, variant, name), asked["device"], trial["mode"])
        except (Exception, SystemExit) as error:  # it cannot even be imported
            return {"how": "error", "by": f"{words}: {type(error).__name__}"}
        if broken:
            return {"how": broken[0], "by": f"{words}: {broken[1]}"}
    return {"how": None, "by": ""}


TASKS = {"unchanged": unchanged, "mutants": mutants}


def _adapter(asked: dict[str, Any], model: str) -> str:
    return str(FAMILIES[model].adapters[asked["backend"]])


def _broken(module: ModuleType, climb: Climb, device: str, mode: str) -> tuple[str, str] | None:
    """How a climb broke, by a difference or an error, and at which rung; None where it holds."""
    for rung, difference in ladder.climbing(module, climb, device, mode):
        if not rung.holds:
            return "difference" if difference.error is None else "error", rung.rung
    return None


def _lines(data: CoverageData, copies: Path, traced: set[tuple[str, int]]) -> dict[str, list[int]]:
    """The lines that ran, by the last part of the name of their module, which is that of its copy."""
    found: dict[str, set[int]] = {}
    for file in data.measured_files():
        found.setdefault(file, set()).update(data.lines(file) or [])
    for file, line in traced:
        found.setdefault(file, set()).add(line)
    return {
        Path(file).stem.rpartition(".")[2]: sorted(lines)
        for file, lines in found.items()
        if Path(file).parent == copies
    }


class _Traced:
    """What has come to a log since it was last looked at."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def new(self) -> set[tuple[str, int]]:
        return set(self._lines())

    def _lines(self) -> Iterator[tuple[str, int]]:
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self._read)
            while line := file.readline():
                if found := TRACED.search(line):
                    yield found[1], int(found[2])
            self._read = file.tell()


def _speaker() -> Say:
    """Prints where standard output leads to, which from now on is where errors go: whatever a framework prints."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**what: Any) -> None:
        stream.write(json.dumps(what) + "\n")
        stream.flush()

    return say


def main(folder: Path) -> None:
    asked = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
    orphans.end_with(asked["parent"])
    say = _speaker()
    try:
        TASKS[asked["task"]](asked, say)
    except Exception as error:  # whoever asked records it
        traceback.print_exc()
        say(failed=" ".join(f"{type(error).__name__}: {error}".split()))
    os._exit(0)  # frameworks' exit handlers take seconds, and some crash


if __name__ == "__main__":
    main(Path(sys.argv[1]))
