import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pytest

from datasets import InputError, Interactions, MachineError, cache, durable, file
from datasets.hashing import arrays_of, content_hash


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RECALLBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.csv"
    path.write_text("any bytes")
    return path


def made() -> Interactions:
    data = Interactions(
        name="made",
        user=np.array([0, -1, 1], np.int32),
        item=np.array([1, 0, 1], np.int32),
        timestamp=np.array([-5, 0, 2**40], np.int64),
        session=None,
        rating=np.array([0.1, 2, 3], np.float32),
        user_ids=np.array(["ä", "日本"]),
        item_ids=np.array(["", 'long id with, "quotes"']),
        content_hash="",
        user_features={"country": np.array([3, 1], np.int32)},
        item_features={"shelf/row": np.array([7, 8], np.int32), "colour": np.array([0, 0], np.int32)},
        item_feature_names={"colour": ("grün", 'a "blue"')},
        notes=("a note", "another"),
    )
    return dataclasses.replace(data, content_hash=content_hash(data))


def build(_path, _sha256):
    return made()


def never(_path, _sha256):
    raise AssertionError("built although it was cached")


def cache_files():
    return sorted(path for path in cache.folder().rglob("*") if path.is_file())


def assert_same(left: Interactions, right: Interactions) -> None:
    assert (left.name, left.notes, left.content_hash) == (right.name, right.notes, right.content_hash)
    assert left.item_feature_names == right.item_feature_names
    ours, theirs = arrays_of(left), arrays_of(right)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
        assert array.dtype == theirs[name].dtype, name


def test_what_comes_back_is_what_went_in(source):
    cache.remember(source, "test-1", build)
    back = cache.remember(source, "test-1", never)
    assert_same(back, made())
    assert content_hash(back) == back.content_hash
    assert all(array.flags.writeable for array in arrays_of(back).values())


def test_no_users_and_no_optional_arrays_survive(source):
    bare = dataclasses.replace(
        made(),
        user=np.full(3, -1, np.int32),
        user_ids=np.array([], np.str_),
        timestamp=None,
        rating=None,
        user_features={},
        item_feature_names={},
    )
    bare = dataclasses.replace(bare, content_hash=content_hash(bare))
    cache.remember(source, "test-1", lambda *_: bare)
    assert_same(cache.remember(source, "test-1", never), bare)


def test_other_content_and_another_loader_version_are_built(source):
    seen = []

    def counted(_path, sha256):
        seen.append(sha256)
        return made()

    cache.remember(source, "test-1", counted)
    cache.remember(source, "test-2", counted)
    # Same name, size and times: only the content tells.
    times = source.stat()
    source.write_text("ANY bytes")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    cache.remember(source, "test-1", counted)
    assert len(seen) == 3
    assert len(set(seen)) == 2


def test_a_copy_under_another_name_is_not_read_again(source, tmp_path):
    cache.remember(source, "test-1", build)
    copy = tmp_path / "copy.csv"
    copy.write_bytes(source.read_bytes())
    assert_same(cache.remember(copy, "test-1", never), made())


def flip(content: bytes) -> bytes:
    # In the middle of the data pages: only their checksums can tell.
    at = 60
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [flip, lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"not parquet" * 99],
    ids=["flipped", "truncated", "empty", "foreign"],
)
def test_a_damaged_cache_file_is_built_anew(source, damage):
    cache.remember(source, "test-1", build)
    (path,) = cache_files()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    built = []
    cache.remember(source, "test-1", lambda *_: built.append(1) or made())
    assert built == [1]
    assert_same(cache.remember(source, "test-1", never), made())


def test_every_single_byte_may_be_damaged(source):
    """Any flipped byte gives either the same data, or a rebuild; never other data and never an error."""
    cache.remember(source, "test-1", build)
    (path,) = cache_files()
    whole = path.read_bytes()
    for at in range(0, len(whole), 17):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        assert_same(cache.remember(source, "test-1", build), made())


def test_a_foreign_parquet_file_is_built_anew(source):
    import pyarrow as pa
    import pyarrow.parquet as pq

    cache.remember(source, "test-1", build)
    (path,) = cache_files()
    pq.write_table(pa.table({"user": [1, 2]}), path)
    assert_same(cache.remember(source, "test-1", build), made())


def test_a_cache_file_of_another_source_is_built_anew(source, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("other bytes")
    cache.remember(source, "made-1", build)
    (mine,) = cache_files()
    cache.remember(other, "made-1", lambda *_: dataclasses.replace(made(), name="other"))
    (others,) = set(cache_files()) - {mine}
    others.write_bytes(mine.read_bytes())
    assert cache.remember(other, "made-1", lambda *_: dataclasses.replace(made(), name="anew")).name == "anew"


def test_pipes_among_the_cache_files_are_not_waited_for(source):
    cache.remember(source, "made-1", build)
    (path,) = cache_files()
    path.unlink()
    os.mkfifo(path)
    os.mkfifo(path.parent / f"{durable.PREFIX}x")
    assert_same(cache.remember(source, "made-1", build), made())


def test_a_home_folder_is_taken_for_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RECALLBENCH_CACHE", "~/mine")
    assert cache.folder() == tmp_path / "mine"
    monkeypatch.setenv("RECALLBENCH_CACHE", "~nobody-is-called-so/mine")
    with pytest.raises(InputError, match="names no home folder of anybody here"):
        cache.folder()


def test_a_failed_build_leaves_nothing(source):
    def fails(_path, _sha256):
        raise InputError("bad")

    with pytest.raises(InputError):
        cache.remember(source, "test-1", fails)
    assert cache_files() == []


def test_a_failed_write_leaves_nothing_and_only_warns(source, monkeypatch):
    import pyarrow.parquet as pq

    def full(_table, where, **_options):
        where.write_bytes(b"PAR1 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.warns(UserWarning, match="made is not cached: .*No space left"):
        assert_same(cache.remember(source, "test-1", build), made())
    assert cache_files() == []
    assert list((cache.folder() / "interactions").iterdir()) == []


def test_a_cache_folder_that_is_a_file_only_warns(source, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("RECALLBENCH_CACHE", str(tmp_path / "taken"))
    with pytest.warns(UserWarning, match="set RECALLBENCH_CACHE"):
        assert_same(cache.remember(source, "test-1", build), made())


class TestAFileThatChangesWhileItIsRead:
    """Whatever becomes of it, nothing of it is kept under the hash that it had before."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda path: path.write_text("all of it is new"),
            lambda path: path.write_text("other one"),  # of the same length
            lambda path: path.open("a").write(", and more"),
            lambda path: os.truncate(path, 3),
            lambda path: path.with_name("new").rename(path),
        ],
        ids=["rewritten", "same length", "appended", "cut", "replaced"],
    )
    def test_is_refused(self, source, change):
        source.with_name("new").write_text("any bytes")

        def half_read(path, _sha256):
            change(path)
            return made()

        with pytest.raises(InputError, match=r"source\.csv changed while it was read, and nothing of it is kept"):
            cache.remember(source, "test-1", half_read)
        assert cache_files() == []

    def test_there_and_back_again_is_noticed(self, source):
        def half_read(path, _sha256):
            before = path.read_bytes()
            path.write_bytes(b"for a moment")
            path.write_bytes(before)
            return made()

        os.utime(source, (1, 1))  # clocks of file systems tick slowly
        with pytest.raises(InputError, match="changed while it was read"):
            cache.remember(source, "test-1", half_read)
        assert source.read_text() == "any bytes"

    def test_what_it_seemed_to_hold_is_not_complained_of(self, source):
        def half_read(path, _sha256):
            path.write_text("half")
            raise InputError("row 3 is cut off")

        with pytest.raises(InputError, match="changed while it was read"):
            cache.remember(source, "test-1", half_read)

    def test_a_table_that_grows_is_read_when_it_has_grown(self, tmp_path, monkeypatch):
        path = tmp_path / "a.csv"
        path.write_text("user_id,item_id\n1,2\n")
        parse = file._read

        def slowly(source, sha256):
            data = parse(source, sha256)
            with source.open("a") as more:
                more.write("3,4\n")
            return data

        monkeypatch.setattr(file, "_read", slowly)
        with pytest.raises(InputError, match="changed while it was read"):
            file.load(path, "a")
        monkeypatch.setattr(file, "_read", parse)
        assert len(file.load(path, "a")) == 2


def test_what_killed_processes_left_is_swept(source):
    folder = cache.folder() / "interactions" / f"{durable.PREFIX}dead"
    folder.mkdir(parents=True)
    (folder / "half.parquet").write_bytes(b"PAR1")
    cache.remember(source, "test-1", build)
    assert not folder.exists()
    folder.mkdir()
    cache.remember(source, "test-1", never)
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device"])
def test_what_is_no_regular_file_is_refused_at_once(kind, tmp_path):
    path = tmp_path / "source"
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case _:
            path = Path("/dev/zero")
    for read in (lambda: cache.remember(path, "test-1", never), lambda: file.load(path, "a")):
        with pytest.raises(InputError, match=f"is {kind}, but a file was expected"):
            read()


def test_a_source_without_permission_is_the_machines_fault(source, monkeypatch):
    def denied(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(MachineError, match=r"source\.csv cannot be read .Permission denied.: give a readable file"):
        cache.remember(source, "test-1", never)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "memory ran out while .*source.csv was read: free some, or give a smaller file"),
        (OSError(errno.EIO, "Input/output error"), "source.csv cannot be read .Input/output error."),
    ],
)
def test_what_fails_while_reading_is_one_sentence(source, error, message):
    def fails(_path, _sha256):
        raise error

    with pytest.raises(MachineError, match=message):
        cache.remember(source, "test-1", fails)
    assert cache_files() == []


def test_missing_source(tmp_path):
    with pytest.raises(InputError, match=r"gone.csv does not exist: check the path"):
        cache.remember(tmp_path / "gone.csv", "test-1", never)
    with pytest.raises(InputError, match=r"is a folder, but a file was expected"):
        cache.remember(tmp_path, "test-1", never)


def test_the_users_own_folder_is_the_default(monkeypatch):
    monkeypatch.delenv("RECALLBENCH_CACHE")
    assert cache.folder().name == "recallbench"


def test_a_cached_file_takes_the_name_it_is_asked_for_by(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("user_id,item_id\n1,2\n")
        assert file.load(tmp_path / name, f"file:{name}").name == f"file:{name}"
    assert len(cache_files()) == 1


class TestContentHash:
    def test_ignores_names_notes_and_string_width(self):
        data = made()
        other = dataclasses.replace(
            data,
            name="other",
            notes=(),
            item_feature_names={},
            content_hash="x",
            user_ids=data.user_ids.astype("<U99"),
        )
        assert content_hash(other) == data.content_hash

    @pytest.mark.parametrize("name", ["user", "item", "timestamp", "rating"])
    def test_every_value_counts(self, name):
        data = made()
        changed = getattr(data, name).copy()
        changed[1] += 1
        assert content_hash(dataclasses.replace(data, **{name: changed})) != data.content_hash

    def test_order_ids_features_and_absence_count(self):
        data = made()
        variants = [
            dataclasses.replace(data, user=data.user[::-1].copy()),
            dataclasses.replace(data, user_ids=np.array(["ä", "日木"])),
            dataclasses.replace(data, rating=None),
            dataclasses.replace(data, session=data.user, user_features={}),
            dataclasses.replace(data, user_features={"city": data.user_features["country"]}),
        ]
        hashes = {content_hash(variant) for variant in variants} | {data.content_hash}
        assert len(hashes) == len(variants) + 1

    def test_is_stable_across_releases(self):
        # A change here makes every stored record look like other data: raise it on purpose only.
        assert made().content_hash == "acadcf692d0ef90b8d08a38360816053a16b946d429970cc8c9bee10cc4416cd"
