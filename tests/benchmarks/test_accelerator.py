"""What a GPU's cells ask it, with a GPU and an NVML that are made up."""

import sys
from types import ModuleType

import numpy as np
import pytest

from benchmarks.harness import accelerator
from benchmarks.harness.accelerator import Accelerator

BATCHES = {"user": np.arange(6, dtype=np.int32).reshape(2, 3)}


class Nvml(ModuleType):
    """Two boards, of which the second has a name and has drawn more."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, has_driver=True, counts=True):
        super().__init__("pynvml")
        self.has_driver, self.counts, self.drawn = has_driver, counts, {"board 0": 1_500, "board 1": 9_000}

    def nvmlInit(self):  # noqa: N802 - as NVML calls it
        if not self.has_driver:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetHandleByIndex(self, number):  # noqa: N802
        return f"board {number}"

    def nvmlDeviceGetHandleByUUID(self, name):  # noqa: N802
        return {"GPU-b": "board 1"}[name]

    def nvmlDeviceGetTotalEnergyConsumption(self, board):  # noqa: N802
        if not self.counts:
            raise self.NVMLError("Not Supported")
        return self.drawn[board]


@pytest.fixture(autouse=True)
def _gpu(monkeypatch):
    """A backend whose GPU is made up: `resident` marks what it was given."""
    module = ModuleType("backends.made_up.gpu")
    module.resident = lambda arrays: {name: ("there", value) for name, value in arrays.items()}
    module.peak_bytes = lambda: 4096
    monkeypatch.setitem(sys.modules, "backends.made_up", ModuleType("backends.made_up"))
    monkeypatch.setitem(sys.modules, "backends.made_up.gpu", module)


def joules(monkeypatch, nvml, visible=None):
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    return Accelerator.of("made_up", "gpu").joules()


def test_on_a_cpu_batches_stay_as_they_are_and_nothing_is_counted():
    cpu = Accelerator.of("torch", "cpu")
    assert cpu.resident(BATCHES) is BATCHES
    assert (cpu.memory(), cpu.joules()) == ({}, None)


def test_on_a_gpu_batches_are_put_there_and_its_memory_is_recorded():
    there = Accelerator.of("made_up", "gpu")
    assert there.resident(BATCHES)["user"] == ("there", BATCHES["user"])
    assert there.memory() == {"peak_device_bytes": 4096}


def test_memory_that_nobody_counts_costs_no_training(monkeypatch):
    monkeypatch.setattr(sys.modules["backends.made_up.gpu"], "peak_bytes", lambda: None)
    assert Accelerator.of("made_up", "gpu").memory() == {}


@pytest.mark.parametrize(
    ("visible", "expected"), [(None, 1.5), ("", 1.5), ("0", 1.5), ("1,0", 9.0), (" 1 ", 9.0), ("GPU-b", 9.0)]
)
def test_energy_is_that_of_the_first_gpu_that_the_process_sees(monkeypatch, visible, expected):
    assert joules(monkeypatch, Nvml(), visible) == expected


@pytest.mark.parametrize("nvml", [None, Nvml(has_driver=False), Nvml(counts=False)], ids=["absent", "idle", "mute"])
def test_where_nobody_counts_energy_there_is_none(monkeypatch, nvml):
    assert joules(monkeypatch, nvml) is None


def test_energy_is_read_anew_each_time(monkeypatch):
    nvml = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    there = Accelerator.of("made_up", "gpu")
    before = there.joules()
    nvml.drawn["board 0"] += 250
    assert there.joules() - before == pytest.approx(0.25)
    assert accelerator._board() == "board 0"
