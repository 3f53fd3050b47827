"""What is published is what its records give, to the last byte: `tox -e report` makes it anew."""

from pathlib import Path

import pytest

from benchmarks.harness import store
from reports import write

PUBLISHED = Path(write.__file__).parent / "published"
FOLDERS = sorted(path.parent for path in PUBLISHED.glob(f"*/{store.FILE_NAME}"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All files, from the records alone: relative path -> its bytes."""
    folder = tmp_path_factory.mktemp("published")
    for published in FOLDERS:
        (folder / published.name).mkdir()
        (folder / published.name / store.FILE_NAME).symlink_to(published / store.FILE_NAME)
    return {path.relative_to(folder): path.read_bytes() for path in write.write([folder])}


def test_there_is_something_published():
    assert FOLDERS


@pytest.mark.parametrize("name", ["site", *(folder.name for folder in FOLDERS)])
def test_published_pages_are_what_their_records_give(name, made):
    expected = {path: content for path, content in made.items() if path.parts[0] == name}
    shown = {path.relative_to(PUBLISHED): path for path in (PUBLISHED / name).rglob("*") if path.is_file()}
    shown.pop(Path(name) / store.FILE_NAME, None)
    assert set(shown) == set(expected)
    assert [str(path) for path in expected if shown[path].read_bytes() != expected[path]] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_records_say_nothing_of_the_machines_folders(folder):
    text = (folder / store.FILE_NAME).read_text(encoding="utf-8")
    assert "/root" not in text
    assert "/home" not in text


def test_every_published_page_is_within_three_megabytes(made):
    assert {str(path): len(content) for path, content in made.items() if len(content) > 3e6} == {}


def test_every_published_figure_can_be_measured_anew(made):
    for folder in FOLDERS:
        rows = made[Path(folder.name) / "leaderboard.csv"].decode().splitlines()
        assert len(rows) > 1
        assert all(",python -m benchmarks " in row for row in rows[1:]), folder.name


def test_the_front_page_is_within_one_and_a_half_megabytes(made):
    assert len(made[Path("site/index.html")]) < 1.5e6
