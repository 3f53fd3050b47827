"""One table of everything: a row a cell, with its names, all of its figures and the command that measures it.

The first columns are the fields of `CellRow`. Behind them each metric that any of the cells has is a column,
`metrics/ndcg@10`, and, where it has a 95 % interval, its ends are two more, `low/ndcg@10` and `high/ndcg@10`. Seeds are
rows of their own: a mean over them is a `groupby` away.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.tables.records import Record, samples
from reports.tables.spread import Spread, spread_of


@dataclass(frozen=True)
class CellRow:
    """One record; what it does not tell, or was not measured, is None. Units are in the names.

    `figures` are (column, value) of every metric and of its interval.
    """

    kind: str
    model: str
    variant: str
    backend: str
    mode: str
    device: str
    threads: int
    dataset: str
    protocol: str
    seed: int
    index: str | None
    build: str | None
    query: str | None
    status: str
    reason: str | None
    primary_metric: str | None
    primary: float | None
    primary_low: float | None
    primary_high: float | None
    index_recall_metric: str | None
    index_recall: float | None
    exact: float | None
    lost: float | None
    lost_low: float | None
    lost_high: float | None
    samples_per_s: float | None
    samples_per_s_low: float | None
    samples_per_s_high: float | None
    first_step_s: float | None
    compile_s: float | None
    batch_qps: float | None
    batch_qps_low: float | None
    batch_qps_high: float | None
    batch_qps_all: float | None
    call_overhead: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    build_s: float | None
    load_s: float | None
    wall_s: float | None
    train_s: float | None
    index_bytes: int | None
    resident_bytes: int | None
    peak_rss_bytes: int | None
    rungs_held: int | None
    rungs: int | None
    bugs_caught: int | None
    bugs_injected: int | None
    group: str | None
    command: str
    machine: str
    commit: str | None
    run_id: str
    cell: str
    figures: tuple[tuple[str, float], ...]


_NAMED = tuple(field for field in dataclasses.fields(CellRow) if field.name != "figures")
_PARTS = ("metrics", "low", "high")
_LARGEST_INT = 2**63 - 1
"""A column of whole numbers is one of text where a number, such as somebody's seed, is larger."""
_TYPES = {"str": "string", "int": "int64", "float": "float64"}


def cell_rows(records: Sequence[Record], commands: Mapping[str, str]) -> tuple[CellRow, ...]:
    """The rows in the order of the names that they begin with."""
    rows = (_row(record, commands[record["cell"]]) for record in records)
    return tuple(sorted(rows, key=lambda row: repr(dataclasses.astuple(row))))


def to_csv(rows: Sequence[CellRow]) -> bytes:
    """UTF-8, a header, lines that end in a line feed; None is an empty field."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    columns = _columns(rows)
    writer.writerow(columns)
    writer.writerows(zip(*(values for values, _ in columns.values()), strict=True))
    return text.getvalue().encode("utf-8", "replace")


def to_parquet(rows: Sequence[CellRow]) -> bytes:
    """The same table; columns have their types also where all values are None."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {_whole(name): pa.array(map(_whole, values), kind) for name, (values, kind) in _columns(rows).items()}
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, compression="zstd", write_statistics=False)
    return file.getvalue()


def _columns(rows: Sequence[CellRow]) -> dict[str, tuple[list[Any], str]]:
    """The columns in their order: values and the name of their type."""
    columns = {}
    for field in _NAMED:
        values = [getattr(row, field.name) for row in rows]
        kind = _TYPES[str(field.type).removesuffix(" | None")]
        if kind == "int64" and any(value is not None and abs(value) > _LARGEST_INT for value in values):
            values, kind = [None if value is None else str(value) for value in values], "string"
        columns[field.name] = values, kind
    figures = [dict(row.figures) for row in rows]
    for name in sorted({name for of_row in figures for name in of_row}, key=_place):
        columns[name] = [of_row.get(name) for of_row in figures], "float64"
    return columns


def _place(column: str) -> tuple[str, int]:
    """By metric, its value before the ends of its interval."""
    part, _, metric = column.partition("/")
    return metric, _PARTS.index(part)


def _whole(value: Any) -> Any:
    """Text that UTF-8 can hold: a record may come with half of a surrogate pair."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _row(record: Record, command: str) -> CellRow:
    same = ("kind", "model", "variant", "backend", "mode", "device", "threads", "dataset", "protocol", "seed")
    run = ("status", "reason", "group", "commit", "run_id", "cell")
    index = record["index"] or {"name": None, "build": {}, "query": {}}
    rate, queries = (spread_of(samples(record, name)) for name in ("window_samples_per_s", "batch_qps"))
    single = ("first_step_s", "compile_s", "p50_s", "p95_s", "p99_s", "build_s", "load_s", "wall_s", "train_s")
    medians: dict[str, Any] = {name: _median(record, name) for name in (*single, "batch_qps_all", "call_overhead")}
    bugs = record["settings"].get("bugs")
    return CellRow(
        **{name: record[name] for name in (*same, *run)},
        **medians,
        **{name: record["memory"].get(name) for name in ("index_bytes", "resident_bytes", "peak_rss_bytes")},
        **_metrics(record),
        **_spread("samples_per_s", rate),
        **_spread("batch_qps", queries),
        index=index["name"],
        build=_settings(index["build"]),
        query=_settings(index["query"]),
        rungs=len(record["rungs"]) or None,
        rungs_held=sum(rung["holds"] for rung in record["rungs"]) if record["rungs"] else None,
        bugs_injected=len(bugs) if bugs else None,
        bugs_caught=sum(bug["caught"] for bug in bugs) if bugs else None,
        command=command,
        machine=record["machine"]["id"],
        figures=tuple(_figures(record)),
    )


def _figures(record: Record) -> Iterator[tuple[str, float]]:
    yield from ((f"metrics/{name}", float(value)) for name, value in sorted(record["metrics"].items()))
    for name, (low, high) in sorted(record["intervals"].items()):
        yield from ((f"low/{name}", float(low)), (f"high/{name}", float(high)))


def _metrics(record: Record) -> dict[str, Any]:
    metrics, intervals, primary = record["metrics"], record["intervals"], record["settings"].get("primary_metric")
    recall = min((name for name in metrics if name.startswith("index_recall@")), key=len, default=None)
    low, high = intervals.get(primary, (None, None))
    lost_low, lost_high = intervals.get(f"lost/{primary}", (None, None))
    return {
        "primary_metric": primary,
        "primary": metrics.get(primary),
        "primary_low": low,
        "primary_high": high,
        "index_recall_metric": recall,
        "index_recall": metrics.get(recall),
        "exact": metrics.get(f"exact/{primary}"),
        "lost": metrics.get(f"lost/{primary}"),
        "lost_low": lost_low,
        "lost_high": lost_high,
    }


def _median(record: Record, name: str) -> float | None:
    spread = spread_of(samples(record, name))
    return spread.median if spread else None


def _spread(name: str, spread: Spread | None) -> dict[str, Any]:
    figures = (spread.median, spread.low, spread.high) if spread else (None,) * 3
    return dict(zip((name, f"{name}_low", f"{name}_high"), figures, strict=True))


def _settings(values: Mapping[str, object]) -> str | None:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items())) or None
