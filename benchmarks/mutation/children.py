"""A process that tries mutants, and what it says, from the side of whoever starts it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness import executors
from benchmarks.harness.environment import KEEPS_MEMORY, ROOT

COMMAND = (sys.executable, "-m", "benchmarks.mutation.climber")


def said(folder: Path, asked: Mapping[str, Any], limit_s: float, environment: Mapping[str, str]) -> Iterator[Any]:
    """Starts a process and yields what it says, line by line, until it ends.

    Args:
        folder: a folder for what is asked.
        asked: what the process is to do, see benchmarks/mutation/climber.py.
        limit_s: seconds within which each line has to come.
        environment: variables that the process is given besides those of this one; with any, which are there to have
            it write a log, nobody hears what it writes to stderr, where PyTorch writes all of that again.

    Raises:
        RuntimeError: it failed, and said why.
        TimeoutError: it said nothing for longer than that, and has been killed.
    """
    (folder / "trial.json").write_text(json.dumps({**asked, "parent": os.getpid()}), encoding="utf-8")
    process = subprocess.Popen(
        [*COMMAND, str(folder)],
        cwd=ROOT,
        env={**os.environ, **KEEPS_MEMORY, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if environment else None,
        bufsize=0,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - opened above
        rest = b""
        while True:
            if not select.select([process.stdout], [], [], limit_s)[0]:
                raise TimeoutError(f"nothing was said for {limit_s:g} s")
            block = os.read(process.stdout.fileno(), 1 << 16)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            for line in map(json.loads, lines):
                if "failed" in line:
                    raise RuntimeError(line["failed"])
                yield line
    finally:
        executors.end(process)
        if process.stdout is not None:
            process.stdout.close()
