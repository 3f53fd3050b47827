"""The executor that is this machine, and what a run does where nothing can be timed. Workers are functions."""

from pathlib import Path
from typing import ClassVar

import pytest
from function_workers import MADE_UP, Workers

from benchmarks.harness import environment, executors, load, store
from benchmarks.harness.executors import Task
from benchmarks.harness.groups import groups
from benchmarks.harness.plan import Options, cells
from benchmarks.harness.prepare import prepare
from benchmarks.harness.run import UNTIMEABLE, Run
from benchmarks.harness.teams import Here, Team


def team(*names, turns=0):
    return Team(tuple(Task({}, Path(name)) for name in names), turns)


@pytest.fixture
def happened(monkeypatch):
    """What is asked for, run and ended, in its order."""
    happened = []

    def run(tasks, turns, timeout_s, at_once=1):
        for task in tasks:
            happened.append(f"{task.folder} of {turns} turns, {at_once} at once, {timeout_s:g} s")
            yield task, {"status": "ok"}

    monkeypatch.setattr(executors, "run", run)
    return happened


def test_what_takes_turns_begins_when_all_before_it_have_ended_and_nothing_is_asked_for_before_its_end(happened):
    def wanted():
        for one in (team("a"), team("b"), team("c", "d", turns=3), team("e"), team("f", turns=2)):
            happened.append(f"asked for {one.tasks[0].folder}")
            yield one

    for ended, results in Here(2).run(wanted(), 9.0):
        happened.append(f"ended {' '.join(str(task.folder) for task in ended.tasks)}: {len(results)}")
    assert happened == [
        "asked for a", "a of 0 turns, 2 at once, 9 s", "ended a: 1",
        "asked for b", "b of 0 turns, 2 at once, 9 s", "ended b: 1",
        "asked for c", "c of 3 turns, 1 at once, 9 s", "d of 3 turns, 1 at once, 9 s", "ended c d: 2",
        "asked for e", "e of 0 turns, 2 at once, 9 s", "ended e: 1",
        "asked for f", "f of 2 turns, 1 at once, 9 s", "ended f: 1",
    ]  # fmt: skip


def test_where_nothing_can_be_timed_it_is_skipped_and_that_is_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "run", Workers())

    class Nowhere(Here):
        timed_at_once: ClassVar[int] = 0

    def run(executor):
        with store.locked(tmp_path):
            prepared = prepare(MADE_UP, tmp_path, None)
            session = Run(tmp_path, 60.0, executor=executor)
            for group in groups(cells(MADE_UP, prepared, Options())):
                assert session.unfinished(group)
                session.execute(group, prepared)
        return [(record.status, record.reason) for record in store.read(tmp_path)]

    assert run(Nowhere()) == [("skipped", UNTIMEABLE)]
    assert environment.machine() == Here().machine
    assert [status for status, _ in run(Here())] == ["ok"]


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ({load.LOAD: [0.1, 3.0, 0.2], load.STEAL: [0.0, 0.0, 0.0]}, None),
        ({load.LOAD: [0.1, 0.9, 0.8], load.STEAL: [0.0]}, "others kept 0.80 processors busy, expected at most 0.5"),
        ({load.LOAD: [0.0], load.STEAL: [0.2]}, "0.20 processors were taken away, expected at most 0.1"),
        ({}, None),
    ],
)  # fmt: skip
def test_the_median_over_the_turns_says_whether_figures_are_void(turns, expected):
    quiet = {"timings": {load.LOAD: [0.0], load.STEAL: [0.0]}}
    assert load.disturbance([quiet, {"timings": turns}]) == expected
    assert load.disturbance([{"status": "failed"}]) is None
