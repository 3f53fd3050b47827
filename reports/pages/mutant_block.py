"""Generated mutants as a part of the agreement page: how many were caught, by what, and which were not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from reports.charts import text
from reports.pages.blocks import (
    Block,
    Cell,
    Column,
    Columns,
    Table,
    figure,
    named,
    rows_of,
    without_empty_columns,
    word,
)
from reports.tables import reproduce
from reports.tables.mutants import TESTS, BackendRow, CatchRow, Counts, FileRow, MutantRow, Mutants, OperatorRow, total

TITLE = "Mutants"
_LONGEST = 160
_NOTE = (
    "A mutant is a copy of a source file with one small change that a program made: an operand swapped, a call "
    "dropped, a constant changed. Adapters and what they share are tried on the agreement ladder, other files by "
    "their own tests. The kill rate is the share of mutants that were caught. It leaves out equivalent ones, which "
    "compute the same as the file that they were made of."
)


def block(mutants: Mutants) -> Block:
    """Everything about them; those that survived stand open, one by one."""
    of = mutants
    catches = (_CAUGHT_BY, *_by_backend(of))
    made = (
        Table(_caption(of), _BACKENDS, rows_of(_BACKENDS, of.backends), ("mutants",)),
        Table("What caught the mutants of each framework", catches, rows_of(catches, of.catches), ("caught by",)),
        _one_by_one("Mutants that survived, one by one", _CHANGES, of.survivors),
        replace(_one_by_one("Equivalent mutants, and why", _EXPLAINED, of.equivalents), is_detail=True),
        Table("Mutants by file", _FILES, rows_of(_FILES, of.files, command=_again), ("mutated file",), is_detail=True),
        Table("Mutants by kind of change", _OPERATORS, rows_of(_OPERATORS, of.operators), ("change",), is_detail=True),
    )
    return Block(TITLE, tuple(without_empty_columns(table, 3) for table in made if table.rows), notes=(_NOTE,))


def _one_by_one(caption: str, columns: Columns[MutantRow], rows: Sequence[MutantRow]) -> Table:
    return Table(caption, columns, rows_of(columns, rows, command=_again), ("mutant",), 3)


def _again(row: FileRow | MutantRow) -> str:
    return reproduce.mutate(row.path)


def _caption(mutants: Mutants) -> str:
    counts = total(mutants.backends)
    failed = [words for row in mutants.backends for words in row.failed]
    rate = f" ({text.percent(counts.kill_rate)})" if counts.n_judged else ""
    untried = f"; not tried: {', '.join(failed)}" if failed else ""
    n = counts.n_equivalent
    equivalent = f"; {n:,} more {'is' if n == 1 else 'are'} equivalent" if n else ""
    return f"Mutants: {counts.n_caught:,} of {counts.n_judged:,} caught{rate}{equivalent}{untried}"


def _by_backend(mutants: Mutants) -> Columns[CatchRow]:
    """A column a framework whose mutants climbed."""
    seen = {backend for row in mutants.catches for backend, _ in row.shares}
    return tuple(_share(row.backend) for row in mutants.backends if row.backend in seen)


def _share(backend: str) -> Column[CatchRow]:
    return figure(backend, lambda row: text.percent(dict(row.shares).get(backend)))


def _survived(row: Counts) -> Cell:
    return Cell(f"{row.n_survived:,}", "", "differs" if row.n_survived else "")


def _failed(row: FileRow | BackendRow) -> Cell | str:
    said = row.failed if isinstance(row, FileRow) else ", ".join(row.failed)
    return Cell(said, "", "failed") if said else ""


def _code(source: str) -> str:
    line = text.plain(source)
    return f"`{line if len(line) <= _LONGEST else line[: _LONGEST - 1] + '…'}`" if line else "nothing"


_PATH: Column[Any] = word("file", lambda row: row.path)
_COUNTS: Columns[Any] = (  # of any counts
    figure("tried", lambda row: f"{row.n_tried:,}"),
    figure("caught by a difference", lambda row: f"{row.n_difference:,}"),
    figure("by an error", lambda row: f"{row.n_error:,}"),
    figure("by time or crash", lambda row: f"{row.n_stopped:,}"),
    figure("equivalent", lambda row: f"{row.n_equivalent:,}"),
    figure("survived", _survived),
    figure("kill rate", lambda row: text.percent(row.kill_rate)),
)
_BACKENDS: Columns[BackendRow] = (
    *named("backend"),
    figure("files", lambda row: row.n_files),
    *_COUNTS,
    word("not tried", _failed),
)
_FILES: Columns[FileRow] = (_PATH, *_COUNTS, word("not tried", _failed))
_OPERATORS: Columns[OperatorRow] = (word("kind of change", lambda row: row.operator), *_COUNTS)
_CAUGHT_BY: Column[CatchRow] = word("caught by", lambda row: row.by)
_CHANGES: Columns[MutantRow] = (
    _PATH,
    word("line", lambda row: row.line),
    word("change", lambda row: f"{_code(row.old)} → {_code(row.new)}"),
    word("kind of change", lambda row: row.operator),
    word("mode", lambda row: row.mode if row.backend != TESTS else ""),
)
_EXPLAINED: Columns[MutantRow] = (*_CHANGES, word("why nothing could notice it", lambda row: row.reason))
