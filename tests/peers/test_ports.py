"""docs/ports.md against the libraries that are installed: where each port departs, and that each fault is there.

All of it runs in `tox -e peers`; elsewhere, what needs a library that is not installed is skipped.
"""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "ports.md").read_text(encoding="utf-8")
FINE, FAILED = 0, 1


class Row(NamedTuple):
    library: str
    file: str
    model: str
    held_to: str
    departs: str


def rows():
    """The lines of the table; what is empty stands as in the line above."""
    above = ["", "", ""]
    (table,) = re.findall(r"^## Where they depart\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    _, _, *lines = re.findall(r"^\|(.*)\|$", table, re.MULTILINE)  # without the head
    for line in lines:
        cells = [cell.strip() for cell in line.split("|")]
        above = [cell or before for cell, before in zip(cells[:3], above, strict=True)]
        yield Row(above[0], re.search(r"`(\w+\.py)`", above[1])[1], above[2].strip("`"), cells[3].strip("`"), cells[4])


ROWS = list(rows())
FAULTS = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def needs(module):
    if not importlib.util.find_spec(module):
        pytest.skip(f"{module} is not installed here; `tox -e peers` installs it and runs this")


def needs_library(library):
    """Of a library's name and version, as the table has them."""
    needs(library.split()[0].lower().replace("-", "_"))


def agree(row, *more):
    needs_library(row.library)
    varied = [] if row.held_to == "our spec" else ["--varied", row.held_to]
    command = ["agree", "--adapter", f"ports/{row.file}", "--models", row.model, *varied, *more]
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode in {FINE, FAILED}, ended.stderr
    return ended.returncode, re.findall(r"^DEPARTS +(.+?)  ", ended.stdout, re.MULTILINE), ended.stdout


def test_all_ports_and_four_libraries_are_in_the_table():
    files = {path.name for path in (ROOT / "ports").glob("*.py")}
    helpers = {
        name for name in files if not re.search(r"^def init\(", (ROOT / "ports" / name).read_text(), re.MULTILINE)
    }
    assert {row.file for row in ROWS} == files - helpers
    assert len({row.file for row in ROWS}) >= 8
    assert len({row.library for row in ROWS}) >= 4


@pytest.mark.parametrize("library", sorted({row.library for row in ROWS}))
def test_the_versions_are_those_that_are_installed(library):
    name, version = library.split()
    needs_library(library)
    assert importlib.metadata.version(name) == version


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file} {row.held_to}")
def test_a_port_departs_where_the_table_says(row):
    place = row.departs.split(";")[0]
    code, departed, said = agree(row, "--quick")
    assert code == (FINE if place == "nowhere" else FAILED), said
    assert set(departed) == (set() if place == "nowhere" else {place}), said


@pytest.mark.parametrize("row", [row for row in ROWS if "in the climb of" in row.departs], ids=lambda row: row.file)
def test_what_only_another_climb_shows_is_shown_there(row):
    climb, rung = re.search(r"in the climb of (.+) at (.+)", row.departs).groups()
    _, departed, said = agree(row)
    assert departed == [rung], said
    assert re.search(rf"^{climb}[^\n]*\n(?: +rung.*\n)(?:ok .*\n)*DEPARTS +{rung} ", said, re.MULTILINE), said


def test_every_fault_of_the_table_has_code_that_shows_it():
    anchors = {heading.lower().replace(" ", "-") for heading in FAULTS}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) == anchors


@pytest.mark.parametrize("heading", FAULTS)
def test_a_fault_is_there(heading):
    for module in re.findall(r"^(?:from|import) (\w+)", FAULTS[heading], re.MULTILINE):
        needs(module)
    ended = subprocess.run([sys.executable, "-c", FAULTS[heading]], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
