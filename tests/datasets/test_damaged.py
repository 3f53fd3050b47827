"""Whatever bytes a reader is given, only the project's own errors leave it."""

import bz2
import csv
import gzip
import io
import lzma
import os
import zipfile
from datetime import datetime, timedelta

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_movielens import archive, generated

from datasets import InputError, MachineError, cache, file, movielens, online_retail

N_ROWS = 60
N_MUTANTS = 3_000 if os.environ.get("RECALLBENCH_SLOW") else 40
# What means something to one of the formats.
TELLING = [b'"', b'""', b"\n", b"\r", b"\t", b",", b"\0", b"\xff", b"\xfe\xff", b"-", b"e", b".", b"1" * 40, b"PK\1\2"]


def columns() -> dict:
    generator = np.random.default_rng(0)
    return {
        "user_id": [f"u{user}" for user in generator.integers(0, 9, N_ROWS)],
        "item_id": generator.integers(0, 20, N_ROWS).tolist(),
        "timestamp": (1.4e9 + generator.integers(0, 10**9, N_ROWS) / 1000).round(3).tolist(),
        "session_id": generator.integers(0, 5, N_ROWS).tolist(),
        "rating": generator.integers(1, 6, N_ROWS).astype(float).tolist(),
        "title": [('a "b"', "c, d", "e\tf", "g")[kind] for kind in generator.integers(0, 4, N_ROWS)],
    }


def text(delimiter: str = ",", suffix: str = "") -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerow([name + suffix for name in columns()])
    writer.writerows(zip(*columns().values(), strict=True))
    return buffer.getvalue().encode()


def parquet(**options) -> bytes:
    table = pa.table(columns() | {"timestamp": pa.array(range(0, N_ROWS * 1000, 1000), pa.timestamp("ns"))})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=25, **options)
    return buffer.getvalue()


def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(list(online_retail.COLUMNS))
    for row in range(N_ROWS):
        moment = datetime(2011, 1, 1) + timedelta(hours=row)
        book.active.append([536365 + row // 5, f"85123{'AB'[row % 2]}", 6, moment, 17850 + row % 4, "France"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


READERS = {
    "comma": (text, "a.csv", file._read),
    "tab": (lambda: text("\t"), "a.tsv", file._read),
    "semicolon": (lambda: text(";"), "a.csv", file._read),
    "inter": (lambda: text("\t", ":token").replace(b'"e\tf"', b'"e f'), "a.inter", file._read),
    "parquet": (lambda: parquet(compression="none", use_dictionary=False), "a.parquet", file._read),
    "parquet, snappy and dictionaries": (parquet, "a.parquet", file._read),
    "parquet, zstd and checksums": (lambda: parquet(compression="zstd", write_page_checksum=True), "p", file._read),
    "gzip": (lambda: gzip.compress(text(), mtime=0), "a.csv.gz", file._read),
    "bzip2": (lambda: bz2.compress(text()), "a.csv.bz2", file._read),
    "xz": (lambda: lzma.compress(text()), "a.csv.xz", file._read),
    "zstd": (lambda: pa.compress(text(), "zstd", asbytes=True), "a.csv.zst", file._read),
    "archive": (lambda: archive(generated("ml-1m")), "ml-1m.zip", lambda *a: movielens._build("ml-1m", *a)),
    "archive of CSV": (lambda: archive(generated("ml-20m")), "ml-20m.zip", lambda *a: movielens._build("ml-20m", *a)),
    "workbook": (workbook, "Online Retail.xlsx", online_retail._build),
}


def mutant(content: bytes, generator: np.random.Generator) -> bytes:
    """The content with one to four things done to it."""
    damaged = bytearray(content)
    for _ in range(generator.integers(1, 5)):
        at, other = (int(place) for place in generator.integers(0, len(damaged) + 1, 2))
        length = int(generator.integers(1, 30))
        match generator.integers(0, 6):
            case 0:
                damaged[at : at + length] = b""
            case 1:
                damaged[at:at] = damaged[other : other + length]
            case 2:
                damaged[at : at + length] = generator.bytes(length)
            case 3:
                damaged[at:at] = TELLING[generator.integers(0, len(TELLING))]
            case 4 if at < len(damaged):
                damaged[at] ^= 1 << int(generator.integers(0, 8))
            case _ if generator.random() < 0.3:
                del damaged[at:]
        damaged = damaged or bytearray(b"\n")
    return bytes(damaged)


@pytest.mark.parametrize("kind", READERS)
def test_only_our_errors_leave_a_reader(kind, tmp_path):
    make, name, read = READERS[kind]
    content, path = make(), tmp_path / name
    path.write_bytes(content)
    assert len(read(path, "0")) >= 4  # it is read where nothing is wrong with it
    sentences = []
    for seed in range(N_MUTANTS):
        path.write_bytes(mutant(content, np.random.default_rng(seed)))
        try:
            read(path, "0")
        except (InputError, MachineError) as error:
            sentences.append(str(error))
        except BaseException as error:
            pytest.fail(f"mutant {seed} of {kind}: {error!r}")
    assert len(sentences) > N_MUTANTS / 10
    assert [sentence for sentence in sentences if "\n" in sentence or len(sentence) > 2_000] == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("at", [60, 90, 200])
def test_archives_of_other_methods(method, at, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, content in generated("ml-1m").items():
            packed.writestr(name, content)
    content = bytearray(buffer.getvalue())
    content[at] ^= 0xFF
    (tmp_path / "ml-1m.zip").write_bytes(content)
    with pytest.raises(InputError):
        movielens._build("ml-1m", tmp_path / "ml-1m.zip", "0")


def test_nothing_damaged_is_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("RECALLBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text(), mtime=0)[:-9])
    with pytest.raises(InputError, match=r"a\.csv\.gz is not a whole gzip file"):
        file.load(tmp_path / "a.csv.gz", "a")
    assert not list(cache.folder().rglob("*.parquet"))
