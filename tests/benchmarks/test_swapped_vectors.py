"""Vectors that are whole, and not those of the training that they stand for; the workers are functions."""

import dataclasses

import pytest
from function_workers import MADE_UP, Bench, Workers, trained_block

from benchmarks.harness import files, run, store


@pytest.fixture
def workers(monkeypatch):
    made = Workers()
    monkeypatch.setattr(run.executors, "run", made)
    return made


@pytest.fixture
def bench(tmp_path, workers):
    return Bench(tmp_path / "results", workers)


def swapped(one, other):
    one.rename(one.with_name("x"))
    other.rename(one)
    one.with_name("x").rename(other)


def two_trainings(bench):
    """Two trainings whose vectors differ, and exact search of each."""
    block = trained_block()
    rows = [
        dataclasses.replace(row, settings={**row.settings, "variant": name}) for row in block.models for name in "ab"
    ]
    values = iter((0.25, 0.75, 0.25, 0.75))
    bench.workers.meanwhile = lambda task: (
        setattr(bench.workers, "value", next(values)) if task.job["kind"] == "train" else None
    )
    block = dataclasses.replace(block, models=tuple(rows))
    assert bench.run(block) == ["train", "train", "index", "index"]
    return block


def test_folders_of_vectors_that_were_swapped_are_not_believed(bench, capsys):
    block = two_trainings(bench)
    swapped(*(bench.results / "vectors").iterdir())
    assert bench.run(block) == ["train", "train"]
    assert "under another name), so it is trained again" in capsys.readouterr().err
    assert bench.run(block) == []


def test_whole_vectors_of_another_results_folder_are_not_those_of_the_record(bench, tmp_path, capsys):
    block = two_trainings(bench)
    other = Bench(tmp_path / "other", bench.workers)
    bench.workers.meanwhile, bench.workers.value = lambda _: None, 0.9
    other.run(block)
    for folder in (other.results / "vectors").iterdir():
        files.remove(bench.results / "vectors" / folder.name)
        folder.rename(bench.results / "vectors" / folder.name)
    assert bench.run(block)[:2] == ["train", "train"]
    assert "they are not those of its record" in capsys.readouterr().err


def test_a_search_of_an_earlier_trainings_vectors_runs_again(bench):
    """Where the training itself was repeated and came out otherwise, as after an edit of the sources."""
    block = trained_block()
    bench.run(block)
    bench.workers.value = 0.9
    bench.run(dataclasses.replace(block, indexes=()), force=True)
    records = bench.records()
    assert records["index"].hashes["vectors"] != records["train"].hashes["vectors"]
    assert bench.run(block) == ["index"]
    records = bench.records()
    assert records["index"].hashes["vectors"] == records["train"].hashes["vectors"]


def test_vectors_that_are_exchanged_while_they_are_searched_make_the_search_fail(bench):
    block = two_trainings(bench)
    (bench.results / store.FILE_NAME).unlink()
    values = iter((0.25, 0.75))

    def exchanges(task):
        if task.job["kind"] == "train":
            bench.workers.value = next(values)
        else:
            swapped(*sorted((bench.results / "vectors").iterdir()))

    bench.workers.meanwhile = exchanges
    bench.run(block)
    assert bench.records()["index"].status == "failed"
    assert "under another name" in bench.records()["index"].reason


def test_a_folder_in_the_place_of_a_checkpoint_is_this_cells_failure(bench):
    block = trained_block()
    bench.run(block)
    checkpoint = bench.inside("checkpoints")
    checkpoint.unlink()
    checkpoint.mkdir()
    bench.run(block)
    assert bench.records()["train"].reason.endswith("is a folder, move it away and run again")
    assert checkpoint.is_dir()


def test_what_a_cell_was_given_is_recorded_whatever_its_worker_says(bench):
    bench.workers.changes = {"hashes": {"dataset": "forged"}}
    bench.run(MADE_UP)
    assert bench.records()["index"].hashes["dataset"] == bench.prepared.hashes["dataset"]
