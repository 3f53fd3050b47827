import bz2
import gzip
import lzma
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets import InputError, file, packed

CONTENT = b"user_id,item_id,timestamp\n1,2,1400000000.4\n2,2,1400000000.5\n"
WAYS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda content: pa.compress(content, "zstd", asbytes=True),
}


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.csv.gz"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


@pytest.mark.parametrize("way", WAYS)
class TestEveryWay:
    def test_it_is_told_by_its_content(self, write, way):
        assert packed.packing(WAYS[way](CONTENT)) == way
        for name in ("a.csv", "a.csv.gz", "a"):
            assert packed.read(write(WAYS[way](CONTENT), name)) == CONTENT

    def test_pieces_one_after_the_other_are_one_file(self, write, way):
        assert packed.read(write(WAYS[way](CONTENT[:20]) + WAYS[way](CONTENT[20:]))) == CONTENT

    def test_more_than_is_read_at_once(self, write, way, monkeypatch):
        monkeypatch.setattr(packed, "READ_BYTES", 7)
        monkeypatch.setattr(packed, "CHUNK_BYTES", 5)
        assert packed.read(write(WAYS[way](CONTENT) * 3)) == CONTENT * 3

    def test_a_file_of_interactions(self, write, way):
        data = file.load(write(WAYS[way](CONTENT)), "a")
        assert data.timestamp.tolist() == [1_400_000_000_400_000, 1_400_000_000_500_000]

    def test_parquet_that_was_compressed_once_more(self, write, way, tmp_path):
        pq.write_table(pa.table({"user_id": [1], "item_id": [2]}), tmp_path / "a.parquet")
        assert len(file.load(write(WAYS[way]((tmp_path / "a.parquet").read_bytes())), "a")) == 1

    def test_a_truncated_file(self, write, way):
        with pytest.raises(InputError, match=rf"a\.csv\.gz is not a whole {way} file \(.*\): compress it again"):
            packed.read(write(WAYS[way](CONTENT)[:-6]))

    @pytest.mark.parametrize("damaged", [b"1,2,3\n", b"\0" * 8 + b"1", "the magic", "the end"])
    def test_a_second_piece_that_is_damaged_is_not_passed_over(self, write, way, damaged):
        second = bytearray(WAYS[way](CONTENT))
        second[0] ^= damaged == "the magic"
        rest = bytes(second[:-3] if damaged == "the end" else second) if isinstance(damaged, str) else damaged
        with pytest.raises(InputError, match=rf"is not a whole {way} file"):
            packed.read(write(WAYS[way](CONTENT) + rest))

    def test_a_bomb(self, write, way, monkeypatch):
        monkeypatch.setattr(packed, "FREE_BYTES", 1_000_000)
        path = write(WAYS[way](bytes(20_000_000)))
        with pytest.raises(
            InputError, match=r"a\.csv\.gz unpacks to more than [0-9,]+ bytes: .* give the unpacked file"
        ):
            packed.read(path)


def test_plain_text_of_a_compressed_name_is_read_as_it_is(write):
    assert packed.read(write(CONTENT)) == CONTENT
    assert len(file.load(write(CONTENT), "a")) == 2


def test_what_shrinks_as_tables_do_is_no_bomb(write, monkeypatch):
    monkeypatch.setattr(packed, "FREE_BYTES", 1_000)
    rows = b"".join(b"%d,%d\n" % (row * 7919 % 1000, row * 104729 % 1000) for row in range(20_000))
    assert packed.read(write(gzip.compress(rows))) == rows


@pytest.mark.parametrize("content", [b"PK\x03\x04 and so on"])
def test_a_zip_archive_is_named(write, content):
    with pytest.raises(InputError, match=r"is a zip archive or a workbook: unpack it, or save its sheet as CSV"):
        packed.read(write(content))


def test_parquet_with_runs_without_end(tmp_path, monkeypatch):
    pq.write_table(pa.table({"user_id": [1] * 500_000, "item_id": [2] * 500_000}), tmp_path / "a.parquet")
    monkeypatch.setattr(packed, "FREE_BYTES", 1_000_000)
    assert (tmp_path / "a.parquet").stat().st_size < 50_000
    with pytest.raises(InputError, match=re.escape("a.parquet unpacks to more than")):
        file.load(tmp_path / "a.parquet", "a")
