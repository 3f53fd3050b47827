"""The outcome of a gate as other tools read it."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from benchmarks.gate import exporting, telling
from benchmarks.gate.figures import FIRST_STEP, MEMORY, RECALL, SPEED, Measured
from benchmarks.gate.holding import FAILED, MISSING, Held
from benchmarks.gate.pairs import Pair
from benchmarks.gate.sequential import Plan
from benchmarks.harness import environment

WOBBLE = (1.0, 0.99, 1.01, 1.005)


def measured(wobble, **changes):
    values = {SPEED: (100.0, 80.0), FIRST_STEP: (2.0, 2.0), MEMORY: (5e8, 5e8), RECALL: (0.9, 0.9)} | changes
    spread = {SPEED: wobble, FIRST_STEP: 2 - wobble, MEMORY: 2 - wobble, RECALL: 1.0}
    return tuple(
        Measured(cell="index · annoy | 1", figure=figure, base=base, head=head * spread[figure])
        for figure, (base, head) in values.items()
    )


@pytest.fixture
def told():
    one = Held(("index · annoy | 1",), "index", [Pair(measured(wobble)) for wobble in WOBBLE])
    one.judge(4, Plan(4, 3, 0.1))
    lost = [Held((cell,), fault=fault, reason="it broke") for cell, fault in (("x", FAILED), ("y", MISSING))]
    return telling.rows([one, *lost], 0.1)


@pytest.fixture
def folder(told, tmp_path):
    exporting.write(tmp_path / "new" / "folder", told, "b against a", environment.machine())
    return tmp_path / "new" / "folder"


def test_junit_fails_what_has_regressed_and_says_why(folder):
    suite = ET.parse(folder / "junit.xml").getroot()  # noqa: S314 - it is our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "6",
        "2",
        "1",
        "0",
    )
    failed = {case.get("name"): case[0].get("message") for case in suite if len(case) and case[0].tag == "failure"}
    assert failed["speed"].startswith("regressed: speed 0.80")
    assert failed["cell"] == "failed: it broke"


def test_pytest_benchmark_compares_them(folder):
    pair = [str(folder / f"pytest-benchmark-{side}.json") for side in ("base", "head")]
    command = [sys.executable, "-m", "pytest_benchmark", "compare", *pair, "--columns=median"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout
    rows = [line for line in said.splitlines() if "annoy" in line]
    assert len(rows) == 4  # speed and first step of both
    assert sum("10.0" in row for row in rows) == 1  # milliseconds that a query took
    assert sum("12.4" in row for row in rows) == 1


def test_github_action_benchmark_has_a_file_for_each_direction(folder):
    bigger, smaller = (json.loads((folder / f"{way}-is-better.json").read_text()) for way in ("bigger", "smaller"))
    assert {one["name"].rpartition(" · ")[2]: one["value"] for one in bigger} == {
        SPEED: pytest.approx(80.2),
        RECALL: 0.9,
    }
    assert {one["name"].rpartition(" · ")[2]: one["unit"] for one in smaller} == {FIRST_STEP: "s", MEMORY: "bytes"}
    assert all(set(one) == {"name", "unit", "value", "range", "extra"} for one in bigger + smaller)


def test_bencher_has_measures_a_cell(folder):
    (cell,) = json.loads((folder / "bencher.json").read_text()).values()
    assert set(cell) == {"speed", "first-step", "memory", "recall"}
    assert cell["speed"]["lower_value"] <= cell["speed"]["value"] <= cell["speed"]["upper_value"]


def test_a_pipe_in_a_name_breaks_no_table(folder):
    rows = [line for line in (folder / "summary.md").read_text().splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {7}
