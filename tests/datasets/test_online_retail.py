import csv
import dataclasses
import io
import time
import zipfile
from datetime import datetime

import numpy as np
import openpyxl
import pyarrow.compute as pc
import pytest

from datasets import UNKNOWN_USER, InputError, archives, cache, load, online_retail
from datasets.hashing import arrays_of, content_hash

pytestmark = pytest.mark.usefixtures("fresh_cache")

HEADER = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]


def row(invoice, stock_code, day, customer, country, *, quantity=6):
    return [invoice, stock_code, "A THING, RED", quantity, day, 2.55, customer, country]


MIDNIGHT = datetime(2010, 12, 2)
MORNING = datetime(2010, 12, 1, 8, 26)
EVENING = datetime(2011, 10, 8, 23, 59)

# As the publisher stores them: numbers where the code is one, else text; an empty cell where the customer is unknown.
ROWS = [
    row(536370, "85123A", MORNING, 17850, "France"),
    row(536370, 71053, MORNING, 17850, "France"),
    row("C536379", "D", MIDNIGHT, 14527, "Japan", quantity=-1),
    row(536365, "m", MIDNIGHT, None, "Germany"),
    row(536365, "M", MIDNIGHT, None, "Germany", quantity=-9600),
    row("A563185", 10002, EVENING, 12346, "Germany"),
    row("A563185", 71053, EVENING, 12346, "France"),
    row(581587, 71053, EVENING, 17850, "Germany"),
]


def workbook(rows=ROWS, header=HEADER) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Online Retail"
    for cells in [header, *rows]:
        sheet.append(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def archive(content: bytes, member: str = "Online Retail.xlsx") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(member, content)
    return buffer.getvalue()


def pandas_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def american_time(moment: datetime) -> str:
    return f"{moment.month}/{moment.day}/{moment.year} {moment.hour}:{moment:%M}"


def text(written=pandas_time, customer="{}", rows=ROWS, delimiter=",") -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerow(HEADER)
    for *first, moment, price, number, country in rows:
        shown_moment = written(moment) if isinstance(moment, datetime) else moment
        shown_number = "" if number is None else customer.format(number)
        writer.writerow([*first, shown_moment, price, shown_number, country])
    return buffer.getvalue().encode()


@pytest.fixture
def read(data_dir):
    def read(content: bytes, filename: str = "Online Retail.xlsx"):
        (data_dir / filename).write_bytes(content)
        return load("online-retail", data_dir, accept_download=False)

    return read


def microseconds(moment: datetime) -> int:
    return int(np.datetime64(moment, "us").astype(np.int64))


class TestRows:
    def test_what_is_kept_and_how_it_is_coded(self, read):
        data = read(archive(workbook()), "online+retail.zip")
        assert data.name == "online-retail"
        assert data.item_ids.tolist() == ["10002", "71053", "85123A", "M", "m"]
        assert data.item.tolist() == [2, 1, 4, 3, 0, 1, 1]
        assert data.user_ids.tolist() == ["12346", "17850"]
        assert data.user.tolist() == [1, 1, UNKNOWN_USER, UNKNOWN_USER, 0, 0, 1]
        # By their ids, not by their order in the file: 536365, 536370, 581587, A563185.
        assert data.session.tolist() == [1, 1, 0, 0, 3, 3, 2]
        assert data.rating is None
        times = [MORNING, MORNING, MIDNIGHT, MIDNIGHT, EVENING, EVENING, EVENING]
        assert data.timestamp.tolist() == [microseconds(moment) for moment in times]
        # A tie goes to the first name, a majority wins.
        assert data.user_features["country"].tolist() == [0, 0]
        assert data.content_hash == content_hash(data)
        kinds = {name: array.dtype.str for name, array in arrays_of(data).items() if not name.endswith("_ids")}
        assert kinds == {
            "user": "<i4",
            "item": "<i4",
            "timestamp": "<i8",
            "session": "<i4",
            "user_features/country": "<i4",
        }

    def test_the_countrys_majority(self, read):
        rows = [row(i, 1, MORNING, 7, country) for i, country in enumerate(["Japan", "France", "Japan"], 500_000)]
        assert read(workbook(rows)).user_features["country"].tolist() == [1]

    def test_no_known_customer(self, read):
        data = read(workbook([row(1, 1, MORNING, None, "Japan")]))
        assert data.n_users == 0
        assert data.user.tolist() == [UNKNOWN_USER]
        assert load("online-retail", cache.folder().parent / "data").content_hash == data.content_hash

    @pytest.mark.parametrize(
        "content",
        [
            text(),
            text(american_time),
            text(customer="{}.0"),
            text(delimiter="\t"),
            b"\xef\xbb\xbf" + text().replace(b"\r\n", b"\n"),
            text().replace(b"A THING", "£ THING".encode("latin-1")),
        ],
        ids=["pandas", "american", "float customers", "tabs", "byte order mark", "pound sign in Latin-1"],
    )
    def test_every_export_holds_the_same(self, read, data_dir, content):
        reference = read(archive(workbook()), "online+retail.zip").content_hash
        (data_dir / "online+retail.zip").unlink()
        assert read(content, "Online Retail.csv").content_hash == reference
        assert read(workbook(), "Online Retail.xlsx").content_hash == reference

    def test_columns_may_stand_in_another_order(self, read):
        turned = [cells[::-1] for cells in ROWS]
        assert read(workbook(turned, HEADER[::-1])).item.tolist() == [2, 1, 4, 3, 0, 1, 1]


class TestNotes:
    def test_a_smaller_archive_is_noted_not_refused(self, read):
        content = archive(workbook())
        notes = read(content, "online+retail.zip").notes
        (sha256,) = {note.split()[4].rstrip(",") for note in notes if "SHA-256" in note}
        assert sha256 == cache.sha256_of(cache.folder().parent / "data" / "online+retail.zip")
        assert notes[0].endswith("checked by content: the publisher states no checksum")
        assert notes[1] == "online-retail: 8 rows, not the publisher's 541,909"

    def test_another_checksum_is_noted_not_refused(self, read, monkeypatch):
        pinned = dataclasses.replace(online_retail.ARCHIVE, sha256="0" * 64)
        monkeypatch.setattr(online_retail, "ARCHIVE", pinned)
        assert f"not the publisher's {'0' * 64}" in read(archive(workbook()), "online+retail.zip").notes[0]

    def test_an_export_is_noted(self, read):
        assert "read from a .csv file with SHA-256" in read(text(), "Online Retail.csv").notes[0]


class TestWhereItIsFound:
    def test_the_environment_names_the_folder(self, data_dir, monkeypatch):
        (data_dir / "Online Retail.csv").write_bytes(text())
        monkeypatch.setenv("RECALLBENCH_DATA", str(data_dir))
        assert len(load("online-retail", accept_download=False)) == 7

    def test_what_is_missing_is_downloaded(self, data_dir, monkeypatch):
        def download(wanted, *, progress):
            assert wanted is online_retail.ARCHIVE
            assert progress is False
            (data_dir / "online+retail.zip").write_bytes(archive(workbook()))
            return data_dir / "online+retail.zip"

        monkeypatch.setattr(archives, "download", download)
        assert len(load("online-retail", data_dir, progress=False)) == 7

    def test_the_second_load_parses_nothing(self, read, data_dir, monkeypatch):
        first = read(workbook())
        monkeypatch.setattr(online_retail, "read", None)
        second = load("online-retail", data_dir)
        assert (second.content_hash, second.notes) == (first.content_hash, first.notes)


def swapped(column: str, value) -> list:
    """The rows, the second one with another value in one column."""
    rows = [list(cells) for cells in ROWS]
    rows[1][HEADER.index(column)] = value
    return rows


BAD_CELLS = {
    "date as text": ("InvoiceDate", "tomorrow", "'tomorrow' is not a (date cell|time such as)"),
    "date as number": ("InvoiceDate", 5.0, "5.0'? is not a (date cell|time such as)"),
    "date out of range": ("InvoiceDate", datetime(1900, 1, 1), "is not a time .* from 2009-12-01 to 2012-12-31"),
    "quantity as text": ("Quantity", "six", "'six' is not a number"),
    "quantity empty": ("Quantity", None, "'' is not a number"),
    "quantity absurd": ("Quantity", -(10**9), "is not a plausible quantity"),
    "customer as text": ("CustomerID", "Anna", "'Anna' is not a customer number, nor empty"),
    "customer in part": ("CustomerID", 12.5, "'12.5' is not a customer number"),
    "no invoice": ("InvoiceNo", None, "'' is not an invoice number"),
    "odd invoice": ("InvoiceNo", "536-365", "'536-365' is not an invoice number such as 536365 or C536379"),
    "no stock code": ("StockCode", None, "'' is not a stock code"),
    "no country": ("Country", None, "'' is not a country"),
}


@pytest.mark.parametrize(("column", "value", "message"), BAD_CELLS.values(), ids=BAD_CELLS)
@pytest.mark.parametrize("filename", ["Online Retail.xlsx", "Online Retail.csv"])
def test_a_bad_cell_is_named_with_its_row(read, filename, column, value, message):
    rows = swapped(column, value)
    content = workbook(rows) if filename.endswith("xlsx") else text(rows=rows)
    with pytest.raises(InputError, match=rf"{filename}, column {column}, row 3 \(.*\): .*{message}") as error:
        read(content, filename)
    assert "\n" not in str(error.value)
    assert not list(cache.folder().rglob("*.parquet"))


BAD_FILES = {
    "truncated zip": ("online+retail.zip", lambda: archive(workbook())[:-40], "is not a whole zip archive"),
    "no zip": ("online+retail.zip", lambda: b"<html>sign in</html>", "is not a whole zip archive"),
    "another zip": (
        "online+retail.zip",
        lambda: archive(b"1::2", "ml-1m/ratings.dat"),
        "holds 'ml-1m/ratings.dat', but",
    ),
    "zip of junk": ("online+retail.zip", lambda: archive(b"junk"), "is not a whole .xlsx file"),
    "junk": ("Online Retail.xlsx", lambda: b"junk", "the workbook in .* is not a whole .xlsx file"),
    "zip that is no workbook": ("Online Retail.xlsx", lambda: archive(b"", "a"), "the workbook in .* cannot be read"),
    "truncated workbook": ("Online Retail.xlsx", lambda: workbook()[:-50], "is not a whole .xlsx file"),
    "no column": (
        "Online Retail.xlsx",
        lambda: workbook(header=["Invoice", *HEADER[1:6], "Customer ID", "Country"]),
        r"has no column InvoiceNo, CustomerID among \['Invoice', 'StockCode', .*\]: give the publisher's sheet",
    ),
    "no column in text": (
        "Online Retail.csv",
        lambda: b"a,b\n1,2\n",
        r"has no column InvoiceNo, .* among \['a', 'b'\]",
    ),
    "no rows": ("Online Retail.xlsx", lambda: workbook([]), "has no rows below its header"),
    "empty sheet": ("Online Retail.xlsx", lambda: workbook([], []), "has no column InvoiceNo"),
    "no rows in text": ("Online Retail.csv", lambda: text(rows=[]), "has no rows below its header"),
    "empty text": ("Online Retail.csv", lambda: b"", "is empty"),
    "cancellations only": ("Online Retail.xlsx", lambda: workbook([ROWS[2]]), "holds cancellations only"),
    "mixed dates": (
        "Online Retail.csv",
        lambda: text().replace(b"2010-12-01 08:26:00", b"12/1/2010 8:26"),
        "row 4 .* is not a time such as 12/1/2010 8:26, as in the first row",
    ),
}


@pytest.mark.parametrize(("filename", "content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_one_sentence(read, filename, content, message):
    with pytest.raises(InputError, match=message) as error:
        read(content(), filename)
    assert "\n" not in str(error.value)
    assert not list(cache.folder().rglob("*.parquet"))


def test_a_workbook_bomb_is_refused(read, monkeypatch):
    content = workbook()
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        size = sum(info.file_size for info in book.infolist())
    monkeypatch.setattr(archives, "LIMIT_BYTES", size - 1)
    with pytest.raises(InputError, match=f"unpacks to {size:,} bytes, more than the limit"):
        read(content)


@pytest.fixture(scope="module")
def real_path(real_data_dir):
    found = archives.find(online_retail.FILENAMES, real_data_dir)
    if found is None:
        pytest.skip(f"no real data: {real_data_dir} has none of {online_retail.FILENAMES}")
    return found


@pytest.fixture(scope="module")
def real_rows(real_path):
    return online_retail.read(real_path)


@pytest.fixture(scope="module")
def real_data(real_path, real_rows, tmp_path_factory):
    # The rows are at hand, and parsing them takes seconds: only the coding is done anew.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECALLBENCH_CACHE", str(tmp_path_factory.mktemp("real-cache")))
        patch.setattr(online_retail, "read", lambda _: real_rows)
        built = load("online-retail", real_path.parent)
        patch.setattr(online_retail, "read", None)
        started = time.perf_counter()
        cached = load("online-retail", real_path.parent)
        cached_s = time.perf_counter() - started
    assert cached.content_hash == built.content_hash == content_hash(cached)
    # 0.05 s on an idle core; the bound leaves room for a busy one.
    assert cached_s < 0.5
    return cached


class TestTheRealData:
    """Facts that hold of the publisher's file, whoever wrote the archive."""

    def test_the_publishers_rows(self, real_rows):
        assert real_rows.num_rows == 541_909
        distinct = {
            name: pc.count_distinct(real_rows[name], mode="only_valid").as_py() for name in real_rows.column_names
        }
        assert distinct["InvoiceNo"] == 25_900
        assert distinct["StockCode"] == 4_070
        assert distinct["CustomerID"] == 4_372
        assert distinct["Country"] == 38
        assert real_rows["CustomerID"].null_count == 135_080
        assert pc.sum(pc.less(real_rows["Quantity"], 0)).as_py() == 10_624
        assert pc.sum(pc.starts_with(real_rows["InvoiceNo"], "C")).as_py() == 9_288
        assert real_rows["StockCode"][:2].to_pylist() == ["85123A", "71053"]
        assert not pc.any(pc.ends_with(real_rows["StockCode"], ".0")).as_py()

    def test_what_is_kept(self, real_data):
        assert len(real_data) == 532_621
        assert real_data.n_items == 4_059
        assert real_data.item_ids.tolist() == sorted(real_data.item_ids.tolist())
        assert real_data.user_ids.tolist() == sorted(real_data.user_ids.tolist())
        assert len(real_data.user_features["country"]) == real_data.n_users
        assert real_data.timestamp[0] == microseconds(datetime(2010, 12, 1, 8, 26))

    def test_the_time_split(self, real_data):
        train = real_data.timestamp < microseconds(datetime(2011, 10, 9))
        test = real_data.timestamp >= microseconds(datetime(2011, 11, 9))
        validation = ~train & ~test
        assert train.sum() == 378_470
        assert validation.sum() == 64_460
        assert test.sum() == 89_691
        assert len(np.unique(real_data.session[validation])) == 2_435
        counts = np.bincount(real_data.item[train])
        assert np.argsort(-counts, kind="stable")[:5].tolist() == [3527, 3506, 1347, 2730, 180]
        known = train & (real_data.user != UNKNOWN_USER)
        assert known.sum() == 278_511
        assert len(np.unique(real_data.user[known])) == 3_706
        assert real_data.item[known].max() == 4_051
