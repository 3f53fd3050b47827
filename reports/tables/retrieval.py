"""The retrieval leaderboard: how much of the exact top K an index returns, and what that costs in time and bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.agreement.verdict import said
from reports.tables.forming import PLACE, by_group, first, objects, primary_metric, rows
from reports.tables.spread import Spread, paired_ratio, spread_of

_RECALL = "index_recall@"
_TABLE = ["dataset", "protocol", *PLACE, "threads", "seed", "machine"]
"""Seeds are other vectors: rows of two seeds are not points of one curve."""
_RANK = ["failed", "other", "name", "build", "reached", "slowness", "query"]


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
    load_s: Spread | None
    call_overhead: Spread | None
    index_bytes: int | None
    resident_bytes: int | None
    in_group: bool
    on_front: bool

    @property
    def rate(self) -> float:
        """Queries a second, 0 where they were not taken."""
        return self.qps.median if self.qps else 0.0


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
    machine: str
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


def index_tables(cells: pd.DataFrame) -> tuple[IndexTable, ...]:
    """One table for each dataset, source of vectors, device, number of threads and group."""
    indexed = cells[cells["kind"] == "index"]
    return tuple(_table(*of_group) for _, of_one in indexed.groupby(_TABLE) for of_group in by_group(of_one))


def source_of(cells: pd.DataFrame) -> pd.Series:
    """Where the vectors come from."""
    return cells["model"] + " " + cells["variant"] + ", " + cells["backend"] + " " + cells["mode"]


def _table(group: str | None, cells: pd.DataFrame) -> IndexTable:
    primary = primary_metric(cells)
    # Made-up vectors have no task: they are judged by the index recall itself.
    task_metric = None if primary is None or primary.startswith(_RECALL) else primary
    recall_metric = _recall_metric(cells[cells["status"] == "ok"], primary)
    in_group = (cells["status"] == "ok") & (cells["group"] == group)
    recall = cells.get(f"metrics/{recall_metric}", pd.Series(np.nan, cells.index))
    made = cells.assign(
        name=cells["index"],
        **cells[["build", "query", "reason"]].fillna(""),
        recall=recall,
        task=cells["primary"] if task_metric else None,
        lost=objects(map(_lost, cells["lost"], cells["lost_low"], cells["lost_high"]), cells.index),
        rates=cells["windows/batch_qps"],
        rates_all=cells["windows/batch_qps_all"],
        qps=cells["windows/batch_qps"].map(spread_of),
        qps_all=cells["windows/batch_qps_all"].map(spread_of),
        to_exact=_to_exact(cells[in_group]),
        p95_windows=cells["windows/p95_s"],
        load_s=cells["windows/load_s"].map(spread_of),
        call_overhead=cells["windows/call_overhead"].map(spread_of),
        in_group=in_group,
        on_front=_front(recall.where(in_group), cells["batch_qps"]),
        failed=cells["status"] != "ok",
        other=cells["index"] != "exact",
        reached=recall.fillna(0),
        slowness=-cells["batch_qps"].fillna(0),
    )
    return IndexTable(
        **first(cells, ["dataset", "protocol", "model", "seed", "device", "threads", "machine"]),
        source=source_of(cells).iloc[0],
        group=group,
        **_settings(cells, "n_items", "dim", "n_queries", "n_interests", "threads_all"),
        recall_metric=recall_metric,
        task_metric=task_metric,
        rows=rows(made.sort_values(_RANK, kind="stable"), IndexRow),
    )


def _settings(cells: pd.DataFrame, *names: str) -> dict[str, Any]:
    """What was found out while it ran: cells that failed early do not know it."""
    known = cells[[f"settings/{name}" for name in names]].bfill().iloc[0]
    return {name: None if pd.isna(value) else int(value) for name, value in zip(names, known, strict=True)}


def _lost(value: float, low: float, high: float) -> Lost | None:
    ends = (None, None) if math.isnan(low) else (low, high)
    return None if math.isnan(value) else Lost(value, *ends)


def _to_exact(cells: pd.DataFrame) -> pd.Series | None:
    """Each cell's rates over those of exact search."""
    exact = cells[cells["index"] == "exact"].sort_values("cell")
    if exact.empty:
        return None
    return cells["windows/batch_qps"].map(lambda own: paired_ratio(own, exact["windows/batch_qps"].iloc[0]))


def _recall_metric(done: pd.DataFrame, task_metric: str | None) -> str | None:
    """The index recall at the K of the task's metric where it was taken, else at the smallest K."""
    taken = done.filter(regex=f"^metrics/{_RECALL}").dropna(axis=1, how="all")
    names = [str(column).removeprefix("metrics/") for column in taken]
    wanted = _RECALL + (task_metric or "").rpartition("@")[2]
    return wanted if wanted in names else min(names, key=lambda name: (len(name), name), default=None)


def _front(recall: pd.Series, rate: pd.Series) -> npt.NDArray[np.bool_]:
    """Whether no other has as much of both recall and rate, and more of one of them."""
    points = np.stack([recall, rate], axis=1)
    no_less = (points >= points[:, None]).all(axis=2)
    beaten = no_less & (points != points[:, None]).any(axis=2)
    return ~beaten.any(axis=1) & ~np.isnan(points).any(axis=1)
