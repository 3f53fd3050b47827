"""What is published is what its records give, to the last byte: `tox -e report` makes it anew."""

from pathlib import Path

import pytest

from benchmarks.gate import proof
from benchmarks.harness import store
from reports import write
from reports.pages import proof as page_of_proof

PUBLISHED = Path(write.__file__).parent / "published"
FOLDERS = store.folders(PUBLISHED)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All files, from the records alone: relative path -> its bytes."""
    folder = tmp_path_factory.mktemp("published")
    for published in FOLDERS:
        (folder / published.name).mkdir()
        records = store.file_of(published)
        (folder / published.name / records.name).symlink_to(records)
    return {path.relative_to(folder): path.read_bytes() for path in write.write([folder])}


def test_there_is_something_published():
    assert FOLDERS


@pytest.mark.parametrize("name", ["site", *(folder.name for folder in FOLDERS)])
def test_published_pages_are_what_their_records_give(name, made):
    expected = {path: content for path, content in made.items() if path.parts[0] == name}
    shown = {path.relative_to(PUBLISHED): path for path in (PUBLISHED / name).rglob("*") if path.is_file()}
    for records in (store.FILE_NAME, store.COMPRESSED):
        shown.pop(Path(name) / records, None)
    assert set(shown) == set(expected)
    assert [str(path) for path in expected if shown[path].read_bytes() != expected[path]] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_records_say_nothing_of_the_machines_folders(folder):
    text = "\n".join(store.as_line(record).decode() for record in store.read(folder))
    assert "/root" not in text
    assert "/home" not in text


def test_large_files_of_records_are_compressed_and_say_no_time_and_no_name():
    """So that the same records are the same bytes: `gzip -9n records.jsonl`."""
    for file in map(store.file_of, FOLDERS):
        head = file.read_bytes()[:8]
        assert head == b"\x1f\x8b\x08" + bytes(5) if file.name == store.COMPRESSED else file.stat().st_size < 200_000


def test_every_published_page_is_within_three_megabytes(made):
    assert {str(path): len(content) for path, content in made.items() if len(content) > 3e6} == {}


def test_pages_pictures_and_tables_take_less_than_seven_megabytes(made):
    assert sum(map(len, made.values())) < 7e6


def test_every_published_figure_can_be_measured_anew(made):
    for folder in FOLDERS:
        rows = made[Path(folder.name) / "leaderboard.csv"].decode().splitlines()
        assert len(rows) > 1
        assert all(",python -m benchmarks " in row for row in rows[1:]), folder.name


def test_the_front_page_is_within_one_and_a_half_megabytes(made):
    assert len(made[Path("site/index.html")]) < 1.5e6


def test_the_published_proof_of_the_gate_is_what_its_comparisons_give():
    found = proof.read(PUBLISHED / "gate" / proof.FILE)
    assert found
    shown = (PUBLISHED / "gate" / page_of_proof.FILE).read_text(encoding="utf-8")
    assert shown == page_of_proof.page(found)
    assert "/root" not in shown
