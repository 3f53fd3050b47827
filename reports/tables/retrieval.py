"""The retrieval leaderboard: how much of the exact top K an index returns, and what that costs in time and bytes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.agreement.verdict import said
from reports.tables.records import Record, grouped, ok, primary_metric, samples, single
from reports.tables.spread import Spread, paired_ratio, spread_of

_RECALL = "index_recall@"


@dataclass(frozen=True)
class Lost:
    """The task's metric through exact search less that through the index, with its 95 % interval over queries."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class IndexRow:
    """One index with its build and query settings; what older records do not tell is None, or no windows.

    `rates` and `rates_all` are queries a second, window by window: at the table's `search_threads`, and on all cores;
    `p95_windows` are seconds, one where the latencies of all windows were pooled.
    Rows that are `in_group` were timed by turns, and only their windows may be divided by one another. `on_front` is
    a row where no other has more of both recall and rate.
    """

    cell: str
    run_id: str
    name: str
    build: str
    query: str
    status: str
    reason: str
    recall: float | None
    exact: float | None
    task: float | None
    lost: Lost | None
    rates: tuple[float, ...]
    rates_all: tuple[float, ...]
    qps: Spread | None
    qps_all: Spread | None
    to_exact: Spread | None
    p50_s: float | None
    p95_s: float | None
    p95_windows: tuple[float, ...]
    p99_s: float | None
    build_s: float | None
    save_s: float | None
    load_s: Spread | None
    call_overhead: Spread | None
    index_bytes: int | None
    resident_bytes: int | None
    in_group: bool
    on_front: bool


@dataclass(frozen=True)
class IndexTable:
    """All indexes over one set of vectors, timed by turns in one group."""

    dataset: str
    protocol: str
    model: str
    source: str
    seed: int
    device: str
    threads: int
    group: str | None
    n_items: int | None
    dim: int | None
    n_queries: int | None
    n_interests: int | None
    threads_all: int | None
    recall_metric: str | None
    task_metric: str | None
    rows: tuple[IndexRow, ...]

    @property
    def search_threads(self) -> int:
        """Threads of a query batch: one where batches on all cores stand apart, the worker's in older records."""
        return 1 if self.threads_all else self.threads

    @property
    def lost(self) -> tuple[str, ...]:
        """The indexes of which settings have no figures, and why: what is said of the others is said without them."""
        words = []
        for name in dict.fromkeys(row.name for row in self.rows if row.status != "ok"):
            own = [row for row in self.rows if row.name == name]
            lost = [row for row in own if row.status != "ok"]
            how = " and ".join(sorted({said(row.status) for row in lost}))
            words.append(f"{name} {how}" if len(lost) == len(own) else f"{name} {how} in {len(lost)} of {len(own)}")
        return tuple(words)

    def failed(self, family: str) -> str:
        """Why a whole family of indexes has no figures, "" where one has some or none was tried."""
        own = [row for row in self.rows if row.name.startswith(family)]
        how = " and ".join(sorted({said(row.status) for row in own}))
        return f"{family} {how}" if own and all(row.status != "ok" for row in own) else ""


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
    primary = primary_metric(records)
    recall_metric = _recall_metric(records, primary)
    # Made-up vectors have no task: they are judged by the index recall itself.
    task_metric = None if primary is None or primary.startswith(_RECALL) else primary
    comparable = [r for r in ok(records) if group is not None and r["group"] == group]
    exact = next((r for r in comparable if r["index"] and r["index"]["name"] == "exact"), None)
    front = _front(comparable, recall_metric)
    rows = {}
    for record in records:
        base = exact if record in comparable else None
        rows[record["cell"]] = _row(
            record, recall_metric, task_metric, base, in_group=record in comparable, on_front=record["cell"] in front
        )
    first = records[0]
    return IndexTable(
        dataset=first["dataset"],
        protocol=first["protocol"],
        model=first["model"],
        source=source_of(first),
        seed=first["seed"],
        device=first["device"],
        threads=first["threads"],
        group=group,
        n_items=_setting(records, "n_items"),
        dim=_setting(records, "dim"),
        n_queries=_setting(records, "n_queries"),
        n_interests=_setting(records, "n_interests"),
        threads_all=_setting(records, "threads_all"),
        recall_metric=recall_metric,
        task_metric=task_metric,
        rows=tuple(sorted(rows.values(), key=_rank)),
    )


def _setting(records: Sequence[Record], name: str) -> int | None:
    """What was found out while it ran: cells that failed early do not know it."""
    return next((int(record["settings"][name]) for record in records if name in record["settings"]), None)


def _row(
    record: Record,
    recall_metric: str | None,
    task_metric: str | None,
    exact: Record | None,
    *,
    in_group: bool,
    on_front: bool,
) -> IndexRow:
    index = record["index"] or {"name": "no index", "build": {}, "query": {}}
    rates, rates_all = samples(record, "batch_qps"), samples(record, "batch_qps_all")
    return IndexRow(
        cell=record["cell"],
        run_id=record["run_id"],
        name=index["name"],
        build=_settings(index["build"]),
        query=_settings(index["query"]),
        status=record["status"],
        reason=record["reason"] or "",
        recall=record["metrics"].get(recall_metric),
        exact=record["metrics"].get(f"exact/{task_metric}"),
        task=record["metrics"].get(task_metric),
        lost=_lost(record, task_metric),
        rates=tuple(rates),
        rates_all=tuple(rates_all),
        qps=spread_of(rates),
        qps_all=spread_of(rates_all),
        to_exact=paired_ratio(rates, samples(exact, "batch_qps")) if exact else None,
        p50_s=_median(samples(record, "p50_s")),
        p95_s=_median(samples(record, "p95_s")),
        p95_windows=tuple(samples(record, "p95_s")),
        p99_s=_median(samples(record, "p99_s")),
        build_s=single(record, "build_s"),
        save_s=single(record, "save_s"),
        load_s=spread_of(samples(record, "load_s")),
        call_overhead=spread_of(samples(record, "call_overhead")),
        index_bytes=record["memory"].get("index_bytes"),
        resident_bytes=record["memory"].get("resident_bytes"),
        in_group=in_group,
        on_front=on_front,
    )


def _median(taken: list[float]) -> float | None:
    return statistics.median(taken) if taken else None


def _lost(record: Record, task_metric: str | None) -> Lost | None:
    value = record["metrics"].get(f"lost/{task_metric}")
    low, high = record["intervals"].get(f"lost/{task_metric}", (None, None))
    return None if value is None else Lost(value, low, high)


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


def _rank(row: IndexRow) -> tuple[bool, bool, str, str, float, float, str]:
    rate = row.qps.median if row.qps else 0.0
    return row.status != "ok", row.name != "exact", row.name, row.build, row.recall or 0.0, -rate, row.query
