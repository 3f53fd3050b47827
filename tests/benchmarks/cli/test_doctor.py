"""`doctor`: what is tried, what is said of it, and how it ends. Workers are played."""

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


def test_where_nothing_works_nothing_was_measured(examine):
    code, lines = examine(None, dict.fromkeys(FRAMEWORKS, "no"), "--quiet")
    assert code == NOTHING_MEASURED
    assert len(lines) == 2 * len(FRAMEWORKS)
