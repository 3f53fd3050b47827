"""`doctor`: what is tried, what is said of it, and how it ends. Workers are played."""

import configparser
from pathlib import Path

import msgspec
import pytest
from record_lines import record

from backends.registry import FRAMEWORKS
from benchmarks import cli
from benchmarks.cli import doctor
from benchmarks.harness import environment

FINE, NOTHING_MEASURED = 0, 3


@pytest.fixture
def examine(monkeypatch, capsys):
    """Calls the command on a machine with this GPU and with the backends that fail, each with its reason."""

    def examine(gpu, failing, *arguments):
        class Played(doctor.Run):
            def execute(self, group, _):
                for cell in group.cells:
                    reason = failing.get(cell.backend)
                    ended = {"status": "failed" if reason else "ok", "reason": reason, "timings": {"wall_s": 2.0}}
                    self.report(cell, record(**ended, backend=cell.backend, versions={"torch": "2", "python": "3"}))

        monkeypatch.setattr(doctor, "Run", Played)
        monkeypatch.setattr(environment, "machine", lambda: msgspec.structs.replace(record().machine, gpu=gpu))
        code = cli.main(["doctor", *arguments])
        return code, capsys.readouterr().out.splitlines()

    return examine


def test_it_says_what_it_does_and_then_a_line_for_each_check(examine):
    code, (first, *checks, gpu, last) = examine(None, {})
    assert code == FINE
    assert first.startswith("trains a minute model in each framework, eager and compiled, on the CPU, ")
    assert [line.split()[:3] for line in checks] == [
        ["ok", backend, mode] for mode in ("eager", "compiled") for backend in FRAMEWORKS
    ]
    assert checks[0].endswith("cpu: torch 2, 2 s")
    assert gpu.startswith("skipped  GPU: nvidia-smi finds none")
    assert last == f"{len(checks)} of {len(checks)} work here"


def test_a_gpu_is_tried_too_and_what_fails_has_its_reason(examine):
    code, lines = examine("A100", {"jax": "it is not installed"})
    assert code == FINE
    assert sum(" gpu: " in line for line in lines) == 2 * len(FRAMEWORKS)
    assert sum(line.startswith("failed   jax") and line.endswith("it is not installed") for line in lines) == 4
    assert lines[-1].startswith(f"{4 * len(FRAMEWORKS) - 4} of {4 * len(FRAMEWORKS)} work here; a run records")


def test_only_the_backends_that_were_named(examine):
    _, lines = examine(None, {}, "--backends", "jax", "torch", "--quiet")
    assert [line.split()[1] for line in lines] == ["torch", "jax"] * 2


def test_where_nothing_works_nothing_was_measured(examine):
    code, lines = examine(None, dict.fromkeys(FRAMEWORKS, "no"), "--quiet")
    assert code == NOTHING_MEASURED
    assert len(lines) == 2 * len(FRAMEWORKS)


@pytest.mark.parametrize("gpu", [None, "A100"])
def test_one_device_alone(examine, gpu):
    code, lines = examine(gpu, {}, "--device", "cpu")
    assert code == FINE
    assert not any("gpu" in line.lower() for line in lines)
    code, lines = examine(gpu, {}, "--device", "gpu")
    assert code == FINE
    assert sum(" gpu: " in line for line in lines) == 2 * len(FRAMEWORKS)
    assert not any(" cpu: " in line for line in lines)


def test_what_does_not_work_on_a_gpu_comes_with_the_command_that_brings_it(examine):
    _, lines = examine("A100", {"jax": "No module named 'jax'", "torch": "out of memory"}, "--device", "gpu")
    (said,) = (line for line in lines if line.startswith("for "))
    assert said == f"for JAX on a GPU: {doctor.how_to_get('jax')}"
    assert said.endswith("tox -e gpu-jax --notest && export RECALLBENCH_PYTHON_JAX=$PWD/.tox/gpu-jax/bin/python")
    assert not any("driver" in line for line in lines)


def test_where_there_is_no_gpu_the_driver_comes_first(examine):
    code, lines = examine(None, dict.fromkeys(FRAMEWORKS, "No module named 'it'"), "--device", "gpu")
    assert code == NOTHING_MEASURED
    assert any("nvidia-smi finds no GPU on this machine" in line and "driver" in line for line in lines)
    assert sum(line.startswith("for ") for line in lines) == len(FRAMEWORKS)


@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_the_environments_that_it_names_are_there(backend):
    """Each has the framework's build for GPUs, and runs that framework's cells with itself."""
    root = Path(__file__).resolve().parents[3]
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(root / "tox.ini", encoding="utf-8")
    assert f"tox -e gpu-{backend} " in doctor.how_to_get(backend)
    of_it = tox[f"testenv:gpu-{backend}"]
    assert "pass_env" in of_it
    assert of_it["dependency_groups"] == f"gpu-{backend}"
    assert f"RECALLBENCH_PYTHON_{backend.upper()} = {{env_python}}" in of_it["set_env"]
    assert f"constraints-gpu-{backend}.txt" in of_it["set_env"]
    assert of_it["commands"] == f"python -m benchmarks {{posargs:doctor --device gpu --backends {backend}}}"
    assert (root / f"constraints-gpu-{backend}.txt").exists()
