"""The training throughput leaderboard and the overhead of the harness itself."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmarks.agreement.verdict import said
from reports.tables.forming import by_group, first, rows, trained
from reports.tables.spread import Spread, paired_ratio, spread_of

_TABLE = ["dataset", "protocol", "model", "variant", "device", "threads", "machine"]
_PARTS = ["wall_s", "import_s", "init_s", "train_s", "overhead_s", "evaluate_s", "batches_s"]


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
    peak_device_bytes: int | None
    joules_per_sample: float | None
    cell: str

    @property
    def speed_up(self) -> Spread | None:
        """Over PyTorch eager, or over the slowest where that was not timed."""
        return self.to_torch_eager or self.to_slowest


@dataclass(frozen=True)
class ThroughputTable:
    """One model whose backends were timed by turns; `group` is None where nothing was."""

    model: str
    variant: str
    dataset: str
    protocol: str
    device: str
    threads: int
    machine: str
    group: str | None
    slowest: str | None
    rows: tuple[ThroughputRow, ...]

    @property
    def timed(self) -> list[ThroughputRow]:
        """Those that ran by turns, and so are in the ratios."""
        return [row for row in self.rows if row.samples_per_s and row.to_slowest]

    @property
    def fastest(self) -> ThroughputRow | None:
        return max(self.timed, key=rank, default=None)

    @property
    def missing(self) -> tuple[str, ...]:
        """Who is in no ratio, and why: the fastest of the others may not be the fastest of all."""
        return tuple(f"{row.backend} {row.mode} {said(row.status)}" for row in self.rows if row.status != "ok")


def rank(row: ThroughputRow) -> tuple[float, str, str]:
    """The larger, the faster; names break ties."""
    return row.speed_up.median if row.speed_up else 0.0, row.backend, row.mode


@dataclass(frozen=True)
class OverheadRow:
    """Where the time of a backend's train cells went; evaluation and batches are part of the overhead."""

    backend: str
    machine: str
    n_cells: int
    wall_s: Spread | None
    import_s: Spread | None
    init_s: Spread | None
    train_s: Spread | None
    overhead_s: Spread | None
    evaluate_s: Spread | None
    batches_s: Spread | None


def throughput_tables(cells: pd.DataFrame) -> tuple[ThroughputTable, ...]:
    """One table for each model, variant, dataset, device, number of threads and group."""
    timed = cells[cells["kind"] == "throughput"]
    return tuple(_table(*of_group) for _, of_model in timed.groupby(_TABLE) for of_group in by_group(of_model))


def overhead_rows(cells: pd.DataFrame) -> tuple[OverheadRow, ...]:
    """One row for each backend that finished a train cell, and machine."""
    of_backend = trained(cells).groupby(["backend", "machine"])
    spreads = of_backend[_PARTS].agg(_over_cells)
    return rows(spreads.assign(n_cells=of_backend.size()).reset_index(), OverheadRow)


def _over_cells(taken: pd.Series) -> Spread | None:
    return spread_of(taken.dropna().to_list())


def _table(group: str | None, cells: pd.DataFrame) -> ThroughputTable:
    windows = cells["windows/samples_per_s"]
    cells = cells.assign(lost=cells["status"] != "ok", name=cells["backend"] + " " + cells["mode"])
    # Names break ties, so that the table does not depend on the order of equal medians.
    in_group = cells[~cells["lost"] & (cells["group"] == group) & windows.astype(bool)].sort_values(["name", "cell"])
    slowest = in_group.nsmallest(1, "samples_per_s")
    reference = in_group[in_group["name"] == "torch eager"]
    cells = cells.assign(rate=cells["samples_per_s"].fillna(0))
    made = cells.assign(
        reason=cells["reason"].fillna(""),
        samples_per_s=windows.map(spread_of),
        to_slowest=_ratios(windows[in_group.index], slowest),
        to_torch_eager=_ratios(windows[in_group.index], reference),
    ).sort_values(["lost", "rate", "backend", "mode", "seed", "cell"], ascending=[True, False, True, True, True, True])
    return ThroughputTable(
        **first(cells, _TABLE),
        group=group,
        slowest=next(iter(slowest["name"]), None),
        rows=rows(made, ThroughputRow),
    )


def _ratios(windows: pd.Series, base: pd.DataFrame) -> pd.Series | None:
    """The spread of each cell's windows over those of the first of the base, None where there is none."""
    if base.empty:
        return None
    return windows.map(lambda own: paired_ratio(own, base["windows/samples_per_s"].iloc[0]))
