"""Which lines and branches of one backend's adapters its climbs never run; prints {file: [what is missing]}.

`test_coverage.py` starts it once a backend, since two frameworks cannot meet in one process.
"""

import contextlib
import importlib
import json
import sys
from pathlib import Path

import coverage

from backends.contract import UnavailableError
from backends.registry import BACKENDS, FAMILIES

ROOT = Path(__file__).resolve().parents[2]
SHORT = {"pairs", "extreme rows", "shifted rows"}
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
    found = {}
    for path in sorted(folder.glob("*.py")):
        if not path.read_text(encoding="utf-8").strip():
            continue
        analysis = watched._analyze(str(path))
        lines = [str(line) for line in sorted(analysis.missing)]
        branches = [f"{one}->{other}" for one, others in analysis.missing_branch_arcs().items() for other in others]
        found[path.name] = lines + [branch for branch in branches if branch.partition("->")[0] not in lines]
    return found


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(missing(sys.argv[1])) + "\n")
