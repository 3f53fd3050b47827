"""Delimited text and columns of text: read as strings, converted with the row of the first bad value at hand."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from datasets.errors import InputError

HEADER_BYTES = 2**20


@dataclass(frozen=True)
class Origin:
    """Where a table came from, to say in which row a value stands.

    Attributes:
        path: the file.
        first_row: the number of its first data row.
        counted: how rows are counted, in words.
    """

    path: Path
    first_row: int
    counted: str

    def at(self, column: str, index: int) -> str:
        """The cell's place in words; `index` counts data rows from 0."""
        return f"{self.path}, column {column}, row {index + self.first_row} ({self.counted})"


def text_origin(path: Path) -> Origin:
    """Rows as a text editor or a spreadsheet numbers them."""
    return Origin(path, 2, "the header is row 1, empty lines do not count")


def header(path: Path) -> tuple[list[str], str]:
    """The column names in the first line, and what separates them: a tab, comma, semicolon or bar.

    Raises:
        InputError: if the file is empty or not UTF-8.
    """
    with path.open("rb") as file:
        line = file.readline(HEADER_BYTES)
    if not line.strip():
        raise InputError(f"{path} is empty: a line of column names and at least one row were expected")
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(_not_utf8(path)) from error
    delimiter = max("\t,;|", key=text.count)
    return next(csv.reader([text], delimiter=delimiter)), delimiter


def read(path: Path, columns: list[str], delimiter: str) -> pa.Table:
    """The named columns, every cell as the string that the file holds; an empty cell is "".

    Raises:
        InputError: if there are no rows, a row has too few or too many cells, or a cell is not UTF-8.
    """
    try:
        # One thread is as quick on text columns, and only then do errors name the row.
        table = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise InputError(_not_utf8(path)) from error
        raise InputError(f"{path} is not a regular table ({error}): mend or drop that row") from error
    if table.num_rows == 0:
        raise InputError(f"{path} has no rows below its header: at least one was expected")
    return table


def convert(column: pa.ChunkedArray, to: pa.DataType, name: str, expected: str, origin: Origin) -> pa.ChunkedArray:
    """The column cast to a type, every value valid.

    Args:
        column: any values; text is trimmed of white space first.
        to: the Arrow type.
        name: what the column is called, for the message.
        expected: what it should hold, for the message.
        origin: where it came from, for the message.

    Raises:
        InputError: naming the first row whose value is missing or cannot be cast.
    """
    if pa.types.is_string(column.type):
        column = pc.utf8_trim_whitespace(column)
    refuse(column.is_null(), column, name, expected, origin)
    try:
        converted = column.cast(to, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        index = _first_failure(column, lambda part: part.cast(to, safe=False))
        raise _unexpected(column, index, name, expected, origin) from None
    if pa.types.is_floating(to):
        refuse(pc.invert(pc.is_finite(converted)), column, name, expected, origin)
    return converted


def refuse(bad: pa.ChunkedArray, column: pa.ChunkedArray, name: str, expected: str, origin: Origin) -> None:
    """Raises InputError naming the first row where `bad` (bool[n]) holds, its value and what was expected."""
    index = pc.index(bad, pa.scalar(True)).as_py()
    if index >= 0:
        raise _unexpected(column, index, name, expected, origin)


def _unexpected(column: pa.ChunkedArray, index: int, name: str, expected: str, origin: Origin) -> InputError:
    return InputError(f"{origin.at(name, index)}: {column[index].as_py()!r} is not {expected}: mend or drop that row")


def _first_failure(column: pa.ChunkedArray, attempt: Callable[[pa.ChunkedArray], object]) -> int:
    """The index of the first value at which an attempt on the whole column fails."""

    def fails(n: int) -> bool:
        try:
            attempt(column[:n])
        except pa.ArrowException:
            return True
        return False

    return bisect_left(range(1, len(column)), True, key=fails)


def _not_utf8(path: Path) -> str:
    return f"{path} is not UTF-8 text: save it in UTF-8, or give a file that is a table"
