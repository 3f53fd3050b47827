"""A results folder that several machines measure into; the workers are functions in place of processes."""

import shutil

import msgspec
import pytest
from function_workers import Bench, Workers, trained_block

from benchmarks.harness import environment, run, store
from benchmarks.suites import Block


@pytest.fixture
def bench(tmp_path, monkeypatch):
    workers = Workers()
    monkeypatch.setattr(run.executors, "run", workers)
    return Bench(tmp_path / "results", workers)


@pytest.fixture
def leave(bench, monkeypatch):
    """Goes on with the folder's records, and as little else of it as is asked for, on another machine."""
    here = environment.machine()

    def leave(*left_there):
        for folder in left_there or ("vectors", "checkpoints", "splits"):
            shutil.rmtree(bench.results / folder)
        there = msgspec.structs.replace(here, id="there", cores=here.cores + 1)
        monkeypatch.setattr(environment, "machine", lambda: there)

    return leave


def unsearched():
    block = trained_block()
    return Block(block.dataset, block.protocol, block.models)


def test_a_training_of_another_machine_is_not_repeated(bench, leave):
    assert bench.run(unsearched()) == ["train"]
    leave()
    assert bench.run(unsearched()) == []


def test_it_is_where_its_vectors_are_to_be_searched(bench, leave):
    assert bench.run(trained_block()) == ["train", "index"]
    leave()
    assert bench.run(trained_block()) == ["train", "index"]
    kept = store.read(bench.results)
    assert sorted((record.kind, record.machine.id == "there") for record in {r.cell: r for r in kept}.values()) == [
        ("index", False),
        ("index", True),
        ("train", True),
    ]


def test_on_the_machine_itself_what_is_gone_is_made_again(bench):
    assert bench.run(unsearched()) == ["train"]
    shutil.rmtree(bench.results / "vectors")
    shutil.rmtree(bench.results / "checkpoints")
    assert bench.run(unsearched()) == ["train"]


def test_what_is_left_and_damaged_is_made_again_anywhere(bench, leave):
    assert bench.run(unsearched()) == ["train"]
    items = bench.inside("vectors") / "items.npy"
    items.write_bytes(items.read_bytes()[:-8])
    leave("checkpoints")
    assert bench.run(unsearched()) == ["train"]
