"""Anyone's own interactions: CSV, TSV, RecBole's `.inter`, GRU4Rec's session files, and Parquet."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datasets import cache, delimited, ids
from datasets.delimited import Origin
from datasets.errors import InputError
from datasets.hashing import content_hash
from datasets.interactions import Interactions

VERSION = 1  # raised with every change in what is read, so that no older cache is found

# Names in lower case without underscores: `user_id`, `UserId` and RecBole's `user_id:token` are one.
COLUMNS = {
    "userid": "user_id",
    "itemid": "item_id",
    "timestamp": "timestamp",
    "time": "timestamp",
    "sessionid": "session_id",
    "rating": "rating",
}
MISSING = ("", "nan", "NaN", "null", "NULL", "None", "<NA>")
LATEST_S = 253_402_300_799  # the end of the year 9999; a later "second" is a milli- or microsecond

SECONDS = "a number of seconds since 1970"
ISO = "an ISO 8601 time such as 2024-05-17T08:30:00"
ISO_ZONED = "an ISO 8601 time with its offset such as 2024-05-17T08:30:00Z, as in the first row"
TIMES = ((pa.float64(), SECONDS), (pa.timestamp("ns"), ISO), (pa.timestamp("ns", "UTC"), ISO_ZONED))


def load(path: Path, name: str) -> Interactions:
    """Interactions in rows of `user_id, item_id[, timestamp][, session_id][, rating]`, in any column order.

    What is no Parquet file is UTF-8 text with a header, separated by tabs, commas, semicolons or
    bars. Column names may be written `UserId`, `user_id` or `user_id:token`, and `Time` for
    `timestamp`; other columns are ignored. Where there are sessions and no users, as in GRU4Rec's
    files, the session is the user.

    Ids lose surrounding white space and sort by number where all are integers. Times are seconds
    since 1970 (fractions are cut) or ISO 8601, UTC where no offset is written.

    Args:
        path: the file.
        name: becomes `Interactions.name`.

    Raises:
        InputError: naming the file, and the row where it is a value's fault.
    """
    return dataclasses.replace(cache.remember(path, f"file-{VERSION}", _read), name=name)


def _read(path: Path, _sha256: str) -> Interactions:
    table, origin = _read_parquet(path) if _is_parquet(path) else _read_text(path)
    columns = {name: table.column(name) for name in table.column_names}
    encoded = {name: _ids(columns[name], name, origin) for name in columns if name.endswith("_id")}
    user, user_ids = ids.encode(encoded.get("user_id", encoded.get("session_id")))
    item, item_ids = ids.encode(encoded["item_id"])
    data = Interactions(
        name=path.name,
        user=user,
        item=item,
        timestamp=_seconds(columns["timestamp"], origin) if "timestamp" in columns else None,
        session=ids.number(encoded["session_id"]) if "session_id" in encoded else None,
        rating=_ratings(columns["rating"], origin) if "rating" in columns else None,
        user_ids=user_ids,
        item_ids=item_ids,
        content_hash="",
    )
    return dataclasses.replace(data, content_hash=content_hash(data))


def _is_parquet(path: Path) -> bool:
    # By content and not by name, because the cache knows a file by its content only.
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _read_text(path: Path) -> tuple[pa.Table, Origin]:
    names, delimiter = delimited.header(path)
    chosen = _choose(names, path)
    table = delimited.read(path, list(chosen), delimiter)
    return table.rename_columns(list(chosen.values())), delimited.text_origin(path)


def _read_parquet(path: Path) -> tuple[pa.Table, Origin]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            chosen = _choose(file.schema_arrow.names, path)
            table = file.read(list(chosen))
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a readable Parquet file ({reason}): write it again") from error
    if table.num_rows == 0:
        raise InputError(f"{path} has no rows: at least one was expected")
    columns = {ours: _plain(table.column(theirs)) for theirs, ours in chosen.items()}
    return pa.table(columns), Origin(path, 1, "the first row is 1")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Every kind of Arrow string as the plain one, which is trimmed."""
    is_text = pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type)
    return column.cast(pa.string()) if is_text else column


def _choose(names: list[str], path: Path) -> dict[str, str]:
    """The columns to read and what each is to us: the file's name -> ours."""
    chosen: dict[str, str] = {}
    for name in names:
        plain, _, kind = name.strip().partition(":")
        column = COLUMNS.get(plain.lower().replace("_", ""))
        if column is None:
            continue
        if kind.endswith("_seq"):
            raise InputError(f"{path} has a sequence in column {name!r}: one interaction a row was expected")
        if column in chosen.values():
            raise InputError(f"{path} has more than one column for {column} among {names}: rename or drop all but one")
        chosen[name] = column
    found = set(chosen.values())
    has_user = found & {"user_id", "session_id"}
    missing = [*([] if has_user else ["user_id"]), *([] if "item_id" in found else ["item_id"])]
    if missing:
        raise InputError(
            f"{path} has no column {' and no '.join(missing)} among {names}: "
            "name the columns user_id, item_id and, where there are any, timestamp, session_id, rating"
        )
    return chosen


def _ids(column: pa.ChunkedArray, name: str, origin: Origin) -> pa.DictionaryArray:
    """One dictionary over all rows of trimmed, non-empty strings."""
    expected = f"a valid {name}"
    if pa.types.is_floating(column.type):
        delimited.refuse(column.is_null(nan_is_null=True), column, name, expected, origin)
        # pandas turns integers that stood beside a gap into floats.
        delimited.refuse(
            pc.not_equal(pc.floor(column), column), column, name, f"{expected}, which is a whole number or text", origin
        )
        column = delimited.convert(column, pa.int64(), name, expected, origin)
    text = pc.utf8_trim_whitespace(delimited.convert(column, pa.string(), name, expected, origin))
    encoded = text.dictionary_encode().combine_chunks()
    # NumPy drops NULs at the end of a string, which would make two ids one.
    bad = pc.or_(pc.is_in(encoded.dictionary, pa.array(MISSING)), pc.match_substring(encoded.dictionary, "\0"))
    if pc.any(bad).as_py():
        delimited.refuse(pc.is_in(text, encoded.dictionary.filter(bad)), column, name, expected, origin)
    return encoded


def _seconds(column: pa.ChunkedArray, origin: Origin) -> npt.NDArray[np.int64]:
    """Whole seconds since 1970 UTC: int64[n]."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        times = delimited.convert(column, pa.timestamp("ms"), "timestamp", "a time", origin)
        return np.floor_divide(times.cast(pa.int64()).to_numpy(), 1000)
    to, expected = _form(column[:1])
    times = delimited.convert(column, to, "timestamp", expected, origin)
    if pa.types.is_timestamp(to):
        return np.floor_divide(times.cast(pa.int64()).to_numpy(), 1_000_000_000)
    in_range = f"{SECONDS} up to the year 9999 (milliseconds are to be divided by 1000)"
    delimited.refuse(pc.greater(pc.abs(times), float(LATEST_S)), column, "timestamp", in_range, origin)
    return np.floor(times.to_numpy()).astype(np.int64)


def _form(first: pa.ChunkedArray) -> tuple[pa.DataType, str]:
    """How the times are written, judged by the first of them."""
    for to, expected in TIMES:
        try:
            pc.utf8_trim_whitespace(first.cast(pa.string())).cast(to)
        except pa.ArrowException:
            continue
        return to, expected
    return pa.float64(), f"{SECONDS}, nor {ISO}"


def _ratings(column: pa.ChunkedArray, origin: Origin) -> npt.NDArray[np.float32]:
    return np.array(delimited.convert(column, pa.float32(), "rating", "a number", origin).to_numpy(), dtype=np.float32)
