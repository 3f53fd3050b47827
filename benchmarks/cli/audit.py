"""`audit`: looks for leaks, in every block of a suite or between the files of somebody's own split."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import datasets
from benchmarks import protocols, suites
from benchmarks.cli.options import Subcommands, add_always, add_data, add_results, nonempty
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness.enough import Enough
from datasets.errors import InputError

if TYPE_CHECKING:
    from benchmarks.audit.report import Report
    from benchmarks.protocols.base import Protocol


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser(
        "audit", help="look for what is asked for in what is learnt from: in a suite, or in files"
    )
    add_data(command)
    for name in ("train", "validation", "test"):
        command.add_argument(
            f"--{name}", type=nonempty, metavar="FILE", help="a file of a split of your own, read as file:PATH is"
        )
    command.add_argument("--json", action="store_true", help="a JSON line for each report")
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Prints what was found in each, and returns the exit code."""
    found_any = leaking = unjudged = False
    for found in _audited(options):
        found_any, leaking = True, leaking or found.is_leaking
        unjudged = unjudged or not (found.is_clean or found.is_leaking)
        if options.json:
            sys.stdout.write(json.dumps({**dataclasses.asdict(found), "is_clean": found.is_clean}) + "\n")
        else:
            sizes = ", ".join(f"{n:,} {what}" for what, n in found.sizes.items())
            sys.stdout.write(f"{found.audited}: {sizes}\n")
            sys.stdout.writelines(f"  {finding.verdict}: {finding.sentence}\n" for finding in found.findings)
            sys.stdout.writelines(f"  note: {note}\n" for note in found.notes)
        sys.stdout.flush()
    if not found_any:
        sys.stdout.write("nothing to judge: no block of the suite cuts a data set\n")
    if leaking:
        return FAILED
    return FINE if found_any and not unjudged else NOTHING_MEASURED


def _audited(options: argparse.Namespace) -> Iterator[Report]:
    from benchmarks.audit import files, searches, splits  # here, because they bring a compiler with them

    given = {name: getattr(options, name) for name in ("train", "validation", "test")}
    written = " ".join(f"--{name} {path}" for name, path in given.items() if path)
    if not written:
        blocks = suites.for_datasets(tuple(options.datasets), options.suite)
        cut = [block for block in blocks if block.vectors is None]
        searched: dict[tuple[str, Protocol], bool] = {}
        for block in cut:
            place = (block.dataset, protocols.make(block.protocol))
            searched[place] = searched.get(place, False) or any(row.search for row in block.models)
        enough = Enough()
        for (dataset, protocol), has_search in searched.items():
            with enough.of(dataset):
                data, _ = protocol.taken(datasets.load(dataset, options.data_dir))
                yield splits.of_protocol(data, protocol)
                if has_search:
                    yield searches.of_search(data, protocol)
        enough.conclude("audited")
    elif options.suite or options.datasets:
        raise InputError(
            f"{written} is a split of its own, expected no --suite and no --datasets with it; leave them out."
        )
    elif not (given["train"] and given["test"]):
        raise InputError(f"{written} is no whole split, expected --train and --test; give the files of both.")
    else:
        yield files.of_files(**given)
