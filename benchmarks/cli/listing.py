"""`list`: everything that can be named on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from rich.table import Table

import datasets
from backends.ann import INDEXES
from backends.registry import BACKENDS, FAMILIES, Unsupported
from benchmarks import protocols, suites
from benchmarks.cli.console import Console
from benchmarks.cli.options import Subcommands, add_always, add_results
from benchmarks.exit_codes import FINE


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser(
        "list", help="what there is: models, backends, data sets, indexes, metrics, suites"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Prints it, as tables or as JSON."""
    contents: dict[str, Any] = {
        "models": {
            name: {
                backend: f"unsupported: {adapter.reason}" if isinstance(adapter, Unsupported) else "native"
                for backend, adapter in family.adapters.items()
            }
            for name, family in FAMILIES.items()
        },
        "backends": {
            name: {"modes": list(backend.modes), "devices": list(backend.devices)} for name, backend in BACKENDS.items()
        },
        "datasets": {
            n: {"origin": d.origin, "what": d.description, "terms": d.terms} for n, d in datasets.DATASETS.items()
        },
        "indexes": {name: {"build": dict(row.build), "query": dict(row.query)} for name, row in INDEXES.items()},
        "protocols": list(protocols.PROTOCOLS),
        "suites": {name: suites.load(name).title for name in suites.names()},
    }
    if options.json:
        sys.stdout.write(json.dumps(contents, indent=2) + "\n")
        return FINE
    console = Console(width=None if sys.stdout.isatty() else 120)
    for title, rows in contents.items():
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
        for name in rows:
            table.add_row(name, _words(rows[name]) if isinstance(rows, dict) else "")
        console.print(table)
    return FINE


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(item)}" for name, item in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
