"""Runs whose files were changed between, or during, two of them; the workers are functions in place of processes."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from function_workers import MADE_UP, Bench, Workers, trained_block

from benchmarks import cli
from benchmarks.cli.run import _conclude
from benchmarks.harness import files, run, sources, store
from benchmarks.protocols import Split
from datasets.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workers(monkeypatch):
    made = Workers()
    monkeypatch.setattr(run.executors, "run", made)
    return made


@pytest.fixture
def bench(tmp_path, workers):
    return Bench(tmp_path / "results", workers)


DAMAGE = {
    "zeros": lambda path: path.write_bytes(path.read_bytes()[:128] + bytes(path.stat().st_size - 128)),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-8]),
    "missing": lambda path: path.unlink(),
    "one more": lambda path: shutil.copy(path, path.with_name("more.user.npy")),
}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_split_is_cut_again_and_that_is_said(bench, capsys, damage, force):
    block = trained_block()
    bench.run(block)
    split = bench.inside("splits")
    whole, before = Split.load(split).content_hash(), (split / "hash").read_text()
    damage(split / "test.items.npy")
    (bench.results / store.FILE_NAME).unlink()
    capsys.readouterr()
    bench.run(block, force=force)
    folder = next(path for path in (bench.results / "splits").iterdir() if "not-ours" not in path.name)
    assert files.fault(folder) is None
    assert Split.load(folder).content_hash() == whole == before
    said = capsys.readouterr().err
    assert "was not what its hashes say" in said
    assert "it was cut again" in said
    assert "it was cut again" in bench.records()["train"]["notes"][-1]
    bench.run(block)
    assert "again" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["items.npy", "users.npy", "hash", "preparation"])
def test_made_up_vectors_that_are_damaged_are_drawn_again(bench, capsys, name):
    assert bench.run(MADE_UP) == ["index"]
    folder = bench.inside("vectors")
    before = {path.name: path.read_bytes() for path in folder.glob("*.npy")}
    (folder / name).write_bytes(b"noise")
    assert bench.run(MADE_UP) == []
    assert {path.name: path.read_bytes() for path in folder.glob("*.npy")} == before
    assert f"{name} has changed); it was drawn again" in capsys.readouterr().err


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_training_whose_vectors_are_damaged_runs_again_before_they_are_searched(bench, capsys, damage):
    block = trained_block()
    assert bench.run(block) == ["train", "index"]
    assert bench.run(block) == []
    damage(bench.inside("vectors") / "items.npy")
    assert bench.run(block) == ["train"]
    assert "are not what their hashes say" in capsys.readouterr().err
    assert bench.records()["train"]["notes"][-1].endswith("so it is trained again")
    assert bench.run(block) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_training_whose_checkpoint_is_damaged_runs_again(bench, damage):
    block = trained_block()
    bench.run(block)
    checkpoint = bench.inside("checkpoints")
    assert bench.records()["train"]["hashes"]["checkpoint"] == files.hash_file(checkpoint)
    checkpoint.unlink() if damage == "missing" else checkpoint.write_bytes(b"noise")
    assert bench.run(block) == ["train"]
    assert bench.run(block) == []


def test_vectors_of_a_run_before_there_were_manifests_are_not_believed(bench):
    block = trained_block()
    bench.run(block)
    (bench.inside("vectors") / files.MANIFEST).unlink()
    assert bench.run(block) == ["train"]


@pytest.mark.parametrize("kind", ["train", "index"])
def test_files_that_change_while_a_cell_reads_them_make_it_fail_and_the_next_run_heals(bench, kind):
    block = trained_block()

    def damages(task):
        if task.job["kind"] == kind:
            folder = Path(task.job["vectors" if kind == "index" else "split"])
            DAMAGE["zeros"](folder / ("items.npy" if kind == "index" else "test.items.npy"))

    bench.workers.meanwhile = damages
    bench.run(block)
    failed = bench.records()[kind]
    assert failed["status"] == "failed"
    assert "items.npy has changed); run again, which makes it anew" in failed["reason"]
    bench.workers.meanwhile = lambda _: None
    bench.run(block)
    assert {record["status"] for record in bench.records().values()} == {"ok"}


def test_a_cell_says_which_sources_it_ran_and_is_dirty_where_they_moved(bench, monkeypatch):
    monkeypatch.setattr(run.environment, "commit", lambda: ("c" * 40, False))
    bench.run(MADE_UP)
    record = bench.records()["index"]
    assert record["hashes"]["sources"] == sources.tree_hash()
    assert (record["commit"], record["dirty"]) == ("c" * 40, False)
    bench.workers.changes = {"sources": ["a" * 16, "b" * 16]}
    bench.run(MADE_UP, force=True)
    record = bench.records()["index"]
    assert record["hashes"]["sources"] == f"{'a' * 16}+{'b' * 16}"
    assert (record["commit"], record["dirty"]) == ("c" * 40, True)
    assert record["notes"][-1] == (
        f"the sources changed during the run, from {sources.tree_hash()} to {'a' * 16}, {'b' * 16}"
    )


def test_a_worker_that_could_not_say_is_held_to_what_lies_there(bench, monkeypatch):
    monkeypatch.setattr(run.environment, "commit", lambda: ("c" * 40, False))
    bench.workers.changes = {"status": "failed", "reason": "killed", "sources": None}
    bench.workers.meanwhile = lambda _: monkeypatch.setattr(sources, "tree_hash", lambda: "moved")
    bench.run(MADE_UP)
    assert (bench.records()["index"]["hashes"]["sources"], bench.records()["index"]["dirty"]) == ("moved", True)


def test_a_commit_in_the_middle_is_that_of_the_next_run(bench, monkeypatch):
    commits = iter(["first", "second"])
    monkeypatch.setattr(run.environment, "commit", lambda: (next(commits), False))
    for expected in ("first", "second"):
        bench.run(MADE_UP, force=True)
        assert bench.records()["index"]["commit"] == expected


NAN = float("nan")
FINE = {"index_recall@10": 0.5}
UNRECORDABLE = {
    "no number": ({"metrics": {**FINE, "recall@5": NAN}}, "metrics.recall@5 is nan, expected a finite number"),
    "text for a number": ({"metrics": {**FINE, "recall@5": "0.5"}}, "metrics.recall@5: '0.5' is not of type 'number'"),
    "a huge number": ({"settings": {"n": 10**25}}, "settings.n is a number of 84 bits"),
    "half a character": ({"settings": {"n": "\ud800"}}, "settings.n holds half a character"),
    "an unknown status": ({"status": "great"}, "status: 'great' is not one of"),
    "ok with a reason": ({"reason": "why not"}, "reason: 'why not' is not of type 'null'"),
    "no metric": ({"metrics": {}}, "metrics.index_recall@10 is missing"),
    "metrics that are a list": ({"metrics": [1]}, "metrics: [1] is not of type 'object'"),
}


@pytest.mark.parametrize(("changes", "words"), UNRECORDABLE.values(), ids=UNRECORDABLE)
def test_a_cell_that_cannot_be_recorded_is_a_failed_one_and_the_rest_goes_on(bench, changes, words):
    bench.run(trained_block())
    bench.workers.changes = changes
    bench.run(MADE_UP)
    record = bench.records()["index"]
    assert record["status"] == "failed"
    assert record["reason"].startswith("it cannot be recorded: ")
    assert words in record["reason"]
    bench.workers.changes = {}
    assert bench.run(MADE_UP) == ["index"]


@pytest.mark.parametrize("n", [0, 2])
def test_too_few_or_too_many_answers_are_a_failure(bench, n):
    bench.workers.changes = {"answers": [{}] * n}
    bench.run(MADE_UP)
    assert (bench.records()["index"]["status"], bench.records()["index"]["reason"]) == (
        "failed",
        f"{n} answers, expected 1",
    )


def test_a_training_that_leaves_no_vectors_is_a_failure(bench):
    bench.workers.left = ("users",)
    bench.run(trained_block())
    assert bench.records()["train"]["reason"] == "the worker has left no items.npy"
    assert bench.records()["index"]["reason"] == "the training whose vectors it searches is failed"
    assert not (bench.results / "vectors").exists()


def test_a_log_stays_until_its_cell_succeeds_and_no_empty_folder_is_left(bench):
    bench.workers.changes = {"status": "failed", "reason": "it broke"}
    bench.run(MADE_UP)
    assert bench.inside("logs").read_text() == "the end"
    bench.workers.changes = {}
    bench.run(MADE_UP)
    names = {path.name for path in bench.results.iterdir()}
    assert names == {".lock", store.FILE_NAME, "vectors"}


def test_a_forced_result_is_the_last_in_the_file_and_in_memory(bench):
    bench.run(trained_block())
    bench.run(MADE_UP)
    bench.run(trained_block(), force=True)
    lines = (bench.results / store.FILE_NAME).read_text().splitlines()
    order = [json.loads(line)["cell"] for line in lines]
    assert [record["cell"] for record in store.read(bench.results)] == [order[2], *order[3:]]
    assert list(bench.session.records) == [order[2], *order[3:]]


def test_a_page_that_was_edited_by_hand_hides_nothing_of_what_was_measured(bench, capsys):
    bench.run(MADE_UP)
    (bench.results / "leaderboard.md").write_text("mine")
    options = argparse.Namespace(results=bench.results, json=False)
    with pytest.raises(InputError, match=r"leaderboard\.md was not written by `report`"):
        _conclude(options, store.read(bench.results))
    assert "cells: 1 ok" in capsys.readouterr().out
    options.json = True
    with pytest.raises(InputError):
        _conclude(options, store.read(bench.results))
    assert json.loads(capsys.readouterr().out)["status"] == "ok"


def test_prepare_and_a_dry_run_say_it_too(tmp_path, capsys):
    suite = tmp_path / "suite.toml"
    suite.write_text(
        '[[block]]\nvectors = { n_items = 600, dim = 8, n_queries = 40 }\nprotocol = { name = "search", k = 10 }\n'
        'indexes = [{ name = "exact" }]\n'
    )
    options = ["--suite", str(suite), "--results", str(tmp_path / "results"), "--quiet"]
    for command in (["prepare"], ["run", "--dry-run"]):
        assert cli.main([*command, *options]) == 0
        (folder,) = (tmp_path / "results" / "vectors").iterdir()
        (folder / "items.npy").write_bytes(b"noise")
        capsys.readouterr()
        assert cli.main([*command, *options]) == 0
        assert "it was drawn again" in capsys.readouterr().err


def test_a_disk_without_room_for_made_up_vectors_is_a_sentence_and_no_bus_error(tmp_path):
    """A file that may not grow stands for the disk: its space is asked for before it is written to through memory."""
    code = (
        "import resource, sys; from pathlib import Path; from benchmarks.harness import store\n"
        "from benchmarks.harness.prepare import prepare_vectors; from datasets import vectors\n"
        "from datasets.errors import MachineError; results = Path(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try:\n"
        "    with store.locked(results):\n"
        "        prepare_vectors(vectors.Settings(n_items=600, dim=8, n_queries=40), {}, results)\n"
        "except MachineError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "results")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "cannot be written (File too large); make room" in done.stdout
    assert [path.name for path in (tmp_path / "results").iterdir()] == [".lock"]
