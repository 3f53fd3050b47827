"""That what is planted can be planted in the sources as they are, and where it has to show."""

import shutil
import subprocess
import sys

import pytest

from benchmarks.gate import plants
from benchmarks.gate.figures import ACCURACY, MEMORY, RECALL, SPEED
from benchmarks.gate.plants import BESIDE, DUE, ELSEWHERE, PLANTS, Edit
from benchmarks.harness.environment import ROOT
from datasets.errors import InputError

NAMED = {plant.name: plant for plant in PLANTS}


@pytest.mark.parametrize("plant", PLANTS, ids=NAMED)
def test_it_fits_the_sources_and_leaves_python(plant, tmp_path):
    for edit in plant.edits:
        target = tmp_path / edit.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / edit.path, target)
        edit.apply(tmp_path)
        changed = target.read_text(encoding="utf-8")
        assert changed != (ROOT / edit.path).read_text(encoding="utf-8")
        compile(changed, edit.path, "exec")
    assert bool(plant.edits) == (plant.name != plants.NOTHING)


def test_a_plant_that_does_not_fit_says_so(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")
    for old, n in (("y = 2", 0), ("x = 1", 2)):
        with pytest.raises(ValueError, match=rf"a\.py has {n} times '{old}', expected once"):
            Edit("a.py", "z = 3", old).apply(tmp_path)


@pytest.mark.parametrize(
    ("name", "cell", "figure", "place"),
    [
        ("Faiss probes half the lists", "index · faiss-ivf", RECALL, DUE),
        ("Faiss probes half the lists", "index · faiss-ivf", SPEED, BESIDE),
        ("Faiss probes half the lists", "index · annoy", RECALL, ELSEWHERE),
        ("JAX does not donate its state", "train · gru4rec · jax", ACCURACY, ELSEWHERE),
        ("JAX does not donate its state", "throughput · gru4rec · jax", MEMORY, ELSEWHERE),
        ("JAX does not donate its state", "throughput · mf-bpr (large tables) · jax", MEMORY, DUE),
        ("metrics are off by one rank", "train · dssm · tensorflow", ACCURACY, DUE),
        ("10 % slower", "index · annoy", SPEED, DUE),
        (plants.NOTHING, "index · annoy", SPEED, ELSEWHERE),
    ],
)
def test_it_has_to_show_where_it_is(name, cell, figure, place):
    assert NAMED[name].place(cell, figure) == place


def test_plants_are_chosen_by_how_their_names_begin():
    assert plants.chosen([]) == PLANTS
    assert [plant.name for plant in plants.chosen(["20 %", "nothing"])] == [plants.NOTHING, "20 % slower"]
    with pytest.raises(InputError, match=r"no plant is called 'TensorFlow', expected .*; 2 % slower; "):
        plants.chosen(["nothing", "TensorFlow"])


def test_so_much_slower_is_so_much_more_work():
    """The planted search takes at least the share of its own time longer: never less, however busy the machine is."""
    (edit,) = (edit for edit in NAMED["20 % slower"].edits if edit.path.endswith("retrieval.py"))
    program = f"""
import time
import numpy as np
from typing import Any
Items = Any
class _Served:
    def search(self):
        start = time.perf_counter()
        while time.perf_counter() - start < 0.02:
            pass
{edit.new}
start = time.perf_counter()
_Served().search()
print(time.perf_counter() - start)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert float(said) >= 0.02 * 1.25
