"""Records to leaderboards: a pure function, without any formatting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from backends.registry import FRAMEWORKS
from reports.tables import agreement
from reports.tables.accuracy import AccuracyTable, accuracy_tables
from reports.tables.answers import TableAnswers, WinsRow, table_answers, wins_rows
from reports.tables.frame import frame_of
from reports.tables.maps import ItemMapTable, item_map_tables
from reports.tables.overview import OverviewRow, overview_rows
from reports.tables.paired import PairedTable, paired_tables
from reports.tables.records import Record, grouped, prepare
from reports.tables.reproduce import Commands, commands
from reports.tables.retrieval import IndexTable, index_tables, source_of
from reports.tables.throughput import OverheadRow, ThroughputTable, overhead_rows, throughput_tables

if TYPE_CHECKING:
    from benchmarks.agreement.verdict import Verdict


@dataclass(frozen=True)
class FailureRow:
    """One cell that has no figures, and why."""

    kind: str
    model: str
    variant: str
    backend: str
    mode: str
    device: str
    dataset: str
    protocol: str
    index: str
    seed: int
    status: str
    reason: str
    cell: str


@dataclass(frozen=True)
class Machine:
    """The one machine of all records."""

    id: str
    cpu: str
    cores: int
    memory_bytes: int
    system: str
    gpu: str | None


@dataclass(frozen=True)
class Environment:
    """What the figures depend on beside the code."""

    machine: Machine
    devices: tuple[tuple[str, int, int], ...]  # device, threads, cells
    versions: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]  # backend or library, (package, version)
    commits: tuple[tuple[str | None, bool | None, int], ...]  # commit, dirty, cells
    datasets: tuple[tuple[str, str, str], ...]  # dataset, protocol, hash
    notes: tuple[tuple[str, str, int], ...]  # dataset, note, cells


@dataclass(frozen=True)
class Headline:
    """What was compared, in counts."""

    models: tuple[str, ...]
    frameworks: tuple[str, ...]
    datasets: tuple[str, ...]
    n_cells: int
    n_failed: int
    verdicts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Leaderboards:
    """Everything that a report shows; `cells` is the table that it is formed from."""

    headline: Headline
    overview: tuple[OverviewRow, ...]
    accuracy: tuple[AccuracyTable, ...]
    paired: tuple[PairedTable, ...]
    verdicts: tuple[Verdict, ...]
    ladder: tuple[agreement.LadderRow, ...]
    rungs: tuple[agreement.RungRow, ...]
    bits: tuple[agreement.BitRow, ...]
    kills: tuple[agreement.KillRow, ...]
    bugs: tuple[agreement.BugRow, ...]
    throughput: tuple[ThroughputTable, ...]
    retrieval: tuple[IndexTable, ...]
    answers: tuple[TableAnswers, ...]
    wins: tuple[WinsRow, ...]
    item_maps: tuple[ItemMapTable, ...]
    overhead: tuple[OverheadRow, ...]
    failures: tuple[FailureRow, ...]
    environment: Environment
    commands: Commands
    cells: pd.DataFrame = field(compare=False, repr=False)
    left_out: tuple[str, ...] = ()


def build(records: Iterable[Record], verdicts: Sequence[Verdict], left_out: tuple[str, ...] = ()) -> Leaderboards:
    """The leaderboards of one results folder.

    Args:
        records: valid records in the order of their file; of two for one cell, or for one place in the tables, the
            later counts.
        verdicts: whether the backends agree, formed from prepared records, one a model, variant, dataset, protocol,
            device and seed.
        left_out: sentences on what of the folder is not among the records.

    Returns:
        Tables that do not depend on the order of different cells.

    Raises:
        InputError: there are no records, or they come from several machines or several versions of one dataset, or
            they disagree on the primary metric of a protocol.
    """
    chosen = prepare(records)
    judged = _judged(verdicts)
    retrieval = index_tables(chosen)
    answers = table_answers(retrieval)
    found = commands(chosen)
    cells = frame_of(chosen, found.of_cell)
    accuracy, throughput = accuracy_tables(chosen, judged), throughput_tables(chosen)
    return Leaderboards(
        headline=_headline(chosen, judged),
        overview=overview_rows(accuracy, throughput),
        accuracy=accuracy,
        paired=paired_tables(chosen),
        verdicts=judged,
        ladder=agreement.ladder_rows(chosen),
        rungs=agreement.rung_rows(chosen),
        bits=agreement.bit_rows(chosen),
        kills=agreement.kill_rows(chosen),
        bugs=agreement.bug_rows(chosen),
        throughput=throughput,
        retrieval=retrieval,
        answers=answers,
        wins=wins_rows(answers),
        item_maps=item_map_tables(chosen),
        overhead=overhead_rows(chosen),
        failures=_failures(chosen),
        environment=_environment(chosen),
        commands=found,
        cells=cells,
        left_out=left_out,
    )


def _judged(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """In order, and without what cells that never ran add: a second verdict, that nothing was compared."""

    def place(v: Verdict) -> tuple[str, str, str, str, str]:
        return v.dataset, v.protocol, v.model, v.variant, v.device

    compared = {place(v) for v in verdicts if v.verdict != "not compared"}
    chosen = (v for v in verdicts if v.verdict != "not compared" or place(v) not in compared)
    return tuple(sorted(chosen, key=lambda v: (place(v), v.reason)))


def _headline(records: Sequence[Record], verdicts: Sequence[Verdict]) -> Headline:
    backends = {record["backend"] for record in records}
    counts = Counter(verdict.counted_as for verdict in verdicts)
    words = ("agrees", "agrees, incomplete", "differs", "undecided", "not compared")
    return Headline(
        models=tuple(sorted({record["model"] for record in records})),
        frameworks=tuple(name for name in FRAMEWORKS if name in backends),
        datasets=tuple(sorted({record["dataset"] for record in records})),
        n_cells=len(records),
        n_failed=sum(record["status"] != "ok" for record in records),
        verdicts=tuple((name, counts[name]) for name in words if counts[name] or name != "agrees, incomplete"),
    )


def _failures(records: Sequence[Record]) -> tuple[FailureRow, ...]:
    same = (
        "kind",
        "model",
        "variant",
        "backend",
        "mode",
        "device",
        "dataset",
        "protocol",
        "seed",
        "status",
        "reason",
        "cell",
    )
    failed = [record for record in records if record["status"] != "ok"]
    rows = [FailureRow(**{name: record[name] for name in same}, index=_index_name(record)) for record in failed]
    return tuple(sorted(rows, key=lambda r: (r.dataset, r.protocol, r.kind, r.model, r.variant, r.backend, repr(r))))


def _index_name(record: Record) -> str:
    if not record["index"]:
        return ""
    settings = {**record["index"]["build"], **record["index"]["query"]}
    text = ", ".join(f"{name}={value}" for name, value in sorted(settings.items()))
    return f"{record['index']['name']} {text}, vectors of {source_of(record)}"


def _environment(records: Sequence[Record]) -> Environment:
    versions: dict[str, dict[str, set[str]]] = {}
    for record in records:
        known = versions.setdefault(_library(record), {})
        for package, version in record["versions"].items():
            known.setdefault(package, set()).add(version)
    by_dataset = sorted({(r["dataset"], r["protocol"], r["hashes"].get("dataset", "")) for r in records})
    known_hash = {(dataset, protocol) for dataset, protocol, value in by_dataset if value}
    notes = Counter((record["dataset"], note) for record in records for note in record["notes"])
    return Environment(
        machine=Machine(**records[0]["machine"]),
        devices=tuple((*key, len(of)) for key, of in grouped(records, lambda r: (r["device"], r["threads"]))),
        versions=tuple(
            (library, tuple((package, ", ".join(sorted(seen))) for package, seen in sorted(packages.items())))
            for library, packages in sorted(versions.items())
        ),
        commits=tuple((*key, len(of)) for key, of in grouped(records, lambda r: (r["commit"], r["dirty"]))),
        # A cell that failed early may not know its hash; one that finished does.
        datasets=tuple(row for row in by_dataset if row[2] or row[:2] not in known_hash),
        notes=tuple((*key, n) for key, n in sorted(notes.items())),
    )


def _library(record: Record) -> str:
    """Index cells and maps load a library of their own instead of the framework that the vectors come from."""
    if record["kind"] == "index" and record["index"]:
        return str(record["index"]["name"]).partition("-")[0]
    return "map" if record["kind"] == "map" else str(record["backend"])
