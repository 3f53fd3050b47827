"""Pairs of fresh processes, base and a head: how head's figures stand to base's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import msgspec

from benchmarks.gate import accuracy, figures, ladders, pieces
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import Measured
from benchmarks.harness import executors, load
from benchmarks.harness.groups import TURNS
from benchmarks.harness.teams import Executor, Team

Ended: TypeAlias = tuple[Contestant, executors.Task, executors.Result]
"""A side with its process and what came of it."""
BY_SEED = frozenset({"train", "agreement"})
"""Kinds of cells of which a pair of another number has another seed."""
COMPARE = {pieces.KIND: pieces.compared, "agreement": ladders.compared}
"""Kinds of cells that are compared in a way of their own."""


@dataclass(frozen=True)
class Due:
    """Processes that are to be started together: of base, and of each head that is compared with it.

    Attributes:
        what: the lines of a process's cells.
        number: of the pair, from 0; of trainings, what is added to the seed.
        heads: have these cells, as base has.
    """

    what: tuple[str, ...]
    number: int
    heads: tuple[Contestant, ...]


@dataclass(frozen=True)
class Where:
    """Where processes run.

    Attributes:
        executor: this machine, or a cluster.
        work: an empty folder for what they are told and leave; of a cluster, in its results folder.
        timeout_s: seconds that a process may take to get ready, for a turn or to end.
    """

    executor: Executor
    work: Path
    timeout_s: float


class Pair(msgspec.Struct, frozen=True):
    """What came of a pair.

    Attributes:
        measured: each figure of each cell.
        number: from 0; of trainings, what was added to the seed.
        failed: why there are none, "" where there are.
        side: whose process failed, "base" or "head".
        seconds: that two processes took, as all that were begun together did on average.
        load: processors that others kept busy while it had its turns, the median over them; None where none took any.
    """

    measured: tuple[Measured, ...] = ()
    number: int = 0
    failed: str = ""
    side: str = ""
    seconds: float = 0.0
    load: float | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it says all, so that no other is needed."""
        return all(one.is_settled for one in self.measured)


def run(base: Contestant, due: Iterable[Due], where: Where) -> Iterator[tuple[Due, list[Pair]]]:
    """Starts what is due, gives what is timed its turns, and yields it with a pair for each head.

    The one that starts first changes with every number: what a machine does to the second process is no difference of
    the code. Trainings of one number have one seed.

    Args:
        base: the side whose figures are 1.
        due: each is asked for when there is room for it.
        where: they run.
    """
    begun: dict[Team, tuple[Due, list[Contestant], Path]] = {}

    def teams() -> Iterator[Team]:
        for one in due:
            folder = Path(tempfile.mkdtemp(dir=where.work))
            sides = [base, *one.heads]
            tasks = [_task(side, one, folder / str(place)) for place, side in enumerate(sides)]
            first = one.number % len(sides)
            team = Team((*tasks[first:], *tasks[:first]), TURNS.get(base.cells[one.what]["kind"], 0))
            begun[team] = one, sides, folder
            yield team

    for team, results in where.executor.run(teams(), where.timeout_s):
        one, sides, folder = begun.pop(team)
        of = dict(zip([task.folder.name for task in team.tasks], zip(team.tasks, results, strict=True), strict=True))
        ended = [(side, *of[str(place)]) for place, side in enumerate(sides)]
        yield one, [_pair(one, ended[0], head, _seconds(team, results)) for head in ended[1:]]
        shutil.rmtree(folder, ignore_errors=True)


def _seconds(team: Team, results: Sequence[executors.Result]) -> float:
    """That two of a team's processes took: those that take turns are there for as long as the longest of them."""
    walls = [float(result["wall_s"]) for result in results]
    return round(2 * (max(walls) if team.turns else sum(walls)) / len(walls), 1)


def _pair(due: Due, base: Ended, head: Ended, seconds: float) -> Pair:
    for name, (side, _, result) in (("base", base), ("head", head)):
        if result["status"] != "ok":
            return Pair(number=due.number, failed=f"{side.name}: {result['status']}, {result['reason']}", side=name)
    results = {"base": base[2], "head": head[2]}
    kind = base[1].job["kind"]
    if kind == "train":
        folders = {"base": base[1].folder, "head": head[1].folder}
        found = [accuracy.compared(due.what[0], due.number, base[1].job, results, folders)]
    else:
        compare = COMPARE.get(kind) or partial(figures.compared, kind)
        found = list(compare(due.what, results["base"], results["head"]))
    return Pair(tuple(found), due.number, seconds=seconds, load=_load(base, head))


def _load(base: Ended, head: Ended) -> float | None:
    turns = [turn for _, _, result in (base, head) for turn in result.get("timings", {}).get(load.LOAD, [])]
    return round(median(turns), 3) if turns else None


def _task(side: Contestant, due: Due, folder: Path) -> executors.Task:
    folder.mkdir()
    job: Mapping[str, Any] = side.cells[due.what]
    if job["kind"] == pieces.KIND:  # revisions before there was a worker for them say less
        job = {**pieces.job(job["file"], job["threads"]), **job}
    if job["kind"] in BY_SEED:
        job = {**job, "seed": job["seed"] + due.number}
    return executors.Task(job, folder, root=side.root, python=side.python)
