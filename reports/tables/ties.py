"""How far figures move where rows of the same moment are taken in another order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.tables.forming import primary_metric

AS_GIVEN = "as in the file"
ORDERS = (AS_GIVEN, "reversed", "by item")


@dataclass(frozen=True)
class TieRow:
    """One model: its figure under each order of the table, None where it was not measured."""

    model: str
    variant: str
    figures: tuple[float | None, ...]

    @property
    def moved(self) -> float | None:
        """The largest difference from the order of the file, None where that or all others are missing."""
        first, *others = self.figures
        moves = [other - first for other in others if other is not None] if first is not None else []
        return max(moves, key=abs, default=None)


@dataclass(frozen=True)
class TieTable:
    """The models of one dataset under protocols that are alike but for the order of equal times, the best first."""

    dataset: str
    protocol: str
    metric: str
    orders: tuple[str, ...]
    rows: tuple[TieRow, ...]


def tie_tables(cells: pd.DataFrame) -> tuple[TieTable, ...]:
    """One for each dataset and protocol that was run under several orders of equal times."""
    done = cells[(cells["kind"] == "train") & (cells["status"] == "ok")]
    done = done.assign(
        order=done["settings/protocol"].map(_order),
        but_for_it=done["settings/protocol"].map(_without_order),
        own_variant=done["settings/variant"].fillna(done["variant"]),
    )
    found = []
    for (dataset, _), of_one in done.groupby(["dataset", "but_for_it"]):
        orders = tuple(order for order in ORDERS if (of_one["order"] == order).any())
        metric = primary_metric(of_one)
        if AS_GIVEN in orders and len(orders) > 1 and metric:
            as_given = of_one.loc[of_one["order"] == AS_GIVEN, "protocol"].iloc[0]
            found.append(TieTable(str(dataset), as_given, metric, orders, _rows(of_one, orders)))
    return tuple(found)


def _rows(cells: pd.DataFrame, orders: tuple[str, ...]) -> tuple[TieRow, ...]:
    """Those that were measured under several orders; means over frameworks and seeds."""
    means = cells.pivot_table("primary", ["model", "own_variant"], "order", "mean")
    means = means.reindex(columns=list(orders)).dropna(thresh=2).sort_values(AS_GIVEN, ascending=False)
    held = means.astype(object).where(means.notna(), None)
    return tuple(TieRow(model, variant, tuple(figures)) for (model, variant), *figures in held.itertuples(name=None))


def _order(protocol: Any) -> str:
    return protocol.get("equal_times") or AS_GIVEN if isinstance(protocol, dict) else AS_GIVEN


def _without_order(protocol: Any) -> str:
    rest = {k: v for k, v in protocol.items() if k != "equal_times"} if isinstance(protocol, dict) else protocol
    return json.dumps(rest, sort_keys=True)
