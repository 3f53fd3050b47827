"""`advise`: recommends an index for given needs, from measured records alone."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from benchmarks import quantities
from benchmarks.cli.console import PUBLISHED, Console, has_records
from benchmarks.cli.options import Subcommands, add_always, path
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness import store

if TYPE_CHECKING:
    from reports.advice.words import Line


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("advise", help="which index to take for given needs, from measured results alone")
    command.add_argument(
        "--recall",
        type=quantities.share,
        required=True,
        metavar="R",
        help="share of exact search's answers to be found, such as 0.95",
    )
    command.add_argument(
        "--items", type=quantities.n_items, required=True, metavar="N", help="items in the catalogue, such as 1e6"
    )
    command.add_argument(
        "--dim", type=quantities.n_items, required=True, metavar="D", help="dimensions of a vector, such as 64"
    )
    command.add_argument(
        "--memory", type=quantities.n_bytes, metavar="BYTES", help="the most that the index may take, such as 2GB"
    )
    command.add_argument(
        "--build-time", type=quantities.seconds, metavar="TIME", help="the longest that a build may take, such as 10min"
    )
    command.add_argument(
        "--latency",
        type=quantities.seconds,
        metavar="TIME",
        help="the longest that 95 %% of single queries may take, such as 5ms",
    )
    command.add_argument(
        "--threads", choices=("1", "all"), default="1", help="threads that answer a batch of queries (default 1)"
    )
    command.add_argument(
        "--results", nargs="+", default=(), type=path, metavar="DIR",
        help="results folders, or folders of them (default: the published ones and RESULTS)",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print the answer as JSON")
    add_always(command, call, quiet="the recommendation only, in one sentence")


def call(options: argparse.Namespace) -> int:
    """Prints the recommendation, and which records it rests on."""
    from reports.advice import measured, words

    given = options.results or [folder for folder in (PUBLISHED, Path("RESULTS")) if has_records(folder)]
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
    elif options.quiet:
        sys.stdout.write(f"{words.lines(reached)[0]}\n")
    else:
        _print(Console(), words.lines(reached), words.table(reached), words.notes(reached))
    return {measured.RECOMMENDED: FINE, measured.NOTHING_FITS: FAILED, measured.CANNOT_TELL: NOTHING_MEASURED}[
        reached.outcome
    ]


def _print(console: Console, lines: Sequence[str], rows: Sequence[Line], notes: Sequence[str]) -> None:
    for line in lines:
        console.print(Text(line), soft_wrap=not console.is_terminal)  # a sentence a line, for whoever reads lines
    if rows:
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        # A name stands in one piece; its settings, which may be long, on further lines.
        longest = max(len(row[0].partition(" ")[0]) for row in rows)
        table.add_column("index", overflow="fold", min_width=longest)
        for name in ("recall", "queries/s", "p95", "memory", "build"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("")
        for row in rows:
            style = "green" if row.verdict == "take this" else "dim" if row.verdict.startswith("misses") else ""
            table.add_row(*map(Text, row), style=style)
        console.print(Text(), table, Text())
    for note in notes:
        console.print(Text(note, style="dim"), soft_wrap=not console.is_terminal)
