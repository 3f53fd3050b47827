"""The executor that is a Ray cluster: teams go where Ray has room, and the driver alone records what they come to."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError

from benchmarks.cluster import node, nodes
from benchmarks.cluster.nodes import WHOLE, Node, Share
from benchmarks.cluster.orders import READS, Begun, Ended, Event, Line, Order, Piece, Sealed
from benchmarks.cluster.trees import packed
from benchmarks.harness import files, load, privacy
from benchmarks.harness.environment import ROOT
from benchmarks.harness.executors import Result
from benchmarks.harness.run import OF_NO_DATA
from benchmarks.harness.teams import Team
from benchmarks.harness.training import STOP
from benchmarks.records import Machine
from benchmarks.specs.base import digest
from datasets.errors import InputError

MOST_TRIES = 3
"""How often a team is run whose node is lost, or whose figures are void, before that is what is recorded."""
LOOK_S = 2.0
"""How often is asked whether nodes are left, while nothing is heard of any team."""


PYTHONS = "RECALLBENCH_PYTHON_"
"""What variables begin with that name interpreters; see `backends.registry`."""


@dataclass(frozen=True)
class Asked:
    """What a command asks of a cluster.

    Attributes:
        address: of its head.
        results: the results folder.
        threads: of a cell.
        device: "cpu" or "gpu".
        apart: what tells commands apart that may run at the same time with one results folder.
        most: tasks without turns at a time; None for as many as there is room for.
    """

    address: str
    results: Path
    threads: int = 1
    device: str = "cpu"
    most: int | None = None
    apart: str = ""

    @property
    def place(self) -> str:
        """The name of the folder that nodes keep the command's files in."""
        return digest([os.uname().nodename, str(self.results.resolve()), self.apart])[:8]


@contextlib.contextmanager
def connected(asked: Asked, tell: Callable[[str], None] = files.say) -> Iterator[Cluster]:
    """The cluster, until the end of the block: then all that still runs there for us is ended.

    What nodes keep of the run's files is deleted where it has come to its end, and else is there when it goes on.

    Args:
        asked: of it.
        tell: is told what there is.

    Raises:
        InputError: there is no such cluster, or none of its nodes has room for a cell or runs the same versions.
    """
    told = {name: value for name, value in os.environ.items() if name in privacy.INFLUENCES or name.startswith(PYTHONS)}
    try:
        context = ray.init(
            address=asked.address,
            runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), **told}},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"there is no Ray cluster at {asked.address} ({nodes.reason(error)}); start one with `ray start --head`, "
            "or name the address of its head with --address."
        ) from error
    place = asked.place
    packed.cache_clear()  # a tree of the same path may be another one by now
    try:
        own = node.facts()
        found = nodes.looked_at(own, place, files.say)
        if not found:
            raise InputError("no node of the cluster can be used; the notes above say why, mend that and try again.")
        if context.dashboard_url:
            tell(f"the cluster's dashboard is at http://{context.dashboard_url}.")
        tell(f"the cluster has {'; '.join(nodes.described(found))}.")
        timed = nodes.timed(found, own.machine)
        if not timed:
            files.say(
                f"no node has the resource {WHOLE}, so what is timed is skipped; `ray start --resources` gives it."
            )
        yield Cluster(asked, place, found, timed, own.machine)
        clear = ray.remote(node.clear)
        left = [clear.options(**nodes.pinned(one.id)).remote(place) for one in nodes.alive(found)]
        ray.wait(left, num_returns=len(left), timeout=nodes.LOOK_S)
    finally:
        ray.shutdown()


@dataclass
class _Flight:
    """A team on its way: what is known of it so far."""

    team: Team
    n_tries: int = 1
    notes: list[str] = field(default_factory=list)
    has_begun: bool = False
    ended: Ended | None = None


class Cluster:
    """See `benchmarks.harness.teams.Executor`."""

    def __init__(self, asked: Asked, place: str, usable: list[Node], timed: list[Node], own: Machine) -> None:
        self._asked, self._place, self._results = asked, place, asked.results.resolve()
        self._share = Share(asked.threads, int(asked.device == "gpu"))
        self._usable, self._timed = self._share.able(usable), timed
        self._slots = sum(map(self._share.fits, self._usable))
        self._slots_of_whole = self._share.fits(timed[0]) if timed else 0
        self._machine = timed[0].machine if timed else own
        shelf = ray.remote(node.Shelf).options(
            **nodes.pinned(ray.get_runtime_context().get_node_id()), max_concurrency=8, max_restarts=-1
        )
        self._shelf = shelf.remote(str(self._results))
        self._supervise = ray.remote(num_returns="streaming", max_retries=0)(node.supervise)

    @property
    def at_once(self) -> int:
        return min(self._slots, self._asked.most or self._slots)

    @property
    def timed_at_once(self) -> int:
        return len(self._timed)

    @property
    def machine(self) -> Machine:
        return self._machine

    def run(self, teams: Iterable[Team], timeout_s: float) -> Iterator[tuple[Team, list[Result]]]:
        """Yields each team when it has ended; one whose node is lost or whose figures are void is run again."""
        coming = iter(teams)
        again: deque[_Flight] = deque()
        flying: dict[Any, _Flight] = {}
        try:
            while True:
                while self._has_room(flying) and (next_one := self._next(again, coming)) is not None:
                    if next_one.team.turns or not self._is_held_up(flying):
                        flying[self._launched(next_one, timeout_s)] = next_one
                    else:
                        again.appendleft(next_one)
                        break
                if not flying:
                    return
                for stream in self._ready(flying):
                    flight = flying[stream]
                    lost = self._heard(stream, flight)
                    if lost is None:
                        continue
                    del flying[stream]
                    results = self._concluded(flight, lost)
                    if results is None:
                        again.append(flight)
                    else:
                        yield flight.team, results
        finally:
            for stream in flying:
                ray.cancel(stream, force=True)

    @staticmethod
    def _next(again: deque[_Flight], coming: Iterator[Team]) -> _Flight | None:
        if again:
            return again.popleft()
        team = next(coming, None)
        return None if team is None else _Flight(team)

    def _has_room(self, flying: dict[Any, _Flight]) -> bool:
        """Whether one more may be asked for: a task without turns, or beside timed teams another one."""
        n_timed = sum(flight.team.turns > 0 for flight in flying.values())
        n_alone = len(flying) - n_timed
        if self._is_held_up(flying):
            return n_timed < self.timed_at_once
        return n_alone < self.at_once and n_alone + n_timed * self._slots_of_whole < self._slots

    @staticmethod
    def _is_held_up(flying: dict[Any, _Flight]) -> bool:
        """Whether a timed team waits for a node to become free: until it has one, no smaller ones go before it."""
        return any(flight.team.turns and not flight.has_begun for flight in flying.values())

    def _launched(self, flight: _Flight, timeout_s: float) -> Any:
        team = flight.team
        flight.has_begun, flight.ended = False, None
        tasks = tuple(dataclasses.replace(task, listener=None) for task in team.tasks)
        reads = tuple(
            {name: Sealed.of(Path(task.job[name]), self._results) for name in READS if name in task.job}
            if task.job["kind"] not in OF_NO_DATA
            else {}
            for task in tasks
        )
        trees = tuple(
            None if task.root == ROOT else Sealed.of(packed(task.root, self._results), self._results) for task in tasks
        )
        stops = tuple(
            None if task.listener is None else str((task.folder / STOP).relative_to(self._results))
            for task in team.tasks
        )
        order = Order(self._place, tasks, reads, trees, stops, team.turns, timeout_s)
        return self._supervise.options(**self._asks(team)).remote(order, self._shelf)

    def _asks(self, team: Team) -> dict[str, Any]:
        """What a team asks Ray for: a whole node, or its threads, its memory and its GPU."""
        if team.turns:
            one = self._timed[0]
            whole = {"num_cpus": one.amount("CPU"), "resources": {WHOLE: 1}}
            gpus = {"num_gpus": min(each.amount("GPU") for each in self._timed)}
            return {**whole, **gpus, **nodes.on_one_of(self._timed)}
        # More than any node has would wait for ever: alone, as on one machine, a task may always begin.
        most_bytes = max(one.amount("memory") for one in self._usable)
        needs_bytes = min(sum(task.needs_bytes for task in team.tasks), most_bytes)
        alone = {"num_cpus": self._share.cpus, "num_gpus": self._share.gpus, "memory": needs_bytes or None}
        return {**alone, **nodes.on_one_of(self._usable)}

    def _ready(self, flying: dict[Any, _Flight]) -> list[Any]:
        """The teams of which there is news; waits for one."""
        while True:
            ready, _ = ray.wait(list(flying), num_returns=1, timeout=LOOK_S, fetch_local=False)
            if ready:
                return list(ready)
            self._lose_nodes()

    def _lose_nodes(self) -> None:
        """Takes account of nodes that are gone.

        Raises:
            MachineError: none is left.
        """
        self._usable = nodes.left_of(self._usable)
        if self._timed:
            self._timed = nodes.left_of(self._timed)

    def _heard(self, stream: Any, flight: _Flight) -> str | None:
        """Takes in what a team's node says next; how it was lost, "" where it has come to its end, None before."""
        try:
            event: Event = ray.get(next(stream))
        except StopIteration:
            return "" if flight.ended is not None else "its node has said nothing of its end"
        except OutOfMemoryError as error:
            reason = f"ended by Ray for want of memory on its node: {nodes.reason(error)}"
            one: Result = {"status": "oom", "reason": reason[:500], "wall_s": 0.0}
            flight.ended = Ended((one,) * len(flight.team.tasks), ({},) * len(flight.team.tasks))
            return ""
        except RayError as error:
            self._lose_nodes()
            return nodes.reason(error)
        return self._taken_in(event, flight)

    def _taken_in(self, event: Event, flight: _Flight) -> str | None:
        tasks = flight.team.tasks
        match event:
            case Begun():
                flight.has_begun = True
            case Line(task, text):
                listener = tasks[task].listener
                if listener is not None:
                    listener(text)
            case Piece(task, name, content):
                with (tasks[task].folder / f"{name}.partial").open("ab") as file:
                    file.write(content)
            case Ended(_, hashes):
                for sent, of in zip(tasks, hashes, strict=True):
                    for name, expected in of.items():
                        partial = sent.folder / f"{name}.partial"
                        partial.touch()  # of an empty file nothing was sent
                        if files.hash_file(partial) != expected:
                            return f"{name} has not arrived as it was sent"
                        partial.replace(sent.folder / name)
                flight.ended = event
        return None

    def _concluded(self, flight: _Flight, lost: str) -> list[Result] | None:
        """What a team has come to; None where it is to be run again, which is said and noted."""
        results: list[Result] = list(flight.ended.results) if flight.ended is not None and not lost else []
        why = f"it was lost with its node or its supervisor ({lost})" if lost else ""
        if not why and flight.team.turns and (void := load.disturbance(results)):
            why = f"its figures were void ({void})"
        if not why:
            return [{**result, "notes": [*result.get("notes", []), *flight.notes]} for result in results]
        job = flight.team.tasks[0].job
        what = f"{job['kind']} · {job['model']} · {job['backend']}"
        if flight.n_tries == MOST_TRIES:
            reason = f"run {MOST_TRIES} times on the cluster, and each time {why}"
            return [{"status": "failed", "reason": reason[:500], "wall_s": 0.0} for _ in flight.team.tasks]
        files.say(f"{what}: {why}, so it is run again.")
        flight.notes.append(f"{why}, so it was run again")
        flight.n_tries += 1
        for task in flight.team.tasks:  # of what has arrived nothing counts
            for partial in task.folder.glob("*.partial"):
                partial.unlink()
        return None
