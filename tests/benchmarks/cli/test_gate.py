"""`gate` with real processes, of indexes over a few vectors, and what it refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gate import contestants
from benchmarks.gate.cells import FORM
from datasets.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
SUITE = """
[[block]]
vectors = { n_items = 300, dim = 8, n_queries = 50 }
protocol = { name = "search", k = 5 }
indexes = [{ name = "exact" }%s]
"""
BLOCK = """
[[block]]
dataset = "synthetic-tiny"
modes = ["eager"]
backends = ["torch"]
throughput = ["eager"]
protocol = {{ name = "leave-k-out", k = {k}, period = "test", ks = [5], primary_metric = "recall@5" }}
models = [{{ model = "mf-bpr" }}]
"""
TWO = BLOCK.format(k=1) + BLOCK.format(k=2)
TRAINED = BLOCK.format(k=1).replace('throughput = ["eager"]', "").replace("recall@5", "ndcg@5")
FINE, FAILED, WRONG_INPUT, NOTHING_MEASURED = 0, 1, 2, 3
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.org")


def git(repository, *words):
    subprocess.run(["git", *IDENTITY, *words], cwd=repository, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository whose first commit has no gate, whose second has one, and whose third has a slow index."""
    copy = tmp_path_factory.mktemp("gate") / "copy"
    copy.mkdir()
    for package in ("datasets", "benchmarks", "backends", "reports"):
        shutil.copytree(
            ROOT / package, copy / package, ignore=shutil.ignore_patterns("*.pyc", "__pycache__", "published")
        )
    gate = copy / "benchmarks" / "gate"
    git(copy, "init", "-b", "main")
    gate.rename(copy / "later")
    git(copy, "add", "datasets", "benchmarks", "backends", "reports")
    git(copy, "commit", "-m", "without")
    (copy / "later").rename(gate)
    git(copy, "add", ".")
    git(copy, "commit", "-m", "with")
    searched = copy / "backends" / "ann" / "exact.py"
    text = searched.read_text(encoding="utf-8")
    place = text.index("def top_k(")
    body = text.index('    """', text.index('    """', place) + 7) + len('    """\n')
    slow = "    import time\n    time.sleep(0.01)\n"
    searched.write_text(text[:body] + slow + text[body:], encoding="utf-8")
    git(copy, "commit", "-am", "slow")
    (copy / "own.toml").write_text(SUITE % "", encoding="utf-8")
    (copy / "two.toml").write_text(SUITE % ', { name = "faiss-flat" }', encoding="utf-8")
    return copy


def gate(repository, *words, **more):
    suite = [] if "--suite" in words else ["--suite", "own.toml"]
    command = [sys.executable, "-m", "benchmarks", "gate", *map(str, words), *suite]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, **more)


def test_a_planted_slow_down_is_named_and_nothing_else(repository, tmp_path):
    ended = gate(repository, "HEAD~1", "--suite", "two.toml", "--pairs", 4, "--results", tmp_path, "--json")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    regressed = {(line["cell"].split(" · ")[4], line["figure"]) for line in lines if line["verdict"] == "regressed"}
    assert (ended.returncode, regressed) == (FAILED, {("exact", "speed")}), ended.stderr + ended.stdout
    assert len(lines) == 10  # speed, recall, build time, size and memory of two
    trees = subprocess.run(["git", "worktree", "list"], cwd=repository, capture_output=True, check=True).stdout
    assert trees.count(b"\n") == 1


@pytest.mark.skipif(
    not os.environ.get("RECALLBENCH_SLOW"),
    reason="compiles the metrics in two new trees, for minutes; set RECALLBENCH_SLOW=1 to run it",
)
def test_a_metric_that_is_off_by_one_rank_is_named_with_the_bits_that_are_the_same(repository, tmp_path):
    (repository / "trained.toml").write_text(TRAINED, encoding="utf-8")
    git(repository, "branch", "off-by-one")
    git(repository, "worktree", "add", str(tmp_path / "tree"), "off-by-one")
    metrics = tmp_path / "tree" / "benchmarks" / "metrics.py"
    text = metrics.read_text(encoding="utf-8")
    metrics.write_text(
        text.replace("_score(recommended,", "_score(np.roll(recommended, 1, axis=1),", 1), encoding="utf-8"
    )
    git(tmp_path / "tree", "commit", "-am", "off by one rank")
    ended = gate(
        repository,
        "HEAD",
        "off-by-one",
        "--suite",
        "trained.toml",
        "--results",
        tmp_path / "r",
        "--export",
        tmp_path / "e",
    )
    assert ended.returncode == FAILED, ended.stderr + ended.stdout
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("regressed: "))
    assert line.startswith("regressed: train · mf-bpr (as_published) · torch · eager · synthetic-tiny")
    assert line.endswith("of base's (the same bits are learnt and judged otherwise); 1 pair")
    (history,) = (json.loads(line) for line in (tmp_path / "r" / "gate" / "history.jsonl").read_text().splitlines())
    assert [figure["verdict"] for figure in history["figures"]] == ["regressed", "the same"]  # and the ladder
    assert (tmp_path / "r" / "gate" / "history.html").exists()
    assert "<failure" in (tmp_path / "e" / "junit.xml").read_text()


def test_the_same_code_twice_has_not_regressed(repository, tmp_path):
    ended = gate(repository, "HEAD", "HEAD", "--pairs", 2, "--results", tmp_path)
    assert ended.returncode == FINE, ended.stderr
    assert "regressed" not in ended.stdout
    n_before = len((tmp_path / "gate" / "pairs.jsonl").read_bytes().splitlines())
    again = gate(repository, "HEAD", "HEAD", "--pairs", 2, "--results", tmp_path)
    assert again.returncode == FINE, again.stderr
    assert len((tmp_path / "gate" / "pairs.jsonl").read_bytes().splitlines()) == n_before == 2
    assert len((tmp_path / "gate" / "history.jsonl").read_bytes().splitlines()) == 1  # it has measured nothing new


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing is named to compare with, expected a revision or --base-python; such as: gate HEAD~1"),
        (["no-such-thing"], "no-such-thing is no revision of this repository"),
        (["HEAD~2"], "has no gate yet; name a later revision as the base"),
        (["HEAD", "--base-python", "/no/python"], "there is no program '/no/python'"),
        (["HEAD", "--pairs", "1"], "--pairs is 1, expected 2 or more"),
        (["HEAD", "--prove", "1"], "--prove holds the last commit against itself, so it takes no revision"),
        (
            ["--prove", "1", "--planted", "Tensor"],
            "no plant is called 'Tensor', expected the beginning of one of these",
        ),
        (["HEAD", "--planted", "JAX"], "--planted says what --prove plants; add --prove ROUNDS"),
        (["--base-python", sys.executable, "--executor", "ray"], "--executor ray runs the interpreter that every node"),
        (["HEAD", "--margin", "0"], "--margin is 0, expected a number between 0 and 1"),
        (["HEAD", "--models", "sasrek"], "did you mean 'sasrec'"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(repository, tmp_path, words, message):
    ended = gate(repository, *words, "--results", tmp_path)
    assert (ended.returncode, message in ended.stderr) == (WRONG_INPUT, True), ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_what_a_gate_that_was_killed_has_left_is_made_anew(repository, tmp_path):
    left = repository / ".git" / "gate" / "base"
    git(repository, "worktree", "add", "--detach", str(left), "HEAD")
    git(repository, "worktree", "lock", str(left))
    shutil.rmtree(left / "benchmarks")
    ended = gate(repository, "HEAD~2", "--results", tmp_path)
    assert "has no gate yet; name a later revision as the base" in ended.stderr  # and not that it cannot be made
    assert not left.exists()


def test_what_killed_gates_and_proofs_have_left_goes(repository, tmp_path):
    left = repository / ".git" / "gate" / "proof-7"
    git(repository, "worktree", "add", "--detach", str(left), "HEAD")
    work = tmp_path / "gate" / "work-abc" / "pair" / "0"
    (work / "tmp").mkdir(parents=True)
    (tmp_path / "gate" / "trees" / "0123456789abcdef").mkdir(parents=True)
    (tmp_path / "gate" / "own").mkdir()
    gate(repository, "HEAD~2", "--results", tmp_path)
    assert [path.name for path in (tmp_path / "gate").iterdir()] == ["own"]
    assert not left.exists()


def test_cells_that_only_their_protocol_tells_apart_are_all_timed(repository, tmp_path):
    (repository / "blocks.toml").write_text(TWO, encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.gate.cells", "blocks.toml", str(tmp_path)]
    said = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    cells = json.loads(said.splitlines()[-1])["cells"]
    assert len({tuple(cell["what"]) for cell in cells}) == len(cells) == 5
    assert sorted(cell["kind"] for cell in cells) == ["agreement", "throughput", "throughput", "train", "train"]


def test_a_suite_s_own_file_is_found_from_the_current_folder(repository, tmp_path, monkeypatch):
    rows = "".join(f"{user},{(user * 7 + turn * 3) % 11},{turn}\n" for user in range(12) for turn in range(6))
    (tmp_path / "own.csv").write_text(f"user_id,item_id,timestamp\n{rows}", encoding="utf-8")
    text = BLOCK.format(k=1).replace("synthetic-tiny", "file:own.csv")
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    side = contestants.Contestant("base", repository, sys.executable)
    found = contestants.planned(side, str(tmp_path / "own.toml"), tmp_path / "results", [])
    assert sorted(job["kind"] for job in found.cells.values()) == ["agreement", "throughput", "train"]


def test_kinds_of_cells_that_only_a_newer_gate_knows_are_a_sentence(tmp_path):
    answer = {"form": FORM, "cells": [{"what": ["a"], "job": {"kind": "latency"}}]}
    newer = tmp_path / "python"
    newer.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n", encoding="utf-8")
    newer.chmod(0o755)
    side = contestants.Contestant("v9", tmp_path, str(newer))
    with pytest.raises(InputError, match=r"v9 has cells of kinds that this gate cannot compare \(latency\); run the"):
        contestants.planned(side, "gate", tmp_path, [])


def test_an_interpreter_that_is_no_python_is_a_sentence(repository, tmp_path):
    ended = gate(repository, "--base-python", "/bin/true", "--results", tmp_path)
    assert (ended.returncode, "cannot plan the suite" in ended.stderr) == (WRONG_INPUT, True), ended.stderr


def test_a_base_without_any_cell_is_nothing_to_compare_with(repository, tmp_path):
    ended = gate(repository, "HEAD", "--models", "als", "--results", tmp_path)
    assert ended.returncode == NOTHING_MEASURED, ended.stdout + ended.stderr
    assert "nothing of own.toml can be held" in ended.stderr
