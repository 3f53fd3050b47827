"""The pieces' own benchmarks (`benchmarks/bench_*.py`), run by pytest-benchmark, which a worker of each side starts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.gate.figures import SPEED, Measured
from benchmarks.harness.environment import ROOT, worker_environment
from datasets.errors import InputError

if TYPE_CHECKING:
    from benchmarks.harness.worker import Job

KIND = "pieces"
ALL_SKIPPED = 5
"""What pytest ends with where it has run no test."""
_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


def found(threads: int) -> Iterator[dict[str, Any]]:
    """A process a file, with the lines of its benchmarks, as `benchmarks.gate.cells` yields cells.

    Raises:
        RuntimeError: pytest or pytest-benchmark is missing, or a file cannot be imported.
    """
    for path in sorted((ROOT / "benchmarks").glob("bench_*.py")):
        file = path.relative_to(ROOT).as_posix()
        done = _run([file, "--collect-only"], threads, 600.0)
        names = [line.partition("::")[2] for line in done.stdout.splitlines() if line.startswith(f"{file}::")]
        if done.returncode or not names:
            said = (done.stdout + done.stderr).strip().splitlines() or ["nothing was said"]
            raise RuntimeError(f"the benchmarks of {file} cannot be listed: {said[-1]}")
        yield {"what": [_line(file, name) for name in names], "kind": KIND, "job": job(file, threads)}


def job(file: str, threads: int) -> dict[str, Any]:
    """What a worker is told to do."""
    place = {"model": file, "backend": "classic", "device": "cpu", "settings": {}}
    return {**place, "kind": KIND, "file": file, "threads": threads}


def measure(job: Job, turns: Callable[[], Iterator[None]]) -> None:
    """Runs the benchmarks of a file whenever the parent gives the turn; the last median of each is its result, in s.

    Raises:
        InputError: they do not run.
    """
    file, out = job.asked["file"], job.folder / "benchmarks.json"
    seconds = {}
    for _ in turns():
        done = _run([file, "--benchmark-only", f"--benchmark-json={out}"], job.asked["threads"])
        if done.returncode not in {0, ALL_SKIPPED}:
            said = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["it said nothing"]
            raise InputError(f"pytest ended with exit status {done.returncode}: {said[-1][:300]}")
        timed = json.loads(out.read_text(encoding="utf-8"))["benchmarks"] if out.exists() else []
        seconds = {_line(file, one["name"]): one["stats"]["median"] for one in timed}
    job.finish(status="ok", seconds=seconds)


def compared(what: Sequence[str], base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[Measured]:
    """The speed of each benchmark in runs a second, 0 where it has skipped itself; of both sides it is left out."""
    for line in what:
        before, now = (1 / side["seconds"][line] if line in side["seconds"] else 0.0 for side in (base, head))
        if before or now:
            yield Measured(cell=line, figure=SPEED, base=before, head=now)


def _line(file: str, name: str) -> str:
    return f"{KIND} · {Path(file).name} · {name}"


def _run(words: Sequence[str], threads: int, timeout_s: float | None = None) -> subprocess.CompletedProcess[str]:
    # What a pytest that has called this one says to its own workers is not for it: under xdist nothing would be timed.
    own = {name: value for name, value in worker_environment(threads, "cpu").items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *_PYTEST, *words],
        cwd=ROOT, env=own, capture_output=True, text=True, errors="replace",
        check=False, timeout=timeout_s,
    )  # fmt: skip
