"""Models against the baselines of their table, on the same queries: differences with a paired bootstrap interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backends.registry import FRAMEWORKS
from benchmarks.resampling import interval, resampled
from reports.tables.records import Record, grouped, ok, primary_metric

N_RESAMPLES = 2000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A model's metric less a baseline's, with its 95 % interval over queries."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedRow:
    """One model, variant, backend and mode; a difference for each baseline, None from itself."""

    model: str
    variant: str
    backend: str
    mode: str
    device: str
    n_seeds: int
    differences: tuple[Difference | None, ...]


@dataclass(frozen=True)
class PairedTable:
    """The rows of one split, best first; `baselines` are the (model, variant) of the columns."""

    dataset: str
    protocol: str
    metric: str
    n_queries: int
    baselines: tuple[tuple[str, str], ...]
    rows: tuple[PairedRow, ...]


@dataclass(frozen=True)
class _Scored:
    """The records of one row of the table, and their queries' scores, the values averaged over the seeds."""

    record: Record
    n_seeds: int
    values: Floats
    weights: Floats

    @property
    def name(self) -> tuple[str, str]:
        return self.record["model"], self.record["variant"]

    @property
    def metric(self) -> float:
        return float(self.values.sum() / self.weights.sum())


def paired_tables(records: Sequence[Record]) -> tuple[PairedTable, ...]:
    """One table for each split on which a baseline and another model have scores."""
    scored = [record for record in ok(records) if record["kind"] == "train" and record.get("scores")]
    splits = grouped(scored, lambda r: (r["dataset"], r["protocol"], r["hashes"].get("split")))
    tables = (_table(of_split) for _, of_split in splits)
    return tuple(table for table in tables if table)


def _table(records: Sequence[Record]) -> PairedTable | None:
    rows = [_scored(of_row) for _, of_row in grouped(records, _row_key)]
    rows.sort(key=lambda row: (-row.metric, _row_key(row.record)))
    baselines = [row for row in rows if row.record["backend"] not in FRAMEWORKS and row.record["model"] != "oracle"]
    metric = primary_metric(records)
    if not baselines or len(rows) < 2 or metric is None:
        return None
    first = records[0]
    differences = _differences(rows, baselines)
    return PairedTable(
        first["dataset"],
        first["protocol"],
        metric,
        len(rows[0].values),
        tuple(row.name for row in baselines),
        tuple(
            PairedRow(*_row_key(row.record), row.n_seeds, tuple(of_row))
            for row, of_row in zip(rows, differences, strict=True)
        ),
    )


def _row_key(record: Record) -> tuple[str, str, str, str, str]:
    return record["model"], record["variant"], record["backend"], record["mode"], record["device"]


def _scored(records: Sequence[Record]) -> _Scored:
    values = np.mean([record["scores"]["values"] for record in records], axis=0)
    return _Scored(records[0], len(records), values, np.array(records[0]["scores"]["weights"]))


def _differences(rows: Sequence[_Scored], baselines: Sequence[_Scored]) -> Iterator[list[Difference | None]]:
    """Each row's from each baseline; all of them are formed on the same draws of queries."""
    apart = np.stack([row.values - baseline.values for row in rows for baseline in baselines], axis=1)
    weights = np.repeat(rows[0].weights[:, None], apart.shape[1], axis=1)
    low, high = interval(resampled(apart, weights, 0, N_RESAMPLES))
    found = np.stack([apart.sum(0) / weights.sum(0), low, high], axis=1).reshape(len(rows), len(baselines), 3)
    for row, of_row in zip(rows, found.tolist(), strict=True):
        yield [
            None if baseline is row else Difference(*of_pair)
            for baseline, of_pair in zip(baselines, of_row, strict=True)
        ]
