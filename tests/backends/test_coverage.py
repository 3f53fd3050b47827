"""Every line and branch of every adapter runs in its climbs: what the ladder has never visited it cannot vouch for."""

import json
import os
import subprocess
from pathlib import Path

import coverage_checks
import pytest

from backends.registry import FRAMEWORKS, interpreter
from benchmarks.harness.environment import worker_environment

ROOT = Path(__file__).resolve().parents[2]
EXCUSED: dict[tuple[str, str], str] = {}
"""(backend/file.py, the line or branch in words) -> why no climb can run it."""


@pytest.mark.skipif(
    os.environ.get("RECALLBENCH_SLOW") != "1",
    reason="compiles every model in every setting, minutes a framework; RECALLBENCH_SLOW=1 runs it",
)
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_climbs_run_every_line_and_branch(backend, tmp_path):
    done = subprocess.run(
        [interpreter(backend), coverage_checks.__file__, backend],
        cwd=ROOT,
        env={
            **worker_environment(1, "cpu"),
            "PYTHONPATH": str(ROOT),
            "TORCH_LOGS": "trace_source",
            "TORCH_LOGS_OUT": str(tmp_path / "traced.log"),
        },
        capture_output=True,
        text=True,
        timeout=3500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    missing = json.loads(done.stdout.splitlines()[-1])
    assert len(missing) >= 10, "files of adapters and of what they share"
    told = [(f"{backend}/{file}", where) for file, places in missing.items() for where in places]
    assert [place for place in told if place not in EXCUSED] == []
