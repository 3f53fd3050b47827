"""Large files of lines, as tables: delimited text, and one JSON object or Python literal a line.

They are read block by block, so that of a file that unpacks to gigabytes only the columns that are wanted are ever
there as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json

from datasets.boundary import parsing, shown
from datasets.delimited import Origin
from datasets.errors import InputError

BLOCK_BYTES = 2**25
LONGEST_BYTES = 2**27  # of a line; a player's library of all there is takes a few MB
ADVICE = "give the publisher's file"

Fields: TypeAlias = Mapping[str, tuple[str, pa.DataType]]


@dataclass(frozen=True)
class Delimited:
    """Rows of as many fields each, never quoted.

    Attributes:
        separator: one character.
        fields: what all fields are called here, in their order; "" for what is not read.
        header: the publisher's first line, "" where the first line is a row.
    """

    separator: str
    fields: tuple[str, ...]
    header: str = ""

    def table(self, path: Path, pieces: Iterable[bytes]) -> tuple[pa.Table, Origin]:
        """The fields as strings, and where their rows stand.

        Raises:
            InputError: if there are no rows, the header is another, a row has too few or too many fields, or one that
                is read is not UTF-8.
        """
        n_before = n_skipped = 1 if self.header else 0
        tables: list[pa.Table] = []
        for block in blocks(path, pieces):
            if not tables and self.header:
                self._check_header(path, block)
            with _numbered(path, n_before - n_skipped):
                tables.append(self._parsed(block, n_skipped))
            n_before, n_skipped = n_before + tables[-1].num_rows, 0
        counted = "as a text editor numbers them, empty lines do not count"
        return _whole(tables, path), Origin(path, 2 if self.header else 1, counted)

    def _check_header(self, path: Path, block: bytes) -> None:
        found = block.partition(b"\n")[0].strip()
        if found != self.header.encode():
            line = shown(found.decode("latin-1"))
            raise InputError(f"{path} starts with {line!r}, but the header {self.header!r} was expected: {ADVICE}")

    def _parsed(self, block: bytes, n_skipped: int) -> pa.Table:
        names = [name or f"unread {place}" for place, name in enumerate(self.fields)]
        kept = dict.fromkeys(filter(None, self.fields), pa.string())
        return pa_csv.read_csv(
            pa.BufferReader(block),
            # One thread: only then does Arrow number the row that has too few or too many fields.
            pa_csv.ReadOptions(use_threads=False, column_names=names, skip_rows=n_skipped, block_size=len(block) + 1),
            pa_csv.ParseOptions(delimiter=self.separator, quote_char=False),
            pa_csv.ConvertOptions(include_columns=list(kept), column_types=kept, strings_can_be_null=False),
        )


@dataclass(frozen=True)
class Json:
    """One object a line.

    Attributes:
        fields: what is read of an object, by our name: the publisher's name, and the type.
        literals: whether a line is a Python literal, as `repr` writes a dictionary, in place of JSON.
        each: the field that holds a list of objects, each of them a row, beside what its line says; "" where a line is
            a row.
        of_each: what is read of these, as `fields`.
    """

    fields: Fields
    literals: bool = False
    each: str = ""
    of_each: Fields = field(default_factory=dict)

    def table(self, path: Path, pieces: Iterable[bytes]) -> tuple[pa.Table, Origin]:
        """The fields by our names, null where an object lacks one, and where their rows stand.

        Raises:
            InputError: if there are no rows, or a line is no object, or holds a value of another type.
        """
        schema = pa.schema(list(self.fields.values()))
        if self.each:
            schema = schema.append(pa.field(self.each, pa.list_(pa.struct(list(self.of_each.values())))))
        tables: list[pa.Table] = []
        n_lines = 0
        for block in blocks(path, pieces):
            text = self._as_json(path, block, n_lines)
            with _numbered(path, n_lines):
                table = _parsed_json(text, schema)
            n_lines += table.num_rows
            tables.append(self._rows(table))
        counted = f"of all {self.each} in the file, the first is 1" if self.each else "empty lines do not count"
        return _whole(tables, path), Origin(path, 1, counted)

    def _as_json(self, path: Path, block: bytes, n_lines: int) -> bytes:
        if not self.literals:
            return block
        from datasets import literals  # brings its compiler with it

        text, stopped = literals.as_json(block)
        if stopped >= 0:
            line = 1 + n_lines + block.count(b"\n", 0, stopped)
            found = shown(block[stopped:].partition(b"\n")[0].decode("utf-8", "replace"), 20)
            raise InputError(f"{path}, line {line}: {found!r} is no part of a Python literal: {ADVICE}")
        return text

    def _rows(self, table: pa.Table) -> pa.Table:
        columns = {ours: table[theirs] for ours, (theirs, _) in self.fields.items()}
        if self.each:
            lists = table[self.each].combine_chunks()
            line, entries = pc.list_parent_indices(lists), pc.list_flatten(lists)
            columns = {ours: column.take(line) for ours, column in columns.items()}
            columns |= {ours: pc.struct_field(entries, theirs) for ours, (theirs, _) in self.of_each.items()}
        return pa.table(columns)


def blocks(path: Path, pieces: Iterable[bytes], size: int | None = None) -> Iterator[bytes]:
    """A file's lines, many at once: bytes of about `size` that end with a line, the file's last in any case.

    Raises:
        InputError: if a line is longer than `LONGEST_BYTES`.
    """
    held: list[bytes] = []
    n_held = 0
    for piece in pieces:
        held.append(piece)
        n_held += len(piece)
        if n_held < (size or BLOCK_BYTES):
            continue
        whole, feed, rest = piece.rpartition(b"\n")
        if feed:
            yield b"".join([*held[:-1], whole, feed])
            held, n_held = [rest], len(rest)
        elif n_held > LONGEST_BYTES:
            raise InputError(f"{path} has a line of more than {LONGEST_BYTES:,} bytes: {ADVICE}")
    last = b"".join(held)
    if last.strip():
        yield last


def _parsed_json(text: bytes, schema: pa.Schema) -> pa.Table:
    table = pa_json.read_json(
        pa.BufferReader(text),
        pa_json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    table.validate(full=True)  # text that is no UTF-8
    return table


def _whole(tables: list[pa.Table], path: Path) -> pa.Table:
    if not sum(table.num_rows for table in tables):
        raise InputError(f"{path} has no rows: at least one was expected, {ADVICE}")
    return pa.concat_tables(tables)


@contextmanager
def _numbered(path: Path, before: int) -> Iterator[None]:
    """Turns what Arrow raises into one sentence, with rows as the file numbers them and not the block."""
    with parsing(f"{path} is not a regular table", ADVICE):
        try:
            yield
        except pa.ArrowInvalid as error:
            text = re.sub(r"Row #(\d+)", lambda found: f"Row #{int(found[1]) + before}", str(error))
            raise ValueError(
                re.sub(r"in row (\d+)", lambda found: f"in row {int(found[1]) + before + 1}", text)
            ) from error
