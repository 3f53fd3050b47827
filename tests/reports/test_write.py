"""Where pages go: each folder's beside its records, and a common site only where somebody asked for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_records import MACHINE, trained

from benchmarks.harness import store
from datasets.errors import InputError
from reports import write
from reports.tables.leaderboard import build


@pytest.fixture
def boards():
    return build([trained("als", 0.1, backend="classic")], [])


def sites(written):
    return [path.parent for path in written if path.name == "index.html"]


def results(folder, *records):
    """A results folder with these records."""
    folder.mkdir(parents=True)
    store.append(folder, records or (trained("als", 0.1, backend="classic"),))
    return folder


@pytest.mark.parametrize(
    ("folders", "named", "expected"),
    [
        (["a"], ["a"], "a/site"),
        (["x/a", "x/b"], ["x"], "x/site"),
        (["x/a", "x/b"], ["x/a", "x/b"], "x/site"),
        (["x/a", "y/b"], ["x/a", "y/b"], "x/a/site"),
        (["x/a", "y/b"], ["."], "site"),
        (["x/a", "x/a/b"], ["x/a", "x/a/b"], "x/a/site"),
        (["x/a", "x/y/b"], ["x/a", "x/y"], "x/a/site"),
    ],
)
def test_the_site_lies_in_a_folder_that_was_named(tmp_path, monkeypatch, boards, *, folders, named, expected):
    monkeypatch.chdir(tmp_path)
    for root in (tmp_path, Path()):
        written = write.publish({root / folder: boards for folder in folders}, [root / folder for folder in named])
        assert sites(written) == [root / expected]
    allowed = [*(tmp_path / folder for folder in folders), tmp_path / expected]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(any(path.is_relative_to(folder) for folder in allowed) for path in files)


def test_the_site_is_never_at_the_root_of_a_disk(tmp_path, monkeypatch, boards):
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path)
    written = write.publish({tmp_path / "a": boards, tmp_path / "b": boards}, [tmp_path / "a", tmp_path / "b"])
    assert sites(written) == [tmp_path / "a" / "site"]


def test_unrelated_runs_have_names_of_their_own_and_no_absolute_path(tmp_path, boards):
    folders = [tmp_path / "x" / "run", tmp_path / "y" / "run", tmp_path / "z" / "other"]
    written = write.publish(dict.fromkeys(folders, boards), folders)
    page = (folders[0] / "site" / "index.html").read_text(encoding="utf-8")
    assert all(f"<strong>{name}</strong>" in page for name in ("x/run", "y/run", "z/other"))
    assert str(tmp_path) not in page
    for path in (path for path in written if path.name == "leaderboard.md"):
        assert (folders[0] / "site" / os.path.relpath(path, folders[0] / "site")).exists()


def test_a_link_to_somewhere_else_inside_of_what_was_named_is_refused(tmp_path):
    results(tmp_path / "far")
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "run").symlink_to(tmp_path / "far")
    with pytest.raises(InputError, match="is a symbolic link"):
        write.write([tmp_path / "all"])
    assert [path.name for path in (tmp_path / "far").iterdir()] == [store.FILE_NAME]
    write.write([tmp_path / "all" / "run"])


def test_one_folders_foreign_page_keeps_all_folders_as_they_were(tmp_path):
    first, second = results(tmp_path / "a"), results(tmp_path / "b")
    (second / "leaderboard.md").write_text("my own notes", encoding="utf-8")
    with pytest.raises(InputError, match=r"b/leaderboard.md was not written by `report`"):
        write.write([tmp_path])
    assert [path.name for path in first.iterdir()] == [store.FILE_NAME]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
    assert (second / "leaderboard.md").read_text(encoding="utf-8") == "my own notes"


def test_of_two_machines_all_is_reported_and_where_it_ran(tmp_path):
    there = MACHINE | {"id": "m-2", "cpu": "Another CPU"}
    old = [trained("als", 0.1, backend="classic", machine=there, seed=seed, run_id="run-9") for seed in range(1, 4)]
    folder = results(tmp_path / "a", *old, trained("als", 0.2, backend="classic"))
    boards = write.load(folder)
    assert sorted(boards.cells["primary"]) == [0.1, 0.1, 0.1, 0.2]
    assert boards.left_out == ()
    write.write([folder])
    assert "m-1, m-2" in (folder / "site" / "accuracy.html").read_text(encoding="utf-8")
    environment = (folder / "site" / "environment.html").read_text(encoding="utf-8")
    assert "Another CPU" in environment
    assert MACHINE["cpu"] in environment


def test_of_two_versions_of_the_data_the_newest_is_reported(tmp_path):
    old = trained("als", 0.1, backend="classic", hashes={"dataset": "e" * 16}, seed=1)
    elsewhere = trained("als", 0.3, backend="classic", dataset="ml-1m", hashes={"dataset": "f" * 16})
    folder = results(tmp_path / "a", old, elsewhere, trained("als", 0.2, backend="classic"))
    boards = write.load(folder)
    assert sorted(boards.cells["primary"]) == [0.2, 0.3]
    assert boards.left_out[0].startswith(f"1 cell is left out, of online-retail with the hash {'e' * 16}")


def test_folders_of_the_users_machine_are_on_no_page(tmp_path):
    where = "/home/someone/secret"
    named = {"dataset": f"file:{where}/plays.csv", "notes": [f"file:{where}/plays.csv: 10 rows, of {where}/x/y.csv"]}
    other = {"dataset": "file:/srv/other/plays.csv"}
    failed = trained("als", 0.1, **named, status="failed", reason=f"no file {where}/model.npz", seed=1)
    folder = results(tmp_path / "a", trained("als", 0.1, **named), trained("als", 0.2, **other), failed)
    for path in write.write([folder]):
        assert b"someone" not in path.read_bytes(), path
    # Two files of one name are still two.
    assert len(write.load(folder).accuracy) == 2
