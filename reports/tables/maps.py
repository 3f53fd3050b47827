"""Maps of item vectors: which items a model holds alike, and whether those are of one category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.tables.records import Record, grouped


@dataclass(frozen=True)
class ItemMap:
    """One model's map.

    Attributes:
        method: "t-SNE" or "PCA"; None where there is no map.
        n_items: size of the catalogue, of which `x` and `y` hold the items that are shown.
        category: each shown item's place in `categories`; both are empty where items have none.
        share, chance: how many of the shown items have their nearest neighbour in their own category, and how many
            would if neighbours were drawn at random.
    """

    model: str
    variant: str
    backend: str
    mode: str
    device: str
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


def item_map_tables(records: Sequence[Record]) -> tuple[ItemMapTable, ...]:
    """One table for each dataset and protocol among the map records."""
    mapped = [record for record in records if record["kind"] == "map"]
    return tuple(
        ItemMapTable(dataset, protocol, tuple(sorted(map(_row, of_one), key=_rank)))
        for (dataset, protocol), of_one in grouped(mapped, lambda r: (r["dataset"], r["protocol"]))
    )


def _row(record: Record) -> ItemMap:
    drawn = record.get("map") or {"method": None, "x": (), "y": (), "category": None, "categories": None}
    names = ("model", "variant", "backend", "mode", "device", "seed", "status", "cell")
    return ItemMap(
        **{name: record[name] for name in names},
        reason=record["reason"] or "",
        method=drawn["method"],
        n_items=record["settings"].get("n_items"),
        x=tuple(drawn["x"]),
        y=tuple(drawn["y"]),
        category=tuple(drawn["category"] or ()),
        categories=tuple(drawn["categories"] or ()),
        share=record["metrics"].get("neighbour_category_share"),
        chance=record["metrics"].get("neighbour_category_chance"),
    )


def _rank(row: ItemMap) -> tuple[bool, str, str, str, str, str, int]:
    return row.status != "ok", row.model, row.variant, row.backend, row.mode, row.device, row.seed
