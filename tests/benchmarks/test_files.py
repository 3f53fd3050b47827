"""Folders of files that are what their manifest says, are put in place whole, and are nobody else's."""

import json
import os
import time

import pytest

from benchmarks.harness import files
from datasets.errors import InputError, MachineError


def write(folder):
    folder.mkdir()
    (folder / "a.npy").write_bytes(b"a" * 1000)
    (folder / "b.npy").write_bytes(b"b" * 10)


@pytest.fixture
def folder(tmp_path):
    files.fill(tmp_path / "kept" / "0123456789abcdef", write)
    return tmp_path / "kept" / "0123456789abcdef"


def replace(path, content):
    """New content under the old times, as a copying program may leave it."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def link_to_itself(path):
    path.rename(path.parent.parent / "moved")
    path.symlink_to("../moved")


def listing(*names):
    return json.dumps({"of": "0123456789abcdef", "files": {name: [1, "a"] for name in names}}).encode()


def another(folder):
    files.fill(folder.with_name("fedcba9876543210"), write)
    files.remove(folder)
    folder.with_name("fedcba9876543210").rename(folder)


DAMAGE = {
    "changed": (lambda f: replace(f / "a.npy", b"a" * 999 + b"b"), "a.npy has changed"),
    "truncated": (lambda f: replace(f / "a.npy", b"a" * 999), "a.npy has changed"),
    "longer": (lambda f: replace(f / "b.npy", b"b" * 11), "b.npy has changed"),
    "empty": (lambda f: replace(f / "b.npy", b""), "b.npy has changed"),
    "missing": (lambda f: (f / "a.npy").unlink(), "a.npy is missing"),
    "one more": (lambda f: (f / "c.npy").touch(), "c.npy does not belong there"),
    "a folder more": (lambda f: (f / "c").mkdir(), "c does not belong there"),
    "a link to the same": (lambda f: link_to_itself(f / "a.npy"), "a.npy is no file"),
    "a folder for a file": (lambda f: (f / "a.npy").unlink() or (f / "a.npy").mkdir(), "a.npy is no file"),
    "a pipe for a file": (lambda f: (f / "a.npy").unlink() or os.mkfifo(f / "a.npy"), "a.npy is no file"),
    "no manifest": (lambda f: (f / files.MANIFEST).unlink(), "it has no manifest.json"),
    "half a manifest": (lambda f: replace(f / files.MANIFEST, b'{"a.npy": [10'), "its manifest.json is damaged"),
    "an odd manifest": (lambda f: replace(f / files.MANIFEST, b"[]"), "its manifest.json is damaged"),
    "a deep manifest": (lambda f: replace(f / files.MANIFEST, b"[" * 100_000), "its manifest.json is damaged"),
    "a nameless manifest": (lambda f: replace(f / files.MANIFEST, b'{"a": []}'), "its manifest.json is damaged"),
    "a manifest of paths": (lambda f: replace(f / files.MANIFEST, listing("../x")), "its manifest.json is damaged"),
    "a manifest of no path": (lambda f: replace(f / files.MANIFEST, listing("..")), "its manifest.json is damaged"),
    "a manifest of no name": (lambda f: replace(f / files.MANIFEST, listing("")), "its manifest.json is damaged"),
    "a manifest of no text": (lambda f: replace(f / files.MANIFEST, listing("a\0b")), "its manifest.json is damaged"),
    "half a character": (lambda f: replace(f / files.MANIFEST, listing("\ud800")), "its manifest.json is damaged"),
    "an empty manifest": (lambda f: replace(f / files.MANIFEST, listing()), "a.npy does not belong there"),
    "another's whole content": (another, "it is fedcba9876543210 under another name"),
    "nothing": (files.remove, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("is_known", [False, True], ids=["unread", "verified before"])
@pytest.mark.parametrize(("damage", "words"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_not_as_it_was_sealed_is_named(folder, damage, words, is_known):
    if is_known:
        time.sleep(files.SETTLED_NS / 1e9 + 0.02)
        assert files.fault(folder) is None
    damage(folder)
    assert words in files.fault(folder)
    assert words in files.fault(folder)


def test_a_file_is_read_once_as_long_as_nothing_touches_it(folder, monkeypatch):
    time.sleep(files.SETTLED_NS / 1e9 + 0.02)
    read = []
    real = files.hash_file
    monkeypatch.setattr(files, "hash_file", lambda path: read.append(path.name) or real(path))
    for _ in range(3):
        assert files.fault(folder) is None
    assert sorted(read) == ["a.npy", "b.npy"]
    os.utime(folder / "b.npy")
    assert files.fault(folder) is None
    assert len(read) == 4


def test_what_has_just_been_written_is_not_yet_believed_to_stay(folder):
    for content in (b"a" * 1000, b"x" * 1000, b"a" * 1000, b"y" * 1000):  # faster than a clock ticks
        (folder / "a.npy").write_bytes(content)
        assert (files.fault(folder) is None) == (content[:1] == b"a")


def test_every_file_and_folder_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "flush", lambda path: synced.append((path.name, (tmp_path / "k").exists())))
    files.fill(tmp_path / "k", write)
    partial = f"k.partial-{os.getpid()}"
    names = ["a.npy", "b.npy", files.MANIFEST, partial]
    assert synced == [*((name, False) for name in names), (tmp_path.name, True)]


def test_a_damaged_folder_is_replaced_and_what_others_put_there_is_kept(folder, capsys):
    (folder / "notes.txt").write_text("mine")
    (folder / "a.npy").unlink()
    files.fill(folder, write)
    assert files.fault(folder) is None
    aside = folder.with_name(f"{folder.name}.not-ours-1")
    assert [path.name for path in aside.iterdir()] == ["notes.txt"]
    assert (aside / "notes.txt").read_text() == "mine"
    assert str(aside) in capsys.readouterr().err
    (folder / "more").mkdir()
    files.fill(folder, write)
    assert folder.with_name(f"{folder.name}.not-ours-2").is_dir()


@pytest.mark.parametrize("kind", ["link", "dangling link", "file"])
def test_what_is_no_folder_of_ours_is_left_alone(tmp_path, kind):
    other, folder = tmp_path / "other", tmp_path / "k"
    if kind == "link":
        write(other)
    if kind == "file":
        folder.write_text("mine")
    else:
        folder.symlink_to(other)
    with pytest.raises(InputError, match="is no folder of ours"):
        files.fill(folder, write)
    assert folder.is_symlink() == (kind != "file")
    assert not list(tmp_path.glob("*.partial-*"))
    if kind == "link":
        assert sorted(path.name for path in other.iterdir()) == ["a.npy", "b.npy"]


def test_a_disk_that_is_full_leaves_what_was_there(folder):
    def fails(partial):
        write(partial)
        raise OSError(28, "No space left on device")

    with pytest.raises(MachineError, match=r"cannot be written \(No space left on device\); make room"):
        files.fill(folder, fails)
    assert files.fault(folder) is None
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_an_interrupt_leaves_nothing_half_done(folder):
    def interrupted(partial):
        write(partial)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.fill(folder, interrupted)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_space_is_taken_up_before_it_is_written_to_through_memory(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 20)
    assert path.stat().st_blocks * 512 < 1 << 20
    files.reserve(path)
    assert path.stat().st_blocks * 512 >= 1 << 20


KEY = "0123456789abcdef"


def test_what_killed_runs_leave_is_swept_and_nothing_else(tmp_path):
    gone = [f"splits/{KEY}.partial-1", f"vectors/{KEY}.partial-22", f"work/{KEY}"]
    kept = [f"splits/{KEY}", f"splits/{KEY}.partial-mine", "splits/notes", "vectors/x.partial-1", "work/mine", "other"]
    kept += [f"checkpoints/{KEY}.partial-1"]
    for name in (*gone, *kept):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    (tmp_path / "logs").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "file").touch()
    link = tmp_path / "work" / ("f" * 16)
    link.symlink_to(tmp_path / "target")
    files.sweep(tmp_path)
    assert not [name for name in gone if (tmp_path / name).exists()]
    assert all((tmp_path / name / "file").exists() for name in kept)
    assert (tmp_path / "target" / "file").exists()
    assert link.is_symlink()
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("length", [1, 60])
def test_a_killed_workers_temporary_files_are_swept_however_long_the_path(tmp_path, length, monkeypatch):
    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(files, "LONGEST_TEMPORARY", len(str(tmp_path)) + 40)
    results = tmp_path / ("r" * length)
    (results / "work" / KEY).mkdir(parents=True)
    temporary = files.temporary((results / "work" / KEY).resolve())
    assert temporary.is_relative_to(results) == (length == 1)
    temporary.mkdir()
    (temporary / "file").touch()
    files.sweep(results)
    assert not temporary.exists()


@pytest.mark.parametrize("name", [*files.FOLDERS, "records.jsonl"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "the other kind"])
def test_what_a_run_writes_into_may_be_no_link(tmp_path, name, kind):
    results, path = tmp_path / "results", tmp_path / "results" / name
    results.mkdir()
    if kind == "the other kind":
        path.mkdir() if name == "records.jsonl" else path.write_text("mine")
    else:
        path.symlink_to(tmp_path / "target")
    if kind == "link":
        (tmp_path / "target").mkdir() if name != "records.jsonl" else (tmp_path / "target").write_text("mine")
    with pytest.raises(InputError, match=f"{path} is (a symbolic link|something else), expected a (file|folder)"):
        files.check_layout(results, "records.jsonl")


def test_a_manifest_says_what_it_covers(folder):
    manifest = json.loads((folder / files.MANIFEST).read_bytes())
    contents = {"a.npy": b"a" * 1000, "b.npy": b"b" * 10}
    listed = {name: [len(content), files.hash_file(folder / name)] for name, content in contents.items()}
    assert manifest == {"of": folder.name, "files": listed}


def test_what_a_manifest_alone_calls_ours_is_not_deleted(folder):
    (folder / "notes.txt").write_text("mine")
    manifest = json.loads((folder / files.MANIFEST).read_bytes())
    manifest["files"]["notes.txt"] = [4, files.hash_file(folder / "notes.txt")]
    (folder / files.MANIFEST).write_text(json.dumps(manifest))
    assert files.fault(folder) is None
    files.fill(folder, write)
    assert (folder.with_name(f"{folder.name}.not-ours-1") / "notes.txt").read_text() == "mine"
