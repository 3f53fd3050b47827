"""`prepare`: loads, checks and cuts the data sets of a run."""

from __future__ import annotations

import argparse

from benchmarks import suites
from benchmarks.cli.console import say, warn
from benchmarks.cli.options import Subcommands, add_always, add_data, add_results
from benchmarks.exit_codes import FINE
from benchmarks.harness import store
from benchmarks.harness.prepare import prepare_all


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("prepare", help="load, check, cache and split the data sets of a run")
    add_data(command)
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Fills the folder's splits, and describes each data set once."""
    blocks = suites.for_datasets(tuple(options.datasets), options.suite)
    with store.locked(options.results):
        said: dict[str, None] = {}
        for _, prepared in prepare_all(blocks, options.results, options.data_dir):
            sentences = dict.fromkeys((*prepared.notes, *prepared.said))
            say(
                options, *(sentence for sentence in sentences if sentence not in said)
            )  # what several blocks share once
            said |= sentences
            if prepared.warning:
                warn(f"{prepared.place}: {prepared.warning}.")
    return FINE
