"""Anyone's own interactions: CSV, TSV, RecBole's `.inter`, GRU4Rec's session files, and Parquet."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datasets import cache, delimited, ids, packed, times
from datasets.boundary import parsing, regular
from datasets.delimited import Origin
from datasets.errors import InputError
from datasets.hashing import content_hash
from datasets.interactions import UNKNOWN_USER, Interactions

VERSION = 3  # raised with every change in what is read, so that no older cache is found

# Names in lower case without underscores: `user_id`, `UserId` and RecBole's `user_id:token` are one.
COLUMNS = {
    "userid": "user_id",
    "itemid": "item_id",
    "timestamp": "timestamp",
    "time": "timestamp",
    "sessionid": "session_id",
    "rating": "rating",
}
PARQUET = b"PAR1"
CELL_BYTES = 8  # at least, of a value in memory

Ratings = tuple[npt.NDArray[np.float32] | None, tuple[str, ...]]
"""float32[n], NaN where a row has no rating, or None where no row has one; and what is to be said of that."""


def load(path: Path, name: str) -> Interactions:
    """Interactions in rows of `user_id, item_id[, timestamp][, session_id][, rating]`, in any column order.

    What is no Parquet file is UTF-8 text with a header, separated by tabs, commas, semicolons or
    bars; either may be compressed with gzip, bzip2, xz or zstd. Column names may be written `UserId`,
    `user_id` or `user_id:token`, and `Time` for `timestamp`; other columns are ignored.

    Ids are compared by the rule in `ids`: text without surrounding white space, where 12, 12.0 and
    "12" are one; they sort by number where all are integers. Times are seconds since 1970, whole or
    with a fraction, or ISO 8601, UTC where no offset is written; they are kept to the microsecond.

    Where there are sessions and no column of users, as in GRU4Rec's files, the session is the user.
    Where there are both, a session is the pair of user and session, so ids may start anew for each
    user; a row without a user belongs to nobody (`UNKNOWN_USER`), and its session is its own.
    A missing rating is NaN. Notes count what is missing.

    Args:
        path: the file.
        name: becomes `Interactions.name`.

    Raises:
        InputError: naming the file, and the row where it is a value's fault.
        MachineError: the file may not be read, or memory ran out.
    """
    if regular(path).st_size == 0:
        raise InputError(f"{path} is empty: a line of column names and at least one row were expected")
    return dataclasses.replace(cache.remember(path, f"file-{VERSION}", _read), name=name)


def columns(path: Path) -> frozenset[str]:
    """Which of the columns that are read a file has, by our names, from its beginning alone.

    Raises:
        InputError: naming the file, if it lacks users or items.
        MachineError: it may not be read.
    """
    regular(path)
    with path.open("rb") as file:
        start = file.read(delimited.HEADER_BYTES)
    content = packed.read(path) if packed.packing(start) else start
    if not content.startswith(PARQUET):
        return frozenset(_choose(delimited.opened(path, content).names, path).values())
    with parsing(f"{path} is not a readable Parquet file", "write it again"):
        names = pq.read_schema(path if content is start else pa.BufferReader(content)).names
    return frozenset(_choose(names, path).values())


def _read(path: Path, _sha256: str) -> Interactions:
    table, origin = _table(path)
    columns = {name: table.column(name) for name in table.column_names}
    encoded = {name: ids.texts(columns[name], name, origin) for name in columns if name.endswith("_id")}
    for name, codes in encoded.items():
        if not (name == "user_id" and "session_id" in encoded):
            delimited.refuse(codes.indices.is_null(), columns[name], name, f"a valid {name}", origin)
    user, user_ids = ids.encode(encoded.get("user_id", encoded.get("session_id")))
    item, item_ids = ids.encode(encoded["item_id"])
    timestamp, of_times = times.microseconds(columns["timestamp"], origin) if "timestamp" in columns else (None, ())
    rating, of_ratings = _ratings(columns["rating"], origin) if "rating" in columns else (None, ())
    data = Interactions(
        name=path.name,
        user=user,
        item=item,
        timestamp=timestamp,
        session=_sessions(encoded, user),
        rating=rating,
        user_ids=user_ids,
        item_ids=item_ids,
        content_hash="",
        notes=(*_notes_on_users(user), *of_times, *of_ratings),
    )
    return dataclasses.replace(data, content_hash=content_hash(data))


def _sessions(encoded: dict[str, pa.DictionaryArray], user: npt.NDArray[np.int32]) -> npt.NDArray[np.int32] | None:
    if "session_id" not in encoded:
        return None
    session = ids.number(encoded["session_id"])
    return ids.number_pairs(user, session) if "user_id" in encoded else session


def _notes_on_users(user: npt.NDArray[np.int32]) -> tuple[str, ...]:
    n = int((user == UNKNOWN_USER).sum())
    return (f"{n:,} of {len(user):,} rows have no user_id: they are nobody's, each in its session",) if n else ()


def _table(path: Path) -> tuple[pa.Table, Origin]:
    """The columns that are read, under our names."""
    # By content and not by name, because the cache knows a file by its content only.
    with path.open("rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return _read_parquet(path, None)
    content = packed.read(path)
    return _read_parquet(path, content) if content.startswith(PARQUET) else _read_text(path, content)


def _read_text(path: Path, content: bytes) -> tuple[pa.Table, Origin]:
    text = delimited.opened(path, content)
    chosen = _choose(text.names, path)
    table, origin = (
        delimited.read(text, list(chosen)).rename_columns(list(chosen.values())),
        delimited.text_origin(path),
    )
    is_header = [pc.equal(table[ours], text.names[place]) for place, ours in chosen.items()]
    expected, advice = "an id, but the header once more", "drop such rows where files were joined"
    delimited.refuse(functools.reduce(pc.and_, is_header), table["item_id"], "item_id", expected, origin, advice=advice)
    return table, origin


def _read_parquet(path: Path, content: bytes | None) -> tuple[pa.Table, Origin]:
    """The table in a Parquet file, or in its bytes where it was compressed once more."""
    with (
        parsing(f"{path} is not a readable Parquet file", "write it again"),
        pq.ParquetFile(path if content is None else pa.BufferReader(content), page_checksum_verification=True) as file,
    ):
        names = file.schema_arrow.names
        chosen = _choose(names, path)
        _check_size(file.metadata, len(chosen), path)
        table = file.read([names[column] for column in chosen])
        table.validate(full=True)  # text that is no UTF-8, too
        columns = {ours: _plain(table.column(names[theirs])) for theirs, ours in chosen.items()}
    if table.num_rows == 0:
        raise InputError(f"{path} has no rows: at least one was expected")
    return pa.table(columns), Origin(path, 1, "the first row is 1")


def _check_size(metadata: pq.FileMetaData, n_columns: int, path: Path) -> None:
    """Refuses so many rows that they are damage or a bomb: a run of one value costs nothing in a file.

    Raises:
        InputError: they would take more than `packed.limit`.
    """
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    size = max(metadata.num_rows * n_columns * CELL_BYTES, sum(group.total_byte_size for group in groups))
    if size > packed.limit(path):
        raise InputError(packed.too_large(path))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Every kind of Arrow text as the plain one, bytes that are no UTF-8 as they are, and all times as UTC's."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind, types = column.type, pa.types
    if types.is_timestamp(kind) and kind.tz:
        return column.cast(pa.timestamp(kind.unit, "UTC"))  # which they are; the zone, perhaps unknown, is for show
    if types.is_large_string(kind) or types.is_string_view(kind):
        return column.cast(pa.string())
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        try:
            return column.cast(pa.string())
        except pa.ArrowInvalid:
            return column
    return column


def _choose(names: Sequence[str], path: Path) -> dict[int, str]:
    """The columns to read and what each is to us: the place in the file -> our name."""
    chosen: dict[int, str] = {}
    for place, name in enumerate(names):
        plain, _, kind = name.strip().partition(":")
        column = COLUMNS.get(plain.lower().replace("_", ""))
        if column is None:
            continue
        if kind.endswith("_seq"):
            raise InputError(f"{path} has a sequence in column {name!r}: one interaction a row was expected")
        if column in chosen.values():
            raise InputError(
                f"{path} has more than one column for {column} among {delimited.listed(names)}: "
                "rename or drop all but one"
            )
        chosen[place] = column
    found = set(chosen.values())
    has_user = found & {"user_id", "session_id"}
    missing = [*([] if has_user else ["user_id"]), *([] if "item_id" in found else ["item_id"])]
    if missing:
        raise InputError(
            f"{path} has no column {' and no '.join(missing)} among {delimited.listed(names)}: "
            "name the columns user_id, item_id and, where there are any, timestamp, session_id, rating"
        )
    return chosen


def _ratings(column: pa.ChunkedArray, origin: Origin) -> Ratings:
    kind = column.type
    if pa.types.is_string(kind):
        missing = pc.is_in(pc.utf8_trim_whitespace(column), pa.array([None, *ids.MISSING]))
    else:
        missing = column.is_null(nan_is_null=True)
    n = pc.sum(missing).as_py()
    if n == len(column):
        return None, ("no row has a rating",)
    if n:  # what stands for them must convert, and is taken away again
        column = pc.if_else(missing, column[pc.index(missing, pa.scalar(False)).as_py()], column)
    values = np.array(delimited.convert(column, pa.float32(), "rating", "a number", origin).to_numpy(), np.float32)
    values[missing.to_numpy()] = np.nan
    return values, (f"{n:,} of {len(column):,} rows have no rating",) if n else ()
