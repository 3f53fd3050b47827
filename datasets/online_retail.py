"""UCI Online Retail: a year of invoices of a British gift wholesaler (Chen, Sain and Guo 2012)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datasets import archives, cache, delimited, ids, workbook
from datasets.archives import Archive
from datasets.boundary import shown, unreadable
from datasets.delimited import Origin
from datasets.errors import InputError, NotHereError
from datasets.hashing import content_hash
from datasets.interactions import Interactions

VERSION = 2  # raised with every change in what is read or noted, so that no older cache is found
ARCHIVE = Archive(
    filename="online+retail.zip",
    url="https://archive.ics.uci.edu/static/public/352/online+retail.zip",
    member="Online Retail.xlsx",
    sha256=None,
    licence="CC BY 4.0",
    citation=(
        "Chen, Sain and Guo (2012), Data mining for the online retail industry, Journal of Database Marketing "
        "and Customer Strategy Management 19(3); UCI Machine Learning Repository, doi 10.24432/C5BW33"
    ),
)
FILENAMES = (ARCHIVE.filename, ARCHIVE.member, "Online Retail.csv")
COLUMNS = ("InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "CustomerID", "Country")
TEXT = ("InvoiceNo", "StockCode", "CustomerID", "Country")
OFFICIAL_ROWS = 541_909

# The publisher's rows run from 2010-12-01 to 2011-12-09; a day and a month that changed places still fall in here.
FIRST_US = 1_259_625_600_000_000  # 2009-12-01
END_US = 1_356_998_400_000_000  # 2013-01-01
LARGEST_QUANTITY = 1_000_000


def load(name: str, data_dir: Path | None, *, accept_download: bool, progress: bool) -> Interactions:
    """The rows that are no cancellations (invoices that start with C), in the publisher's order.

    Items are stock codes and users are customers, `UNKNOWN_USER` where a row has none. The session
    is the invoice. The timestamp is the naive time that the publisher prints, taken as UTC. The
    one user feature, `country`, is the country that most of the customer's rows name.

    Args:
        name: becomes `Interactions.name`.
        data_dir: a folder with `online+retail.zip`, `Online Retail.xlsx` or `Online Retail.csv`.
        accept_download: whether the archive may be downloaded where none of them is found.
        progress: show a bar while downloading.

    Raises:
        NotHereError: if there is no file and none may be downloaded.
        InputError: if the file is not this data.
    """
    path = archives.find(FILENAMES, data_dir)
    if path is None and not accept_download:
        raise NotHereError(
            f"{name} is not on this machine: put {ARCHIVE.filename} into the folder that --data-dir names, "
            f"or allow the download of {ARCHIVE.url}"
        )
    path = path or archives.download(ARCHIVE, progress=progress)
    return dataclasses.replace(cache.remember(path, f"online-retail-{VERSION}", _build), name=name)


def read(path: Path) -> pa.Table:
    """The publisher's rows, all of them, checked.

    Args:
        path: the archive (.zip), the workbook (.xlsx) or a CSV export of its sheet.

    Returns:
        InvoiceNo, StockCode, Country: string; CustomerID: string or null; Quantity: double;
        InvoiceDate: int64, microseconds since 1970.

    Raises:
        InputError: if a column is missing, or a value is of the wrong kind or not plausible.
        MachineError: if the file may not be read, or memory runs out.
    """
    match path.suffix.lower():
        case ".zip":
            table, origin = _read_workbook(archives.extract(path, ARCHIVE.member), path)
        case ".xlsx":
            table, origin = _read_workbook(_bytes_of(path), path)
        case _:
            table, origin = _read_csv(path)
    _check(table, origin)
    return table


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _build(path: Path, sha256: str) -> Interactions:
    rows = read(path)
    kept = rows.filter(pc.invert(pc.starts_with(rows["InvoiceNo"], "C")))
    if kept.num_rows == 0:
        raise InputError(f"{path} holds cancellations only: invoices that do not start with C were expected")
    codes = {name: kept[name].dictionary_encode().combine_chunks() for name in kept.column_names if name in TEXT}
    user, user_ids = ids.encode(codes["CustomerID"])
    item, item_ids = ids.encode(codes["StockCode"])
    country, _ = ids.encode(codes["Country"])
    data = Interactions(
        name="online-retail",
        user=user,
        item=item,
        timestamp=np.array(kept["InvoiceDate"].to_numpy()),
        session=ids.number(codes["InvoiceNo"]),
        rating=None,
        user_ids=user_ids,
        item_ids=item_ids,
        content_hash="",
        user_features={"country": _most_frequent(user, country, len(user_ids))},
        notes=_notes(path, sha256, rows.num_rows),
    )
    return dataclasses.replace(data, content_hash=content_hash(data))


def _notes(path: Path, sha256: str, n_rows: int) -> tuple[str, ...]:
    """How the file at hand differs from the publisher's, as far as one can tell."""
    notes = []
    if path.suffix.lower() != ".zip":
        notes.append(
            f"online-retail: read from a {path.suffix.lower()} file with SHA-256 {sha256}, not from the archive"
        )
    elif ARCHIVE.sha256 is None:
        notes.append(
            f"online-retail: archive with SHA-256 {sha256}, checked by content: the publisher states no checksum"
        )
    elif sha256 != ARCHIVE.sha256:
        notes.append(f"online-retail: archive with SHA-256 {sha256}, not the publisher's {ARCHIVE.sha256}")
    if n_rows != OFFICIAL_ROWS:
        notes.append(f"online-retail: {n_rows:,} rows, not the publisher's {OFFICIAL_ROWS:,}")
    return tuple(notes)


def _most_frequent(user: npt.NDArray[np.int32], code: npt.NDArray[np.int32], n_users: int) -> npt.NDArray[np.int32]:
    """Each user's most frequent code, the smaller one of a tie: int32[n_users]."""
    known = user >= 0
    n_codes = int(code.max()) + 1
    counts = np.bincount(user[known].astype(np.int64) * n_codes + code[known], minlength=n_users * n_codes)
    return counts.reshape(n_users, n_codes).argmax(axis=1).astype(np.int32)


def _read_workbook(content: bytes, path: Path) -> tuple[pa.Table, Origin]:
    cells = workbook.first_sheet(content, path)
    origin = Origin(path, 2, "as the sheet numbers them")
    _require([str(column[0]) for column in cells], path)
    sheet = {str(column[0]): column[1:] for column in cells}
    if not sheet["InvoiceNo"]:
        raise InputError(f"{path} has no rows below its header: at least one was expected")
    columns: dict[str, Any] = {name: pa.array(map(_text, sheet[name]), pa.string()) for name in TEXT}
    _require_kind(sheet["Quantity"], (int, float), "Quantity", "a number", origin)
    columns["Quantity"] = pa.array(np.array(sheet["Quantity"], np.float64))
    _require_kind(sheet["InvoiceDate"], date, "InvoiceDate", "a date cell", origin)
    # NumPy and not Arrow: a cell at midnight arrives as a date among the datetimes.
    columns["InvoiceDate"] = pa.array(np.array(sheet["InvoiceDate"], "datetime64[us]").astype(np.int64))
    return _table(columns), origin


def _read_csv(path: Path) -> tuple[pa.Table, Origin]:
    text = delimited.opened(path)
    _require(text.names, path)
    origin = delimited.text_origin(path)
    table = delimited.read(text, [text.names.index(name) for name in COLUMNS])
    columns: dict[str, Any] = {
        # pandas writes 17850.0 for a number that stood in a column with gaps.
        name: pc.replace_substring_regex(pc.utf8_trim_whitespace(table[name]), r"^(\d+)\.0$", r"\1")
        for name in TEXT
    }
    columns["Quantity"] = delimited.convert(table["Quantity"], pa.float64(), "Quantity", "a number", origin)
    columns["InvoiceDate"] = _csv_times(table["InvoiceDate"], origin).cast(pa.timestamp("us")).cast(pa.int64())
    return _table(columns), origin


def _csv_times(column: pa.ChunkedArray, origin: Origin) -> pa.ChunkedArray:
    """Times as pandas writes them, 2010-12-01 08:26:00, or as the well-known export does, 12/1/2010 8:26."""
    american = pc.strptime(column, "%m/%d/%Y %H:%M", "s", error_is_null=True)
    if american[0].is_valid:
        bad = american.is_null()
        delimited.refuse(bad, column, "InvoiceDate", "a time such as 12/1/2010 8:26, as in the first row", origin)
        return american
    expected = "a time such as 2010-12-01 08:26:00"
    return delimited.convert(column, pa.timestamp("s"), "InvoiceDate", expected, origin)


def _table(columns: dict[str, Any]) -> pa.Table:
    customer = columns["CustomerID"]
    columns["CustomerID"] = pc.if_else(pc.equal(customer, ""), pa.scalar(None, pa.string()), customer)
    return pa.table({name: columns[name] for name in COLUMNS})


def _text(cell: object) -> str:
    """A cell as the sheet shows it: the stock code that is stored as the number 85123.0 reads 85123."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _require(names: Sequence[str], path: Path) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        listed = delimited.listed(names)
        raise InputError(f"{path} has no column {', '.join(missing)} among {listed}: give the publisher's sheet")
    double = next((name for name in COLUMNS if names.count(name) > 1), None)
    if double is not None:
        raise InputError(f"{path} has more than one column {double}: give the publisher's sheet")


def _require_kind(cells: Sequence[object], kind: Any, column: str, expected: str, origin: Origin) -> None:
    bad = next(
        (index for index, cell in enumerate(cells) if not isinstance(cell, kind) or isinstance(cell, bool)), None
    )
    if bad is not None:
        raise InputError(
            f"{origin.at(column, bad)}: {shown(repr(cells[bad]))} is not {expected}: give the publisher's sheet"
        )


def _check(rows: pa.Table, origin: Origin) -> None:
    """Raises InputError at the first value that this data set cannot hold."""
    within = pc.and_(pc.greater_equal(rows["InvoiceDate"], FIRST_US), pc.less(rows["InvoiceDate"], END_US))
    numbered = pc.match_substring_regex(rows["InvoiceNo"], r"^[A-Z]?\d+$")
    customer = pc.fill_null(pc.match_substring_regex(rows["CustomerID"], r"^\d+$"), True)
    for name, good, expected in (
        ("InvoiceNo", numbered, "an invoice number such as 536365 or C536379"),
        ("StockCode", pc.not_equal(rows["StockCode"], ""), "a stock code"),
        ("Quantity", pc.less_equal(pc.abs(rows["Quantity"]), LARGEST_QUANTITY), "a plausible quantity"),
        ("InvoiceDate", within, "a time (in microseconds since 1970) from 2009-12-01 to 2012-12-31"),
        ("CustomerID", customer, "a customer number, nor empty"),
        ("Country", pc.not_equal(rows["Country"], ""), "a country"),
    ):
        delimited.refuse(pc.invert(good), rows[name], name, expected, origin)
