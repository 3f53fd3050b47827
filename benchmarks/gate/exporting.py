"""The outcome of a gate in the forms that other tools read, each a file of a folder.

| file | read by |
|---|---|
| junit.xml | CI systems: a test case a figure |
| summary.md | people: the table of a pull request |
| pytest-benchmark-base.json, pytest-benchmark-head.json | `pytest-benchmark compare`: seconds, of a speed its inverse |
| bigger-is-better.json, smaller-is-better.json | github-action-benchmark: `customBiggerIsBetter` and its counterpart |
| bencher.json | `bencher run --adapter json`: Bencher Metric Format |
"""

from __future__ import annotations

import datetime as dt
import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gate import holding, telling
from benchmarks.gate.figures import FIGURES
from benchmarks.gate.sequential import REGRESSED, UNDECIDED
from benchmarks.gate.telling import Row
from benchmarks.harness import environment
from benchmarks.records import Machine
from datasets import durable

SUITE = "recallbench-gate"


def write(folder: Path, told: Sequence[Row], title: str, machine: Machine) -> None:
    """Writes all forms into a folder, which is made where it is missing; a file of the same name is replaced.

    Args:
        folder: where to.
        told: the figures.
        title: what was compared.
        machine: on which it was measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {"junit.xml": _junit(told, title), "summary.md": telling.as_markdown(told, title)}
    made = {
        "pytest-benchmark-base.json": _pytest_benchmark(told, "base", machine),
        "pytest-benchmark-head.json": _pytest_benchmark(told, "head", machine),
        "bigger-is-better.json": _github_action(told, lower_is_better=False),
        "smaller-is-better.json": _github_action(told, lower_is_better=True),
        "bencher.json": _bencher(told),
    }
    files |= {name: json.dumps(content, indent=1) + "\n" for name, content in made.items()}
    for name, text in files.items():
        with durable.replacing(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")


def _junit(told: Sequence[Row], title: str) -> str:
    """A failure where head has regressed or fails, an error where base is missing, skipped where it is undecided."""
    suite = ET.Element("testsuite", name=f"{SUITE}: {title}", tests=str(len(told)))
    counted = {"failure": 0, "error": 0, "skipped": 0}
    ends = {REGRESSED: "failure", holding.FAILED: "failure", holding.MISSING: "error", UNDECIDED: "skipped"}
    for row in told:
        case = ET.SubElement(suite, "testcase", classname=row.cell, name=row.figure or "cell")
        if row.verdict in ends:
            counted[ends[row.verdict]] += 1
            ET.SubElement(case, ends[row.verdict], message=f"{row.words}: {row.measured}")
    for end, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(counted[end]))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _pytest_benchmark(told: Sequence[Row], side: str, machine: Machine) -> dict[str, Any]:
    commit, dirty = environment.commit()
    timed = [row for row in told if row.seen and FIGURES[row.figure].unit in {"s", "a second"}]
    return {
        "machine_info": {"node": machine.id, "cpu": {"brand_raw": machine.cpu}},
        "commit_info": {"id": commit or "unversioned", "dirty": bool(dirty)},
        "benchmarks": [_benchmark(row, side) for row in timed],
        "datetime": dt.datetime.now(dt.UTC).isoformat(),
        "version": "5.0.0",
    }


def _benchmark(row: Row, side: str) -> dict[str, Any]:
    values = np.array([getattr(one, side) for one in row.seen])
    seconds = 1 / values if FIGURES[row.figure].unit == "a second" else values
    q1, median, q3 = np.percentile(seconds, [25, 50, 75])
    stats = {
        "min": seconds.min(), "max": seconds.max(), "mean": seconds.mean(), "median": median, "q1": q1, "q3": q3,
        "stddev": seconds.std(ddof=1) if len(seconds) > 1 else 0.0, "iqr": q3 - q1, "total": seconds.sum(),
        "ld15iqr": seconds.min(), "hd15iqr": seconds.max(), "ops": 1 / seconds.mean(),
    }  # fmt: skip
    counted = {"rounds": len(seconds), "iterations": 1, "iqr_outliers": 0, "stddev_outliers": 0, "outliers": "0;0"}
    return {
        "group": row.figure,
        "name": f"{row.cell} · {row.figure}",
        "fullname": f"{SUITE}::{row.cell} · {row.figure}",
        "params": None,
        "param": None,
        "extra_info": {"verdict": row.verdict},
        "options": {"disable_gc": False, "timer": "perf_counter", "min_rounds": 1, "max_time": 0.0, "min_time": 0.0,
                    "warmup": True},
        "stats": {name: float(value) for name, value in stats.items()} | counted,
    }  # fmt: skip


def _github_action(told: Sequence[Row], *, lower_is_better: bool) -> list[dict[str, Any]]:
    kept = [row for row in told if row.seen and FIGURES[row.figure].lower_is_better == lower_is_better]
    return [
        {
            "name": f"{row.cell} · {row.figure}",
            "unit": FIGURES[row.figure].unit,
            "value": float(np.median([one.head for one in row.seen])),
            "range": f"{min(one.head for one in row.seen):g} – {max(one.head for one in row.seen):g}",
            "extra": f"{row.words}: {row.measured}",
        }
        for row in kept
    ]


def _bencher(told: Sequence[Row]) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in told:
        if row.seen:
            heads = [one.head for one in row.seen]
            measure = {"value": float(np.median(heads)), "lower_value": min(heads), "upper_value": max(heads)}
            found.setdefault(row.cell, {})[row.figure.replace(" ", "-")] = measure
    return found
