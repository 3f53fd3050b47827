"""What both the Markdown and the HTML pages are made of: sections of tables, pictures and notes, still unescaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeAlias, TypeVar

from reports.charts import text
from reports.charts.drawing import Chart
from reports.tables.accuracy import AccuracyRow
from reports.tables.maps import ItemMap
from reports.tables.retrieval import IndexRow
from reports.tables.throughput import ThroughputRow


@dataclass(frozen=True)
class Cell:
    """One cell's text; `title` is shown on pointing at it, `mark` is how it is coloured, `to` what it leads to."""

    text: str
    title: str = ""
    mark: str = ""
    to: str = ""


Shown: TypeAlias = str | int | Cell | None  # what stands in a cell; "" and None where there is nothing to say
T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column's head, and what stands in it, made of what a row is about; figures are aligned right."""

    name: str
    of: Callable[[T], Shown]
    numeric: bool


Columns: TypeAlias = tuple[Column[T], ...]


@dataclass(frozen=True)
class Row:
    """A table row.

    Attributes:
        role: sets reference rows and failed rows apart.
        command: measures it again; "" where it was a suite of somebody's own, None where that makes no sense.
        members: the rows that this one stands for, because they differ in framework and mode alone.
    """

    cells: tuple[Cell, ...]
    role: str = ""
    command: str | None = None
    members: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Table:
    """A caption, columns and rows; the first column heads its row.

    Attributes:
        key: what the table is, in words that stay when it is measured again; the links to its rows begin with it.
        n_names: the columns, from the first, that say what a row is.
        about: what all rows are about, where a column does not say it: "model" -> a name.
        is_detail: whether it is shown only to who asks for it.
    """

    caption: str
    columns: Columns[Any]
    rows: tuple[Row, ...]
    key: tuple[str, ...] = ()
    n_names: int = 1
    about: tuple[tuple[str, str], ...] = ()
    is_detail: bool = False


@dataclass(frozen=True)
class Block:
    """One part of a section.

    Attributes:
        dataset: the one data set that it is about, "" where it is of several.
        answer: what it says in a sentence: the block is closed, and this stands on it. "" for an open block.
        group: closed blocks of a page that one chooses from are grouped by this.
        is_detail: whether it belongs at the end of a page, below all that matters more.
        is_first: whether it opens the page, as one with those of other runs.
        shows: the table of figures that it is about: what links to that table leads here.
    """

    title: str
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()
    dataset: str = ""
    answer: str = ""
    group: str = ""
    anchor: str = ""
    is_detail: bool = False
    is_first: bool = False
    shows: object | None = None


@dataclass(frozen=True)
class Section:
    """One chapter, with the word that leads to it: a heading in Markdown, a page of its own in the site."""

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


def word(name: str, of: Callable[[T], Shown]) -> Column[T]:
    return Column(name, of, numeric=False)


def figure(name: str, of: Callable[[T], Shown]) -> Column[T]:
    return Column(name, of, numeric=True)


def named(*attributes: str) -> Columns[Any]:
    """Columns of words that are called what they are of; a data set is two words."""
    return tuple(word(name.replace("dataset", "data set"), attrgetter(name)) for name in attributes)


def rows_of(
    columns: Columns[T],
    of: Iterable[T],
    role: Callable[[T], str] = lambda _: "",
    command: Callable[[T], str | None] = lambda _: None,
) -> tuple[Row, ...]:
    """A row for each of these, with what every column has to say of it."""
    return tuple(Row(tuple(_cell(column.of(one)) for column in columns), role(one), command(one)) for one in of)


def _cell(shown: Shown) -> Cell:
    if isinstance(shown, Cell):
        return shown
    return Cell(text.MISSING if shown is None or shown == "" else str(shown))


def role_of(row: AccuracyRow | IndexRow | ItemMap | ThroughputRow) -> str:
    return "" if row.status == "ok" else "failed"


def status(row: AccuracyRow | IndexRow | ItemMap | ThroughputRow) -> Cell:
    """In place of a figure, where there is none."""
    return Cell(row.status, row.reason, "failed")


def verdict(words: str, reason: str, counted_as: str) -> Cell:
    """A verdict in words, coloured by what it is counted as."""
    return Cell(words, reason, counted_as.replace(",", "").replace(" ", "-"))


def on_device(name: str, device: str) -> str:
    """A name, and the device where it is not the one that goes without saying."""
    return name if device == "cpu" else f"{name}, {device}"


CONTESTANT: Columns[Any] = (  # of any row that has these
    *named("model", "variant", "backend"),
    word("mode", lambda row: on_device(row.mode, row.device)),
)


def threads(n: int) -> str:
    return f"{n} thread{'s' * (n != 1)}"


def without_empty_columns(table: Table, kept: int) -> Table:
    """The table without columns, after the first `kept`, in which nothing was measured."""
    shown = [
        place
        for place in range(len(table.columns))
        if place < kept or any(row.cells[place].text != text.MISSING for row in table.rows)
    ]
    rows = tuple(replace(row, cells=tuple(row.cells[i] for i in shown)) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in shown), rows=rows)


def folded(table: Table) -> Table:
    """The table with one row in place of those that differ in backend and mode alone: all say the same."""
    names = [column.name for column in table.columns]
    backend, how = names.index("backend"), names.index("mode")
    alike: dict[tuple[object, ...], list[Row]] = {}
    for row in table.rows:
        rest = tuple(cell for place, cell in enumerate(row.cells) if place not in {backend, how})
        alike.setdefault((row.role, rest), []).append(row)
    n_of = Counter(row.cells[:backend] for row in table.rows)
    rows = []
    for group in alike.values():
        n, first = n_of[group[0].cells[:backend]], group[0]
        said = list(first.cells)
        by_backend = groupby(group, key=lambda row: row.cells[backend].text)
        who = ", ".join(f"{name} {' and '.join(row.cells[how].text for row in of)}" for name, of in by_backend)
        modes = ", ".join(sorted({row.cells[how].text for row in group}))
        said[backend] = Cell(f"identical in {f'all {n}' if len(group) == n else f'{len(group)} of {n}'}")
        said[how] = Cell(modes if len(group) == n else who)
        rows.append(first if len(group) == 1 else replace(first, cells=tuple(said), members=tuple(group)))
    return replace(table, rows=tuple(rows))


def name_of(row: Row, columns: Columns[Any]) -> str:
    """The framework and mode of a row that others say the same as."""
    return " ".join(cell.text for column, cell in zip(columns, row.cells, strict=True)
                    if column.name in {"backend", "mode"})  # fmt: skip


def pairs(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]], key: tuple[str, ...]) -> Table:
    """A plain table of words, and of counts of cells."""
    columns = tuple(Column(name, itemgetter(place), numeric=name == "runs") for place, name in enumerate(names))
    return Table(caption, columns, rows_of(columns, rows), key)
