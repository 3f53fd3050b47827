"""The pieces' own benchmarks in two trees, by the real pytest-benchmark."""

import dataclasses
import math
import shutil
import sys

import pytest

from benchmarks.gate import pairs, pieces
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import FARTHEST
from benchmarks.gate.holding import Held
from benchmarks.gate.pairs import Due, Where
from benchmarks.gate.sequential import Plan
from benchmarks.harness.environment import ROOT
from benchmarks.harness.teams import Here

FILE = "benchmarks/bench_sleep.py"
BENCHMARKS = """
import time
import pytest

@pytest.mark.parametrize("times", [1, 2])
def test_sleep(benchmark, times):
    benchmark.pedantic(time.sleep, (times * {seconds},), rounds=3)
"""
LINES = ("pieces · bench_sleep.py · test_sleep[1]", "pieces · bench_sleep.py · test_sleep[2]")


@pytest.fixture
def tree(tmp_path):
    """A tree with one file of benchmarks."""

    def made(name, text):
        root = tmp_path / name
        for package in ("backends", "benchmarks", "datasets"):
            shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__", "bench_*"))
        (root / FILE).write_text(text, encoding="utf-8")
        return Contestant(name, root, sys.executable)

    return made


def planned(side, monkeypatch):
    monkeypatch.setattr(pieces, "ROOT", side.root)
    (process,) = pieces.found(1)
    assert tuple(process["what"]) == LINES
    return dataclasses.replace(side, cells={LINES: process["job"]})


def compared(base, head, where):
    ((_, (pair,)),) = pairs.run(base, [Due(LINES, 0, (head,))], where)
    return pair


def test_each_benchmark_is_a_cell_and_its_speed_is_compared(tree, tmp_path, monkeypatch):
    base, head = tree("base", BENCHMARKS.format(seconds=0.005)), tree("head", BENCHMARKS.format(seconds=0.05))
    base = planned(base, monkeypatch)
    pair = compared(base, dataclasses.replace(head, cells=base.cells), Where(Here(), tmp_path, 60.0))
    assert [one.cell for one in pair.measured] == list(LINES)
    assert all(one.ratio < math.log(0.5) for one in pair.measured)  # ten times the sleep
    assert pair.seconds > 0


@pytest.mark.parametrize(("skips", "n_cells"), [("times == 2", 1), ("True", 0)])
def test_what_skips_itself_on_both_sides_is_left_out_and_said(tree, tmp_path, monkeypatch, skips, n_cells):
    text = BENCHMARKS.format(seconds=0.001).replace(
        "    benchmark.ped", f"    {skips} and pytest.skip('no data')\n    benchmark.ped"
    )
    base = planned(tree("base", text), monkeypatch)
    head = dataclasses.replace(base, name="head")
    pair = compared(base, head, Where(Here(), tmp_path, 60.0))
    assert [one.cell for one in pair.measured] == list(LINES[:n_cells])
    held = Held(LINES, pieces.KIND, [pair, pair])
    held.judge(2, Plan(2, 1, 0.9))
    assert held.skipped == list(LINES[n_cells:])


def test_a_benchmark_that_only_base_has_timed_has_regressed():
    sides = ({"seconds": dict.fromkeys(LINES, 0.1)}, {"seconds": {LINES[0]: 0.1}})
    same, lost = pieces.compared(LINES, *sides)
    assert (same.ratio, lost.ratio) == (0.0, -FARTHEST)


def test_a_base_that_says_less_of_its_benchmarks_is_missing_and_no_crash(tree, tmp_path, monkeypatch):
    head = planned(tree("head", BENCHMARKS.format(seconds=0.001)), monkeypatch)
    shorter = {"kind": pieces.KIND, "file": FILE, "threads": 1}
    base = dataclasses.replace(head, name="base", root=tmp_path, cells={LINES: shorter})  # which has no worker at all
    pair = compared(base, head, Where(Here(), tmp_path, 60.0))
    assert (pair.side, "base: failed" in pair.failed) == ("base", True)


def test_benchmarks_that_fail_are_a_sentence_and_those_that_cannot_be_listed_are_none(tree, tmp_path, monkeypatch):
    base = planned(tree("base", BENCHMARKS.format(seconds=0.001)), monkeypatch)
    head = tree("head", "def test_sleep(benchmark):\n    assert False\n")
    pair = compared(base, dataclasses.replace(head, cells=base.cells), Where(Here(), tmp_path, 60.0))
    assert (pair.side, pair.failed.startswith("head: failed, pytest ended with exit status 1: ")) == ("head", True)
    broken = tree("broken", "import nothing_of_that_name\n")
    monkeypatch.setattr(pieces, "ROOT", broken.root)
    with pytest.raises(RuntimeError, match=r"the benchmarks of benchmarks/bench_sleep\.py cannot be listed: "):
        list(pieces.found(1))
