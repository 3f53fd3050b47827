"""`doctor`: which backends work here, and why not."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from backends.registry import BACKENDS, FRAMEWORKS
from benchmarks import suites
from benchmarks.cli.console import say
from benchmarks.cli.options import Subcommands, add_always, add_results
from benchmarks.exit_codes import FINE, NOTHING_MEASURED
from benchmarks.harness.plan import Options
from benchmarks.harness.run import Group, Run, plan


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("doctor", help="check which backends work on this machine, and why others do not")
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Trains a minute model in every backend and mode, on the CPU and on the GPU, and says what worked."""
    blocks = suites.for_datasets((), "doctor")
    n_working = 0
    with tempfile.TemporaryDirectory() as folder:
        for device in ("cpu", "gpu"):
            ((prepared, cells),) = plan(blocks, Options(device=device), Path(folder), None)
            session = Run(Path(folder), 120.0, lambda *_: None)
            for cell in cells:
                if device not in BACKENDS[cell.backend].devices or cell.backend not in FRAMEWORKS:
                    continue
                session.execute(Group(((cell,),), turns=0), prepared)
                record = session.records[cell.key]
                versions = " ".join(f"{name} {version}" for name, version in record["versions"].items())
                n_working += record["status"] == "ok"
                outcome = versions if record["status"] == "ok" else record["reason"]
                sys.stdout.write(f"{record['status']:8} {cell.backend} {cell.mode} {device}: {outcome}\n")
                sys.stdout.flush()
    say(options, "a cell for what does not work here is recorded with this reason, and the rest of a run goes on")
    return FINE if n_working else NOTHING_MEASURED
