"""How far figures move where rows of the same moment are taken in another order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.tables.forming import PLACE, own_variant, primary_metric, trained, values

AS_GIVEN = "as in the file"
OTHERS = ("reversed", "by item")


@dataclass(frozen=True)
class TieRow:
    """One model, the mean over its runs.

    Attributes:
        figure: in the order of the file.
        moves: by how much it moves under each other order of the table, over the runs that were made under both; None
            where there is none.
    """

    model: str
    variant: str
    figure: float
    moves: tuple[float | None, ...]


@dataclass(frozen=True)
class TieTable:
    """The models of one dataset under protocols that are alike but for the order of equal times, the best first.

    Attributes:
        orders: those beside the file's.
    """

    dataset: str
    protocol: str
    metric: str
    orders: tuple[str, ...]
    rows: tuple[TieRow, ...]


def tie_tables(cells: pd.DataFrame) -> tuple[TieTable, ...]:
    """One for each dataset and protocol that was run under several orders of equal times."""
    done = trained(cells)
    done = done[done["settings/protocol"].map(lambda protocol: isinstance(protocol, dict)).astype(bool)]
    if done.empty:
        return ()
    done = done.assign(
        order=done["settings/protocol"].map(lambda protocol: protocol.get("equal_times") or AS_GIVEN),
        but_for_it=done["settings/protocol"].map(_without_order),
        variant=own_variant(done),
        settings=done["hashes/spec"].fillna("") if "hashes/spec" in done else "",
    )
    tables = (_table(str(dataset), of_one) for (dataset, _), of_one in done.groupby(["dataset", "but_for_it"]))
    return tuple(table for table in tables if table is not None)


def _table(dataset: str, cells: pd.DataFrame) -> TieTable | None:
    """The table of cells whose protocols differ by the order alone; None where no model was run under two orders."""
    as_given = cells[cells["order"] == AS_GIVEN]
    orders = tuple(order for order in OTHERS if (cells["order"] == order).any())
    if as_given.empty or not orders:
        return None
    runs = cells.pivot_table("primary", [*PLACE, "seed", "settings"], "order", "mean")
    moves = runs[list(orders)].sub(runs[AS_GIVEN], axis=0).groupby(["model", "variant"]).mean()
    made = moves.assign(figure=runs[AS_GIVEN].groupby(["model", "variant"]).mean()).dropna(how="all", subset=orders)
    held = made.sort_values("figure", ascending=False).reset_index()
    found = tuple(
        TieRow(model, variant, figure, tuple(moved))
        for model, variant, figure, *moved in values(held[["model", "variant", "figure", *orders]])
    )
    metric = primary_metric(as_given)
    if not found or metric is None:
        return None
    return TieTable(dataset, str(as_given["protocol"].iloc[0]), metric, orders, found)


def _without_order(protocol: dict[str, Any]) -> str:
    return json.dumps({k: v for k, v in protocol.items() if k != "equal_times"}, sort_keys=True)
