"""Models against the baselines of their table, on the same queries: differences with a paired bootstrap interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from backends.registry import FRAMEWORKS
from benchmarks.resampling import interval, resampled
from reports.tables.forming import PLACE, Place, first, objects, primary_metric, rows, trained

N_RESAMPLES = 2000
N_FLIPS, FLIPS_AT_ONCE = 9_999, 500
_TABLE = ["dataset", "protocol"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A model's metric less a baseline's, with its 95 % interval over queries."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedRow(Place):
    """One model, variant, backend and mode; a difference for each baseline, None from itself."""

    n_seeds: int
    differences: tuple[Difference | None, ...]


@dataclass(frozen=True)
class Lead:
    """The best row of a split before the best one of another model.

    Attributes:
        ahead, behind: (model, variant) of the two.
        by: the difference in the metric.
        p: the chance of so large a difference, either way, if it were as likely to be the other way for each query
            (a sign-flip test), times the number of other models, since the best of them is the one that was picked.
        n_others: how many other models there are.
    """

    ahead: tuple[str, str]
    behind: tuple[str, str]
    by: float
    p: float
    n_others: int


@dataclass(frozen=True)
class PairedTable:
    """The rows of one split, best first.

    Attributes:
        baselines: the (model, variant) of the columns.
        lead: that of the best model; None where there is one alone.
    """

    dataset: str
    protocol: str
    metric: str
    n_queries: int
    baselines: tuple[tuple[str, str], ...]
    rows: tuple[PairedRow, ...]
    lead: Lead | None


def paired_tables(cells: pd.DataFrame) -> tuple[PairedTable, ...]:
    """One table for each split on which a baseline and another model have scores."""
    done = trained(cells)
    scored = done[done["scores"].notna()]
    tables = (_table(of_split) for _, of_split in scored.groupby([*_TABLE, "hashes/split"], dropna=False))
    return tuple(table for table in tables if table)


def _table(cells: pd.DataFrame) -> PairedTable | None:
    metric = primary_metric(cells)
    of_cell = pd.DataFrame([scores["values"] for scores in cells["scores"]], pd.MultiIndex.from_frame(cells[PLACE]))
    of_row = of_cell.groupby(level=PLACE)
    values = of_row.mean()
    weights = np.array(cells["scores"].iloc[0]["weights"])
    best_first = values.loc[values.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    names = best_first.index.to_frame(index=False)
    is_baseline = (~names["backend"].isin(FRAMEWORKS) & (names["model"] != "oracle")).to_numpy()
    if not is_baseline.any() or len(names) < 2 or metric is None:
        return None
    made = names.assign(
        n_seeds=of_row.size().loc[best_first.index].to_numpy(),
        differences=objects(_differences(best_first.to_numpy(), is_baseline, weights), names.index),
    )
    return PairedTable(
        **first(cells, _TABLE),
        metric=metric,
        n_queries=len(weights),
        baselines=tuple(names.loc[is_baseline, ["model", "variant"]].itertuples(index=False, name=None)),
        rows=rows(made, PairedRow),
        lead=_lead(names, best_first.to_numpy(), weights),
    )


def _lead(names: pd.DataFrame, values: Floats, weights: Floats) -> Lead | None:
    """The best row against the next of another model; those of data that know their own truth are no contestants."""
    others = names[names["model"] != "oracle"]
    models = others["model"].unique()
    if len(models) < 2:
        return None
    first, second = (int(np.flatnonzero(names["model"] == model)[0]) for model in models[:2])
    apart = values[first] - values[second]
    found = stats.permutation_test(
        (apart,), np.sum, permutation_type="samples", n_resamples=N_FLIPS, batch=FLIPS_AT_ONCE,
        rng=np.random.Generator(np.random.Philox(0)),
    )  # fmt: skip
    ahead, behind = ((str(names["model"][row]), str(names["variant"][row])) for row in (first, second))
    n_others = len(models) - 1
    return Lead(ahead, behind, float(apart.sum() / weights.sum()), min(1.0, float(found.pvalue) * n_others), n_others)


def _differences(
    values: Floats, is_baseline: npt.NDArray[np.bool_], weights: Floats
) -> list[tuple[Difference | None, ...]]:
    """Each row's from each baseline; all of them are formed on the same draws of queries."""
    apart = (values[:, None] - values[is_baseline]).reshape(-1, len(weights)).T
    of_pair = np.repeat(weights[:, None], apart.shape[1], axis=1)
    low, high = interval(resampled(apart, of_pair, 0, N_RESAMPLES))
    found = np.stack([apart.sum(0) / weights.sum(), low, high], axis=1).reshape(len(values), -1, 3).tolist()
    baselines = np.flatnonzero(is_baseline)
    return [
        tuple(None if row == baseline else Difference(*pair) for baseline, pair in zip(baselines, pairs, strict=True))
        for row, pairs in enumerate(found)
    ]
