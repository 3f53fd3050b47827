"""One pair of fresh processes, base and head, timed by turns: how head's figures stand to base's."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gate.contestants import Contestant
from benchmarks.harness import executors
from benchmarks.harness.groups import TURNS

RATES = {"throughput": "window_samples_per_s", "index": "batch_qps"}
"""Kind of a cell -> its timing that holds a rate a window."""
SPEED, MEMORY = "speed", "memory"


@dataclass(frozen=True)
class Pair:
    """What came of a pair.

    Attributes:
        ratios: the line of a cell and a figure -> the logarithm of head's as a part of base's, better being above 0.
        failed: why there are none, "" where there are.
        side: whose process failed, "base" or "head".
    """

    ratios: Mapping[tuple[str, str], float]
    failed: str = ""
    side: str = ""


def run(base: Contestant, head: Contestant, what: tuple[str, ...], number: int, timeout_s: float) -> Pair:
    """Starts both, gives each its turns and compares them.

    The one that starts first changes with every pair: what a machine does to the second process is no difference of
    the code.

    Args:
        base: has these cells, as head has.
        head: what is compared with it.
        what: the lines of a process's cells.
        number: of the pair, from 0.
        timeout_s: seconds that a process may take to get ready, for a turn or to end.
    """
    kind = base.cells[what]["kind"]
    with tempfile.TemporaryDirectory(prefix="recallbench-gate-") as folder:
        tasks = [_task(side, what, Path(folder) / name) for name, side in (("base", base), ("head", head))]
        found = {}
        for task, result in executors.run(tasks[:: -1 if number % 2 else 1], TURNS[kind], timeout_s):
            found[task.folder.name] = result
    for name, side in (("base", base), ("head", head)):
        if found[name]["status"] != "ok":
            return Pair({}, f"{side.name}: {found[name]['status']}, {found[name]['reason']}", name)
    return Pair(dict(_compared(kind, what, found["base"], found["head"])))


def _task(side: Contestant, what: Sequence[str], folder: Path) -> executors.Task:
    folder.mkdir()
    return executors.Task(side.cells[tuple(what)], folder, root=side.root, python=side.python)


def _compared(kind: str, what: Sequence[str], base: Mapping[str, Any], head: Mapping[str, Any]) -> Any:
    for line, (one, other) in zip(what, zip(_answers(base), _answers(head), strict=True), strict=True):
        rates = [np.log(answer["timings"][RATES[kind]]) for answer in (one, other)]
        yield (line, SPEED), float(np.mean(rates[1] - rates[0]))
    memory = [result["memory"]["peak_rss_bytes"] for result in (base, head)]
    yield (what[0], MEMORY), math.log(memory[0] / memory[1])


def _answers(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return result.get("answers") or [result]
