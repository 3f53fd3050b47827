"""The accuracy leaderboard: one table a dataset and protocol, with reference rows, intervals and published figures."""

from __future__ import annotations

import functools
import re
import statistics
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.registry import FRAMEWORKS
from reports.tables.records import Record, grouped, ok, primary_metric
from reports.tables.spread import t_interval

if TYPE_CHECKING:
    from benchmarks.agreement.verdict import Verdict

POPULARITY_VARIANTS = ("seen-filtered", "seen-kept")
_FAMILIES = ("recall", "recall_micro", "ndcg", "ndcg_by_target", "hit_rate", "mrr", "precision", "map", "coverage")
_N_FURTHER = 5


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval and what the interval is over."""

    mean: float
    low: float | None
    high: float | None
    method: str


@dataclass(frozen=True)
class Published:
    """A figure that somebody published for the same model, variant, dataset and metric."""

    value: float
    by_epoch: tuple[float, ...]
    source: str


@dataclass(frozen=True)
class Badge:
    """Whether the backends agree on a model, over all of its seeds, in words; `mark` is what it is coloured by."""

    verdict: str
    reason: str
    mark: str


@dataclass(frozen=True)
class CurvePoint:
    """The primary metric after an epoch: mean, smallest and largest over the seeds."""

    epoch: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class AccuracyRow:
    """One model, variant, backend and mode; `role` is model, popularity or oracle."""

    model: str
    variant: str
    backend: str
    mode: str
    device: str
    role: str
    status: str
    reason: str
    seeds: tuple[int, ...]
    failed_seeds: tuple[int, ...]
    primary: Estimate | None
    further: tuple[float | None, ...]
    oracle_share: float | None
    published: Published | None
    badge: Badge
    curve: tuple[CurvePoint, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class AccuracyTable:
    """The rows of one dataset and protocol: the oracle, then by the primary metric, then what did not finish."""

    dataset: str
    protocol: str
    metric: str | None
    further: tuple[str, ...]
    rows: tuple[AccuracyRow, ...]
    faults: tuple[tuple[str, str, str], ...]


def accuracy_tables(records: Sequence[Record], verdicts: Sequence[Verdict]) -> tuple[AccuracyTable, ...]:
    """One table for each dataset and protocol among the train records."""
    trained = [record for record in records if record["kind"] == "train"]
    return tuple(_table(of_one, verdicts) for _, of_one in grouped(trained, lambda r: (r["dataset"], r["protocol"])))


def _table(records: Sequence[Record], verdicts: Sequence[Verdict]) -> AccuracyTable:
    dataset, protocol = records[0]["dataset"], records[0]["protocol"]
    metric = primary_metric(records)
    further = _further_metrics(records, metric)
    oracle = max((m[metric] for m in (r["metrics"] for r in _of(records, "oracle")) if metric in m), default=None)
    rows = [_row(of_one, metric, further, oracle, verdicts) for _, of_one in grouped(records, _row_key)]
    present = {row.variant for row in rows if row.role == "popularity"}
    rows += [_missing_popularity(variant, len(further)) for variant in POPULARITY_VARIANTS if variant not in present]
    shown = {(record["model"], _own_variant(record)) for record in records}
    faults = [(f["model"], f["variant"], f["text"]) for f in _known()["fault"] if (f["model"], f["variant"]) in shown]
    return AccuracyTable(dataset, protocol, metric, further, tuple(sorted(rows, key=_rank)), tuple(sorted(faults)))


def _of(records: Sequence[Record], model: str) -> list[Record]:
    return [record for record in ok(records) if record["model"] == model]


def _row_key(record: Record) -> tuple[str, str, str, str, str]:
    return record["model"], record["variant"], record["backend"], record["mode"], record["device"]


def _row(
    records: Sequence[Record],
    metric: str | None,
    further: Sequence[str],
    oracle: float | None,
    verdicts: Sequence[Verdict],
) -> AccuracyRow:
    finished = sorted(ok(records), key=lambda record: record["seed"])
    failed = sorted((r for r in records if r["status"] != "ok"), key=lambda record: record["seed"])
    primary = _estimate(finished, metric) if metric else None
    model, variant, backend, mode, device = _row_key(records[0])
    return AccuracyRow(
        model=model,
        variant=variant,
        backend=backend,
        mode=mode,
        device=device,
        role=model if model in {"popularity", "oracle"} else "model",
        status="ok" if finished else failed[0]["status"],
        reason="" if finished else failed[0]["reason"],
        seeds=tuple(record["seed"] for record in finished),
        failed_seeds=tuple(record["seed"] for record in failed),
        primary=primary,
        further=tuple(_mean(finished, name) for name in further),
        oracle_share=primary.mean / oracle if primary and oracle else None,
        published=_published(records[0], metric),
        badge=_badge(records[0], verdicts),
        curve=_curve(finished, metric),
        cells=tuple(record["cell"] for record in (*finished, *failed)),
    )


def _estimate(records: Sequence[Record], metric: str) -> Estimate | None:
    values = [record["metrics"][metric] for record in records if metric in record["metrics"]]
    if not values:
        return None
    mean = statistics.fmean(values)
    # Seeds that all give one figure (a model without chance in it) say nothing about its uncertainty.
    if len(set(values)) > 1:
        return Estimate(mean, *t_interval(values), f"t, {len(values)} seeds")
    intervals = [record["intervals"][metric] for record in records if metric in record["intervals"]]
    if not intervals:
        return Estimate(mean, None, None, "")
    return Estimate(mean, intervals[0][0], intervals[0][1], "bootstrap")


def _mean(records: Sequence[Record], metric: str) -> float | None:
    values = [record["metrics"][metric] for record in records if metric in record["metrics"]]
    return statistics.fmean(values) if values else None


def _curve(records: Sequence[Record], metric: str | None) -> tuple[CurvePoint, ...]:
    by_epoch: dict[int, list[float]] = {}
    for record in records:
        for point in record["curve"]:
            if metric in point["metrics"]:
                by_epoch.setdefault(point["epoch"], []).append(point["metrics"][metric])
    return tuple(
        CurvePoint(epoch, statistics.fmean(values), min(values), max(values))
        for epoch, values in sorted(by_epoch.items())
    )


def _further_metrics(records: Sequence[Record], metric: str | None) -> tuple[str, ...]:
    """The primary metric over other periods first, then other metrics near its K."""
    names = {name for record in ok(records) for name in record["metrics"]} - {metric}
    periods = sorted(name for name in names if metric and name.endswith("." + metric))
    others = sorted((name for name in names if "." not in name), key=lambda name: _nearness(name, metric))
    return tuple([*periods, *others][:_N_FURTHER])


def _nearness(name: str, metric: str | None) -> tuple[int, int, str]:
    family = name.partition("@")[0]
    place = _FAMILIES.index(family) if family in _FAMILIES else len(_FAMILIES)
    return abs(_cutoff(name) - _cutoff(metric or "")), place, name


def _cutoff(name: str) -> int:
    match = re.search(r"@(\d+)$", name)
    return int(match[1]) if match else 0


def _badge(record: Record, verdicts: Sequence[Verdict]) -> Badge:
    names = ("model", "variant", "dataset", "protocol", "device")
    for verdict in verdicts:
        if all(getattr(verdict, name) == record[name] for name in names):
            return Badge(verdict.badge, verdict.reason, verdict.counted_as)
    if record["backend"] not in FRAMEWORKS:
        return Badge("one implementation", "there is nothing to compare it with", "one implementation")
    return Badge("not compared", "no verdict was formed for this model", "not compared")


def _missing_popularity(variant: str, n_further: int) -> AccuracyRow:
    return AccuracyRow(
        model="popularity",
        variant=variant,
        backend="classic",
        mode="eager",
        device="cpu",
        role="popularity",
        status="not run",
        reason="every figure is to be read against both popularity rows: run the popularity model here too",
        seeds=(),
        failed_seeds=(),
        primary=None,
        further=(None,) * n_further,
        oracle_share=None,
        published=None,
        badge=Badge("not compared", "not run", "not compared"),
        curve=(),
        cells=(),
    )


def _rank(row: AccuracyRow) -> tuple[bool, bool, float, str, str, str, str, str]:
    figure = -row.primary.mean if row.primary else 0.0
    name = (row.model, row.variant, row.backend, row.mode, row.device)
    return row.role != "oracle", row.primary is None, figure, *name


def _published(record: Record, metric: str | None) -> Published | None:
    """A figure counts only under the protocol that it was published for."""
    wanted = {"model": record["model"], "dataset": record["dataset"], "metric": metric}
    wanted["variant"] = _own_variant(record)
    protocol = record["settings"].get("protocol", {})
    for figure in _known()["figure"]:
        under = _known()["under"][figure["under"]]
        same_protocol = all(protocol.get(name) == value for name, value in under.items())
        if same_protocol and all(figure[name] == value for name, value in wanted.items()):
            return Published(figure["value"], tuple(figure.get("by_epoch", ())), figure["source"])
    return None


def _own_variant(record: Record) -> str:
    """The variant as the spec names it, without what tells two settings of it apart."""
    return str(record["settings"].get("variant", record["variant"]))


@functools.cache
def _known() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
