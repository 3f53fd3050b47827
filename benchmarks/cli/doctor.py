"""`doctor`: which backends work here, and why not."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from backends.registry import BACKENDS, FRAMEWORKS
from benchmarks import suites
from benchmarks.cli.console import say
from benchmarks.cli.options import Subcommands, add_always, add_backends
from benchmarks.exit_codes import FINE, NOTHING_MEASURED
from benchmarks.harness import environment
from benchmarks.harness.groups import Group
from benchmarks.harness.plan import Cell, Options
from benchmarks.harness.run import Run, plan
from benchmarks.harness.teams import Here
from benchmarks.records import Record

TIMEOUT_S = 120.0


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("doctor", help="check which backends work on this machine, and why others do not")
    add_backends(command, FRAMEWORKS)
    command.add_argument(
        "--device", choices=("cpu", "gpu"), help="check only this one (default: the CPU, and a GPU where there is one)"
    )
    add_always(command, call, quiet="print a line for each check only")


def call(options: argparse.Namespace) -> int:
    """Trains a minute model in every backend and mode, on the CPU, and on a GPU where there is or should be one."""
    gpu, at_once, ended = environment.machine().gpu, os.cpu_count() or 1, Counter[str]()
    devices = (options.device,) if options.device else ("cpu", "gpu") if gpu else ("cpu",)
    lacking: dict[str, None] = {}
    with tempfile.TemporaryDirectory() as folder:
        ((prepared, planned),) = plan(
            suites.for_datasets((), "doctor"), Options(backends=tuple(options.backends)), Path(folder), None
        )
        on_cpu = [cell for cell in planned if cell.backend in FRAMEWORKS]
        on_gpu = [dataclasses.replace(cell, device="gpu") for cell in on_cpu if "gpu" in BACKENDS[cell.backend].devices]
        places = {"cpu": f"the CPU, {at_once} at a time", "gpu": f"the {gpu or 'GPU'}"}
        where = ", and on ".join(places[device] for device in devices)
        say(options, f"trains a minute model in each framework, eager and compiled, on {where}")

        def checked(cell: Cell, record: Record) -> None:
            ended[record.status] += 1
            sees_none = record.status == "skipped" or "No module named" in str(record.reason)
            if cell.device == "gpu" and sees_none:
                lacking[cell.backend] = None
            sys.stdout.write(f"{record.status:8} {cell.backend:10} {cell.mode:8} {cell.device}: {_outcome(record)}\n")
            sys.stdout.flush()

        session = Run(Path(folder), TIMEOUT_S, checked, Here(at_once))
        if "cpu" in devices:
            session.execute(Group(tuple((cell,) for cell in on_cpu), turns=0), prepared)
        if "gpu" in devices:  # one at a time: some frameworks take all of its memory at once
            for cell in on_gpu:
                session.execute(Group(((cell,),), turns=0), prepared)
        elif not options.device:
            say(options, "skipped  GPU: nvidia-smi finds none on this machine, so nothing was tried on one")
    if lacking and not gpu:
        say(
            options, "nvidia-smi finds no GPU on this machine; where there is one, its driver has to be installed first"
        )
    for backend in lacking:
        say(options, f"for {BACKENDS[backend].title or backend} on a GPU: {how_to_get(backend)}")
    n_lost = ended.total() - ended["ok"]
    lost = f"; a run records a cell for each of the other {n_lost} with its reason, and goes on" if n_lost else ""
    say(options, f"{ended['ok']} of {ended.total()} work here{lost}")
    return FINE if ended["ok"] else NOTHING_MEASURED


def how_to_get(backend: str) -> str:
    """The commands that bring a framework's build for GPUs, in an environment of its own, and have it used."""
    name = f"gpu-{backend}"
    return (
        f"python3 -m tox -e {name} --notest && export RECALLBENCH_PYTHON_{backend.upper()}=$PWD/.tox/{name}/bin/python"
    )


def _outcome(record: Record) -> str:
    if record.status != "ok":
        return str(record.reason)
    packages = [name for name in BACKENDS[record.backend].packages if name in record.versions]
    versions = " ".join(f"{name} {record.versions[name]}" for name in packages)
    return f"{versions}, {record.single('wall_s') or 0:.0f} s"
