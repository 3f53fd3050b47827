"""docs/architecture.svg says what the imports say."""

import importlib.util
import re

import pytest
from how_to_pages import ROOT

_SPEC = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs" / "draw_architecture.py")
picture = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(picture)


@pytest.fixture(scope="module")
def drawn():
    return picture.draw(ROOT)


def test_it_is_what_the_imports_say_now(drawn):
    there = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert there == drawn, "the imports have changed: run `python docs/draw_architecture.py`"


def test_every_room_has_its_row(drawn):
    rooms = {
        f"{package}/{folder.name}"
        for package in picture.PACKAGES
        for folder in (ROOT / package).iterdir()
        if any(folder.glob("*.py"))
    }
    assert rooms <= set(re.findall(r'x="12"[^>]*>([\w/]+)</text>', drawn))


@pytest.fixture
def house(tmp_path):
    for name, code in {
        "benchmarks/cli/run.py": "from benchmarks.plan import cells, Cell\nfrom reports import write\n",
        "benchmarks/__main__.py": "from benchmarks.cli import run\n",
        "benchmarks/bench_it.py": "import reports.write\n",
        "benchmarks/plan.py": "import datasets\n",
        "reports/write.py": "def write():\n    from benchmarks.plan import cells\n",
        "backends/torch/mind.py": "if TYPE_CHECKING:\n    from benchmarks.plan import Cell\nimport torch\n",
        "datasets/__init__.py": "def load():\n    from benchmarks import plan\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code)
    return tmp_path


def test_names_are_counted_between_rooms_wherever_the_import_stands(house):
    running, typing = picture.imports(house)
    assert running == {
        ("benchmarks/cli", "benchmarks"): 2,
        ("benchmarks/cli", "reports"): 1,
        ("reports", "benchmarks"): 1,
        ("benchmarks", "datasets"): 1,
        ("datasets", "benchmarks"): 1,
    }
    assert typing == {("backends/torch", "benchmarks"): 1}


def test_the_entrance_is_on_top_and_what_imports_upwards_is_marked(house):
    running, _ = picture.imports(house)
    order = picture.ordered({room for edge in running for room in edge}, running)
    assert order[:2] == ["benchmarks/cli", "reports"]
    drawn = picture.draw(house)
    assert len(re.findall('<rect class="up" [^>]*><title>', drawn)) == 1
    assert len(re.findall('<rect class="types" [^>]*><title>', drawn)) == 1
