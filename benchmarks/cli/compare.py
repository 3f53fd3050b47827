"""`compare`: what changed between two results folders, by how much, and whether that is more than noise."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from benchmarks.cli.console import Console, recorded, title
from benchmarks.cli.options import Subcommands, add_always, path
from benchmarks.exit_codes import FINE
from benchmarks.harness import mixture
from benchmarks.records import Record
from benchmarks.suites.asked import and_

if TYPE_CHECKING:
    from reports.tables.compare import Change, Comparison

MOST_ROWS = 30
"""Of a table; the rest is within noise by the more, and in `--json`."""
MOST_NAMED = 5
FAR = math.log(1.1)
"""Of a ratio of all rates together: a tenth is more than one machine moves from one quiet hour to the next."""
COLOURS = {"better": "green", "worse": "red"}


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("compare", help="what differs between two results folders, beyond noise or not")
    for name, what in (("a", "results before"), ("b", "results now")):
        command.add_argument(name, type=path, metavar=name.upper(), help=f"folder of the {what}")
    command.add_argument("--json", action="store_true", help="print every figure as JSON")
    add_always(command, call, quiet="print the summary only")


def call(options: argparse.Namespace) -> int:
    """Prints what changed, what is furthest beyond noise first; a change is no failure of the command."""
    from reports.tables.compare import compare

    sides = [[found.record for found in recorded(folder)] for folder in (options.a, options.b)]
    found = compare(*sides)
    if options.json:
        sys.stdout.write(json.dumps(_as_json(found), indent=2, allow_nan=False) + "\n")
        return FINE
    console = Console()
    for name, folder, side in zip("AB", (options.a, options.b), sides, strict=True):
        console.print(Text(f"{name}: {_side(folder, side)}"))
    for line in _summary(found):
        console.print(Text(line))
    if options.quiet:
        return FINE
    shown = [change for change in found.changes if change.verdict != "identical"][:MOST_ROWS]
    if shown:
        common = _common([title(change.cell) for change in shown])
        console.print(Text(f"\nFurthest beyond noise first{f'; all on {common}' if common else ''}", style="bold"))
        console.print(_table(shown, common))
    for heading, lines in _others(found).items():
        if lines:
            console.print(Text(f"\n{heading}", style="bold"))
            console.print(Text("\n".join(lines[:MOST_NAMED])))
        if len(lines) > MOST_NAMED:
            console.print(Text(f"and {len(lines) - MOST_NAMED:,} more"))
    return FINE


def _side(folder: Path, records: Sequence[Record]) -> str:
    commits = sorted({(record.commit or "none")[:12] for record in records})
    of = f"commit {and_(commits)}" if len(commits) <= MOST_NAMED else f"{len(commits)} commits"
    n = f"{len(records):,} result{'s' * (len(records) != 1)}"
    machines = {record.machine.id: record.machine for record in records}
    where = " and ".join(map(mixture.describe, machines.values()))
    return f"{folder}, {n}, {of}, machine {where}"


def _summary(found: Comparison) -> Iterator[str]:
    """What it comes to, in sentences."""
    verdicts = [change.verdict for change in found.changes]
    n_better, n_worse = verdicts.count("better"), verdicts.count("worse")
    if not verdicts:
        yield "No figure can be compared: no result that went well has a counterpart with the same kind of figure."
    else:
        yield (
            f"{n_better + n_worse:,} of {len(verdicts):,} figures changed beyond noise: {n_better:,} better, "
            f"{n_worse:,} worse; {verdicts.count('identical'):,} are identical."
        )
    together = found.common_ratio
    if together is not None and abs(math.log(together)) > FAR:
        yield (
            f"Rates are {together:.2f}× in the median: if not everything changed, the machine was busier in "
            f"{'B' if together < 1 else 'A'}; measure both again, one after the other."
        )
    if found.failures or found.mended:
        yield f"{_cells(found.failures)} failed in B alone, {_cells(found.mended)} in A alone."
    if found.only_a or found.only_b:
        yield f"{_cells(found.only_a)} in A only, {_cells(found.only_b)} in B only."
    if found.other_machine:
        yield (
            f"The speed of {_cells(found.other_machine)} is not compared, since A and B were measured on different "
            "machines; measure both on one."
        )
    if found.other_data:
        yield f"No figure of {_cells(found.other_data)} is compared, since their data have different hashes."
    if found.versions:
        changed = (f"{name} {a} to {b}" for name, (a, b) in found.versions.items())
        yield f"Versions changed: {', '.join(changed)}."


def _cells(found: Sequence[object]) -> str:
    return "1 cell" if len(found) == 1 else f"{len(found):,} cells"


def _common(titles: Sequence[str]) -> str:
    """The words at the end of all titles, of which there are several."""
    words = [title.split(" · ")[::-1] for title in titles]
    same = itertools.takewhile(lambda of_place: len(set(of_place)) == 1, zip(*words, strict=False))
    return " · ".join([of_place[0] for of_place in same][::-1]) if len(titles) > 1 else ""


def _table(changes: Sequence[Change], common: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("what", overflow="fold")
    for name in ("A", "B", "change (95 %)", ""):
        table.add_column(name, justify="right" if name else "left", no_wrap=name != "change (95 %)")
    for change in changes:
        settings = f", other {' '.join(change.settings)}" if change.settings else ""
        cell = title(change.cell).partition(" · ")[2].removesuffix(common).removesuffix(" · ")
        what = Text(f"{_figure(change)}: {cell}{settings}")
        a, b, by = _numbers(change)
        table.add_row(what, a, b, by, Text(change.verdict, style=COLOURS.get(change.verdict, "dim")))
    return table


def _figure(change: Change) -> str:
    rates = {"window_samples_per_s": "samples/s", "batch_qps": "queries/s", "batch_qps_all": "queries/s, all cores"}
    return rates.get(change.measure, change.measure)


def _numbers(change: Change) -> tuple[str, str, str]:
    from reports.charts import text

    if change.is_rate:
        ends = f"{text.ratio(change.low)} – {text.ratio(change.high)}"
        return text.rate(change.a), text.rate(change.b), f"{text.ratio(change.change)} ({ends})"
    by = text.signed(change.change)
    if change.noise != "tolerance":
        by += f" ({text.signed(change.low)} – {text.signed(change.high)})"
    return text.metric(change.a), text.metric(change.b), by


def _others(found: Comparison) -> dict[str, list[str]]:
    def lines(records: Sequence[Record]) -> list[str]:
        return [f"  {title(record)}" for record in records]

    return {
        "Failed in B alone": [f"  {title(record)}: {why}" for record, why in found.failures],
        "Failed in A alone": [f"  {title(record)}: {why}" for record, why in found.mended],
        "In A only": lines(found.only_a),
        "In B only": lines(found.only_b),
    }


def _as_json(found: Comparison) -> dict[str, Any]:
    def named(record: Record) -> dict[str, Any]:
        return {"cell": record.cell, "what": title(record)}

    def changed(change: Change) -> dict[str, Any]:
        fields = {field.name: getattr(change, field.name) for field in dataclasses.fields(change)}
        finite = change.distance if math.isfinite(change.distance) else None
        return {**fields, "cell": named(change.cell), "distance": finite, "is_rate": change.is_rate}

    return {
        "changes": [changed(change) for change in found.changes],
        "failures": [{**named(record), "why": why} for record, why in found.failures],
        "mended": [{**named(record), "why": why} for record, why in found.mended],
        "only_a": [named(record) for record in found.only_a],
        "only_b": [named(record) for record in found.only_b],
        "other_data": [named(b) for _, b in found.other_data],
        "other_machine": [named(b) for _, b in found.other_machine],
        "versions": {name: list(both) for name, both in found.versions.items()},
    }
