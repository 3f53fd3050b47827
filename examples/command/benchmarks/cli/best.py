"""`best`: the model with the highest score on each data set."""

from __future__ import annotations

import argparse
import sys

from benchmarks.cli.options import Subcommands, add_always, add_results
from benchmarks.exit_codes import FINE, NOTHING_MEASURED


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("best", help="the model with the highest score on each data set")
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Prints a line for each data set and protocol."""
    import reports

    cells = reports.frame(options.results)
    trained = cells[(cells["kind"] == "train") & (cells["status"] == "ok") & (cells["model"] != "oracle")]
    if trained.empty:
        sys.stdout.write(f"{options.results} has no finished training; run a suite first\n")
        return NOTHING_MEASURED
    best = trained.loc[trained.groupby(["dataset", "protocol"])["primary"].idxmax()]
    for row in best.itertuples():
        sys.stdout.write(
            f"{row.dataset}, {row.protocol}: {row.model} {row.variant}, {row.primary_metric} {row.primary:.4f}\n"
        )
    return FINE
