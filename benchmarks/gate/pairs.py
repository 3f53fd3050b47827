"""Pairs of fresh processes, base and a head: how head's figures stand to base's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.gate import accuracy, figures, ladders, pieces
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import Measured
from benchmarks.harness import executors
from benchmarks.harness.groups import TURNS

Ended: TypeAlias = tuple[Contestant, executors.Task, executors.Result]
"""A side with its process and what came of it."""
BY_SEED = frozenset({"train", "agreement"})
"""Kinds of cells of which a pair of another number has another seed."""
COMPARE = {pieces.KIND: pieces.compared, "agreement": ladders.compared}
"""Kinds of cells that are compared in a way of their own."""
AT_ONCE = 2
"""Processes side by side of which nothing is timed."""


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


def run(
    base: Contestant, heads: Sequence[Contestant], what: tuple[str, ...], number: int, timeout_s: float
) -> list[Pair]:
    """Starts all, gives what is timed its turns, and compares each head with base.

    The one that starts first changes with every number: what a machine does to the second process is no difference of
    the code. Trainings run side by side, those of one number with one seed.

    Args:
        base: has these cells, as the others have.
        heads: what is compared with it, a pair for each.
        what: the lines of a process's cells.
        number: of the pair, from 0; of trainings, what is added to the seed.
        timeout_s: seconds that a process may take to get ready, for a turn or to end.
    """
    kind = base.cells[what]["kind"]
    sides = (base, *heads)
    with tempfile.TemporaryDirectory(prefix="recallbench-gate-") as own:
        tasks = [_task(side, what, number, Path(own) / str(place)) for place, side in enumerate(sides)]
        results = dict(_results(kind, _from(list(zip(sides, tasks, strict=True)), number), timeout_s))
        ended = [(side, task, results[task.folder]) for side, task in zip(sides, tasks, strict=True)]
        return [_pair(kind, what, number, ended[0], head) for head in ended[1:]]


def _from(contestants: list[tuple[Contestant, executors.Task]], number: int) -> list[tuple[Contestant, executors.Task]]:
    first = number % len(contestants)
    return contestants[first:] + contestants[:first]


def _results(
    kind: str, contestants: Sequence[tuple[Contestant, executors.Task]], timeout_s: float
) -> Iterator[tuple[Path, executors.Result]]:
    if kind == pieces.KIND:
        for side, task in contestants:
            yield task.folder, pieces.measured(side.python, side.root, task.job, task.folder, timeout_s)
        return
    tasks = [task for _, task in contestants]
    for task, result in executors.run(tasks, TURNS.get(kind, 0), timeout_s, AT_ONCE):
        yield task.folder, result


def _pair(kind: str, what: tuple[str, ...], number: int, base: Ended, head: Ended) -> Pair:
    for name, (side, _, result) in (("base", base), ("head", head)):
        if result["status"] != "ok":
            return Pair(failed=f"{side.name}: {result['status']}, {result['reason']}", side=name)
    results = {"base": base[2], "head": head[2]}
    if kind == "train":
        folders = {"base": base[1].folder, "head": head[1].folder}
        return Pair((accuracy.compared(what[0], number, base[1].job, results, folders),))
    compare = COMPARE.get(kind) or partial(figures.compared, kind)
    return Pair(tuple(compare(what, results["base"], results["head"])))


def _task(side: Contestant, what: Sequence[str], number: int, folder: Path) -> executors.Task:
    folder.mkdir()
    job: Mapping[str, Any] = side.cells[tuple(what)]
    if job["kind"] in BY_SEED:
        job = {**job, "seed": job["seed"] + number}
    return executors.Task(job, folder, root=side.root, python=side.python)
