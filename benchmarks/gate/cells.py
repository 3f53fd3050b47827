"""In the tree of a contestant: the jobs of a suite's cells, as that tree's own workers want them.

Run as a program with the tree's own interpreter, so that each revision plans its cells by itself: their settings and
what workers read may have changed between two revisions, and what a cell is called has not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from backends.registry import FRAMEWORKS
from benchmarks import suites
from benchmarks.agreement import climbs, planning
from benchmarks.gate import pieces
from benchmarks.harness.groups import groups
from benchmarks.harness.plan import MADE_UP, Cell, Options, lines
from benchmarks.harness.run import Run, plan
from datasets.errors import InputError

FORM = 1
"""Raised with every change of what is printed, so that a gate does not read what it does not know."""


def held(suite: str, results: Path, data_dir: Path | None, options: Options) -> Iterator[dict[str, Any]]:
    """What of a suite is held: trainings, their throughput, and searches through made-up vectors, a process each.

    Yields:
        what: the cells' lines, one an answer of the worker; kind; job: all of the worker's job.json.
    """
    session = Run(results, timeout_s=0.0)
    planned = plan(suites.for_datasets((), suite), options, results, data_dir)
    wanted = [(prepared, _wanted(cells)) for prepared, cells in planned]
    line = lines(cell for _, cells in wanted for cell in cells)
    for prepared, cells in wanted:
        for group in groups(cells):
            for process in group.processes:
                job = dict(session.task(process, prepared).job)
                yield {"what": [line[cell.key] for cell in process], "kind": process[0].kind, "job": job}
    for process in _climbs(cell for _, cells in wanted for cell in cells):
        job = dict(session.task(process, planning.prepared()).job)
        del job["shared"]  # the sides of a gate are two revisions, which have nothing in common
        yield {"what": [cell.describe(briefly=True) for cell in process], "kind": process[0].kind, "job": job}


def _climbs(cells: Iterable[Cell]) -> Iterator[tuple[Cell, ...]]:
    """The ladder of every framework, model and mode that trains, a process each: the climbs that go to the end."""
    trained = (cell for cell in cells if cell.kind == "train" and cell.backend in FRAMEWORKS)
    for model, backend, mode, threads in dict.fromkeys((c.model, c.backend, c.mode, c.threads) for c in trained):
        options = Options(threads=threads)
        yield tuple(planning.cell(climb, backend, mode, 0, options) for climb in climbs.of(model, quick=True))


def _wanted(cells: Sequence[Cell]) -> list[Cell]:
    """Of trainings those of the first seed: a pair of another number has another one."""
    seeds = [cell.seed for cell in cells if cell.kind == "train"]
    return [cell for cell in cells if cell.refusal is None and _is_held(cell, seeds[:1])]


def _is_held(cell: Cell, seeds: Sequence[int]) -> bool:
    if cell.kind == "train":
        return cell.seed in seeds
    return cell.kind == "throughput" or (cell.kind, cell.model) == ("index", MADE_UP)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("suite")
    parser.add_argument("results", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--backends", nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pieces", action="store_true")
    given = parser.parse_args()
    options = Options(models=tuple(given.models), backends=tuple(given.backends), threads=given.threads)
    try:
        found = list(held(given.suite, given.results, given.data_dir, options))
        found += pieces.found(given.threads) if given.pieces else []
    except (InputError, RuntimeError) as error:
        sys.stdout.write(json.dumps({"form": FORM, "error": str(error)}) + "\n")
        return
    sys.stdout.write(json.dumps({"form": FORM, "cells": found}) + "\n")


if __name__ == "__main__":
    main()
