"""A folder of several machines and one version of the data: what is let in, and what is refused before any work."""

import pytest
from msgspec.structs import replace
from record_lines import record as made

from benchmarks.harness import mixture, store
from benchmarks.records import Machine
from datasets.errors import InputError

HERE = Machine(id="m-1", cpu="c", cores=2, memory_bytes=8 << 30, system="s", gpu=None)


def record(cell=0, **changes):
    reason = None if changes.get("status", "ok") == "ok" else "it broke"
    return replace(made(cell), **({"hashes": {"dataset": "one"}, "machine": HERE, "reason": reason} | changes))


def here(**changes):
    return replace(HERE, **changes)


@pytest.fixture
def known(monkeypatch, tmp_path):
    """Makes records what the folder has."""
    (tmp_path / store.FILE_NAME).write_text("")
    return lambda *records: monkeypatch.setattr(store, "read", lambda _: list(records)) or tmp_path


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (HERE, True),
        (here(id="m-2", memory_bytes=(8 << 30) - (100 << 20)), True),
        (here(id="m-2", memory_bytes=7 << 30), False),
        (here(id="m-2"), False),
        (here(id="m-2", memory_bytes=(8 << 30) - 1, gpu="a GPU"), False),
        (here(id="m-2", memory_bytes=(8 << 30) - 1, cores=4), False),
        (here(id="m-2", memory_bytes=2**63 - 1), False),
    ],
)
def test_a_machine_is_the_same_but_for_a_little_memory(other, same):
    assert mixture.same_machine(HERE, other) is mixture.same_machine(other, HERE) is same


def test_a_kernel_that_keeps_more_memory_makes_no_other_machine_of_it():
    older = here(id="m-0", memory_bytes=(8 << 30) - 1000)
    kept, said = mixture.newest([record(machine=older), record(1)])
    assert ([one.machine for one in kept], said) == ([HERE, HERE], ())


def test_what_has_no_hash_belongs_to_the_newest():
    records = [record(), record(hashes={}, status="failed"), record(hashes={"dataset": "two"})]
    kept, (said,) = mixture.newest(records)
    assert kept == records[1:]
    assert said.startswith("1 cell is left out, of shop with the hash one, since the newest record is of shop with")


def test_nothing_is_left_out_of_nothing():
    assert mixture.newest([]) == ([], ())


def test_another_machines_records_stand_beside_ones_own():
    there = here(id="m-2", cpu="other")
    kept, said = mixture.newest([record(machine=there), record(1)])
    assert ([one.machine for one in kept], said) == ([there, HERE], ())


def test_other_data_of_the_same_name_are_refused(known):
    folder = known(record(), record(dataset="elsewhere", hashes={"dataset": "x"}))
    mixture.refuse_other_data(folder, [("shop", "one"), ("new", "n")])
    with pytest.raises(InputError, match=r"shop with the hash one, and shop now has the hash two.*--results"):
        mixture.refuse_other_data(folder, [("shop", "two")])
