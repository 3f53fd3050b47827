"""The accuracy leaderboard: one table a dataset and protocol, with reference rows, intervals and published figures."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy import stats

from backends.registry import FRAMEWORKS
from reports.tables.forming import PLACE, Place, first, objects, own_variant, primary_metric, rows, tuples, values
from reports.tables.published import Published, faults, figure_of

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
class AccuracyRow(Place):
    """One model, variant, backend and mode; `role` is model, popularity or oracle, `machines` those of its runs."""

    role: str
    status: str
    reason: str
    badge: Badge
    further: tuple[float | None, ...]
    seeds: tuple[int, ...] = ()
    failed_seeds: tuple[int, ...] = ()
    primary: Estimate | None = None
    oracle_share: float | None = None
    published: Published | None = None
    curve: tuple[CurvePoint, ...] = ()
    machines: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class FateRow:
    """The rows of one period that fare alike; see `benchmarks.records.Rows`."""

    period: str
    use: str
    reason: str
    rows: int
    users: int
    items: int


@dataclass(frozen=True)
class AccuracyTable:
    """The rows of one dataset and protocol: the oracle, then by the primary metric, then what did not finish.

    Attributes:
        fates: what became of the rows of the data; () in older records.
        warning: a sentence where few of them are asked for, else "".
    """

    dataset: str
    protocol: str
    metric: str | None
    further: tuple[str, ...]
    rows: tuple[AccuracyRow, ...]
    faults: tuple[tuple[str, str, str], ...]
    fates: tuple[FateRow, ...] = ()
    warning: str = ""


def accuracy_tables(cells: pd.DataFrame, verdicts: Sequence[Verdict]) -> tuple[AccuracyTable, ...]:
    """One table for each dataset and protocol among the train cells."""
    trained = cells[cells["kind"] == "train"]
    return tuple(_table(of_one, verdicts) for _, of_one in trained.groupby(["dataset", "protocol"]))


def _table(cells: pd.DataFrame, verdicts: Sequence[Verdict]) -> AccuracyTable:
    metric = primary_metric(cells)
    cells = cells.assign(own_variant=own_variant(cells), lost=cells["status"] != "ok").sort_values(
        ["lost", "seed", "cell"]
    )
    further = _further_metrics(cells[~cells["lost"]], metric)
    found = _rows(cells, metric, further, verdicts)
    present = {row.variant for row in found if row.role == "popularity"}
    missing = (_missing_popularity(variant, len(further)) for variant in POPULARITY_VARIANTS if variant not in present)
    shown = set(zip(cells["model"], cells["own_variant"], strict=True))
    return AccuracyTable(
        **first(cells, ["dataset", "protocol"]),
        metric=metric,
        further=tuple(further),
        rows=tuple(sorted([*found, *missing], key=_rank)),
        faults=tuple(sorted(fault for fault in faults() if fault[:2] in shown)),
        fates=next((tuple(FateRow(**fate) for fate in fates) for fates in cells["rows"] if fates), ()),
        warning=next(iter(cells["warning"].dropna()), ""),
    )


def _rows(
    cells: pd.DataFrame, metric: str | None, further: Sequence[str], verdicts: Sequence[Verdict]
) -> tuple[AccuracyRow, ...]:
    """The rows of one table, of cells of which those that finished come first."""
    table = cells.drop_duplicates(PLACE).set_index(PLACE, drop=False)
    by_row = cells.set_index(PLACE)
    done, lost = by_row[~by_row["lost"]], by_row[by_row["lost"]]
    primary = _estimates(done).reindex(table.index)
    means = done[[f"metrics/{name}" for name in further]].groupby(level=PLACE).mean().reindex(table.index)
    oracle = done.loc[done.index.get_level_values("model") == "oracle", "primary"].max()
    named = [*PLACE, "dataset", "protocol", "own_variant", "settings/protocol"]
    leading = table[named].to_dict("records")
    made = table.assign(
        role=table["model"].where(table["model"].isin(["popularity", "oracle"]), "model"),
        reason=table["reason"].fillna(""),
        seeds=tuples(done["seed"], PLACE, table.index),
        failed_seeds=tuples(lost["seed"], PLACE, table.index),
        primary=primary,
        further=objects(values(means), table.index),
        oracle_share=primary.map(lambda estimate: estimate.mean / oracle if oracle else None, na_action="ignore"),
        published=objects((figure_of(row, metric) for row in leading), table.index),
        badge=objects((_badge(row, verdicts) for row in leading), table.index),
        curve=tuples(_curves(done, metric), PLACE, table.index),
        machines=tuples(by_row["machine"], PLACE, table.index).map(lambda ids: tuple(sorted(set(ids)))),
        cells=tuples(by_row["cell"], PLACE, table.index),
    )
    return rows(made, AccuracyRow)


def _estimates(done: pd.DataFrame) -> pd.Series:
    """Each row's mean over its seeds, with an interval over them or the bootstrap's of the first that has one."""
    by_row = done[done["primary"].notna()].groupby(level=PLACE)
    found = by_row["primary"].agg(["mean", "sem", "count", "nunique"])
    half = found["sem"] * stats.t.ppf(0.975, found["count"] - 1)
    # Seeds that all give one figure (a model without chance in it) say nothing about its uncertainty.
    over_seeds = found["nunique"] > 1
    low = (found["mean"] - half).where(over_seeds, by_row["primary_low"].first())
    high = (found["mean"] + half).where(over_seeds, by_row["primary_high"].first())
    method = pd.Series("bootstrap", found.index).where(low.notna(), "")
    method = method.mask(over_seeds, "t, " + found["count"].astype(str) + " seeds")
    return objects(rows(found.assign(low=low, high=high, method=method), Estimate), found.index)


def _curves(done: pd.DataFrame, metric: str | None) -> pd.Series:
    """Each row's points, mean, smallest and largest over its seeds."""
    points = done["curve"].explode().dropna()
    epoch = points.map(operator.itemgetter("epoch"))
    value = points.map(lambda point: point["metrics"].get(metric))
    found = pd.DataFrame({"epoch": epoch, "value": value}).dropna().astype({"value": float})
    spread = found.groupby([*PLACE, "epoch"])["value"].agg(mean="mean", low="min", high="max").reset_index("epoch")
    return objects(rows(spread, CurvePoint), spread.index)


def _further_metrics(done: pd.DataFrame, metric: str | None) -> list[str]:
    """The primary metric over other periods first, then other metrics near its K."""
    measured = done.filter(regex="^metrics/").dropna(axis=1, how="all")
    names = {str(column).removeprefix("metrics/") for column in measured} - {metric}
    periods = sorted(name for name in names if metric and name.endswith("." + metric))
    others = sorted((name for name in names if "." not in name), key=lambda name: _nearness(name, metric))
    return [*periods, *others][:_N_FURTHER]


def _nearness(name: str, metric: str | None) -> tuple[int, int, str]:
    family = name.partition("@")[0]
    place = _FAMILIES.index(family) if family in _FAMILIES else len(_FAMILIES)
    return abs(_cutoff(name) - _cutoff(metric or "")), place, name


def _cutoff(name: str) -> int:
    match = re.search(r"@(\d+)$", name)
    return int(match[1]) if match else 0


def _badge(row: Mapping[Any, Any], verdicts: Sequence[Verdict]) -> Badge:
    names = ("model", "variant", "dataset", "protocol", "device")
    for verdict in verdicts:
        if all(getattr(verdict, name) == row[name] for name in names):
            return Badge(verdict.badge, verdict.reason, verdict.counted_as)
    if row["backend"] not in FRAMEWORKS:
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
        badge=Badge("not compared", "not run", "not compared"),
        further=(None,) * n_further,
    )


def _rank(row: AccuracyRow) -> tuple[bool, bool, float, str, str, str, str, str]:
    figure = -row.primary.mean if row.primary else 0.0
    name = (row.model, row.variant, row.backend, row.mode, row.device)
    return row.role != "oracle", row.primary is None, figure, *name
