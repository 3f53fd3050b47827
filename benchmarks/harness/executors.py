"""Runs workers on this machine: one process a task, by turns where speed is measured."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import psutil

from backends.registry import interpreter
from benchmarks.harness import environment, files, load
from benchmarks.harness.environment import ROOT, worker_caches, worker_environment

Result: TypeAlias = dict[str, Any]

LOADED, READY, DONE = "loaded", "ready", "done"
"""What a worker that takes turns says: that it waits to be alone, that it waits for its turn, that it has had it."""
LONGEST_LINE = 1 << 12
"""Bytes of a line that a worker prints; of a longer one the rest is passed over."""
KEPT_STDERR = 1 << 16
"""Bytes of the end of what a worker writes to stderr: whatever it prints, neither memory nor disk fill up."""
MOST_RESULT_BYTES = 1 << 26
"""Of a result: that of the largest real cell takes a hundredth of it."""
LONGEST_REASON = 500
LOOK_S = 0.5
"""How often a process is asked whether it still runs; most say so themselves, by the end of their output."""
KILLED_S = 10.0
"""Seconds in which a killed process is gone, unless the kernel itself hangs with it."""
UNUSABLE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENOEXEC}
"""What the system answers where it is the interpreter that cannot be started, and not the machine that is full."""


class _Answer(msgspec.Struct):
    """What the harness itself reads of a result, or of one of several in it; records are checked as a whole later."""

    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    timings: dict[str, float | list[float]] = msgspec.field(default_factory=dict)
    memory: dict[str, Any] = msgspec.field(default_factory=dict)
    hashes: dict[str, str] = msgspec.field(default_factory=dict)


class _Reported(_Answer, kw_only=True):
    status: str
    reason: str | None = None
    sources: list[str] | None = None
    answers: list[_Answer] | None = None


@dataclass(frozen=True)
class Task:
    """One process to be: what goes into its job.json, and an empty folder of its own.

    Attributes:
        listener: is given every line that the process prints, as it comes.
        environment: variables that the process has beside those of every worker.
        needs_bytes: of memory, as far as one can tell; it is begun beside others only where they leave it so much.
        root: the folder whose sources run.
        python: the interpreter; None for that of its backend.
    """

    job: Mapping[str, Any]
    folder: Path
    listener: Callable[[str], None] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    needs_bytes: int = 0
    root: Path = ROOT
    python: str | None = None


def run(tasks: Iterable[Task], turns: int, timeout_s: float, at_once: int = 1) -> Iterator[tuple[Task, Result]]:
    """Runs tasks and yields each with its result, `status` and `wall_s` always among them.

    Without turns the tasks run in their order, so many at a time, and each is yielded as it ends. With turns all of
    them first load what they need, as many at a time as there are cores for, and stay. Then one after the other gets
    ready, which may take a first step that is timed; then each is given its turn round by round, in an order that moves
    on by one a round, while the others sleep. So a slow minute of the machine strikes all alike, and ratios inside the
    group mean something.

    Args:
        tasks: at least one with turns. Without turns each is taken when there is room for it, and after all that have
            ended were yielded.
        turns: how many turns each task gets.
        timeout_s: seconds that a task may take to end, to get ready, or for one turn.
        at_once: how many tasks run at a time, where there are no turns.
    """
    if not turns:
        yield from _side_by_side(tasks, timeout_s, at_once)
        return
    with contextlib.ExitStack() as stack:
        workers: list[_Worker] = []
        tasks = list(tasks)
        side_by_side = _loading_at_once(tasks)
        for i in range(len(tasks)):
            workers += [stack.enter_context(_started(task)) for task in tasks[len(workers) : i + side_by_side]]
            workers[i].load(timeout_s)
        for worker in workers:
            worker.get_ready(timeout_s)
        for turn in range(turns):
            first = turn % len(workers)
            for worker in workers[first:] + workers[:first]:
                worker.give_turn(timeout_s)
        for worker in workers:
            worker.wait(timeout_s)
    for task, worker in zip(tasks, workers, strict=True):
        yield task, worker.result()


def _loading_at_once(tasks: Sequence[Task]) -> int:
    """How many load at a time: one a core, or one after the other where some have no word for it and step at once."""
    if not all(task.job.get("loads_first") for task in tasks):
        return 1
    return max(1, environment.usable_cores() // max(task.job["threads"] for task in tasks))


def _side_by_side(tasks: Iterable[Task], timeout_s: float, at_once: int) -> Iterator[tuple[Task, Result]]:
    coming = iter(tasks)
    waiting: Task | None = None
    running: dict[Future[None], tuple[Task, _Worker, contextlib.ExitStack]] = {}
    free_bytes = psutil.virtual_memory().available
    # An interrupt kills the workers first, and with them ends what the threads wait for.
    with ThreadPoolExecutor(at_once) as pool, contextlib.ExitStack() as everything:
        while True:
            if waiting is None and len(running) < at_once:
                waiting = next(coming, None)
            if waiting is None and not running:
                return
            taken_bytes = sum(task.needs_bytes for task, *_ in running.values())
            if waiting is not None and _has_room(waiting, len(running), at_once, free_bytes - taken_bytes):
                own = everything.enter_context(contextlib.ExitStack())
                worker = own.enter_context(_started(waiting))
                running[pool.submit(worker.wait, timeout_s)] = (waiting, worker, own)
                waiting = None
                continue
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                task, worker, own = running.pop(ended)
                own.close()
                ended.result()  # what went wrong in waiting is raised here, and not lost
                yield task, worker.result()


def _has_room(task: Task, n_running: int, at_once: int, free_bytes: int) -> bool:
    """Whether a task may begin beside those that run: alone it always may."""
    return n_running == 0 or (n_running < at_once and task.needs_bytes <= free_bytes)


@contextlib.contextmanager
def _started(task: Task) -> Iterator[_Worker]:
    """A worker that is killed at the end; an interrupt waits until there is a worker to kill."""
    worker = None
    try:
        with _interrupts_wait():
            worker = _Worker(task)
        yield worker
    finally:
        if worker is not None:
            worker.kill()


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone is interrupted
        yield
        return
    interrupts: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if interrupts and callable(handler):
        handler(signal.SIGINT, None)


class _Worker:
    def __init__(self, task: Task) -> None:
        self._folder = task.folder
        self._listener = task.listener
        self._oom_kills = environment.oom_kills()
        self._failure: Result | None = None
        self._ended_s = 0.0
        self._is_ready = False
        self._spawned = time.monotonic()
        self._line = bytearray()
        self._stderr = bytearray()
        self._watch = load.Watch()
        self._temporary = _temporary(task.folder)
        self._selector = selectors.PollSelector()
        job = {**task.job, "spawned": self._spawned, "parent": os.getpid()}
        (task.folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        python = task.python or interpreter(task.job["backend"])
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                [python, "-m", "benchmarks.harness.worker", str(task.folder)],
                cwd=task.root,
                env={
                    **worker_environment(task.job["threads"], task.job["device"]),
                    **task.environment,
                    **worker_caches(self._temporary),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            if error.errno not in UNUSABLE:
                raise
            self._failure = {"status": "failed", "reason": f"{python} cannot be started ({error.strerror})"}
            return
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None  # noqa: S101 - opened above
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, stream is self._process.stdout)

    def hear(self, words: tuple[str, ...], timeout_s: float) -> str | None:
        """Waits for one of the words, or for the end of the process; whatever else it prints is for the listener.

        The limit holds whatever the process does: one that prints without end is heard, and not believed to be at it;
        one that closes its output, or whose children keep it open, is asked itself whether it still runs.
        """
        deadline = time.monotonic() + timeout_s
        while self._failure is None and self._process is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                self._failure = {"status": "timeout", "reason": f"not done within {timeout_s:g} s; see --timeout"}
                self.kill()
                return None
            if self._selector.get_map():
                if word := self._heard(words, min(left, LOOK_S)):
                    return word
                has_ended = self._process.poll() is not None
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(min(left, 1.0))
                has_ended = self._process.returncode is not None
            if has_ended:
                return self._heard(words, 0.0)  # what it has said last
        return None

    def _heard(self, words: tuple[str, ...], timeout_s: float) -> str | None:
        """Reads what there is, a block of each stream, and says which of the words was in it."""
        heard = None
        for key, _ in self._selector.select(timeout_s):
            block = os.read(key.fd, 1 << 16)
            if not block:
                self._selector.unregister(key.fileobj)
            elif key.data:
                heard = self._hear_lines(block, words) or heard
            else:
                self._stderr += block
                del self._stderr[:-KEPT_STDERR]
        return heard

    def _hear_lines(self, block: bytes, words: tuple[str, ...]) -> str | None:
        heard = None
        *ended, rest = block.split(b"\n")
        for end in ended:
            line = bytes(self._line[:LONGEST_LINE] + end[:LONGEST_LINE])[:LONGEST_LINE].decode(errors="replace")
            self._line.clear()
            if line.rstrip() in words:
                heard = line.rstrip()
            elif self._listener is not None:
                self._listener(line.rstrip())
        self._line += rest[: LONGEST_LINE - len(self._line)]
        return heard

    def load(self, timeout_s: float) -> None:
        """Waits until it has loaded what it needs; one with nothing to load is ready at once."""
        self._is_ready = self.hear((LOADED, READY), timeout_s) == READY

    def get_ready(self, timeout_s: float) -> None:
        if not self._is_ready:
            self._go(READY, timeout_s)

    def give_turn(self, timeout_s: float) -> None:
        if self._process is not None:
            with self._watch.turn(self._process.pid):
                self._go(DONE, timeout_s)

    def _go(self, word: str, timeout_s: float) -> None:
        """Says that it may go on, and waits until it says the word."""
        if self._process is None:
            return
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None  # noqa: S101 - opened above
            self._process.stdin.write(b"go\n")
            self.hear((word,), timeout_s)

    def wait(self, timeout_s: float) -> None:
        """Lets the worker end, by the end of its input."""
        if self._process is None:
            return
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None  # noqa: S101 - opened above
            self._process.stdin.close()
        self.hear((), timeout_s)
        self._ended_s = time.monotonic() - self._spawned

    def kill(self) -> None:
        """Ends the process with all that it has started, and what it has left in its temporary folder."""
        if self._process is not None:
            end(self._process)
        shutil.rmtree(self._temporary, ignore_errors=True)

    def result(self) -> Result:
        """What the worker wrote, or why it did not; of one that failed the end of its stderr lies in its folder."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr) if self._process else ():
            if stream is not None:
                stream.close()
        result = self._failure or self._written() or self._death()
        if result["status"] != "ok":
            with contextlib.suppress(OSError):  # a full disk does not change how the cell ended
                (self._folder / "stderr").write_bytes(self._stderr)
        elif self._watch.turns[load.LOAD]:
            result["timings"] = {**result.get("timings", {}), **self._watch.turns}
        return {**result, "wall_s": self._ended_s}

    def _written(self) -> Result | None:
        """Its result.json, a failure where that is none, or nothing where there is no such file."""
        path = self._folder / "result.json"
        try:
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("it is no file")
            if found.st_size > MOST_RESULT_BYTES:
                raise ValueError(f"it has {found.st_size:,} bytes, expected at most {MOST_RESULT_BYTES:,}")
            result = json.loads(path.read_text(encoding="utf-8"))
            msgspec.convert(result, _Reported)
        except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
            reason = f"the worker's result.json is broken: {error}"
            return {"status": "failed", "reason": reason[:LONGEST_REASON]}
        reason = result.get("reason")
        return {**result, "reason": reason and reason[:LONGEST_REASON]}

    def _death(self) -> Result:
        code = self._process.returncode if self._process is not None else None
        if code is None:
            return {"status": "failed", "reason": "the worker could not be killed"}
        if code == -signal.SIGKILL and environment.oom_kills() > self._oom_kills:
            return {"status": "oom", "reason": "killed by the kernel for want of memory"}
        if code < 0:
            return {"status": "failed", "reason": f"killed by signal {-code} ({_signal_name(-code)})"}
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        last = lines[-1].strip()[:400] if lines else "nothing on stderr"
        return {"status": "failed", "reason": f"exit status {code} without a result: {last}"}


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills a process group, and, where its leader still runs, what it has started in sessions of their own."""
    children: list[psutil.Process] = []
    if process.poll() is None:
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(process.pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILLED_S)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of the real-time signals
        return "without a name"


def _temporary(folder: Path) -> Path:
    """A worker's own temporary folder, in which frameworks leave files behind: it goes when the worker ends."""
    own = files.temporary(folder)
    files.remove(own)
    try:
        own.mkdir(mode=0o700)
    except FileExistsError:  # somebody else has taken the name
        return Path(tempfile.mkdtemp(prefix="recallbench-"))
    return own
