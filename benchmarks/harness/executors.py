"""Runs workers on this machine: one process a task, by turns where speed is measured."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from backends.registry import interpreter
from benchmarks.harness.environment import ROOT, worker_environment

Result: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One process to be: what goes into its job.json, and an empty folder of its own.

    Attributes:
        listener: is given every line that the process prints, as it comes.
    """

    job: Mapping[str, Any]
    folder: Path
    listener: Callable[[str], None] | None = None


def run(tasks: list[Task], turns: int, timeout_s: float, at_once: int = 1) -> Iterator[tuple[Task, Result]]:
    """Runs tasks and yields each with its result, `status` and `wall_s` always among them.

    Without turns the tasks run in their order, so many at a time, and each is yielded as it ends. With turns all of
    them first get ready, one after the other, and stay; then each is given its turn round by round, in an order that
    moves on by one a round, while the others sleep. So a slow minute of the machine strikes all alike, and ratios
    inside the group mean something.

    Args:
        tasks: at least one.
        turns: how many turns each task gets.
        timeout_s: seconds that a task may take to end, to get ready, or for one turn.
        at_once: how many tasks run at a time, where there are no turns.
    """
    if not turns:
        yield from _side_by_side(tasks, timeout_s, at_once)
        return
    with contextlib.ExitStack() as stack:
        workers = []
        for task in tasks:
            workers.append(stack.enter_context(_started(task)))
            workers[-1].hear("ready", timeout_s)
        for turn in range(turns):
            first = turn % len(workers)
            for worker in workers[first:] + workers[:first]:
                worker.give_turn(timeout_s)
        for worker in workers:
            worker.wait(timeout_s)
    for task, worker in zip(tasks, workers, strict=True):
        yield task, worker.result()


def _side_by_side(tasks: list[Task], timeout_s: float, at_once: int) -> Iterator[tuple[Task, Result]]:
    waiting = iter(tasks)
    running: dict[Future[None], tuple[Task, _Worker, contextlib.ExitStack]] = {}
    # An interrupt kills the workers first, and with them ends what the threads wait for.
    with ThreadPoolExecutor(at_once) as pool, contextlib.ExitStack() as everything:
        while True:
            for task in itertools.islice(waiting, at_once - len(running)):
                own = everything.enter_context(contextlib.ExitStack())
                worker = own.enter_context(_started(task))
                running[pool.submit(worker.wait, timeout_s)] = (task, worker, own)
            if not running:
                return
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                task, worker, own = running.pop(ended)
                own.close()
                yield task, worker.result()


@contextlib.contextmanager
def _started(task: Task) -> Iterator[_Worker]:
    """A worker that is killed at the end; an interrupt waits until there is a worker to kill."""
    interrupts: list[int] = []
    worker = None
    try:
        handler = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
        try:
            worker = _Worker(task)
        finally:
            signal.signal(signal.SIGINT, handler)
        if interrupts and callable(handler):
            handler(signal.SIGINT, None)
        yield worker
    finally:
        if worker is not None:
            worker.kill()


class _Worker:
    def __init__(self, task: Task) -> None:
        self._folder = task.folder
        self._listener = task.listener
        self._oom_kills = _oom_kills()
        self._timed_out: float | None = None
        self._ended_s = 0.0
        self._spawned = time.monotonic()
        job = {**task.job, "spawned": self._spawned, "parent": os.getpid()}
        (task.folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        with (task.folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                [interpreter(task.job["backend"]), "-m", "benchmarks.harness.worker", str(task.folder)],
                cwd=ROOT,
                env=worker_environment(task.job["threads"], task.job["device"]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - opened above
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def hear(self, word: str | None, timeout_s: float) -> None:
        """Waits for a word, or for the end of the process; whatever else it prints is for the listener."""
        deadline = time.monotonic() + timeout_s
        while self._timed_out is None:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self._timed_out = timeout_s
                self.kill()
                return
            if line is None:
                self._lines.put(None)
                return
            if line == word:
                return
            if self._listener is not None:
                self._listener(line)

    def give_turn(self, timeout_s: float) -> None:
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None  # noqa: S101 - opened above
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
            self.hear("done", timeout_s)

    def wait(self, timeout_s: float) -> None:
        """Lets the worker end, by the end of its input."""
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None  # noqa: S101 - opened above
            self._process.stdin.close()
        self.hear(None, timeout_s)
        self._process.wait()
        self._ended_s = time.monotonic() - self._spawned

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def result(self) -> Result:
        """What the worker wrote, or why it did not."""
        path = self._folder / "result.json"
        if path.exists():
            return {"reason": None, **json.loads(path.read_text(encoding="utf-8")), "wall_s": self._ended_s}
        return {**self._death(), "wall_s": self._ended_s}

    def _death(self) -> Result:
        if self._timed_out is not None:
            return {"status": "timeout", "reason": f"not done within {self._timed_out:.0f} s; see --timeout"}
        code = self._process.returncode
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills:
            return {"status": "oom", "reason": "killed by the kernel for want of memory"}
        if code < 0:
            return {"status": "failed", "reason": f"killed by signal {-code} ({signal.Signals(-code).name})"}
        lines = (self._folder / "stderr").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1].strip()[:400] if lines else "nothing on stderr"
        return {"status": "failed", "reason": f"exit status {code} without a result: {last}"}


def _oom_kills() -> int:
    """How often the kernel has killed a process for memory since it started; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
