"""One behavioural suite over every adapter that trains, each framework and mode in a process of its own."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import adapter_checks
import pytest
from families import ADAPTERS

from backends.registry import FRAMEWORKS, interpreter
from benchmarks.harness.environment import worker_environment

ROOT = Path(__file__).resolve().parents[2]
PROMISES = [(backend, *names) for backend in FRAMEWORKS for names in adapter_checks.names(backend)]
LONGEST_S = 1_500
"""Of the checks of one framework and mode, which may compile every model: what takes longer hangs."""
AT_ONCE = 2  # processes: each works on one core, and most of what it does is compiling


def checked(backend, mode, path=str(ROOT)):
    """What every check in a mode came to; a backend that is not installed or that crashes fails them all."""
    done = subprocess.run(
        [interpreter(backend), adapter_checks.__file__, backend, mode],
        cwd=ROOT,
        env={**worker_environment(1, "cpu"), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    if done.returncode != 0:
        return f"exit status {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def outcomes(request):
    """(backend, mode) -> what its checks come to, for those that the chosen tests ask about."""
    asked = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    places = dict.fromkeys((params["backend"], params["mode"]) for params in asked if {"mode", "check"} <= set(params))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {place: pool.submit(checked, *place) for place in places}


@pytest.mark.timeout(2 * LONGEST_S)  # the first test waits for all checks of its framework and mode
@pytest.mark.parametrize(("backend", "family", "mode", "check"), PROMISES)
def test_adapter_keeps_the_contract(outcomes, backend, family, mode, check):
    found = outcomes[backend, mode].result()
    assert isinstance(found, dict), found
    outcome = found[f"{family} {check}"]
    assert outcome is None, outcome


def test_every_trainable_family_is_checked_in_every_framework():
    registered = {(backend, family) for family, backend in ADAPTERS if backend in FRAMEWORKS}
    assert {backend for backend, _ in registered} == set(FRAMEWORKS)
    assert {(backend, family) for backend, family, _, _ in PROMISES} == registered


def test_a_backend_that_is_not_installed_fails_its_checks(tmp_path):
    (tmp_path / "paddle.py").write_text("raise ImportError('No module named paddle')\n")
    assert "No module named paddle" in checked("paddle", "eager", f"{tmp_path}:{ROOT}")
