"""On a node: fetches what a team reads, runs its workers as one machine does alone, and sends back what they leave."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import functools
import os
import platform
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import ray

from backends.registry import BACKENDS
from benchmarks import surroundings
from benchmarks.cluster import trees
from benchmarks.cluster.orders import BLOCK_BYTES, LEAVES, Begun, Ended, Event, Facts, Line, Order, Piece, Sealed
from benchmarks.harness import environment, executors, files, item_map, sources
from benchmarks.harness.environment import ROOT
from benchmarks.harness.executors import Result, Task
from datasets.errors import MachineError

LOOK_S = 0.5
"""How often is asked whether a task is to be ended early."""
RAN = "it ran on node {} of the cluster from {} to {} UTC"
WORK = "w"
"""Of a node's folder, what holds the tasks that run: short, as paths of sockets have to be."""
Said: TypeAlias = "queue.SimpleQueue[Line | list[Result] | BaseException]"


class Shelf:
    """On the driver's machine: hands out what lies in the results folder, and writes nothing."""

    def __init__(self, results: str) -> None:
        self._results = Path(results)

    def read(self, path: str, offset: int) -> bytes:
        """A block of a file, empty after its end."""
        with (self._results / path).open("rb") as file:
            file.seek(offset)
            return file.read(BLOCK_BYTES)

    def is_there(self, path: str) -> bool:
        return (self._results / path).exists()


def facts() -> Facts:
    """What would run here."""
    own = {"interpreter": platform.python_implementation(), **environment.index_versions(), **item_map.versions()}
    versions = {"the harness": own, **{backend: environment.versions(backend) for backend in BACKENDS}}
    return Facts(environment.machine(), sources.tree_hash(), versions)


def begin(place: str) -> Facts:
    """The same, once nothing is left here of an earlier run that was killed; what it has fetched is kept."""
    files.remove(_folder(place) / WORK)
    return facts()


def clear(place: str) -> None:
    """Deletes what a run has kept here."""
    files.remove(_folder(place))


def supervise(order: Order, shelf: Any) -> Iterator[Event]:
    """Runs a team here, and says what happens; whoever ends this process ends the workers with it."""
    yield Begun(ray.get_runtime_context().get_node_id())
    _settled()
    base = _folder(order.place)
    work = Path(tempfile.mkdtemp(prefix="", dir=_made(base / WORK)))
    try:
        reads = [{name: _fetched(one, base, shelf) for name, one in of.items()} for of in order.reads]
        roots = [ROOT if one is None else _tree(one, base, shelf) for one in order.trees]
        said: Said = queue.SimpleQueue()
        began = _now()
        tasks = [
            _laid_out(task, work, reads[n], roots[n], functools.partial(_say, said, n))
            for n, task in enumerate(order.tasks)
        ]
        threading.Thread(target=_run, args=(order, tasks, said), daemon=True).start()
        for event in _heard(order, tasks, said, shelf):
            if isinstance(event, Line):
                yield event
                continue
            where = RAN.format(ray.get_runtime_context().get_node_id()[:8], began, _now())
            results = [_checked(result, of, where) for result, of in zip(event, reads, strict=True)]
            hashes = []
            for n, task in enumerate(tasks):
                hashes.append({name: files.hash_file(task.folder / name) for name in _left(task.folder)})
                yield from _pieces(n, task.folder)
            yield Ended(tuple(results), tuple(hashes))
    finally:
        files.remove(work)


def _run(order: Order, tasks: list[Task], said: Said) -> None:
    """The team's workers, from a thread of its own, so that what they print can be passed on meanwhile."""
    try:
        of = {task.folder: result for task, result in executors.run(tasks, order.turns, order.timeout_s)}
        said.put([of[task.folder] for task in tasks])
    except BaseException as error:  # it is raised again by who listens
        said.put(error)


def _heard(order: Order, tasks: list[Task], said: Said, shelf: Any) -> Iterator[Line | list[Result]]:
    """What workers print, and at last their results; the driver is asked meanwhile which of them to end early."""
    watched = {n: stop for n, stop in enumerate(order.stops) if stop is not None}
    next_look = time.monotonic() + LOOK_S
    while True:
        with contextlib.suppress(queue.Empty):
            event = said.get(timeout=LOOK_S if watched else None)
            if isinstance(event, BaseException):
                raise event
            yield event
            if not isinstance(event, Line):
                return
        if watched and time.monotonic() >= next_look:
            there = ray.get([shelf.is_there.remote(stop) for stop in watched.values()])
            for n in [n for n, is_there in zip(watched, there, strict=True) if is_there]:
                (tasks[n].folder / Path(watched.pop(n)).name).touch()
            next_look = time.monotonic() + LOOK_S


def _say(said: Said, task: int, text: str) -> None:
    said.put(Line(task, text))


def _laid_out(task: Task, work: Path, reads: dict[str, Path], root: Path, listener: Any) -> Task:
    """A task in a folder of this node's, with the paths of what lies here."""
    folder = work / task.folder.name
    folder.mkdir()
    job = {**task.job, **{name: str(path) for name, path in reads.items()}}
    return dataclasses.replace(task, job=job, folder=folder, root=root, listener=listener)


def _checked(result: Result, reads: dict[str, Path], where: str) -> Result:
    """A result with where and when it came about; a failure where what the worker read has changed meanwhile."""
    machine = msgspec.structs.asdict(environment.machine())
    result = {**result, "machine": machine, "notes": [*result.get("notes", []), where]}
    for path in reads.values():
        fault = files.fault(path)
        if fault is not None and result["status"] == "ok":
            reason = f"{path.name} has changed on its node while it was read ({fault}); run again"
            result |= {"status": "failed", "reason": reason}
    return result


def _now() -> str:
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%f}"


def _left(folder: Path) -> list[str]:
    return [name for name in LEAVES if (folder / name).is_file()]


def _pieces(task: int, folder: Path) -> Iterator[Piece]:
    for name in _left(folder):
        with (folder / name).open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield Piece(task, name, block)


def _fetched(wanted: Sealed, base: Path, shelf: Any) -> Path:
    """The folder of that seal on this node: fetched by whoever needs it first, and waited for by the others.

    Raises:
        MachineError: what has arrived is not what was sealed, or cannot be written.
    """
    folder = _made(base / wanted.seal) / Path(wanted.path).name
    with (base / f"{wanted.seal}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if files.seal(folder) == wanted.seal and files.fault(folder) is None:
            return folder

        def write(partial: Path) -> None:
            partial.mkdir()
            for name, size in wanted.sizes.items():
                with (partial / name).open("wb") as file:
                    for offset in range(0, size, BLOCK_BYTES):
                        file.write(ray.get(shelf.read.remote(f"{wanted.path}/{name}", offset)))

        files.fill(folder, write)
        if files.seal(folder) != wanted.seal:
            files.remove(folder)
            raise MachineError(f"{wanted.path} has not arrived as it was sealed; give the same command again.")
    return folder


def _tree(wanted: Sealed, base: Path, shelf: Any) -> Path:
    """The sources of that seal, as a tree of this node's."""
    folder = _fetched(wanted, base, shelf)
    with (base / f"{wanted.seal}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return trees.unpacked(folder)


@functools.cache
def _settled() -> None:
    surroundings.caches()


def _folder(place: str) -> Path:
    """Where this node keeps a run's files: what several nodes of one machine keep is kept apart."""
    node = ray.get_runtime_context().get_node_id()[:8]
    return Path(tempfile.gettempdir()) / f"recallbench-{os.getuid()}-{place}-{node}"


def _made(folder: Path) -> Path:
    """A folder that nobody else can have put anything into."""
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    found = folder.parent.lstat()
    if found.st_uid != os.geteuid() or folder.parent.is_symlink():
        raise MachineError(f"{folder.parent} is somebody else's, expected a folder of this user's; move it away.")
    folder.mkdir(exist_ok=True)
    return folder
