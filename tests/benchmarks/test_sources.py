"""The hash of the sources: it moves with what workers import or read, and with nothing else."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.harness import sources

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    for package in sources.PACKAGES:
        (tmp_path / package / "inner").mkdir(parents=True)
        (tmp_path / package / "inner" / "code.py").write_text(f"# {package}")
        (tmp_path / package / "suite.toml").write_text("a = 1")
    return tmp_path


CHANGES = {
    "an edit": lambda tree: (tree / "backends" / "inner" / "code.py").write_text("# Backends"),
    "a setting": lambda tree: (tree / "benchmarks" / "suite.toml").write_text("a = 2"),
    "a new file": lambda tree: (tree / "datasets" / "new.py").touch(),
    "a file less": lambda tree: (tree / "datasets" / "suite.toml").unlink(),
    "another name": lambda tree: (tree / "datasets" / "suite.toml").rename(tree / "datasets" / "sweet.toml"),
    "moved from file to file": lambda tree: (
        (tree / "datasets" / "suite.toml").write_text("")
        + (tree / "benchmarks" / "suite.toml").write_text("a = 1a = 1")
    ),
}
STAYS = {
    "compiled": lambda tree: (tree / "backends" / "code.pyc").touch(),
    "an editor's": lambda tree: (tree / "backends" / ".code.py").touch(),
    "a page": lambda tree: (tree / "README.md").touch(),
    "times": lambda tree: (tree / "backends" / "inner" / "code.py").touch(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_moves(tree, change):
    before = sources.tree_hash(tree)
    change(tree)
    assert sources.tree_hash(tree) != before


@pytest.mark.parametrize("change", STAYS.values(), ids=STAYS)
def test_it_stays(tree, change):
    before = sources.tree_hash(tree)
    change(tree)
    assert sources.tree_hash(tree) == before


def test_it_does_not_depend_on_where_the_tree_lies_and_survives_dangling_links(tree, tmp_path):
    shutil.copytree(tree, tmp_path / "copy")
    assert sources.tree_hash(tmp_path / "copy") == sources.tree_hash(tree)
    (tree / "datasets" / "gone.py").symlink_to("nowhere")
    assert sources.tree_hash(tree) != sources.tree_hash(tmp_path / "copy")


def test_it_is_the_same_in_every_process_and_quick():
    start = time.perf_counter()
    ours = sources.tree_hash()
    assert time.perf_counter() - start < 2
    code = "from benchmarks.harness import sources; print(sources.tree_hash())"
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == ours
