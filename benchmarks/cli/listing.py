"""`list`: everything that can be named on the command line or in a suite, with a line on what it is."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

import datasets
from backends.ann import INDEXES
from backends.registry import BACKENDS, FAMILIES, Unsupported
from benchmarks import protocols, specs, suites
from benchmarks.cli.console import Console
from benchmarks.cli.options import Subcommands, add_always, add_results
from benchmarks.exit_codes import FINE

METRICS = {
    "precision": "relevant among the first K, over K",
    "recall": "relevant among the first K, over all relevant ones",
    "recall_micro": "the same, pooled over all queries rather than averaged",
    "hit_rate": "share of queries with a relevant item among the first K",
    "mrr": "1 / rank of the first relevant item, 0 beyond K",
    "map": "mean of the precision at the rank of each relevant item",
    "ndcg": "discounted gain over that of the best possible order",
    "ndcg_by_target": "a published evaluation's error, kept to reproduce its figures",
    "coverage": "share of the catalogue that is recommended to anybody",
}
INDEX_WORDS = {
    "exact": "every item is compared (NumPy)",
    "faiss-flat": "every item is compared (Faiss)",
    "faiss-ivf": "nprobe of nlist inverted lists are searched",
    "faiss-hnsw": "a walk through a graph of neighbours",
    "faiss-sq8": "every item is compared, in 8 bits a column",
    "faiss-ivfsq8": "inverted lists, in 8 bits a column",
    "faiss-ivfpq": "inverted lists, product quantization",
    "faiss-ivfpq-rerank": "the same, its best candidates compared exactly",
    "faiss-fastscan": "inverted lists, 4-bit product quantization",
    "faiss-fastscan-rerank": "the same, its best candidates compared exactly",
    "annoy": "trees of random hyperplanes",
    "hnswlib": "a walk through a graph of neighbours",
    "usearch": "a walk through a graph of neighbours",
}
SECTIONS = ("models", "backends", "datasets", "indexes", "protocols", "metrics", "suites")


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("list", help="what there is: models, data sets, indexes, suites and more")
    command.add_argument(
        "sections", nargs="*", metavar="SECTION", choices=SECTIONS, help=f"only these: {', '.join(SECTIONS)}"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    add_results(command)
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Prints it, as tables or as JSON."""
    asked = [section for section in SECTIONS if section in (options.sections or SECTIONS)]
    contents = {section: globals()[f"_{section}"]() for section in asked}
    if options.json:
        sys.stdout.write(json.dumps(contents, indent=2) + "\n")
        return FINE
    console = Console()
    for section, rows in contents.items():
        console.print(Text(section, style="bold"))
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(no_wrap=True, style="cyan")
        table.add_column(overflow="fold")
        for name, row in rows.items():
            first, *others = _lines(row)
            table.add_row(f"  {name}", Text("\n").join([Text(first), *(Text(line, style="dim") for line in others)]))
        console.print(table, Text())
    return FINE


def _models() -> dict[str, Any]:
    return {
        name: {
            "what": _first_line(sys.modules[type(spec := specs.make(name, {})).__module__].__doc__),
            "settings": dataclasses.asdict(spec),
            "backends": {
                backend: f"unsupported: {adapter.reason}" if isinstance(adapter, Unsupported) else "native"
                for backend, adapter in family.adapters.items()
            },
        }
        for name, family in FAMILIES.items()
    }


def _backends() -> dict[str, Any]:
    return {
        name: {
            "what": f"package{'s' * (len(backend.packages) > 1)} {', '.join(backend.packages)}",
            "modes": list(backend.modes),
            "devices": list(backend.devices),
            "models": [model for model, family in FAMILIES.items() if isinstance(family.adapters.get(name), str)],
        }
        for name, backend in BACKENDS.items()
    }


def _datasets() -> dict[str, Any]:
    return {
        name: {"what": row.description, "origin": row.origin, "terms": row.terms}
        for name, row in datasets.DATASETS.items()
    }


def _indexes() -> dict[str, Any]:
    return {
        name: {"what": INDEX_WORDS.get(name, ""), "build": dict(row.build), "query": dict(row.query)}
        for name, row in INDEXES.items()
    }


def _protocols() -> dict[str, Any]:
    return {
        name: {"what": _first_line(protocol.__doc__), "settings": [f.name for f in dataclasses.fields(protocol)]}
        for name, protocol in protocols.PROTOCOLS.items()
    }


def _metrics() -> dict[str, Any]:
    return {f"{name}@K": {"what": what} for name, what in METRICS.items()}


def _suites() -> dict[str, Any]:
    loaded = {name: suites.load(name) for name in suites.names()}
    return {
        name: {"what": suite.title, "datasets": list(dict.fromkeys(block.dataset for block in suite.blocks))}
        for name, suite in loaded.items()
    }


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0].removesuffix(".")


def _lines(row: Mapping[str, Any]) -> Iterator[str]:
    """What it is, then a line for everything else that there is to say, such as "settings: epochs 10, patience 0"."""
    yield row["what"]
    for name, value in row.items():
        if value and name != "what":
            yield f"{name}: {', '.join(value) if isinstance(value, list) else _words(value)}"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        if set(value.values()) == {"native"}:
            return ", ".join(value)
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
