"""The pieces' own benchmarks in two trees, by the real pytest-benchmark."""

import math
import sys

import pytest

from benchmarks.gate import pairs, pieces
from benchmarks.gate.contestants import Contestant

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
    def made(name, text):
        path = tmp_path / name / FILE
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        return Contestant(
            name, tmp_path / name, sys.executable, {LINES: {"kind": pieces.KIND, "file": FILE, "threads": 1}}
        )

    return made


def test_each_benchmark_is_a_cell_and_its_speed_is_compared(tree, monkeypatch):
    base, head = tree("base", BENCHMARKS.format(seconds=0.005)), tree("head", BENCHMARKS.format(seconds=0.05))
    monkeypatch.setattr(pieces, "ROOT", base.root)
    (process,) = pieces.found(1)
    assert tuple(process["what"]) == LINES
    assert process["job"] == base.cells[LINES]
    (pair,) = pairs.run(base, [head], LINES, 0, 60.0)
    assert [one.cell for one in pair.measured] == list(LINES)
    assert all(one.ratio < math.log(0.5) for one in pair.measured)  # ten times the sleep


def test_benchmarks_that_fail_are_a_sentence_and_those_that_cannot_be_listed_are_none(tree, monkeypatch):
    base, head = (
        tree("base", BENCHMARKS.format(seconds=0.001)),
        tree("head", "def test_sleep(benchmark):\n    assert False\n"),
    )
    (pair,) = pairs.run(base, [head], LINES, 1, 60.0)
    assert (pair.side, pair.failed.startswith("head: failed, exit status 1: ")) == ("head", True)
    broken = tree("broken", "import nothing_of_that_name\n")
    monkeypatch.setattr(pieces, "ROOT", broken.root)
    with pytest.raises(RuntimeError, match=r"the benchmarks of benchmarks/bench_sleep\.py cannot be listed: "):
        list(pieces.found(1))
