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
_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


def found(threads: int) -> Iterator[dict[str, Any]]:
    """A process a file, with the lines of its benchmarks, as `benchmarks.gate.cells` yields cells.

    Raises:
        RuntimeError: pytest or pytest-benchmark is missing, or a file cannot be imported.
    """
    for path in sorted((ROOT / "benchmarks").glob("bench_*.py")):
        file = path.relative_to(ROOT).as_posix()
        done = _run(sys.executable, ROOT, [file, "--collect-only"], threads, 600.0)
        names = [line.partition("::")[2] for line in done.stdout.splitlines() if line.startswith(f"{file}::")]
        if done.returncode or not names:
            said = (done.stdout + done.stderr).strip().splitlines() or ["nothing was said"]
            raise RuntimeError(f"the benchmarks of {file} cannot be listed: {said[-1]}")
        job = {"kind": KIND, "file": file, "threads": threads, "device": "cpu", "model": file, "backend": "classic",
               "settings": {}}  # fmt: skip
        yield {"what": [_line(file, name) for name in names], "kind": KIND, "job": job}


def measure(job: Job, turns: Callable[[], Iterator[None]]) -> None:
    """Runs the benchmarks of a file whenever the parent gives the turn; the last median of each is its result, in s.

    Raises:
        InputError: they do not run.
    """
    file, out = job.asked["file"], job.folder / "benchmarks.json"
    seconds = {}
    for _ in turns():
        words = [file, "--benchmark-only", f"--benchmark-json={out}"]
        done = _run(sys.executable, ROOT, words, job.asked["threads"])
        if done.returncode or not out.exists():
            said = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["it said nothing"]
            raise InputError(f"pytest ended with exit status {done.returncode}: {said[-1][:300]}")
        timed = json.loads(out.read_text(encoding="utf-8"))["benchmarks"]
        seconds = {_line(file, one["name"]): one["stats"]["median"] for one in timed}
    job.finish(status="ok", seconds=seconds)


def compared(what: Sequence[str], base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[Measured]:
    """The speed of each benchmark, in runs a second."""
    for line in what:
        before, now = (1 / side["seconds"][line] for side in (base, head))
        yield Measured(cell=line, figure=SPEED, base=before, head=now)


def _line(file: str, name: str) -> str:
    return f"{KIND} · {Path(file).name} · {name}"


def _run(
    python: str, root: Path, words: Sequence[str], threads: int, timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    # What a pytest that has called this one says to its own workers is not for it: under xdist nothing would be timed.
    own = {name: value for name, value in worker_environment(threads, "cpu").items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [python, *_PYTEST, *words],
        cwd=root, env=own, capture_output=True, text=True, errors="replace",
        check=False, timeout=timeout_s,
    )  # fmt: skip
