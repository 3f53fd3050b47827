"""`agree`: every adapter climbs the ladder in a process of its own, or every known bug has to fall off it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backends.registry import BACKENDS, FAMILIES, FRAMEWORKS
from benchmarks.agreement import INJECTED, WHOLE, planning
from benchmarks.cli import report
from benchmarks.cli.options import (
    Subcommands,
    add_always,
    add_execution,
    add_results,
    count,
    natural,
    nonempty,
    path,
    time_limit,
)
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness import files, store
from benchmarks.harness.groups import Group
from benchmarks.harness.plan import Cell, Options, Prepared
from benchmarks.harness.run import FAILURES, Run
from benchmarks.harness.teams import Here
from benchmarks.records import Agreement, Record
from datasets.errors import InputError

CLIMBS_AT_ONCE = 32
COMPILED = frozenset({"whole", "long"})
"""Climbs that compiled mode takes where it is not asked for by name: with the others everything takes twice as long.
What they show, an adapter's branches and what it does to rows and sizes out of the ordinary, eager mode shows, too."""


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("agree", help="check every adapter against its reference, step by step")
    for option, names in (("model", FAMILIES), ("backend", FRAMEWORKS)):
        command.add_argument(
            f"--{option}s", nargs="+", default=(), metavar=option.upper(), choices=names, help="only these of all"
        )
    command.add_argument(
        "--quick",
        action="store_true",
        help="only whole trainings on ordinary data, without other settings, sizes and extreme rows",
    )
    command.add_argument("--bugs", action="store_true", help="inject known bugs, each of which has to be caught")
    command.add_argument(
        "--adapter", type=path, metavar="FILE",
        help="check a file of your own as the adapter of the one model named; records nothing",
    )  # fmt: skip
    command.add_argument(
        "--varied", nargs="?", const="Varied", type=nonempty, metavar="CLASS",
        help="with --adapter: hold the file to a class of its own that varies the model's spec (Varied if not named)",
    )  # fmt: skip
    command.add_argument(
        "--seeds",
        nargs="+",
        default=(),
        type=natural,
        metavar="SEED",
        help="seeds of the data of the check (default 0)",
    )
    command.add_argument(
        "--repeats", type=count, default=1, metavar="N", help="repeat N times to check bitwise reproducibility"
    )
    command.add_argument(
        "--jobs", type=count, default=os.cpu_count() or 1, metavar="N", help="workers at a time (default: one a core)"
    )
    command.add_argument(
        "--timeout", type=time_limit, default=900.0, metavar="S", help="seconds that a cell may take (default 900)"
    )
    add_execution(command, mode="only this mode; only `--mode compiled` compiles more than whole trainings")
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Climbs with every adapter or the known bugs, and writes the pages; or climbs with a file of the user's."""
    if options.adapter:
        from benchmarks.agreement import own  # here, because it brings the reference's libraries with it

        return own.agree(options)
    if options.varied:
        raise InputError("--varied is about a file of your own; name it with --adapter, or leave --varied out.")
    code = _agree(options)
    report.write_pages(options, [options.results])
    return code


def _agree(options: argparse.Namespace) -> int:
    """Runs the cells, prints a line for each, and returns the exit code."""
    records: list[Agreement] = []
    with store.locked(options.results), contextlib.ExitStack() as held:
        told = _print_bugs if options.bugs else _print_climb
        session = Run(options.results, options.timeout, told, Here(options.jobs))
        held.callback(files.remove, session.shared)
        for repeat in range(options.repeats):
            hashes = {**planning.HASHES, **({"repeat": str(repeat)} if repeat else {})}
            cells = list(_cells(options, hashes))
            _climb(session, cells, planning.prepared(hashes))
            made = [session.records[cell.key] for cell in cells]
            records += [record for record in made if isinstance(record, Agreement)]
    _conclude(records, injected=options.bugs)
    tried = [record for record in records if record.status not in {"skipped", "unsupported"}]
    if not tried:
        return NOTHING_MEASURED
    return FINE if all(_passed(record) for record in tried) else FAILED


def _climb(session: Run, cells: Sequence[Cell], prepared: Prepared) -> None:
    processes = _processes(cells)
    session.execute(Group(processes, turns=0), prepared)
    # Where a process of several died, each has its own end by itself.
    for cell in (cell for process in processes if len(process) > 1 for cell in process):
        if session.records[cell.key].status in FAILURES:
            session.execute(Group(((cell,),), turns=0), prepared)


def _processes(cells: Sequence[Cell]) -> tuple[tuple[Cell, ...], ...]:
    """Processes of one adapter, mode and seed, of some climbs each, framework by framework.

    Importing a framework takes longer than many climbs, and what JAX has compiled for one serves the others. What the
    reference has found out for a climb of one framework serves that of the others, where these come later. The slowest
    framework comes first, so that the last processes, beside which nothing else is left, are short.
    """
    by_adapter: dict[tuple[object, ...], list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: FRAMEWORKS.index(cell.backend), reverse=True):
        by_adapter.setdefault((cell.backend, cell.model, cell.mode, cell.seed), []).append(cell)
    return tuple(
        tuple(same[first : first + CLIMBS_AT_ONCE])
        for same in by_adapter.values()
        for first in range(0, len(same), CLIMBS_AT_ONCE)
    )


def _cells(options: argparse.Namespace, hashes: Mapping[str, str]) -> Iterator[Cell]:
    from benchmarks.agreement import climbs  # here, because it brings Numba with it

    chosen = Options(device=options.device, threads=options.threads)
    for model, family in FAMILIES.items():
        frameworks = {name: adapter for name, adapter in family.adapters.items() if name in FRAMEWORKS}
        if not frameworks or (options.models and model not in options.models):
            continue
        climbing = climbs.of(model, quick=options.quick)
        modes: tuple[str, ...] = (options.mode,) if options.mode else ("eager", "compiled")
        if options.bugs:  # the modes are those of the table, and a model's bugs share one process
            spec: Any = dataclasses.replace(climbing[0].spec, variant=INJECTED)  # type: ignore[type-var]
            climbing, modes = (dataclasses.replace(climbing[0], spec=spec),), ("eager",)
        for backend, climb, seed in itertools.product(frameworks, climbing, options.seeds or (0,)):
            if options.backends and backend not in options.backends:
                continue
            for mode in (mode for mode in modes if mode in BACKENDS[backend].modes):
                if mode == "compiled" and not options.mode and climb.kind not in COMPILED:
                    continue
                yield planning.cell(climb, backend, mode, seed, chosen, hashes=hashes)


def _passed(record: Agreement) -> bool:
    if record.status != "ok":
        return False
    if record.variant == INJECTED:
        return bool(record.metrics["n_caught"] == record.metrics["n_injected"])
    return all(rung.holds for rung in record.rungs)


def _print_climb(cell: Cell, record: Record) -> None:
    """One line of a climb to the end, or of any that breaks: how far, and where with which difference."""
    climb = cell.protocol["climb"]
    if climb != WHOLE and isinstance(record, Agreement) and _passed(record):
        return
    name = f"{cell.model:12} {cell.variant:14} {climb:12} {cell.backend:10} {cell.mode:8} {cell.device}"
    name += f" seed {cell.seed}" if cell.seed else ""
    if not isinstance(record, Agreement) or record.status != "ok":
        sys.stdout.write(f"{record.status:8} {name}  {record.reason}\n")
        return
    *held, last = record.rungs
    if last.holds:
        text = f"holds to the last rung, {last.rung} ({last.where})"
    else:
        deepest = held[-1].rung if held else "nothing"
        difference = "not finite" if last.difference is None else f"{last.difference:.1e}"
        text = f"holds to {deepest}; breaks at {last.rung}: {difference} > {last.tolerance:g} in {last.where}"
    sys.stdout.write(f"{'agrees' if last.holds else 'DIFFERS':8} {name}  {text}\n")
    sys.stdout.flush()


def _print_bugs(cell: Cell, record: Record) -> None:
    if record.status != "ok":
        sys.stdout.write(f"{record.status:8} {cell.model} {cell.backend}  {record.reason}\n")
    for bug in record.bugs if isinstance(record, Agreement) else ():
        fate = "caught" if bug.caught else "SURVIVED"
        where = f"due by {bug.due!r}, broke at {bug.broke!r}" if bug.broke else f"due by {bug.due!r}"
        sys.stdout.write(f"{fate:8} {cell.backend:10} {cell.model}: {bug.bug}  ({where})\n")
    sys.stdout.flush()


def _conclude(records: Sequence[Agreement], *, injected: bool) -> None:
    done = [record for record in records if record.status == "ok"]
    if injected:
        n_injected, n_caught = (sum(r.metrics[name] for r in done) for name in ("n_injected", "n_caught"))
        rate = f" ({n_caught / n_injected:.0%})" if n_injected else ""
        n = sum(record.status in FAILURES for record in records)
        lost = (
            f"; {n} adapter{'s' * (n > 1)} failed, and {'their' if n > 1 else 'its'} bugs were not tried" if n else ""
        )
        sys.stdout.write(f"kill rate: {n_caught} of {n_injected} injected bugs caught{rate}{lost}\n")
    else:
        adapters: dict[tuple[str, ...], list[Agreement]] = {}
        for record in records:
            adapters.setdefault((record.model, record.backend, record.mode, record.device), []).append(record)
        whole = sum(all(map(_passed, same)) for same in adapters.values())
        sys.stdout.write(
            f"{sum(map(_passed, done)):,} of {len(records):,} climbs hold; "
            f"{whole} of {len(adapters)} adapters and modes agree with their reference in all of theirs\n"
        )
