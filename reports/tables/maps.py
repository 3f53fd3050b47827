"""Maps of item vectors: which items a model holds alike, and whether those are of one category."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.tables.forming import PLACE, Place, fields_of, first, rows

_TABLE = ["dataset", "protocol"]


@dataclass(frozen=True)
class ItemMap(Place):
    """One model's map.

    Attributes:
        method: "t-SNE" or "PCA"; None where there is no map.
        n_items: size of the catalogue, of which `x` and `y` hold the items that are shown.
        category: each shown item's place in `categories`; both are empty where items have none.
        share, chance: how many of the shown items have their nearest neighbour in their own category, and how many
            would if neighbours were drawn at random.
    """

    seed: int
    status: str
    reason: str
    method: str | None
    n_items: int | None
    x: tuple[float, ...]
    y: tuple[float, ...]
    category: tuple[int, ...]
    categories: tuple[str, ...]
    share: float | None
    chance: float | None
    cell: str


@dataclass(frozen=True)
class ItemMapTable:
    """The maps of one dataset and protocol, those that failed last."""

    dataset: str
    protocol: str
    rows: tuple[ItemMap, ...]


def item_map_tables(cells: pd.DataFrame) -> tuple[ItemMapTable, ...]:
    """One table for each dataset and protocol among the map cells."""
    mapped = cells[cells["kind"] == "map"]
    return tuple(ItemMapTable(**first(of_one, _TABLE), rows=_rows(of_one)) for _, of_one in mapped.groupby(_TABLE))


def _rows(cells: pd.DataFrame) -> tuple[ItemMap, ...]:
    drawn = fields_of(cells["map"], "method", "x", "y", "category", "categories")
    listed = drawn.drop(columns="method").map(lambda values: tuple(values) if isinstance(values, list) else ())
    made = cells.assign(
        method=drawn["method"],
        **{str(name): column for name, column in listed.items()},
        reason=cells["reason"].fillna(""),
        n_items=cells["settings/n_items"],
        share=cells.get("metrics/neighbour_category_share"),
        chance=cells.get("metrics/neighbour_category_chance"),
        lost=cells["status"] != "ok",
    )
    return rows(made.sort_values(["lost", *PLACE, "seed"]), ItemMap)
