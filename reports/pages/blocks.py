"""What both the Markdown and the HTML pages are made of: sections of tables, pictures and notes, still unescaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.charts import text
from reports.charts.drawing import Chart


@dataclass(frozen=True)
class Cell:
    """One cell's text; `title` is what a reader sees on pointing at it, `mark` how it is coloured."""

    text: str
    title: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column's head; figures are aligned right."""

    name: str
    numeric: bool


@dataclass(frozen=True)
class Row:
    """A table row; `role` sets reference rows and failed rows apart, `command` measures it anew."""

    cells: tuple[Cell, ...]
    role: str = ""
    command: str | None = None


@dataclass(frozen=True)
class Table:
    """A caption, columns and rows; the first column heads its row.

    Attributes:
        key: what the table is, in words that stay when it is measured anew; the links to its rows begin with it.
        n_names: the columns, from the first, that say what a row is.
        about: what all rows are about, where a column does not say it: "model" -> a name.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    key: tuple[str, ...] = ()
    n_names: int = 1
    about: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Block:
    """One part of a section."""

    title: str
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One chapter, with the word that leads to it: a heading in Markdown, a page of its own in the site."""

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


def words(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, numeric=False) for name in names)


def figures(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, numeric=True) for name in names)


def cells(*texts: str | Cell) -> tuple[Cell, ...]:
    return tuple(cell if isinstance(cell, Cell) else Cell(cell or text.MISSING) for cell in texts)


def status(word: str, reason: str) -> Cell:
    return Cell(word, reason, "failed")


def verdict(words: str, reason: str, counted_as: str) -> Cell:
    """A verdict in words, coloured by what it is counted as."""
    return Cell(words, reason, counted_as.replace(",", "").replace(" ", "-"))


def mode(of: str, device: str) -> str:
    return of if device == "cpu" else f"{of}, {device}"


def without_empty_columns(table: Table, kept: int) -> Table:
    """The table without columns, after the first `kept`, in which nothing was measured."""
    shown = [
        place
        for place in range(len(table.columns))
        if place < kept or any(row.cells[place].text != text.MISSING for row in table.rows)
    ]
    rows = tuple(Row(tuple(row.cells[i] for i in shown), row.role, row.command) for row in table.rows)
    columns = tuple(table.columns[i] for i in shown)
    return Table(table.caption, columns, rows, table.key, table.n_names, table.about)


def pairs(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]], key: tuple[str, ...]) -> Table:
    """A plain table of words, and of counts of cells."""
    columns = tuple(Column(name, numeric=name == "cells") for name in names)
    return Table(caption, columns, tuple(Row(cells(*row)) for row in rows), key)
