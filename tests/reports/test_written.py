"""What `report` writes over and removes: its own pages, and nothing else."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from datasets.errors import InputError, MachineError
from reports import written
from reports.written import MANIFEST, Folder, write

PAGES = {
    "index.html": b"<!doctype html>\n<p>Made from records alone by <code>python -m benchmarks report</code></p>",
    "badges/cells.svg": b'<svg ><title>cells</title><clipPath id="round"></svg>',
}


def state(folder):
    """Every file, and what every link leads to."""
    paths = [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    return {
        path.relative_to(folder).as_posix(): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in paths
    }


def bring(folder, files, inside=None):
    return write([Folder(folder, inside or folder, files)])


def test_pages_and_their_manifest_are_written(tmp_path):
    paths = bring(tmp_path / "site", PAGES, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        *(f"site/{name}" for name in PAGES),
        f"site/{MANIFEST}",
    ]
    assert set(state(tmp_path)) == {*(f"site/{name}" for name in PAGES), f"site/{MANIFEST}"}
    listed = json.loads((tmp_path / "site" / MANIFEST).read_bytes())["files"]
    assert set(listed) == set(PAGES)


def test_the_same_pages_again_are_not_touched(tmp_path):
    bring(tmp_path, PAGES)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    bring(tmp_path, PAGES)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_own_pages_are_replaced_and_removed(tmp_path):
    bring(tmp_path, PAGES)
    bring(tmp_path, {"index.html": b"new"})
    assert set(state(tmp_path)) == {"index.html", MANIFEST}
    assert (tmp_path / "index.html").read_bytes() == b"new"


@pytest.mark.parametrize("name", list(PAGES))
@pytest.mark.parametrize("before", [True, False])
def test_a_page_of_somebody_elses_is_refused_before_anything_is_written(tmp_path, name, before):
    if before:
        bring(tmp_path, PAGES)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"mine")
    there = state(tmp_path)
    other = Folder(tmp_path / "other", tmp_path / "other", PAGES)
    with pytest.raises(InputError, match=r"(was changed since|was not written by).*move it away") as error:
        write([other, Folder(tmp_path, tmp_path, {page: content + b" " for page, content in PAGES.items()})])
    assert str(tmp_path / name) in str(error.value)
    assert state(tmp_path) == there


def test_what_is_stale_and_was_changed_since_stays_and_is_no_longer_ours(tmp_path):
    bring(tmp_path, PAGES)
    (tmp_path / "badges" / "cells.svg").write_bytes(b"mine")
    bring(tmp_path, {"index.html": b"new"})
    assert (tmp_path / "badges" / "cells.svg").read_bytes() == b"mine"
    with pytest.raises(InputError, match="was not written by"):
        bring(tmp_path, PAGES)


def test_a_page_that_says_what_would_be_written_is_nobodys(tmp_path):
    (tmp_path / "index.html").write_bytes(b"the same")
    bring(tmp_path, {"index.html": b"the same"})
    bring(tmp_path, {"index.html": b"another"})
    assert (tmp_path / "index.html").read_bytes() == b"another"


def test_pages_from_before_there_were_manifests_are_known_by_their_marks(tmp_path):
    (tmp_path / "badges").mkdir()
    for name, content in PAGES.items():
        (tmp_path / name).write_bytes(content + b"old")
    (tmp_path / "stale.html").write_bytes(PAGES["index.html"])
    (tmp_path / "about.html").write_bytes(b"<!doctype html>\nmine")
    bring(tmp_path, PAGES)
    assert state(tmp_path).keys() == {*PAGES, "about.html", MANIFEST}
    assert state(tmp_path)["index.html"] == PAGES["index.html"]


@pytest.mark.parametrize("link", ["index.html", "badges", "badges/cells.svg", MANIFEST])
@pytest.mark.parametrize("dangling", [True, False])
def test_no_link_is_followed_out_of_the_folder(tmp_path, link, dangling):
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    (folder / link).parent.mkdir(parents=True)
    target = outside / "gone" if dangling else outside if link == "badges" else outside / "mine"
    if not dangling:
        (outside / "mine").write_bytes(PAGES.get(link, b"{}"))
    (folder / link).symlink_to(target)
    before = state(tmp_path)
    with pytest.raises(InputError, match="is a symbolic link"):
        bring(folder, PAGES)
    assert state(tmp_path) == before


def test_a_results_folder_may_be_a_link_itself(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "far")
    bring(tmp_path / "results", PAGES)
    assert set(state(tmp_path / "far")) == {*PAGES, MANIFEST}


@pytest.mark.parametrize(("place", "what"), [("index.html", "no regular file"), ("badges", "is a file")])
def test_what_is_of_another_kind_is_refused(tmp_path, place, what):
    (tmp_path / place).mkdir() if place == "index.html" else (tmp_path / place).write_text("mine")
    with pytest.raises(InputError, match=what):
        bring(tmp_path, PAGES)


def claim(folder, *paths):
    """A manifest edited by hand, so that it calls files ours."""
    manifest = folder / MANIFEST
    listed = json.loads(manifest.read_bytes())
    listed["files"] |= {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths}
    manifest.write_text(json.dumps(listed))


@pytest.mark.parametrize("place", ["about.html", "pics/mine.svg", "notes.md", "table.csv"])
def test_what_a_manifest_alone_calls_ours_is_not_removed(tmp_path, place):
    bring(tmp_path, PAGES)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_bytes(b"mine")
    claim(tmp_path, place)
    bring(tmp_path, PAGES)
    assert (tmp_path / place).read_bytes() == b"mine"
    assert set(json.loads((tmp_path / MANIFEST).read_bytes())["files"]) == set(PAGES)


@pytest.mark.parametrize("place", ["records.jsonl", "vectors/0123456789abcdef/items.npy"])
def test_a_manifest_that_names_what_is_no_page_is_refused(tmp_path, place):
    bring(tmp_path, PAGES)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(b"measured")
    claim(tmp_path, place)
    with pytest.raises(InputError, match=r"is no list of the pages.*move it away"):
        bring(tmp_path, PAGES)
    assert (tmp_path / place).read_bytes() == b"measured"


def test_own_pages_that_were_moved_and_linked_to_are_not_removed_there(tmp_path):
    bring(tmp_path / "results", PAGES)
    (tmp_path / "results" / "badges").rename(tmp_path / "paper")
    (tmp_path / "results" / "badges").symlink_to(tmp_path / "paper")
    partial = tmp_path / "paper" / ".cells.svg.partial-999999999"
    partial.touch()
    bring(tmp_path / "results", {"index.html": b"new"})
    assert (tmp_path / "paper" / "cells.svg").read_bytes() == PAGES["badges/cells.svg"]
    assert partial.exists()


ODD = [b"", b"[]", b"[" * 100_000, b'{"files": 3}', *(
    json.dumps({"files": {name: "0"}}).encode()
    for name in ("../mine", "/", "", ".", "..", "a\0b.html", "\ud800.html", "a\nb.html", "a" * 5000 + ".html", "site")
)]  # fmt: skip


@pytest.mark.parametrize("content", ODD)
def test_a_manifest_that_is_none_is_refused(tmp_path, content):
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(InputError, match=r"is no list of the pages.*move it away"):
        bring(tmp_path, PAGES)


def test_a_full_disk_leaves_every_page_as_it_was(tmp_path, monkeypatch):
    bring(tmp_path, PAGES)
    before = state(tmp_path)
    flush = written.flush

    def full(path):
        if "cells" in path.name:
            raise OSError(28, "No space left on device", str(path))
        flush(path)

    monkeypatch.setattr(written, "flush", full)
    with pytest.raises(MachineError, match="No space left on device"):
        bring(tmp_path, dict.fromkeys(PAGES, b"new"))
    after = state(tmp_path)
    assert {name: after[name] for name in PAGES} == {name: before[name] for name in PAGES}
    assert set(after) == set(before)
    monkeypatch.setattr(written, "flush", flush)
    bring(tmp_path, dict.fromkeys(PAGES, b"new"))
    assert state(tmp_path)["index.html"] == b"new"


KILLED = """
import os, pathlib, sys
from reports import written
n, renames = int(sys.argv[2]), [0]
replace = pathlib.Path.replace
def killed(self, target):
    if renames[0] == n:
        os._exit(9)
    renames[0] += 1
    return replace(self, target)
pathlib.Path.replace = killed
folder = pathlib.Path(sys.argv[1])
written.write([written.Folder(folder, folder, {"index.html": b"new", "more.html": sys.argv[3].encode()})])
"""


@pytest.mark.parametrize("n", range(4))
def test_a_kill_between_any_two_renames_leaves_whole_pages_and_the_next_one_goes_on(tmp_path, n):
    bring(tmp_path, PAGES)
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(n), PAGES["index.html"].decode()]
    done = subprocess.run(command, check=False, timeout=60)
    assert done.returncode == 9
    assert all(state(tmp_path).get(name) in {old, b"new"} for name, old in PAGES.items() if name == "index.html")
    bring(tmp_path, {"index.html": b"newest"})
    assert set(state(tmp_path)) == {"index.html", MANIFEST}


def test_a_page_written_over_by_hand_after_a_kill_is_still_refused(tmp_path):
    bring(tmp_path, PAGES)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "2"], check=False, timeout=60)
    (tmp_path / "index.html").write_bytes(b"mine")
    with pytest.raises(InputError, match="was changed since"):
        bring(tmp_path, PAGES)


def test_paths_are_those_of_the_folders_as_they_were_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bring(Path("site"), {"index.html": b""}) == [Path("site/index.html"), Path("site") / MANIFEST]
