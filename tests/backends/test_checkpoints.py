"""What one framework has trained, every other serves alike and goes on with: all sixteen pairs."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import checkpoint_checks
import pytest

from backends.registry import FRAMEWORKS, interpreter
from benchmarks.harness.environment import worker_environment

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 2  # processes: each works on one core
CLOSE = 1e-5  # the ladder's limit for losses


def in_its_own_process(phase, folder, backend):
    done = subprocess.run(
        [interpreter(backend), checkpoint_checks.__file__, phase, backend, str(folder)],
        cwd=ROOT,
        env={**worker_environment(1, "cpu"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{backend}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def handed_around(tmp_path_factory):
    """Every framework writes; then every framework goes on: {phase: {backend: what it found}}."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {
            phase: dict(zip(FRAMEWORKS, pool.map(partial(in_its_own_process, phase, folder), FRAMEWORKS), strict=True))
            for phase in ("write", "go_on")
        }


@pytest.mark.parametrize("writer", FRAMEWORKS)
def test_there_is_something_to_hand_around(handed_around, writer):
    """Untrained parameters, or steps without effect, would pass from hand to hand as well."""
    found = handed_around["write"][writer]
    assert found["moved"] > 1000 * CLOSE
    assert found["fell"] > 1000 * CLOSE


@pytest.mark.parametrize("reader", FRAMEWORKS)
@pytest.mark.parametrize("writer", FRAMEWORKS)
def test_checkpoint_is_served_and_trained_on_as_by_its_writer(handed_around, writer, reader):
    found = handed_around["go_on"][reader][writer]
    assert set(found) == {"users", "items", "losses"}
    assert max(found.values()) <= CLOSE, found
