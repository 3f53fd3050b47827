"""Checkpoints that somebody has damaged or made up: whatever is in them, one sentence, and little memory."""

import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from benchmarks import checkpoints
from benchmarks.specs.base import Parameter
from datasets.errors import InputError

TABLE = (Parameter("table", (4, 3), 1.0), Parameter("bias", (4,), 1.0))
N_MUTANTS = 20_000 if os.environ.get("RECALLBENCH_SLOW") else 400


def npy(values, order="C"):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(values, order=order), allow_pickle=True)
    return file.getvalue()


def npy_header(text, version=(1, 0)):
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text.encode()


GOOD = {"table": npy(np.arange(12, dtype=np.float32).reshape(4, 3)), "bias": npy(np.ones(4, np.float32))}


def write(path, packing=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


def refusal(path, table=TABLE):
    with pytest.raises(InputError) as error:
        checkpoints.load(path, table)
    sentence = str(error.value)
    assert sentence.startswith(str(path))
    assert len(sentence) < 1_000 + len(str(path))
    assert "\n" not in sentence
    return sentence


def test_packed_ones_and_those_with_columns_first_are_read(path):
    by_columns = npy(np.arange(12, dtype=np.float32).reshape(4, 3), order="F")
    assert b"'fortran_order': True" in by_columns
    write(path, zipfile.ZIP_DEFLATED, **{**GOOD, "table": by_columns})
    assert checkpoints.load(path, TABLE)["table"].tolist() == np.arange(12).reshape(4, 3).tolist()


BIG = "{'descr': '<f4', 'fortran_order': False, 'shape': (500000000,), }"
DAMAGED = {
    "text for an array": {"table": b"no array at all"},
    "nothing for an array": {"table": b""},
    "objects": {"table": npy(np.array([{}], object))},
    "objects in columns": {"table": npy(np.zeros(2, [("a", object)]))},
    "a header of another version": {"table": npy_header("{}", (3, 0))},
    "a header that is code": {"table": npy_header("__import__('os').system('false')")},
    "a header that never ends": {"table": npy_header("{'descr': " + "(" * 9_000)},
    "a header of 4 GB": {"table": b"\x93NUMPY\x02\x00" + b"\xff\xff\xff\xff{"},
    "fewer values than it says": {"table": GOOD["table"][:-4]},
    "more values than it says": {"table": GOOD["table"] + b"more"},
}


@pytest.mark.parametrize("changed", DAMAGED.values(), ids=DAMAGED)
def test_a_member_that_is_not_what_it_says_is_refused(path, changed):
    write(path, **{**GOOD, **changed})
    assert "is no checkpoint (" in refusal(path)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_numpy_does_not_write_are_refused(path, packing):
    write(path, packing, **GOOD)
    assert "packed in a way that NumPy does not write" in refusal(path)


def test_an_encrypted_member_is_refused(path):
    write(path, **GOOD)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refusal(path)


def test_a_member_twice_and_a_member_of_another_kind_are_refused(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.npy", GOOD["table"])
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("table.npy", GOOD["table"])
    assert "stands in it twice" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table\n.txt", b"")
    assert "is no array" in refusal(path)


def test_a_pipe_is_refused_and_not_waited_for(path):
    os.mkfifo(path)
    assert "it is no file" in refusal(path)


@pytest.mark.parametrize("start", [npy_header(BIG), b"\x93NUMPY\x02\x00" + struct.pack("<I", 64 << 20)])
def test_a_small_file_that_would_take_much_memory_takes_little(path, start):
    write(path, zipfile.ZIP_DEFLATED, **{**GOOD, "table": start + bytes(64 << 20)})
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_many_strangers_are_counted_and_not_all_named(path):
    write(path, **GOOD, **{f"other{n}": GOOD["bias"] for n in range(40)})
    assert "and 35 more, which this model does not have" in refusal(path)


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_mutants_are_read_or_refused(path, packing):
    """Bytes changed, cut out and doubled at random: what is read is what was written, or a sentence says why not."""
    write(path, packing, **GOOD)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    expected = {name: value.tobytes() for name, value in checkpoints.load(path, TABLE).items()}
    n_refused = 0
    for _ in range(N_MUTANTS):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            start, length = (int(value) for value in rng.integers(0, (len(content), 30)))
            chunk = content[start : start + length]
            deed = rng.integers(4)
            content[start : start + length] = [rng.bytes(len(chunk)), b"", chunk * 2, b"\xff" * len(chunk)][deed]
        path.write_bytes(content)
        try:
            found = checkpoints.load(path, TABLE)
        except InputError:
            n_refused += 1
        else:
            assert {name: value.tobytes() for name, value in found.items()} == expected
    assert n_refused > N_MUTANTS / 2
