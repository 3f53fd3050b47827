"""Which lines and branches of one backend's adapters its climbs never run; prints {file: [what is missing]}.

`test_coverage.py` starts it once a backend, since two frameworks cannot meet in one process. PyTorch's compiler reads
bytecode, so that coverage sees nothing run: the lines that it goes through stand in the log that TORCH_LOGS_OUT names.
"""

import contextlib
import importlib
import json
import os
import sys
from pathlib import Path

import coverage

from backends.contract import UnavailableError
from backends.registry import BACKENDS, FAMILIES
from benchmarks.mutation.climber import TRACED

ROOT = Path(__file__).resolve().parents[2]
SHORT = {"pairs", "extreme rows", "shifted rows", "opposed rows"}
"""The kinds of climbs that settings tell apart; wide and long ones run the same lines."""


def climbed(backend: str) -> None:
    """Every short climb in eager mode, and in compiled mode one climb of each variant."""
    from benchmarks.agreement import climbs, ladder

    for family, row in FAMILIES.items():
        if not isinstance(row.adapters.get(backend), str):
            continue
        adapter = importlib.import_module(row.adapters[backend])
        for mode in BACKENDS[backend].modes:
            seen = set()
            for climb in climbs.of(family):
                if climb.kind not in SHORT or (mode == "compiled" and climb.spec.variant in seen):
                    continue
                seen.add(climb.spec.variant)
                outcome = ladder.climb(adapter, climb, "cpu", mode)
                if not outcome.holds:
                    raise AssertionError(f"{family}, {climb.name}, {mode}: {outcome.rungs[-1]}")
        with contextlib.suppress(UnavailableError):  # the environment of a CPU worker hides every GPU
            adapter.init(climb.spec, {}, "gpu", "eager")


def missing(backend: str) -> dict[str, list[str]]:
    """File -> "12" for a line that never ran, "12->15" for a branch that was never taken."""
    folder = ROOT / "backends" / backend
    watched = coverage.Coverage(branch=True, data_file=None, include=[f"{folder}/*.py"])
    with watched.collect():
        climbed(backend)
    traced = _traced()
    found = {}
    for path in sorted(folder.glob("*.py")):
        if not path.read_text(encoding="utf-8").strip():
            continue
        analysis, ran = watched._analyze(str(path)), traced.get(str(path), set())
        lines = sorted(set(analysis.missing) - ran)
        branches = [
            f"{one}->{other}"
            for one, others in sorted(analysis.missing_branch_arcs().items())
            for other in others
            if one not in {*lines, *ran}
        ]
        found[path.name] = [*map(str, lines), *branches]
    return found


def _traced() -> dict[str, set[int]]:
    """File -> the lines that PyTorch's compiler has gone through."""
    log = Path(os.environ.get("TORCH_LOGS_OUT", ""))
    found: dict[str, set[int]] = {}
    for file, line in TRACED.findall(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else ():
        found.setdefault(file, set()).add(int(line))
    return found


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(missing(sys.argv[1])) + "\n")
