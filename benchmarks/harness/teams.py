"""Where a run's processes run: what it asks of an executor, and the executor that is this machine.

The other one is a Ray cluster, see benchmarks/cluster/. A cell is run by `executors` either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from benchmarks.harness import environment, executors
from benchmarks.harness.executors import Result, Task
from benchmarks.records import Machine


@dataclass(frozen=True, eq=False)
class Team:
    """Tasks that are scheduled as one, on one machine: they take turns, or there is nothing to be timed."""

    tasks: tuple[Task, ...]
    turns: int = 0


class Executor(Protocol):
    """Where processes run.

    Attributes:
        at_once: how many tasks without turns it runs side by side at most.
        timed_at_once: how many teams that take turns, each on a machine of its own; 0 where there is none for them.
    """

    @property
    def at_once(self) -> int: ...

    @property
    def timed_at_once(self) -> int: ...

    @property
    def machine(self) -> Machine:
        """The machine that whatever is timed is timed on."""

    def run(self, teams: Iterable[Team], timeout_s: float) -> Iterator[tuple[Team, list[Result]]]:
        """Runs teams and yields each when it has ended, with a result a task, `wall_s` and `status` among them.

        By then what a worker leaves lies in its task's folder.

        Args:
            teams: each is asked for when there is room for it, and after all that have ended were yielded.
            timeout_s: seconds that a task may take to end, to get ready, or for one turn.
        """


@dataclass(frozen=True)
class Here:
    """This machine: tasks without turns side by side, as many as memory allows; a team that takes turns alone."""

    at_once: int = 1
    timed_at_once: ClassVar[int] = 1

    @property
    def machine(self) -> Machine:
        return environment.machine()

    def run(self, teams: Iterable[Team], timeout_s: float) -> Iterator[tuple[Team, list[Result]]]:
        coming = iter(teams)
        of: dict[Path, Team] = {}
        ended: dict[Path, Result] = {}
        timed: list[Team] = []

        def alone() -> Iterator[Task]:
            """Tasks up to the next team that takes turns: those before it have to end first."""
            for team in coming:
                if team.turns:
                    timed.append(team)
                    return
                for task in team.tasks:
                    of[task.folder] = team
                    yield task

        while True:
            for task, result in executors.run(alone(), 0, timeout_s, self.at_once):
                ended[task.folder] = result
                team = of.pop(task.folder)
                if all(one.folder in ended for one in team.tasks):
                    yield team, [ended.pop(one.folder) for one in team.tasks]
            if not timed:
                return
            team = timed.pop()
            yield team, [result for _, result in executors.run(team.tasks, team.turns, timeout_s)]
