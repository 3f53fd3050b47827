from pathlib import Path

import pytest

from reports import write

PUBLISHED = Path(write.__file__).parent / "published"
FOLDERS = sorted(path.parent for path in PUBLISHED.glob("*/records.jsonl"))


def test_there_is_something_published():
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_pages_are_what_their_records_give(folder, tmp_path):
    written = write.publish(write.load(folder), tmp_path)
    shown = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert shown - {Path("records.jsonl")} == {path.relative_to(tmp_path) for path in written}
    for path in written:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes(), path.name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_records_say_nothing_of_the_machines_folders(folder):
    text = (folder / "records.jsonl").read_text(encoding="utf-8")
    assert "/root" not in text
    assert "/home" not in text
