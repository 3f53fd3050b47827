"""Delimited text and columns of text: read as strings, converted with the row of the first bad value at hand."""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from datasets import packed
from datasets.boundary import parsing, reason, shown
from datasets.errors import InputError

HEADER_BYTES = 2**20
BLOCK_BYTES = 2**23  # of text that is parsed at once: no row may be longer
SHOWN_NAMES = 20
MEND = "mend or drop that row"


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


@dataclass(frozen=True)
class Text:
    """A delimited text whose header is known.

    Attributes:
        path: the file that it came from.
        content: its bytes, unpacked.
        names: the column names.
        delimiter: what separates them: a tab, comma, semicolon or bar.
        begin: where in the content the first line ends.
    """

    path: Path
    content: bytes
    names: list[str]
    delimiter: str
    begin: int


def opened(path: Path, content: bytes | None = None) -> Text:
    """The text in a file, compressed or not, with the column names that its first line gives.

    Lines end in a line feed, a carriage return, or both.

    Args:
        path: the file.
        content: its unpacked bytes, where they are at hand.

    Raises:
        InputError: if the file is empty, not UTF-8, or cannot be unpacked.
        MachineError: if it cannot be read.
    """
    content = packed.read(path) if content is None else content
    line = re.match(rb"[^\r\n]*", content[:HEADER_BYTES]).group()  # type: ignore[union-attr]
    if not line.strip():
        what = "is empty" if not content.strip() else "begins with an empty line"
        raise InputError(f"{path} {what}: a line of column names and at least one row were expected")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(_not_utf8(path)) from error
    delimiter = max("\t,;|", key=re.sub(r'"[^"]*"', "", text).count)
    return Text(path, content, _split(text, delimiter), delimiter, len(line))


def listed(names: Sequence[str]) -> str:
    """Column names as a sentence can bear them."""
    more = f" and {len(names) - SHOWN_NAMES:,} more" if len(names) > SHOWN_NAMES else ""
    return f"{[shown(name) for name in names[:SHOWN_NAMES]]}{more}"


def read(text: Text, columns: Sequence[int]) -> pa.Table:
    """The columns at these places, named by their names, every cell as the string that the file holds; or "".

    Quotes count where a writer set them (`quotes.scan`), else they are text: a lone quote swallows neither cells nor
    lines.

    Raises:
        InputError: if there are no rows, a row has too few or too many cells, a cell is not UTF-8, or quotes leave it
            open what a row is.
    """
    if not re.compile(rb"[^\r\n]").search(text.content, text.begin):
        raise InputError(f"{text.path} has no rows below its header: at least one was expected")
    if text.content.find(b'"', text.begin) < 0:
        return _parse(text, columns, quoted=False)
    from datasets import quotes  # brings its compiler with it

    found = quotes.scan(text.content, text.begin, text.delimiter)
    a_tab = text.delimiter == "\t"
    if found.stray < 0 and not found.spans_lines and not a_tab:
        return _parse(text, columns, quoted=True)
    try:
        table = _unquoted(_parse(text, columns, quoted=False))
    except InputError as error:
        if found.stray < 0:
            return _parse(text, columns, quoted=True)
        line = _line_of(text.content, found.stray)
        raise InputError(
            f"{text.path}, line {line}: a quote opens a cell there and does not close it: double the quotes within "
            f"quoted cells, or remove it ({error})"
        ) from error
    if found.stray < 0 and found.spans_lines and not a_tab:
        raise InputError(
            f"{text.path} has a quoted cell with line breaks, and each of its lines would be a whole row too: remove "
            "the line breaks, or the quotes if they are text"
        )
    return table


def _parse(text: Text, columns: Sequence[int], *, quoted: bool) -> pa.Table:
    """The columns, by a parser that either knows quotes or takes them for text."""
    places = [str(place) for place in range(len(text.names))]
    chosen = [places[column] for column in columns]
    with parsing(f"{text.path} is not a regular table", MEND):
        try:
            # One thread is as quick on text columns, and only then do errors name the row.
            table = pa_csv.read_csv(
                pa.BufferReader(text.content),
                read_options=pa_csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_BYTES, column_names=places, skip_rows=1
                ),
                parse_options=pa_csv.ParseOptions(
                    delimiter=text.delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted
                ),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=chosen,
                    column_types=dict.fromkeys(chosen, pa.string()),
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            raise InputError(_irregular(text.path, error)) from error
    return table.rename_columns([text.names[column] for column in columns])


def _irregular(path: Path, error: pa.ArrowInvalid) -> str:
    if "UTF8" in str(error):
        return _not_utf8(path)
    if "straddling" in str(error):
        return f"{path} is not a regular table (a row is longer than {BLOCK_BYTES:,} bytes): {MEND}"
    return f"{path} is not a regular table ({reason(error)}): {MEND}"


def _unquoted(table: pa.Table) -> pa.Table:
    """Cells that were read with their quotes, without them where a writer set them."""
    columns = []
    for column in table.columns:
        quoted = pc.match_substring_regex(column, r'^"(?:[^"]|"")*"$')
        bare = pc.replace_substring(pc.utf8_slice_codeunits(column, 1, -1), '""', '"')
        columns.append(pc.if_else(quoted, bare, column))
    return pa.table(columns, names=table.column_names)


def _split(line: str, delimiter: str) -> list[str]:
    """The cells of the header."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return line.split(delimiter)  # its quotes are text


def _line_of(content: bytes, position: int) -> int:
    """The number of a line, from 1, as a text editor counts."""
    before = content[:position]
    return 1 + before.count(b"\n") + (before.count(b"\r") - before.count(b"\r\n"))


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
    safe = pa.types.is_decimal(to)  # else too many digits wrap around
    try:
        converted = column.cast(to, safe=safe)
    except pa.ArrowException:
        index = _first_failure(column, lambda part: part.cast(to, safe=safe))
        raise _unexpected(column, index, name, expected, origin) from None
    if pa.types.is_floating(to):
        refuse(pc.invert(pc.is_finite(converted)), column, name, expected, origin)
    return converted


def refuse(
    bad: pa.ChunkedArray, column: pa.ChunkedArray, name: str, expected: str, origin: Origin, *, advice: str = MEND
) -> None:
    """Raises InputError naming the first row where `bad` (bool[n]) holds, its value and what was expected."""
    index = pc.index(bad, pa.scalar(True)).as_py()
    if index >= 0:
        raise _unexpected(column, index, name, expected, origin, advice=advice)


def _unexpected(
    column: pa.ChunkedArray, index: int, name: str, expected: str, origin: Origin, *, advice: str = MEND
) -> InputError:
    return InputError(f"{origin.at(name, index)}: {_value(column[index])} is not {expected}: {advice}")


def _value(scalar: pa.Scalar) -> str:
    try:
        return shown(repr(scalar.as_py()))
    except (ValueError, OverflowError):  # Arrow's times are finer, and reach further, than Python's
        return shown(str(scalar.cast(pa.string())))


def _first_failure(column: pa.ChunkedArray, attempt: Callable[[pa.ChunkedArray], object]) -> int:
    """The index of the first value at which an attempt on the whole column fails."""

    def fails(n: int) -> bool:
        try:
            attempt(column[:n])
        except pa.ArrowException:
            return True
        return False

    return min(bisect_left(range(1, len(column)), True, key=fails), len(column) - 1)


def _not_utf8(path: Path) -> str:
    return f"{path} is not UTF-8 text: save it in UTF-8, or give a file that is a table"
