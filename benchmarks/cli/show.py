"""`show`: everything about one record, in plain words."""

from __future__ import annotations

import argparse
import datetime as dt
import difflib
import json
import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from benchmarks.cli.console import Console, Found, recorded, title
from benchmarks.cli.options import Subcommands, add_always, complete_with, path
from benchmarks.exit_codes import FINE
from benchmarks.harness import mixture, store
from benchmarks.harness.run import FAILURES
from benchmarks.records import AnyRecord, fields
from benchmarks.settings import shown
from datasets.errors import InputError

LATEST, FAILED = "latest", "failed"
SHOWN = 3
"""Cells that are named where a key says too little."""
UNITS = (("_samples_per_s", "samples/s"), ("_qps", "queries/s"), ("_s", "s"))


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("show", help="everything about one result: figures, versions, command, files")
    named = command.add_argument("cell", metavar="CELL", help="its key or how that begins, `latest`, or `failed`")
    complete_with(named, (LATEST, FAILED))
    command.add_argument(
        "--results", type=path, default=Path("RESULTS"), metavar="DIR",
        help="results folder (default RESULTS), or a folder of several",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print the record, its command and files as JSON")
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Prints the record; of several that failed, a line for each."""
    there = recorded(options.results)
    if options.cell != FAILED:
        _print(options, _chosen(there, options.cell, options.results), there)
        return FINE
    failed = [found for found in there if found.record.status in FAILURES]
    if len(failed) == 1:
        _print(options, failed[0], there)
    elif options.json:
        sys.stdout.writelines(store.as_line(found.record).decode() for found in failed)
    else:
        for found in failed:
            sys.stdout.write(f"{_named(found.record)}\n    {found.record.status}: {found.record.reason}\n")
        ending = "`show KEY` says all about one" if failed else f"all {len(there):,} ended as they should"
        sys.stdout.write(f"{len(failed)} cell{'s' * (len(failed) != 1)} of {options.results} failed; {ending}\n")
    return FINE


def _chosen(there: Sequence[Found], asked: str, results: Path) -> Found:
    """The record that was asked for.

    Raises:
        InputError: there is none, or there are several, and which come nearest.
    """
    if asked == LATEST:
        return max(reversed(there), key=lambda found: found.record.run_id.partition("-")[0])
    matching = [found for found in there if found.record.cell.startswith(asked.lower())]
    if len(matching) == 1:
        return matching[0]
    if len({found.record.cell for found in matching}) == 1:
        folders = " and ".join(str(found.folder) for found in matching)
        raise InputError(f"{asked} is in {folders}, expected one folder; name it with --results.")
    if matching:
        raise InputError(
            f"{shown(asked, 40)} begins {len(matching)} keys, expected one: {_several(matching)}; give more of it."
        )
    about = [found for found in there if asked.lower() in title(found.record).lower()]
    if about:
        raise InputError(f"{shown(asked, 40)} is no key of {results}, expected such as that of {_several(about)}.")
    of_key = {found.record.cell[: max(4, len(asked))]: found for found in there}
    near = [of_key[key] for key in difflib.get_close_matches(asked.lower(), of_key, n=2, cutoff=0.5)]
    nearest = f"the nearest is {_several(near)}" if near else f"the last is {_several(there[-1:])}"
    raise InputError(
        f"no cell of {results} has a key that begins with {shown(asked, 40)}, expected one of {len(there):,}: "
        f"{nearest}; `{LATEST}` and `{FAILED}` will do, too."
    )


def _several(found: Sequence[Found]) -> str:
    named = [_named(one.record) for one in found[:SHOWN]]
    return "; ".join([*named, *([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])])


def _named(record: AnyRecord) -> str:
    return f"{record.cell} ({title(record)})"


def _print(options: argparse.Namespace, found: Found, there: Sequence[Found]) -> None:
    from reports.tables.readable import without_folders
    from reports.tables.reproduce import commands

    beside = without_folders([other.record for other in there if other.folder == found.folder])
    command = commands(beside).of_cell[found.record.cell]
    files = _files(found)
    if options.json:
        said = {"record": msgspec.to_builtins(found.record), "command": command or None, "files": files}
        sys.stdout.write(json.dumps(said, indent=2, sort_keys=True) + "\n")
        return
    console = Console()
    console.print(Text(title(found.record), style="bold"))
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(overflow="fold")
    for name, lines in _parts(found.record, command, files):
        table.add_row(name, Text("\n".join(lines), style="red" if name == "reason" else ""))
    console.print(table)


def _parts(found: AnyRecord, command: str, files: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """What there is to say, as a name and lines; the most important first."""
    record = fields(found)
    yield "status", [record["status"]]
    if record["reason"]:
        yield "reason", [record["reason"]]
    parts = {
        "metrics": _metrics(record),
        "rungs": [_rung(rung) for rung in record["rungs"]],
        "bugs": [_bug(bug) for bug in record["bugs"]],
        "not caught": [_mutant(mutant) for mutant in record["mutants"] if mutant["fate"] != "caught"],
        "timings": [_timing(name, value) for name, value in sorted(record["timings"].items())],
        "memory": [
            f"{_spaced(name.removesuffix('_bytes')):17}  {value / 2**20:,.1f} MiB"
            for name, value in record["memory"].items()
        ],
        "training": _training(record),
        "settings": [_settings(record)],
        "protocol": [_pairs(record["settings"].get("protocol", {}))],
        "run again": [command or "its suite was one of somebody's own: run that again"],
        "files": [f"{what}: {path}" for what, path in files.items()],
        "measured": [_measured(record), mixture.describe(found.machine)],
        "versions": [_pairs(record["versions"])],
        "hashes": [_pairs(record["hashes"])],
        "notes": record["notes"],
        "key": [record["cell"]],
    }
    for name, lines in parts.items():
        if any(lines):
            yield name, lines


def _metrics(record: Mapping[str, Any]) -> list[str]:
    """The metric that the protocol is judged by first, the others as they come, each with its 95 % interval."""
    primary = record["settings"].get("primary_metric")
    lines: list[str] = []
    without: dict[str, list[str]] = {}  # what has no interval takes a line for all K
    for name, value in sorted(record["metrics"].items(), key=lambda item: (item[0] != primary, _natural(item[0]))):
        if name in record["intervals"] or name == primary:
            low, high = record["intervals"].get(name, (None, None))
            interval = f"  (95 %: {low:.4f} to {high:.4f})" if low is not None else ""
            lines.append(f"{name:17}  {_number(value)}{interval}" + "  primary" * (name == primary))
        else:
            base, at, k = name.partition("@")
            without.setdefault(base, []).append(f"{at}{k} {_number(value)}".strip())
    return lines + [f"{base:17}  {'  '.join(values)}" for base, values in without.items()]


def _natural(name: str) -> tuple[str, int]:
    base, _, k = name.partition("@")
    return base, int(k) if k.isdecimal() else 0


def _rung(rung: Mapping[str, Any]) -> str:
    difference = "not finite" if rung["difference"] is None else f"{rung['difference']:.1e}"
    verdict = "holds" if rung["holds"] else "BREAKS"
    where = f", in {rung['where']}" if rung["where"] else ""
    return f"{rung['rung']:12}  {verdict}: {difference}, at most {rung['tolerance']:g}{where}"


def _bug(bug: Mapping[str, Any]) -> str:
    return f"{'caught' if bug['caught'] else 'SURVIVED'} at {bug['broke'] or 'no rung'}: {bug['bug']}"


def _mutant(mutant: Mapping[str, Any]) -> str:
    change = f"line {mutant['line']}, {mutant['operator']}: {mutant['old']!r} → {mutant['new']!r}"
    fate = f"equivalent: {mutant['reason']}" if mutant["reason"] else "SURVIVED"
    return f"{change}, in {mutant['mode']} mode; {fate}"


def _timing(name: str, value: float | Sequence[float]) -> str:
    suffix, unit = next(((suffix, unit) for suffix, unit in UNITS if name.endswith(suffix)), ("", ""))
    start = f"{_spaced(name.removesuffix(suffix)):17}  "
    if isinstance(value, int | float):
        return f"{start}{_number(value)} {unit}"
    if not value:
        return f"{start}none"
    extent = f"{_number(min(value))} to {_number(max(value))}"
    return f"{start}{_number(statistics.median(value))} {unit}  (median of {len(value):,}, {extent})"


def _training(record: Mapping[str, Any]) -> list[str]:
    curve, primary = record["curve"], record["settings"].get("primary_metric")
    scored = [point for point in curve if primary in point["metrics"]]
    if not scored:
        return []
    best = max(scored, key=lambda point: point["metrics"][primary])
    where = f"{primary} {best['metrics'][primary]:.4f} at epoch {best['epoch']}, after {best['steps']:,} steps"
    return [f"{len(curve)} evaluations, up to epoch {curve[-1]['epoch']}; the best: {where}"]


def _settings(record: Mapping[str, Any]) -> str:
    elsewhere = {"protocol", "primary_metric"}
    known = {name: value for name, value in record["settings"].items() if name not in elsewhere}
    return _pairs({"device": record["device"], "threads": record["threads"], **known})


def _measured(record: Mapping[str, Any]) -> str:
    """When, by which run, of which commit."""
    start = re.match(r"\d{8}T\d{6}", record["run_id"])
    when = f"{dt.datetime.strptime(start[0], '%Y%m%dT%H%M%S'):%Y-%m-%d %H:%M} UTC, " if start else ""
    changed = " with local changes" if record["dirty"] else ""
    commit = f"commit {record['commit'][:12]}{changed}" if record["commit"] else "no git commit"
    return f"{when}run {record['run_id']}, {commit}"


def _files(found: Found) -> dict[str, str]:
    """What the cell has left that still lies there."""
    key = found.record.cell
    places = {"checkpoint": f"checkpoints/{key}.npz", "vectors": f"vectors/{key}", "log": f"logs/{key}.txt"}
    return {what: str(found.folder / place) for what, place in places.items() if (found.folder / place).exists()}


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{_spaced(name)} {_word(value)}" for name, value in values.items())


def _word(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_word, value)) or "none"
    return json.dumps(value) if isinstance(value, bool | dict | None) else str(value)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float) -> str:
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if 0.01 <= abs(value) < 10 else f"{value:.3g}"
