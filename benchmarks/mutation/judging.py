"""The mutants of one file, from what its cell depends on to what its record says of them."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from backends.registry import FRAMEWORKS
from benchmarks.harness import environment, sources
from benchmarks.harness.environment import ROOT
from benchmarks.mutation import by_ladder, by_tests, equivalent
from benchmarks.mutation.kept import Kept, Outcome, identity
from benchmarks.mutation.mutants import Mutant, mutants
from benchmarks.mutation.unchanged import Unchanged
from benchmarks.specs.base import digest
from datasets.errors import InputError

OWN_TESTS = "tests"
"""What a file that its own tests judge has for a backend."""
TESTED = (
    "backends/ann",
    "backends/heap.py",
    "backends/stretches.py",
    "benchmarks/audit",
    "benchmarks/hashing.py",
    "benchmarks/metrics.py",
    "benchmarks/mutation/by_tests.py",
    "benchmarks/mutation/trials.py",
    "benchmarks/negatives.py",
    "benchmarks/protocols",
    "benchmarks/sampling.py",
    "datasets",
    "tests/conftest.py",
)
"""The sources on which it depends what tests say of one of them, besides the tests and what stands beside these."""
ROOMS = (*(f"backends/{framework}/" for framework in FRAMEWORKS), *by_tests.TESTS)
"""The files, and the folders of files, whose mutants can be judged."""
LONGEST_S = 600.0
"""Seconds that the tests of one mutant may take where nobody says how many."""


def files() -> dict[str, str]:
    """The files whose mutants can be judged, by their paths relative to the root, each with its backend."""
    tested = (path for name in by_tests.TESTS for path in _named(name))
    return by_ladder.files() | dict.fromkeys(tested, OWN_TESTS)


def _named(name: str) -> list[str]:
    """A file, or those of a folder, whose name ends in a slash."""
    if not name.endswith("/"):
        return [name]
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / name).glob("*.py"))


def inputs(path: str, backend: str) -> dict[str, Any]:
    """What the fates of a file's mutants depend on, besides which of them are asked for."""
    judges = _tests(path) if backend == OWN_TESTS else by_ladder.judges(path)
    return {
        "file": sources.tree_hash(ROOT, [path]),
        "judges": sources.tree_hash(ROOT, judges),
        "versions": environment.versions(backend),
        **({"indexes": environment.index_versions()} if backend == OWN_TESTS else {}),
        "machine": environment.machine().id,
    }


def _tests(path: str) -> list[str]:
    tests = {test for name, own in by_tests.TESTS.items() if path in _named(name) for test in own}
    beside = {file for test in tests for file in _named(f"{PurePosixPath(test).parent}/")}
    return [*TESTED, *tests, *(file for file in beside if not PurePosixPath(file).name.startswith("test_"))]


def table(path: str) -> list[equivalent.Equivalent]:
    """The mutants of a file that nothing could notice."""
    return [row for row in equivalent.equivalents() if row.path == path]


def judged(asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The worker's part: tries those mutants whose fates are not known yet, and gives the result of the cell.

    Args:
        asked: the worker's job. Its `inputs` are those above with `chosen`, places in the file's list of mutants, and
            `timeout_s`; `kept` is the folder for what has been found out.
        folder: the worker's own.

    Raises:
        InputError: the file, or what judges it, is not what it was when the cell was planned.
    """
    path, given = str(asked["model"]), asked["inputs"]
    judging = _judging(given)
    _refuse_changed(path, asked["backend"], judging)
    source = (ROOT / path).read_text(encoding="utf-8")
    everything, rows = mutants(path, source), table(path)
    chosen = [everything[at] for at in given["chosen"]]
    reasons = {mutant: equivalent.reason(mutant, source, rows) for mutant in chosen}
    known = Kept(Path(asked["kept"]) / f"{digest([path, judging, asked['threads'], given['timeout_s']])}.jsonl")
    left = [mutant for mutant in chosen if not reasons[mutant] and known.outcomes.get(identity(mutant)) is None]
    for mutant, outcome in _tried(asked, left, folder):
        _refuse_changed(path, asked["backend"], judging)  # or what was kept would be of other sources than it says
        known.put(identity(mutant), outcome)
    lines = [_line(mutant, known.outcomes.get(identity(mutant)), reasons[mutant]) for mutant in chosen]
    return {"status": "ok", "mutants": lines, "metrics": _metrics(line["fate"] for line in lines)}


def _judging(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the fates of a file's mutants depend on, as it was when the cell was planned."""
    return {name: value for name, value in given.items() if name not in {"chosen", "equivalent", "timeout_s"}}


def _refuse_changed(path: str, backend: str, before: Mapping[str, Any]) -> None:
    if inputs(path, backend) != before:
        raise InputError(f"{path}, or what judges it, has changed since the run began; run again.")


def _tried(asked: Mapping[str, Any], left: Sequence[Mutant], folder: Path) -> Iterator[tuple[Mutant, Outcome | None]]:
    """The mutants, each with what becomes of it as soon as that is known; None takes back what was said before."""
    path, backend, given = str(asked["model"]), str(asked["backend"]), asked["inputs"]
    if backend == OWN_TESTS:
        judging = _judging(given)
        of_all = {name: value for name, value in judging.items() if name != "file"}  # as for those beside it
        survey = Path(asked["kept"]) / f"survey-{digest(of_all)}.json"
        limit_s = given["timeout_s"] or LONGEST_S
        still = functools.partial(_refuse_changed, path, backend, judging)
        tried = by_tests.judged(path, left, timeout_s=limit_s, survey=survey, unchanged=still) if left else ()
        for verdict in tried:
            yield verdict.mutant, {"mode": "eager", "how": verdict.how, "by": verdict.by}
        return

    def key(model: str, mode: str) -> str:
        judges = sources.tree_hash(ROOT, by_ladder.judges(by_ladder.adapter(backend, model)))
        return digest(["climbs", judges, given["versions"], given["machine"], asked["threads"], model, mode])

    unchanged = Unchanged(backend, Path(asked["kept"]), key, folder)
    yield from by_ladder.Judge(path, folder, unchanged, given["timeout_s"]).tried(left)


def _line(mutant: Mutant, outcome: Outcome | None, reason: str | None) -> dict[str, Any]:
    """What a record says of a mutant: one that was caught was noticed, whatever the table says that could notice it."""
    made = {"line": mutant.line, "old": mutant.old, "new": mutant.new, "operator": mutant.operator}
    if reason and not (outcome and outcome["how"]):
        return {**made, "fate": "equivalent", "reason": reason}
    assert outcome is not None  # noqa: S101 - it has been tried
    return {**made, "fate": "caught" if outcome["how"] else "survived", **outcome}


def _metrics(fates: Iterable[str]) -> dict[str, int]:
    n = Counter(fates)
    return {"n_mutants": n.total(), **{f"n_{fate}": n[fate] for fate in ("caught", "equivalent", "survived")}}
