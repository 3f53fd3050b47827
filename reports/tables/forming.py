"""What tables are formed with beside pandas' own means: from cells to columns of objects, tuples and dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import starmap
from typing import Any, TypeVar

import pandas as pd

from datasets.errors import InputError

Row = TypeVar("Row")
PLACE = ["model", "variant", "backend", "mode", "device"]


@dataclass(frozen=True)
class Place:
    """What a row is of; it begins with the columns that `PLACE` names."""

    model: str
    variant: str
    backend: str
    mode: str
    device: str


def rows(table: pd.DataFrame, kind: type[Row]) -> tuple[Row, ...]:
    """Dataclasses of a table whose columns are called like their fields; what is missing is None."""
    return tuple(starmap(kind, values(table[[field.name for field in dataclasses.fields(kind)]])))  # type: ignore[arg-type]


def values(table: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """The rows of a table as tuples of Python's own types; what is missing is None."""
    held = table.astype(object)
    return map(tuple, held.where(held.notna(), None).to_numpy().tolist())


def counts(cells: pd.DataFrame, names: list[str]) -> tuple[tuple[Any, ...], ...]:
    """How many cells there are of each, as (name, …, count), in the order of the names; some may be missing."""
    return tuple(values(cells.groupby(names, dropna=False).size().reset_index()))


def objects(values: Iterable[Any], index: pd.Index) -> pd.Series:
    """A column of what pandas has no type for."""
    return pd.Series(list(values), index, dtype=object)


def first(cells: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """What the first of them is called, which they all are."""
    return {str(name): value for name, value in cells[names].astype(object).iloc[0].items()}


def by_group(cells: pd.DataFrame) -> Iterator[tuple[str | None, pd.DataFrame]]:
    """The cells of each group that was timed by turns; what never ran belongs to none and is shown beside each."""
    for group in sorted(cells["group"].dropna().unique()) or [None]:
        yield group, cells[cells["group"].isna() | (cells["group"] == group)]


def tuples(values: pd.Series, by: list[str], index: pd.Index) -> pd.Series:
    """All values of each group, () of those in the index that have none."""
    return or_empty(values.groupby(level=by).agg(tuple).reindex(index))


def or_empty(values: pd.Series) -> pd.Series:
    """With () in place of what is missing."""
    return values.map(lambda value: value if isinstance(value, tuple) else ())


def trained(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells whose training has finished."""
    return cells[(cells["kind"] == "train") & (cells["status"] == "ok")]


def own_variant(cells: pd.DataFrame) -> pd.Series:
    """The variant of each cell as its spec names it, without what tells two settings of one name apart."""
    return cells["settings/variant"].fillna(cells["variant"])


def primary_metric(cells: pd.DataFrame) -> str | None:
    """The metric that these cells' protocol is judged by, None where none of them got so far as to say.

    Raises:
        InputError: they name several, or a finished one names none.
    """
    where = f"{cells['dataset'].iloc[0]} / {cells['protocol'].iloc[0]}"
    names = sorted(cells["primary_metric"].dropna().unique())
    if len(names) > 1:
        raise InputError(f"records of {where} name several primary metrics ({', '.join(names)}): expected one")
    nameless = cells.loc[(cells["status"] == "ok") & cells["primary_metric"].isna(), "cell"]
    if len(nameless):
        raise InputError(f"record {nameless.iloc[0]} of {where} lacks settings.primary_metric: run that cell again")
    return names[0] if names else None


def fields_of(values: pd.Series, *wanted: str) -> pd.DataFrame:
    """A column for each key of some dictionaries in order, or for those that are wanted."""
    made = pd.DataFrame([value or {} for value in values], index=values.index, dtype=object)
    return made.reindex(columns=list(wanted) or sorted(made))
