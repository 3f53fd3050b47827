"""The training throughput leaderboard and the overhead of the harness itself."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.agreement.verdict import said
from reports.tables.records import Record, grouped, ok, samples, single
from reports.tables.spread import Spread, paired_ratio, spread_of


@dataclass(frozen=True)
class ThroughputRow:
    """One backend and mode; ratios are taken window by window and only inside the table's group."""

    backend: str
    mode: str
    status: str
    reason: str
    seed: int
    samples_per_s: Spread | None
    to_slowest: Spread | None
    to_torch_eager: Spread | None
    first_step_s: float | None
    compile_s: float | None
    peak_rss_bytes: int | None
    cell: str


@dataclass(frozen=True)
class ThroughputTable:
    """One model whose backends were timed by turns; `group` is None where nothing was."""

    model: str
    variant: str
    dataset: str
    protocol: str
    device: str
    threads: int
    group: str | None
    slowest: str | None
    rows: tuple[ThroughputRow, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Who is in no ratio, and why: the fastest of the others may not be the fastest of all."""
        return tuple(f"{row.backend} {row.mode} {said(row.status)}" for row in self.rows if row.status != "ok")


@dataclass(frozen=True)
class OverheadRow:
    """Where the time of a backend's train cells went; evaluation and batches are part of the overhead."""

    backend: str
    n_cells: int
    wall_s: Spread | None
    import_s: Spread | None
    init_s: Spread | None
    train_s: Spread | None
    overhead_s: Spread | None
    evaluate_s: Spread | None
    batches_s: Spread | None


def throughput_tables(records: Sequence[Record]) -> tuple[ThroughputTable, ...]:
    """One table for each model, variant, dataset, device, number of threads and group."""
    timed = [record for record in records if record["kind"] == "throughput"]
    names = ("dataset", "protocol", "model", "variant", "device", "threads")
    tables = []
    for _, of_model in grouped(timed, lambda r: tuple(r[name] for name in names)):
        groups = sorted({record["group"] for record in of_model} - {None}) or [None]
        # What never ran belongs to no group; it is shown beside each, and no ratio is formed with it.
        tables += [_table([r for r in of_model if r["group"] in {group, None}], group) for group in groups]
    return tuple(tables)


def overhead_rows(records: Sequence[Record]) -> tuple[OverheadRow, ...]:
    """One row for each backend that finished a train cell."""
    trained = [record for record in ok(records) if record["kind"] == "train"]
    rows = []
    for backend, cells in grouped(trained, lambda record: record["backend"]):
        parts = ("wall", "import", "init", "train", "overhead", "evaluate", "batches")
        spreads = [spread_of([s for cell in cells for s in samples(cell, f"{part}_s")]) for part in parts]
        rows.append(OverheadRow(backend, len(cells), *spreads))
    return tuple(rows)


def _table(records: Sequence[Record], group: str | None) -> ThroughputTable:
    comparable = [r for r in ok(records) if group is not None and r["group"] == group and _windows(r)]
    # Names break ties, so that the table does not depend on the order of equal medians.
    slowest = min(comparable, key=lambda r: (statistics.median(_windows(r)), _name(r)), default=None)
    reference = next((r for r in comparable if (r["backend"], r["mode"]) == ("torch", "eager")), None)
    rows = [_row(record, slowest, reference, record in comparable) for record in records]
    rows.sort(key=lambda row: (row.status != "ok", -_median(row), row.backend, row.mode, row.seed))
    first = records[0]
    return ThroughputTable(
        first["model"],
        first["variant"],
        first["dataset"],
        first["protocol"],
        first["device"],
        first["threads"],
        group,
        _name(slowest) if slowest else None,
        tuple(rows),
    )


def _row(record: Record, slowest: Record | None, reference: Record | None, comparable: bool) -> ThroughputRow:
    windows = _windows(record)
    return ThroughputRow(
        backend=record["backend"],
        mode=record["mode"],
        status=record["status"],
        reason=record["reason"] or "",
        seed=record["seed"],
        samples_per_s=spread_of(windows),
        to_slowest=paired_ratio(windows, _windows(slowest)) if comparable and slowest else None,
        to_torch_eager=paired_ratio(windows, _windows(reference)) if comparable and reference else None,
        first_step_s=single(record, "first_step_s"),
        compile_s=single(record, "compile_s"),
        peak_rss_bytes=record["memory"].get("peak_rss_bytes"),
        cell=record["cell"],
    )


def _windows(record: Record) -> list[float]:
    return samples(record, "window_samples_per_s")


def _name(record: Record) -> str:
    return f"{record['backend']} {record['mode']}"


def _median(row: ThroughputRow) -> float:
    return row.samples_per_s.median if row.samples_per_s else 0.0
