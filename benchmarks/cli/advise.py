"""`advise`: recommends an index for given needs, from measured records alone."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import quantities
from benchmarks.cli.options import Subcommands, add_always
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness import store

PUBLISHED = Path(__file__).resolve().parents[2] / "reports" / "published"


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("advise", help="which index to take for given needs, from measured results alone")
    command.add_argument(
        "--recall", type=quantities.share, required=True, metavar="R", help="of exact search, such as 0.95"
    )
    command.add_argument("--items", type=quantities.n_items, required=True, metavar="N", help="in the catalogue: 1e6")
    command.add_argument("--dim", type=quantities.n_items, required=True, metavar="D", help="of a vector: 64")
    command.add_argument("--memory", type=quantities.n_bytes, metavar="BYTES", help="the index may take: 2GB, 1.5GiB")
    command.add_argument("--build-time", type=quantities.seconds, metavar="TIME", help="a build may take: 10min")
    command.add_argument(
        "--latency", type=quantities.seconds, metavar="TIME", help="95 %% of single queries may take: 5ms"
    )
    command.add_argument("--threads", choices=("1", "all"), default="1", help="of a batch of queries (default 1)")
    command.add_argument(
        "--results", nargs="+", default=(), type=Path, metavar="DIR",
        help="results folders, or folders of them (default: the published ones, and RESULTS)",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="as JSON")
    add_always(command, call, quiet="the recommendation only, in one sentence")


def call(options: argparse.Namespace) -> int:
    """Prints the recommendation, and which records it rests on."""
    from reports.advice import measured, words

    given = options.results or [folder for folder in (PUBLISHED, Path("RESULTS")) if _has_records(folder)]
    folders = [inside for folder in given for inside in store.folders(folder)]
    needs = measured.Needs(
        recall=options.recall,
        n_items=options.items,
        dim=options.dim,
        memory_bytes=options.memory,
        build_s=options.build_time,
        latency_s=options.latency,
        all_threads=options.threads == "all",
    )
    reached = measured.advise(measured.measured(store.read(folder) for folder in folders), needs)
    if options.json:
        sys.stdout.write(json.dumps(words.as_json(reached), indent=2, allow_nan=False) + "\n")
    else:
        said = words.lines(reached)
        sys.stdout.writelines(f"{line}\n" for line in (said[:1] if options.quiet else said))
    return {measured.RECOMMENDED: FINE, measured.NOTHING_FITS: FAILED, measured.CANNOT_TELL: NOTHING_MEASURED}[
        reached.outcome
    ]


def _has_records(folder: Path) -> bool:
    return any((inside / store.FILE_NAME).exists() for inside in store.folders(folder))
