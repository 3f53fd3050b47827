"""The retrieval leaderboard: how much of the exact top K an index returns, and how many queries a second it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.records import Record, grouped, ok, primary_metric, samples, single
from reports.spread import Spread, paired_ratio, spread_of

RECALL_LEVELS = (0.9, 0.95, 0.99)
_RECALL = "index_recall@"


@dataclass(frozen=True)
class IndexRow:
    """One index with its build and query settings; `on_front` where no other has more of both recall and rate."""

    name: str
    build: str
    query: str
    status: str
    reason: str
    recall: float | None
    task: float | None
    qps: Spread | None
    to_exact: Spread | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    build_s: float | None
    index_bytes: int | None
    on_front: bool


@dataclass(frozen=True)
class Duel:
    """The fastest Faiss and the fastest Annoy that reach an index recall; the ratio is Faiss over Annoy."""

    recall: float
    faiss: IndexRow | None
    annoy: IndexRow | None
    ratio: Spread | None


@dataclass(frozen=True)
class IndexTable:
    """All indexes over one set of vectors, timed by turns in one group."""

    dataset: str
    protocol: str
    source: str
    seed: int
    device: str
    threads: int
    group: str | None
    n_items: int | None
    dim: int | None
    recall_metric: str | None
    task_metric: str | None
    rows: tuple[IndexRow, ...]
    duels: tuple[Duel, ...]


def index_tables(records: Sequence[Record]) -> tuple[IndexTable, ...]:
    """One table for each dataset, source of vectors, device, number of threads and group."""
    indexed = [record for record in records if record["kind"] == "index"]
    tables = []
    for _, of_one in grouped(indexed, _table_key):
        groups = sorted({record["group"] for record in of_one} - {None}) or [None]
        tables += [_table([r for r in of_one if r["group"] in {group, None}], group) for group in groups]
    return tuple(tables)


def source_of(record: Record) -> str:
    """Where the vectors come from."""
    return f"{record['model']} {record['variant']}, {record['backend']} {record['mode']}"


def _table_key(record: Record) -> tuple[object, ...]:
    # Seeds are other vectors: rows of two seeds are not points of one curve.
    names = ("dataset", "protocol", "model", "variant", "backend", "mode", "device", "threads", "seed")
    return tuple(record[name] for name in names)


def _table(records: Sequence[Record], group: str | None) -> IndexTable:
    task_metric = primary_metric(records)
    recall_metric = _recall_metric(records, task_metric)
    comparable = [r for r in ok(records) if group is not None and r["group"] == group]
    exact = next((r for r in comparable if r["index"] and r["index"]["name"] == "exact"), None)
    front = _front(comparable, recall_metric)
    rows = {}
    for record in records:
        base = exact if record in comparable else None
        rows[record["cell"]] = _row(record, recall_metric, task_metric, base, record["cell"] in front)
    first = records[0]
    return IndexTable(
        dataset=first["dataset"],
        protocol=first["protocol"],
        source=source_of(first),
        seed=first["seed"],
        device=first["device"],
        threads=first["threads"],
        group=group,
        n_items=next((r["settings"]["n_items"] for r in records if "n_items" in r["settings"]), None),
        dim=next((r["settings"]["dim"] for r in records if "dim" in r["settings"]), None),
        recall_metric=recall_metric,
        task_metric=task_metric,
        rows=tuple(sorted(rows.values(), key=_rank)),
        duels=tuple(_duel(level, comparable, rows, recall_metric) for level in RECALL_LEVELS),
    )


def _row(
    record: Record, recall_metric: str | None, task_metric: str | None, exact: Record | None, on_front: bool
) -> IndexRow:
    index = record["index"] or {"name": "no index", "build": {}, "query": {}}
    queries = samples(record, "batch_qps")
    return IndexRow(
        name=index["name"],
        build=_settings(index["build"]),
        query=_settings(index["query"]),
        status=record["status"],
        reason=record["reason"] or "",
        recall=record["metrics"].get(recall_metric),
        task=record["metrics"].get(task_metric),
        qps=spread_of(queries),
        to_exact=paired_ratio(queries, samples(exact, "batch_qps")) if exact else None,
        p50_s=single(record, "p50_s"),
        p95_s=single(record, "p95_s"),
        p99_s=single(record, "p99_s"),
        build_s=single(record, "build_s"),
        index_bytes=record["memory"].get("index_bytes"),
        on_front=on_front,
    )


def _settings(values: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items()))


def _recall_metric(records: Sequence[Record], task_metric: str | None) -> str | None:
    """The index recall at the K of the task's metric where it was taken, else at the smallest K."""
    names = {name for record in ok(records) for name in record["metrics"] if name.startswith(_RECALL)}
    wanted = _RECALL + (task_metric or "").rpartition("@")[2]
    return wanted if wanted in names else min(names, key=lambda name: (len(name), name), default=None)


def _point(record: Record, recall_metric: str | None) -> tuple[float, float] | None:
    spread = spread_of(samples(record, "batch_qps"))
    recall = record["metrics"].get(recall_metric)
    return None if spread is None or recall is None else (recall, spread.median)


def _front(records: Sequence[Record], recall_metric: str | None) -> set[str]:
    """The cells that no other beats in one of recall and rate without losing in the other."""
    points = {r["cell"]: p for r in records if (p := _point(r, recall_metric)) is not None}
    return {
        cell
        for cell, mine in points.items()
        if not any(other[0] >= mine[0] and other[1] >= mine[1] and other != mine for other in points.values())
    }


def _duel(level: float, records: Sequence[Record], rows: dict[str, IndexRow], recall_metric: str | None) -> Duel:
    def fastest(family: str) -> Record | None:
        reaching = [
            (point[1], record["cell"], record)
            for record in records
            if record["index"]
            and record["index"]["name"].startswith(family)
            and (point := _point(record, recall_metric)) is not None
            and point[0] >= level
        ]
        return max(reaching, key=lambda item: item[:2], default=(0, "", None))[2]

    faiss, annoy = fastest("faiss"), fastest("annoy")
    ratio = paired_ratio(samples(faiss, "batch_qps"), samples(annoy, "batch_qps")) if faiss and annoy else None
    return Duel(level, rows[faiss["cell"]] if faiss else None, rows[annoy["cell"]] if annoy else None, ratio)


def _rank(row: IndexRow) -> tuple[bool, bool, str, str, float, float, str]:
    rate = row.qps.median if row.qps else 0.0
    return row.status != "ok", row.name != "exact", row.name, row.build, row.recall or 0.0, -rate, row.query
