"""Mutants of files that have tests of their own, judged by these: metrics, splits, samplers, audits and index adapters.

A mutant is caught by the first test that fails on it. Only tests that execute the changed line are tried, cheap ones
first: the quick ones with Numba's functions left to Python, since compiling takes seconds a mutant; then all of them
compiled, as users run them. So what survives has survived the tests as they stand; what is caught may have been caught
by an exception of Python's where compiled code would have read beyond an array.

Tests that start a process of their own do not see the mutant in there.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import itertools
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.mutation.mutants import Mutant
from datasets import durable

ROOT = Path(__file__).resolve().parents[2]


def _tests(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/{folder}/test_{name}.py" for name in names)


TESTS: Mapping[str, tuple[str, ...]] = {
    "benchmarks/metrics.py": _tests("benchmarks", "metrics"),
    "benchmarks/negatives.py": _tests("benchmarks", "negatives"),
    "benchmarks/sampling.py": _tests("benchmarks", "sampling"),
    "benchmarks/protocols/": _tests(
        "benchmarks", "counts", "equal_times", "features", "large_tables", "leakage", "leave_k_out", "min_rating",
        "next_item", "odd_data", "protocols", "row_order", "sequence_split", "settings", "time_split", "told_apart",
        "training", "user_split",
    ),
    "benchmarks/audit/": _tests("benchmarks", "audit", "audit_files", "large_tables", "leakage"),
    "backends/ann/": (
        *_tests("backends/ann", "exact", "indexes", "interests", "lengths", "many_items", "odd_settings"),
        *_tests("benchmarks", "retrieval_cost"),
    ),
}  # fmt: skip
"""A file, or a folder of files, and the test files that its mutants are judged by."""

JOBS = 2
STARTING_S, SLOWER = 30.0, 5.0
"""A trial may take so long, and so many times as long as its tests take as the sources stand."""

QUICK_S = 10.0
"""Those tests are tried with Numba's functions left to Python that together take no longer, the cheapest of them."""

SURVEY_S = 1800.0
PRELOADED = (
    "numba", "numpy", "pandas", "scipy.stats", "hypothesis", "pytest", "coverage", "benchmarks.mutation.trials",
)  # fmt: skip
"""What the server that forks the trials has loaded."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Attributes:
        mutant: the mutant.
        fate: "caught" or "survived".
        how: "difference" (an assertion), "error", "timeout" or "crash"; None where it survived.
        by: the test that caught it; "" where it survived, or ended the process before anybody could say.
        n_tests: how many tests were there to notice; 0 where none executes the line.
    """

    mutant: Mutant
    fate: str
    how: str | None
    by: str
    n_tests: int


class Setting(NamedTuple):
    """How tests are run.

    Attributes:
        root: the repository, or a folder that is laid out like it.
        folder: where Numba may keep what it compiles of files that are no mutants.
        compiled: whether Numba compiles, or leaves its functions to Python.
    """

    root: Path
    folder: Path
    compiled: bool


@dataclass(frozen=True)
class _Room:
    """What is known of the tests of a file or folder: test -> seconds as Python and compiled, and what they execute."""

    as_python: Mapping[str, float]
    compiled: Mapping[str, float]
    reached: Mapping[str, Mapping[int, Sequence[str]]]

    def reaching(self, path: str, lines: range) -> list[str]:
        """The tests that execute one of these lines; all tests where one of them is executed when it is imported."""
        found = {test for line in lines for test in self.reached[path].get(line, ())}
        return [test for test in sorted(self.compiled) if test in found or "" in found]

    def quick(self, tests: Sequence[str]) -> list[str]:
        """The cheapest of some tests as Python, which together take no longer than QUICK_S."""
        known = sorted((test for test in tests if test in self.as_python), key=self.as_python.__getitem__)
        spent = itertools.accumulate(self.as_python[test] for test in known)
        return [test for test, until in zip(known, spent, strict=True) if until < QUICK_S]


def judged(
    path: str,
    mutants: Sequence[Mutant],
    *,
    timeout_s: float,
    survey: Path | None = None,
    unchanged: Callable[[], None] = lambda: None,
) -> Iterator[Verdict]:
    """Tries the mutants of a file, two at a time, and yields what became of each, in their order.

    Args:
        path: the file, relative to the repository's root: one in TESTS, or in a folder there.
        mutants: some of its mutants, as its text stands.
        timeout_s: no trial takes longer; less where its tests take a fraction of that.
        survey: a file in which what is known of the tests is kept, for the other files that they judge; whoever names
            it sees to it that it is another one for other tests or sources.
        unchanged: is called before that is written, and raises where tests or sources have changed meanwhile.

    Raises:
        ValueError: if there is nothing to judge the file by, or its text is not the one of the mutants.
        RuntimeError: if a test fails as the sources stand, so that its failing would prove nothing.
    """
    named = [name for name in TESTS if path == name or (name.endswith("/") and path.startswith(name))]
    if not named:
        raise ValueError(f"{path} has no tests to judge it by, expected one of {', '.join(TESTS)}.")
    source = (ROOT / path).read_text(encoding="utf-8")
    room = _surveyed(named[0], survey, unchanged)
    with ThreadPoolExecutor(JOBS) as pool:
        yield from pool.map(functools.partial(_judge, source=source, room=room, timeout_s=timeout_s), mutants)


_kept = functools.cache(tempfile.TemporaryDirectory)
"""A folder, there as long as this process, in which trials leave what Numba compiles of files that are no mutants."""


def _setting(compiled: bool) -> Setting:
    return Setting(ROOT, Path(_kept().name), compiled)


def _surveyed(name: str, kept: Path | None, unchanged: Callable[[], None] = lambda: None) -> _Room:
    """What is known of the tests of a file or folder: as it was kept, or found out, which takes minutes."""
    with contextlib.suppress(OSError, msgspec.DecodeError):  # absent, or damaged: found out anew
        if kept:
            return msgspec.json.decode(kept.read_bytes(), type=_Room)
    room = _survey(name)
    if kept:
        unchanged()
        with contextlib.suppress(OSError), durable.replacing(kept) as partial:
            partial.write_bytes(msgspec.json.encode(room))
    return room


@functools.cache
def _survey(name: str) -> _Room:
    paths = [name] if not name.endswith("/") else [f"{name}{file.name}" for file in sorted((ROOT / name).glob("*.py"))]
    with ThreadPoolExecutor(JOBS) as pool:
        compiled_run, python_run = (
            pool.submit(_sent, "survey", SURVEY_S, _setting(compiled), TESTS[name], paths) for compiled in (True, False)
        )
    try:
        (compiled, failed, _), (as_python, _, reached) = compiled_run.result(), python_run.result()
    except _EndedError as error:
        raise RuntimeError(
            f"the tests that judge {name} ended early without any mutant: {error}; mend them."
        ) from error
    if failed:
        raise RuntimeError(f"tests that judge {name} fail without any mutant: {', '.join(failed)}; mend them first.")
    return _Room(as_python, compiled, reached)


def _judge(mutant: Mutant, source: str, room: _Room, timeout_s: float) -> Verdict:
    text = mutant.applied(source)
    tests = room.reaching(mutant.path, _lines(source, mutant))
    for chosen, seconds, compiled in ((room.quick(tests), room.as_python, False), (tests, room.compiled, True)):
        if chosen:
            limit_s = min(timeout_s, STARTING_S + SLOWER * sum(seconds[test] for test in chosen))
            cheap_first = sorted(chosen, key=seconds.__getitem__)
            try:
                failure = _sent("trial", limit_s, _setting(compiled), mutant.path, text, cheap_first)
            except _EndedError as error:
                failure = str(error), ""
            if failure is not None:
                how, test = failure
                return Verdict(mutant, "caught", how, test, len(tests))
    return Verdict(mutant, "survived", None, "", len(tests))


def _lines(source: str, mutant: Mutant) -> range:
    """The lines, from 1, of the innermost statement around a mutant's change; of one with a body, up to that."""
    around = range(mutant.line, mutant.line + 1)
    for node in ast.walk(ast.parse(source)):  # inner ones come after outer ones
        if isinstance(node, ast.stmt):
            decorators, body = getattr(node, "decorator_list", []), getattr(node, "body", [])
            first = min(part.lineno for part in (node, *decorators))
            last = max(node.lineno, body[0].lineno - 1) if body else (node.end_lineno or node.lineno)
            if first <= mutant.line <= last:
                around = range(first, last + 1)
    return around


class _EndedError(Exception):
    """A process that sent nothing: "timeout", "crash" if a signal ended it, else "error"."""


def _sent(function: str, limit_s: float, *arguments: Any) -> Any:
    """What a function of `trials` sends from a process of its own, which is ended afterwards with all that it started.

    Raises:
        _EndedError: if it sends nothing, or not before the limit.
    """
    from benchmarks.mutation import trials

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=getattr(trials, function), args=(sender, *arguments))
    process.start()
    sender.close()
    try:
        if not receiver.poll(limit_s):
            raise _EndedError("timeout")
        return receiver.recv()
    except EOFError:
        process.join()
        raise _EndedError("crash" if (process.exitcode or 0) < 0 else "error") from None
    finally:
        process.kill()
        if process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.join()
        process.close()
        receiver.close()
