import os
import subprocess
import sys

import pytest

from benchmarks.harness import privacy
from benchmarks.harness.environment import ROOT, installed, machine, versions, worker_environment


def test_only_variables_that_change_speed_are_recorded(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "4294967296")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/home/somebody/.terraformrc")  # another program's
    monkeypatch.setenv("HOME", "/home/somebody")
    found = installed("torch")
    assert found["MALLOC_MMAP_THRESHOLD_"] == "4294967296"
    assert not any("somebody" in value for value in found.values())


def test_packages_and_python_are_recorded_with_their_versions():
    assert {"python", "numpy", "numba", "torch"} <= set(installed("torch"))


ANSWERS = {
    "no JSON": "echo hello",
    "no bytes of text": "printf '\\377'",
    "a list": "echo '[]'",
    "no text in it": """echo '{"python": "3", "torch": {"a": 1}}'""",
    "no number": """echo '{"python": NaN}'""",
    "too deep": "head -c 60000 /dev/zero | tr '\\0' '['",
    "without measure": """printf '{"python": "'; head -c 100000 /dev/zero | tr '\\0' 'x'; echo '"}'""",
    "nothing": "true",
    "a failure": "echo '{}'; false",
}


@pytest.mark.parametrize("code", ANSWERS.values(), ids=ANSWERS)
def test_an_interpreter_that_answers_with_anything_else_is_none(tmp_path, monkeypatch, code):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("RECALLBENCH_PYTHON_TORCH", str(program))
    assert versions.__wrapped__("torch") == {"python": f"none at {program}"}


def test_a_machine_is_the_same_machine_every_time():
    first = machine()
    machine.cache_clear()
    assert machine() == first


def test_every_limit_on_threads_is_the_number_asked_for():
    limits = {name: value for name, value in worker_environment(3, "cpu").items() if name.endswith("_NUM_THREADS")}
    assert len(limits) >= 4
    assert set(limits.values()) == {"3"}
    assert "intra_op_parallelism_threads=3" in worker_environment(3, "cpu")["XLA_FLAGS"]


def test_gpus_are_hidden_from_cells_of_the_cpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert worker_environment(1, "cpu")["CUDA_VISIBLE_DEVICES"] == ""
    assert worker_environment(1, "gpu")["CUDA_VISIBLE_DEVICES"] == "0"


def test_products_on_a_gpu_are_of_float32_whatever_the_machine_has_set(monkeypatch):
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    monkeypatch.setenv("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1")
    on_gpu = worker_environment(1, "gpu")
    assert (on_gpu["NVIDIA_TF32_OVERRIDE"], on_gpu["TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"]) == ("0", "0")
    assert on_gpu["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_what_is_set_for_every_worker_is_no_influence_from_outside(device):
    """Else a worker would see other versions than the run that planned it, and take its sources for changed."""
    own = {name for name, value in worker_environment(1, device).items() if os.environ.get(name) != value}
    assert len(own) > 5
    assert own.isdisjoint(privacy.INFLUENCES)


def test_the_peak_of_a_small_process_is_not_that_of_the_large_one_that_started_it():
    child = "from benchmarks.harness.environment import peak_rss_bytes; print(peak_rss_bytes())"
    parent = f"""
import subprocess, sys
held = bytearray(b"x" * (700 << 20))
print(subprocess.run([sys.executable, "-c", {child!r}], capture_output=True, text=True, check=True).stdout)
"""
    said = subprocess.run([sys.executable, "-c", parent], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 5 << 20 < int(said) < 600 << 20
