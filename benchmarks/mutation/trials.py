"""Tests of ours run in a process of their own, on sources of which one may be a mutant's.

`benchmarks.mutation.by_tests` starts these functions in processes that a server has forked, in which the libraries are
loaded and our own modules are not yet: they are imported anew, the mutant in the place of its file.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from multiprocessing.connection import Connection
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from benchmarks.mutation.by_tests import Setting

OURS = ("backends", "benchmarks", "datasets", "reports")

LONG_S = 3.0
"""So long a test may take as Python while the lines that it executes are noted."""

MEMORY_BYTES = 8 * 2**30
"""What a mutant that asks for far too much memory may have, so that it fails and not the machine."""


def survey(connection: Connection, setting: Setting, files: Sequence[str], paths: Sequence[str]) -> None:
    """Runs the tests of some files and sends what it has found out.

    That is, of each test that passed or was skipped, how many seconds it took, its fixtures included; the tests that
    failed; and path -> line -> the tests that execute it, "" where it is executed outside of tests. The last is empty
    where Numba compiles: then nobody can look inside of its functions.

    Args:
        connection: where it is sent to.
        setting: how they are run.
        files: the test files.
        paths: the sources whose executed lines are wanted.
    """
    _prepare(setting)
    if setting.compiled:
        watch = _Watch()
        _went_through(_run(setting, files, watch))
        connection.send((watch.seconds, [test for _, test in watch.failures], {}))
        return
    import coverage

    sources = {path: str(setting.root / path) for path in paths}
    looking = coverage.Coverage(data_file=None, include=list(sources.values()))
    watch = _Watch(coverage=looking)
    with looking.collect():
        ended = _run(setting, files, watch)
    _went_through(ended)
    data = looking.get_data()
    reached = {
        path: {line: watch.tests_of(contexts) for line, contexts in data.contexts_by_lineno(source).items()}
        for path, source in sources.items()
    }
    connection.send((watch.seconds, [test for _, test in watch.failures], reached))


def _went_through(ended: int) -> None:
    if ended not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise RuntimeError(f"pytest ended with {ended}")


def trial(connection: Connection, setting: Setting, path: str, text: str, tests: Sequence[str]) -> None:
    """Runs tests in this order on a mutant, up to the first that fails.

    Sends how it failed, "difference" or "error", and its id; None where all passed.

    Args:
        connection: where it is sent to.
        setting: how they are run.
        path: the file that the mutant is of.
        text: its text with the change.
        tests: ids of tests as pytest has them.
    """
    _prepare(setting)
    # What Numba keeps on disk is found by a function's bytecode, in which constants are left out.
    sys.meta_path.insert(0, _Instead(path, text.replace("cache=True", "cache=False")))
    watch = _Watch(chosen=tests)
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    status = _run(setting, files, watch, ("--exitfirst",))
    if status not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} and not watch.failures:
        watch.failures.append(("error", ""))
    connection.send(watch.failures[0] if watch.failures else None)


def _prepare(setting: Setting) -> None:
    """A group of its own, which can be ended as one; silence; Numba's settings; and none of our modules.

    So no object of theirs can be sent afterwards: its class would no longer be the one under its name.
    """
    os.setsid()
    os.chdir(setting.root)
    sys.path.insert(0, str(setting.root))
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    os.environ["NUMBA_DISABLE_JIT"] = str(int(not setting.compiled))
    os.environ["NUMBA_CACHE_DIR"] = str(setting.folder)
    os.environ["COVERAGE_CORE"] = "ctrace"  # the newer one cannot tell which test a line is executed by
    import numba

    numba.config.reload_config()
    for name in list(sys.modules):
        if name.partition(".")[0] in OURS:
            del sys.modules[name]


def _run(setting: Setting, files: Sequence[str], watch: _Watch, options: Sequence[str] = ()) -> int:
    import hypothesis

    # The same examples each time, and a failure as it was found: how small it can be made does not matter.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("trial", derandomize=True, database=None, phases=phases)
    # No plugins but those that our tests need: the others take longer than most tests.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plugins = [f"-p{name}" for name in ("_hypothesis_pytestplugin", "pytest_timeout", "no:cacheprovider")]
    fixed = (f"--rootdir={setting.root}", "--quiet", "--tb=native", "--hypothesis-profile=trial")
    return pytest.main([*plugins, *fixed, *options, *files], plugins=[watch])


class _Watch:
    """A plugin of pytest that chooses tests, and notes what becomes of them."""

    def __init__(self, coverage: Any = None, chosen: Sequence[str] | None = None) -> None:
        self.coverage = coverage
        self.chosen = chosen
        self.own_s: dict[str, float] = {}
        self.shared_s: dict[str, float] = {}  # fixture -> seconds
        self.failures: list[tuple[str, str]] = []
        self.sharing: dict[str, list[str]] = {}  # fixture -> the tests that use it
        self.running, self.started = "", 0.0

    @property
    def seconds(self) -> dict[str, float]:
        """How long each test takes alone, with all fixtures that it needs."""
        shared = dict.fromkeys(self.own_s, 0.0)
        for fixture, took in self.shared_s.items():
            for test in self.sharing.get(fixture, ()):
                if test in shared:
                    shared[test] += took
        return {test: own + shared[test] for test, own in self.own_s.items()}

    def tests_of(self, contexts: Sequence[str]) -> list[str]:
        """The tests of what was executed in these contexts: tests, fixtures, and "" for neither."""
        return [test for context in contexts for test in self.sharing.get(context, [context])]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for name in getattr(item, "fixturenames", ()):
                self.sharing.setdefault(name, []).append(item.nodeid)
        if self.chosen is not None:
            by_id = {item.nodeid: item for item in items}
            items[:] = [by_id[test] for test in self.chosen if test in by_id]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.running, self.started = nodeid, time.perf_counter()
        if self.coverage:
            self.coverage.stop()  # begun anew, since a test that is ended for its length may end the tracing too
            self.coverage.start()
            self.coverage.switch_context(nodeid)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """Where lines are looked at, a test is ended that takes long; what it has executed until then counts."""
        if self.coverage:
            signal.signal(signal.SIGALRM, _too_long)
            signal.setitimer(signal.ITIMER_REAL, LONG_S)
        try:
            return (yield)
        finally:
            if self.coverage:
                signal.setitimer(signal.ITIMER_REAL, 0)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """What a fixture executes that several tests share is executed for all of them, and its time theirs."""
        if fixturedef.scope == "function":
            return (yield)
        begun = time.perf_counter()
        if self.coverage:
            self.coverage.switch_context(fixturedef.argname)
        try:
            return (yield)
        finally:
            if self.coverage:
                self.coverage.switch_context(self.running)
            took = time.perf_counter() - begun
            self.shared_s[fixturedef.argname] = max(took, self.shared_s.get(fixturedef.argname, 0.0))
            self.started += took

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self.coverage:
            self.coverage.switch_context("")
        if nodeid not in {test for _, test in self.failures}:
            self.own_s[nodeid] = time.perf_counter() - self.started

    def pytest_exception_interact(self, node: pytest.Item, call: pytest.CallInfo[Any]) -> None:
        """Called for what no test expected, whether a test is run or a file of tests read."""
        assert call.excinfo is not None  # noqa: S101 - or there were nothing to interact with
        self.failures.append(("difference" if _differs(call.excinfo.value) else "error", node.nodeid))


def _too_long(*_: object) -> None:
    raise TimeoutError(f"longer than {LONG_S} s")


def _differs(error: BaseException) -> bool:
    """Whether a test's own assertion failed, pytest.raises among them, and not what it tests."""
    if isinstance(error, BaseExceptionGroup):
        return any(_differs(inner) for inner in error.exceptions)
    return isinstance(error, AssertionError | pytest.fail.Exception)


class _Instead(importlib.abc.MetaPathFinder):
    """Finds one module with another text than its file has."""

    def __init__(self, path: str, text: str) -> None:
        self.name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.text = text

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self.text)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, text: str) -> None:
        super().__init__(fullname, path)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text, self.get_filename(fullname), "exec", dont_inherit=True)
