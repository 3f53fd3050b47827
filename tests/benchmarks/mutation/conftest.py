"""A copy of the repository whose mutants need no framework."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy with the backend of examples/backend in it, and climbs that are quick."""
    copy = tmp_path_factory.mktemp("copy")
    for package in ("datasets", "benchmarks", "backends", "reports"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("*.pyc", "published"))
    shutil.copytree(ROOT / "examples" / "backend" / "backends" / "numpy", copy / "backends" / "numpy")
    rows = ROOT / "examples" / "backend" / "rows.diff"
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    subprocess.run(["git", "apply", str(rows)], cwd=copy, env=environment, check=True)
    with (copy / "benchmarks" / "agreement" / "climbs.py").open("a") as file:
        file.write("\n\nall_of = of\n\n\ndef of(model, *, quick=True):\n    return all_of(model, quick=True)\n")
    return copy
