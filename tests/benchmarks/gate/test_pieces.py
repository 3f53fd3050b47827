"""The pieces' own benchmarks in two trees, by the real pytest-benchmark."""

import dataclasses
import math
import shutil
import sys

import pytest

from benchmarks.gate import pairs, pieces
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.pairs import Due, Where
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


def test_benchmarks_that_fail_are_a_sentence_and_those_that_cannot_be_listed_are_none(tree, tmp_path, monkeypatch):
    base = planned(tree("base", BENCHMARKS.format(seconds=0.001)), monkeypatch)
    head = tree("head", "def test_sleep(benchmark):\n    assert False\n")
    pair = compared(base, dataclasses.replace(head, cells=base.cells), Where(Here(), tmp_path, 60.0))
    assert (pair.side, pair.failed.startswith("head: failed, pytest ended with exit status 1: ")) == ("head", True)
    broken = tree("broken", "import nothing_of_that_name\n")
    monkeypatch.setattr(pieces, "ROOT", broken.root)
    with pytest.raises(RuntimeError, match=r"the benchmarks of benchmarks/bench_sleep\.py cannot be listed: "):
        list(pieces.found(1))
