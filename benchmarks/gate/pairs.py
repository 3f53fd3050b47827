"""One pair of fresh processes, base and head: how head's figures stand to base's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gate import accuracy, figures
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import Measured
from benchmarks.harness import executors
from benchmarks.harness.groups import TURNS


@dataclass(frozen=True)
class Pair:
    """What came of a pair.

    Attributes:
        measured: each figure of each cell.
        failed: why there are none, "" where there are.
        side: whose process failed, "base" or "head".
    """

    measured: tuple[Measured, ...] = ()
    failed: str = ""
    side: str = ""


def run(base: Contestant, head: Contestant, what: tuple[str, ...], number: int, timeout_s: float) -> Pair:
    """Starts both, gives what is timed its turns, and compares them.

    The one that starts first changes with every pair: what a machine does to the second process is no difference of
    the code. Trainings run side by side, those of one pair with one seed.

    Args:
        base: has these cells, as head has.
        head: what is compared with it.
        what: the lines of a process's cells.
        number: of the pair, from 0; of trainings, what is added to the seed.
        timeout_s: seconds that a process may take to get ready, for a turn or to end.
    """
    kind = base.cells[what]["kind"]
    with tempfile.TemporaryDirectory(prefix="recallbench-gate-") as own:
        folders = {side: Path(own) / side for side in ("base", "head")}
        tasks = [_task(side, what, number, folder) for side, folder in zip((base, head), folders.values(), strict=True)]
        turns = TURNS.get(kind, 0)
        found = {}
        for task, result in executors.run(tasks[:: -1 if number % 2 else 1], turns, timeout_s, at_once=len(tasks)):
            found[task.folder.name] = result
        for name, side in (("base", base), ("head", head)):
            if found[name]["status"] != "ok":
                return Pair(failed=f"{side.name}: {found[name]['status']}, {found[name]['reason']}", side=name)
        if kind == "train":
            return Pair((accuracy.compared(what[0], number, tasks[0].job, found, folders),))
        return Pair(tuple(figures.compared(kind, what, found["base"], found["head"])))


def _task(side: Contestant, what: Sequence[str], number: int, folder: Path) -> executors.Task:
    folder.mkdir()
    job: Mapping[str, Any] = side.cells[tuple(what)]
    if job["kind"] == "train":
        job = {**job, "seed": job["seed"] + number}
    return executors.Task(job, folder, root=side.root, python=side.python)
