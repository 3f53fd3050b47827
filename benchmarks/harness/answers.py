"""What a worker has answered, on its way into a record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.harness.estimates import TRAINED
from benchmarks.harness.executors import Result
from benchmarks.records import Index, Map, Record, Throughput, Train, Trial


def noted(result: Result, notes: Sequence[str]) -> Result:
    """The result with these sentences among its notes."""
    return {**result, "notes": [*result.get("notes", []), *notes]} if notes else result


def refuse_partial(record: Record) -> None:
    """Raises ValueError where a worker says that all went well, and what it was asked for is not there."""
    missing = ""
    match record:
        case Train() | Index() | Trial() if record.primary_metric not in record.metrics:
            missing = f"metrics.{record.primary_metric}"
        case Throughput() if "window_samples_per_s" not in record.timings:
            missing = "timings.window_samples_per_s"
        case Map(map=None):
            missing = "map.method"
    if record.status == "ok" and missing:
        raise ValueError(f"{missing} is missing")


def with_overhead(kind: str, timings: dict[str, Any], wall_s: float) -> dict[str, Any]:
    """Adds a training's whole time, and what of it was neither the framework's import nor its own work."""
    if kind not in TRAINED:
        return timings
    own = timings.get("import_s", 0.0) + timings.get("init_s", 0.0) + timings.get("train_s", 0.0)
    return {**timings, "wall_s": wall_s, "overhead_s": wall_s - own}
