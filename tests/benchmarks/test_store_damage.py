"""Records that somebody has damaged or made up, links in place of files, and disks that are full."""

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from record_lines import line, record

from benchmarks import records
from benchmarks.harness import files, store
from benchmarks.records import IndexSettings, Point
from datasets.errors import InputError, MachineError

N_MUTANTS = 20_000 if os.environ.get("RECALLBENCH_SLOW") else 400
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / store.FILE_NAME


def with_metric(text):
    """A record's line in which a metric's value is that text."""
    return json.dumps(line(metrics={"recall@5": 12345.5})).replace("12345.5", text).encode()


def searched(index):
    """What JSON gives of the record of an index."""
    return line(kind="index", index=index)


LEVELS = json.loads("[" * 20 + "]" * 20)
LINES = {
    "infinity by its exponent": (with_metric("1e999"), "metrics.recall@5 is inf, expected a finite number"),
    "no number": (with_metric("NaN"), "NaN is no number"),
    "a number of 5,000 digits": (with_metric("9" * 5000), "4300"),
    "a number of 65 bits": (with_metric(str(2**64)), "is a number of 65 bits, expected one of 64 bits"),
    "65 bits in free settings": (json.dumps(line(settings={"a": [2**64]})).encode(), "settings.a.0 is a number of 65"),
    "a seed of 26 digits": (json.dumps(line(seed=10**25)).encode(), "seed is a number of 84 bits"),
    "a name twice": (b'{"seed": 1, "seed": 2}', "'seed' stands twice in one object"),
    "half a character": (json.dumps(line(model="\ud800")).encode(), "model holds half a character"),
    "half a character in a name": (json.dumps(line(settings={"\ud800": 1})).encode(), "settings has the name"),
    "100,000 levels": (b"[" * 100_000, "more than 16 levels"),
    "20 levels": (json.dumps(line(settings={"a": LEVELS})).encode(), "deeper than 16 levels"),
    "another encoding": ('{"model": "größer"}'.encode("latin-1"), "can't decode"),
    "a mark of order": (b"\xef\xbb\xbf{}", "BOM"),
    "zeros": (bytes(1000), "Expecting value"),
    "a true nlist": (
        json.dumps(searched({"name": "faiss-ivf", "build": {"nlist": True}, "query": {}})).encode(),
        "index.build.nlist is True, expected a number or text",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damaged", "words"), LINES.values(), ids=LINES)
def test_a_damaged_line_is_named_with_what_is_wrong(tmp_path, path, damaged, words):
    path.write_bytes(store.as_line(record(0)) + damaged + b"\n" + store.as_line(record(1)))
    with pytest.raises(InputError, match=r"records\.jsonl, line 2 is not a record of this version") as error:
        store.read(tmp_path)
    assert words in str(error.value)
    assert len(str(error.value)) < 800


def test_a_line_that_never_ends_is_not_read_to_its_end(tmp_path, path):
    path.write_bytes(store.as_line(record(0)))
    os.truncate(path, 1 << 33)
    with pytest.raises(InputError, match=r"line 2 is not a record of this version.*longer than"):
        store.read(tmp_path)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, path):
    os.mkfifo(path)
    for refused in (lambda: store.read(tmp_path), lambda: store.append(tmp_path, [record(0)])):
        with pytest.raises(InputError, match="is no file"):
            refused()
    path.unlink()
    path.mkdir()
    for refused in (lambda: store.read(tmp_path), lambda: store.append(tmp_path, [record(0)])):
        with pytest.raises(InputError, match="no file"):
            refused()


def test_mutants_are_read_or_refused(tmp_path, path):
    whole = b"".join(store.as_line(record(cell, settings={"a": [1, {"b": "größe"}]})) for cell in range(2))
    whole += json.dumps(line(2, schema_version=1, index=None, rungs=[], group=None)).encode() + b"\n"
    rng = np.random.default_rng(0)
    pieces = [b'"', b"{", b"}", b"[", b"\n", b"\\ud800", b"1e999", b"-", b"NaN", b"9" * 30, b"\xff", b"\0", b"null"]
    n_refused = 0
    for _ in range(N_MUTANTS):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            start, length = (int(value) for value in rng.integers(0, (len(content), 20)))
            chunk = content[start : start + length]
            deed = [rng.bytes(length), b"", chunk * 2, pieces[rng.integers(len(pieces))]][rng.integers(4)]
            content[start : start + length] = deed
        path.write_bytes(content)
        try:
            read = store.read(tmp_path)
        except InputError:
            n_refused += 1
        else:
            for found in read:
                records.check(found)
    assert N_MUTANTS / 4 < n_refused < N_MUTANTS


UNFIT = {
    "no number": ({"timings": {"wall_s": float("nan")}}, "timings.wall_s is nan, expected a finite number"),
    "infinite": ({"metrics": {"recall@5": float("inf")}}, "metrics.recall@5 is inf"),
    "inside a list": ({"curve": [Point(epoch=0, steps=0, loss=float("nan"), metrics={})]}, "curve.0.loss is"),
    "in free settings": ({"settings": {"a": [1, {"b": float("-inf")}]}}, "settings.a.1.b is -inf"),
    "a huge number": ({"settings": {"a": -(2**63) - 1}}, "settings.a is a number of 64 bits"),
    "a name that is a number": ({"settings": {1: 2}}, "settings has the name 1, expected text"),
    "a name that is nothing": ({"settings": {None: 2}}, "settings has the name None"),
    "bytes": ({"settings": {"a": b"x"}}, "settings.a is a bytes"),
    "an array": ({"settings": {"a": np.float32(1)}}, "settings.a is a float32"),
    "a set": ({"settings": {"a": {1}}}, "settings.a is a set"),
    "too deep": ({"settings": {"a": LEVELS}}, "deeper than 16 levels"),
    "half a character": ({"notes": ["\ud800"]}, "notes.0 holds half a character"),
    "too long": ({"notes": ["x" * store.MOST_BYTES]}, "expected at most"),
}


@pytest.mark.parametrize(("changes", "words"), UNFIT.values(), ids=UNFIT)
def test_what_a_line_cannot_hold_is_never_written(tmp_path, path, changes, words):
    with pytest.raises(ValueError, match=r"\w") as error:
        store.append(tmp_path, [record(0), msgspec.structs.replace(record(1), **changes)])
    assert words in str(error.value)
    assert not path.exists()


@pytest.mark.parametrize(("changes", "_"), UNFIT.values(), ids=UNFIT)
def test_a_failed_cells_record_can_be_made_of_it(changes, _):
    nothing = {"metrics": {}, "timings": {}, "curve": [], "notes": []}
    made = records.recordable(line(**changes) | nothing | {"status": "failed", "reason": "why"})
    assert json.loads(store.as_line(made))["cell"] == record().cell


def test_seeds_and_flags_of_indexes_too():
    index = {"name": "faiss-ivf", "build": {"nlist": True}, "query": {"nprobe": float("nan"), "k": None}}
    made = records.recordable(searched(index) | {"seed": 10**25, "status": "failed", "reason": "\ud800"})
    store.as_line(made)
    assert made.seed == 2**63 - 1
    assert made.index == IndexSettings(name="faiss-ivf", build={"nlist": "True"}, query={"nprobe": "nan", "k": "None"})


def test_a_write_that_fails_half_way_leaves_the_file_as_it_was(tmp_path, path):
    """A real limit of the system: a file may not grow beyond some bytes, as on a full disk."""
    store.append(tmp_path, [record(0)])
    before = path.read_bytes()
    code = (
        "import resource, signal, sys; from pathlib import Path; from benchmarks.harness import store\n"
        "from datasets.errors import MachineError; sys.path.append('tests/benchmarks')\n"
        "from record_lines import record\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); folder = Path(sys.argv[1])\n"
        "limit = (folder / store.FILE_NAME).stat().st_size + 700\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "try: store.append(folder, [record(1), record(2)])\n"
        "except MachineError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "cannot be written (File too large), so 2 new records are not kept; make room" in done.stdout
    assert path.read_bytes() == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_what_is_not_on_the_disk_is_not_in_the_file(tmp_path, path, monkeypatch, number):
    store.append(tmp_path, [record(0)])
    before = path.read_bytes()

    def fails(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(MachineError, match=f"cannot be written .{os.strerror(number)}"):
        store.append(tmp_path, [record(1)])
    assert path.read_bytes() == before


class TestLinks:
    @pytest.mark.parametrize("name", [".lock", store.FILE_NAME])
    def test_what_a_link_points_to_is_neither_emptied_nor_written_to(self, tmp_path, name):
        results, target = tmp_path / "results", tmp_path / "target"
        results.mkdir()
        target.write_text("mine")
        (results / name).symlink_to(target)
        with pytest.raises(InputError, match="link"), store.locked(results):
            pass
        if name == store.FILE_NAME:
            with pytest.raises(InputError, match="is a link or no file"):
                store.append(results, [record(0)])
        assert target.read_text() == "mine"

    def test_a_dangling_link_makes_no_file_elsewhere(self, tmp_path):
        (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(InputError, match="is a link or no file"), store.locked(tmp_path):
            pass
        assert not (tmp_path / "elsewhere").exists()

    def test_a_lock_that_holds_something_keeps_it(self, tmp_path):
        (tmp_path / ".lock").write_text("mine")
        with store.locked(tmp_path):
            assert (tmp_path / ".lock").read_text() == "mine"
        assert (tmp_path / ".lock").read_text() == "mine"

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
    def test_a_pipe_or_folder_is_no_lock(self, tmp_path, make):
        make(tmp_path / ".lock")
        with pytest.raises(InputError, match="no file"), store.locked(tmp_path):
            pass

    @pytest.mark.parametrize("name", files.FOLDERS)
    def test_folders_that_are_links_are_refused_before_anything_is_deleted(self, tmp_path, name):
        results, target = tmp_path / "results", tmp_path / "target"
        results.mkdir()
        (target / ("0" * 16)).mkdir(parents=True)
        (results / name).symlink_to(target)
        with pytest.raises(InputError, match="is a symbolic link, expected a folder"), store.locked(results):
            pass
        assert [path.name for path in target.iterdir()] == ["0" * 16]


def test_a_lock_that_the_system_refuses_is_not_taken_for_another_run(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(store.fcntl, "flock", fails)
    with pytest.raises(MachineError, match=r"cannot be locked .No locks available"), store.locked(tmp_path):
        pass


@pytest.mark.parametrize(("number", "kind"), [(errno.EROFS, MachineError), (errno.ENAMETOOLONG, InputError)])
def test_a_folder_that_cannot_be_made_is_the_paths_fault_or_the_machines(tmp_path, monkeypatch, number, kind):
    def fails(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", fails)
    with pytest.raises(kind, match="cannot be a folder of results"), store.locked(tmp_path):
        pass
