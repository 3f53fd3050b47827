"""What only a GPU is asked for: on a GPU where a framework sees one, and anywhere with the main memory in its place."""

import json
import subprocess
from pathlib import Path

import gpu_checks
import pytest

from backends.registry import BACKENDS, FRAMEWORKS, interpreter
from benchmarks.harness.environment import worker_environment

ROOT = Path(__file__).resolve().parents[2]
COPIED_TO = {
    "torch": {"cuda", "synchronised"},
    "paddle": {"gpu 0", "synchronised"},
    "tensorflow": {"/device:GPU:0"},
    "jax": {"gpu"},
}
CLOSE = 1e-6
"""Between two trainings on a GPU, which may sum in another order each time."""


def asked(backend, how):
    return subprocess.run(
        [interpreter(backend), gpu_checks.__file__, backend, how],
        cwd=ROOT,
        env={**worker_environment(1, "gpu" if how == "real" else "cpu"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def found_by(done):
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_without_a_gpu_the_same_lines_run_and_change_nothing(backend):
    found = found_by(asked(backend, "fake"))
    assert set(found["places"]) == COPIED_TO[backend], "where the batches went"
    assert found["native"], "a step would copy them once more"
    assert (found["losses"], found["parameters"]) == (0, 0)
    assert found["peak_bytes"] == gpu_checks.PEAK


@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_on_a_gpu_what_lies_there_trains_as_what_is_copied(backend):
    seen = subprocess.run(
        [interpreter(backend), "-c", SEES[backend]], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    if seen.stdout.split()[-1:] != ["True"]:
        pytest.skip(f"{BACKENDS[backend].title} sees no GPU")
    found = found_by(asked(backend, "real"))
    assert found["native"]
    assert max(found["losses"], found["parameters"]) <= CLOSE
    assert found["peak_bytes"] > 0


SEES = {
    "torch": "import torch; print(torch.cuda.is_available())",
    "paddle": "import paddle; print(paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0)",
    "tensorflow": "import tensorflow as tf; print(bool(tf.config.list_physical_devices('GPU')))",
    "jax": "import jax; print(jax.default_backend() == 'gpu')",
}
"""Prints whether a framework sees a GPU."""
