"""A whole search with real workers: trials are recorded, the chosen settings are a suite, and it goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import suites
from benchmarks.harness import store
from benchmarks.records import Trial
from benchmarks.suites import ModelRow

ROOT = Path(__file__).resolve().parents[3]
SUITE = """
[[block]]
dataset = "synthetic-tiny"
modes = ["eager"]
protocol = {{ name = "{protocol}", k = 1, period = "{period}", ks = [5], primary_metric = "ndcg@5" }}
models = [
    {{ model = "popularity" }},
    {{ model = "item-cf", search = {{ filter_seen = [true, false] }} }},
    {{ model = "mf-bpr", settings = {{ epochs = 4 }}, search = {{ learning_rate = {{ low = 0.0001, high = 0.1, log = true }} }} }},
]
"""  # noqa: E501 - as a suite has it
FINE, WRONG_INPUT = 0, 2


def suite(folder, protocol="leave-k-out", period="test", text=SUITE):
    path = folder / "own.toml"
    path.write_text(text.format(protocol=protocol, period=period), encoding="utf-8")
    return path


def command(path, results, *more):
    return [sys.executable, "-m", "benchmarks", "tune", "--suite", path, "--results", results, *map(str, more)]


def tune(path, results, *more):
    return subprocess.run(command(path, results, *more), cwd=ROOT, capture_output=True, text=True, check=False)


def trials(results):
    return [record for record in store.read(results) if isinstance(record, Trial)]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    ended = tune(suite(folder), folder / "results", "--trials", 3, "--jobs", 2)
    assert ended.returncode == FINE, ended.stderr
    return folder, ended.stdout


class TestSearch:
    def test_every_row_with_a_search_has_its_trials(self, done):
        folder, _ = done
        found = trials(folder / "results")
        assert sorted((trial.model, trial.number) for trial in found) == [
            ("item-cf", 1), ("item-cf", 2), ("mf-bpr", 1), ("mf-bpr", 2), ("mf-bpr", 3),
        ]  # fmt: skip
        assert {trial.status for trial in found} == {"ok"}
        assert all(set(trial.metrics) <= {"ndcg@5", "best_epoch"} for trial in found)
        assert all(trial.single("cpu_s") > 0 for trial in found)
        assert {trial.settings["protocol"]["period"] for trial in found} == {"validation"}
        assert {row.period for trial in found for row in trial.rows} == {"train", "validation"}

    def test_trials_of_one_seed_start_alike(self, done):
        folder, _ = done
        mine = [trial for trial in trials(folder / "results") if trial.model == "mf-bpr"]
        assert len({(trial.hashes["parameters"], trial.hashes["split"]) for trial in mine}) == 1

    def test_what_was_chosen_is_a_suite(self, done):
        folder, said = done
        path = folder / "results" / "tuned-own.toml"
        (block,) = suites.load(str(path)).blocks
        best = {}
        for model in ("item-cf", "mf-bpr"):
            of_model = [trial for trial in trials(folder / "results") if trial.model == model]
            best[model] = max(of_model, key=lambda trial: trial.metrics["ndcg@5"])
        assert block.models == (
            ModelRow("popularity"),
            ModelRow("item-cf", {**best["item-cf"].drawn, "variant": "tuned"}),
            ModelRow("mf-bpr", {"epochs": 4, **best["mf-bpr"].drawn, "variant": "tuned"}),
        )
        assert f"written: {path}" in said
        assert "CPU" in path.read_text(encoding="utf-8").splitlines()[2]

    def test_nothing_is_left_to_do(self, done, tmp_path):
        folder, _ = done
        copy = shutil.copytree(folder / "results", tmp_path / "results")
        before = (copy / "records.jsonl").read_bytes()
        again = tune(folder / "own.toml", copy, "--trials", 3)
        assert again.returncode == FINE
        assert (copy / "records.jsonl").read_bytes() == before

    def test_a_suite_that_was_edited_is_not_written_over(self, done, tmp_path):
        folder, _ = done
        copy = shutil.copytree(folder / "results", tmp_path / "results")
        path = copy / "tuned-own.toml"
        path.write_text(path.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
        again = tune(folder / "own.toml", copy, "--trials", 4)
        assert again.returncode == WRONG_INPUT
        assert "tuned-own.toml was not written by `tune`, or changed since; move it away" in again.stderr
        assert path.read_text(encoding="utf-8").endswith("# mine\n")
        assert len(trials(copy)) == 5  # refused before anything ran

    def test_killed_in_the_middle_it_goes_on(self, done, tmp_path):
        folder, _ = done
        results = tmp_path / "results"
        running = subprocess.Popen(command(folder / "own.toml", results, "--trials", "3"), cwd=ROOT,
                                   stdout=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
        for said in running.stdout:
            if "trial 2" in said:
                break
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        time.sleep(0.5)  # its workers see that it is gone
        assert 0 < len(trials(results)) < 5
        assert tune(folder / "own.toml", results, "--trials", 3).returncode == FINE
        drawn = {(trial.model, trial.number): trial.drawn for trial in trials(results)}
        assert drawn == {(trial.model, trial.number): trial.drawn for trial in trials(folder / "results")}


TWICE = (
    """
[[block]]
dataset = "synthetic-tiny"
modes = ["eager"]
protocol = {{ name = "{protocol}", k = 1, period = "{period}", ks = [5], primary_metric = "ndcg@5" }}
models = [{{ model = "item-cf", search = {{ filter_seen = [true, false] }} }}]
"""
    * 2
)


class TestOneStudy:
    def test_rows_that_have_the_same_searched_share_their_trials(self, tmp_path):
        ended = tune(suite(tmp_path, text=TWICE), tmp_path / "results", "--trials", 3, "--jobs", 2)
        assert ended.returncode == FINE, ended.stderr
        assert len((tmp_path / "results" / "records.jsonl").read_bytes().splitlines()) == 2
        rows = [block.models[0] for block in suites.load(str(tmp_path / "results" / "tuned-own.toml")).blocks]
        assert rows[0] == rows[1]

    def test_what_was_chosen_before_for_another_model_stays(self, done, tmp_path):
        folder, _ = done
        copy = shutil.copytree(folder / "results", tmp_path / "results")
        before = suites.load(str(copy / "tuned-own.toml")).blocks
        again = tune(folder / "own.toml", copy, "--trials", 3, "--models", "item-cf")
        assert again.returncode == FINE
        assert suites.load(str(copy / "tuned-own.toml")).blocks == before
        assert "mf-bpr" not in again.stdout


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "more", "message"),
        [
            ({"period": "validation"}, [], "the validation period is reported, so that a search would look at what"),
            ({}, ["--models", "popularity"], "no row of popularity says what to search, expected search = {"),
            ({}, ["--trials", "0"], "--trials"),
            ({}, ["--backend", "torhc"], "did you mean 'torch'"),
            ({"text": SUITE.replace("0.0001", "0.2")}, [], "high is 0.1, expected more than low"),
        ],
    )
    def test_one_sentence_and_nothing_runs(self, tmp_path, given, more, message):
        ended = tune(suite(tmp_path, **given), tmp_path / "results", *more)
        assert (ended.returncode, message in ended.stderr) == (WRONG_INPUT, True), ended.stderr
        assert not (tmp_path / "results" / "records.jsonl").exists()


def test_the_audit_shows_that_a_search_reads_no_test_row(tmp_path):
    words = [sys.executable, "-m", "benchmarks", "audit", "--suite", suite(tmp_path), "--json"]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    whole, read = map(json.loads, said.splitlines())
    assert "what a search reads" in read["audited"]
    assert (read["is_clean"], read["sizes"]["rows of the test period"]) == (True, whole["sizes"]["test queries"])
