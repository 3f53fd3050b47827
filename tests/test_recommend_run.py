"""Own data to a leaderboard in one command, and lists for users from the checkpoint that it leaves."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from datasets.file import load

ROOT = Path(__file__).resolve().parent.parent
DAY = 86_400
N_ITEMS = 15


def benchmarks(*arguments):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """20 users with 10 rows each, one a day; ids are names, so that no number passes for one."""
    path = tmp_path_factory.mktemp("shop") / "shop.csv"
    rows = [
        f"user {user},item {(user * 3 + day * day) % N_ITEMS},{day * DAY + user}"
        for day in range(10)
        for user in range(20)
    ]
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(shop, tmp_path_factory):
    """The results of one command."""
    results = tmp_path_factory.mktemp("own") / "results"
    chosen = ["--models", "popularity", "mf-bpr", "--backends", "torch", "--mode", "eager", "--indexes", "exact"]
    settings = ["--set", "mf-bpr.epochs=2", "embedding_dim=8", "--k", "5", "--metric", "ndcg@5"]
    ran = benchmarks(
        "run", "--datasets", f"file:{shop}", "--protocol", "leave-one-out", *chosen, *settings, "--results", results
    )
    assert ran.returncode == 0, ran.stderr
    assert "protocol: leave-k-out period=test min_items=5 k=1, in place of time-split" in ran.stdout
    return results


@pytest.fixture(scope="module")
def trained(finished):
    records = [json.loads(line) for line in (finished / "records.jsonl").read_text().splitlines()]
    (record,) = (record for record in records if record["kind"] == "train" and record["model"] == "mf-bpr")
    return record


@pytest.fixture(scope="module")
def checkpoint(finished, trained):
    return finished / "checkpoints" / f"{trained['cell']}.npz"


def test_the_run_ends_with_pages_that_say_what_was_asked_for(finished, trained):
    assert trained["variant"] == "untuned, embedding_dim=8, epochs=2"
    assert "ndcg@5" in trained["metrics"]
    assert (finished / "site" / "index.html").exists()
    board = (finished / "leaderboard.md").read_text(encoding="utf-8")
    command = (
        "python -m benchmarks run --datasets file:shop.csv --protocol leave-k-out --k 5 --metric ndcg@5 "
        "--set mf-bpr.embedding_dim=8 --set mf-bpr.epochs=2 --models mf-bpr"
    )
    assert command in board


@pytest.mark.parametrize("options", [[], ["--keep-seen", "--backend", "torch", "--out"]])
def test_lists_are_those_of_the_exported_parameters(checkpoint, shop, tmp_path, options):
    asked = ["user 7", "user 0", "user 19"]
    (tmp_path / "users.txt").write_text("\ufeffuser_id\n" + "\n\n".join([*asked, "nobody"]) + "\n", encoding="utf-8")
    written = tmp_path / "lists.csv"
    said = benchmarks(
        *("recommend", "--checkpoint", checkpoint, "--users-file", tmp_path / "users.txt", "--n", 4),
        *("--dataset", f"file:{shop}", *options, *([written] if options else [])),
    )
    assert said.returncode == 0
    assert said.stderr == f"note: 1 of 4 users is not in file:{shop} ('nobody').\n"
    if options:
        assert said.stdout == f"written: {written}, lists for 3 users\n"
    rows = list(csv.DictReader(io.StringIO(written.read_text() if options else said.stdout)))
    data = load(shop, f"file:{shop}")
    with np.load(checkpoint) as parameters:
        users, items, bias = (parameters[name] for name in ("user_factors", "item_factors", "item_bias"))
    expected = []
    for user in asked:
        number = data.user_ids.tolist().index(user)
        scores = items @ users[number] + bias  # everybody has rows enough, so that all are numbered as in the data
        rows_of = np.flatnonzero(data.user == number)
        trained_on = data.item[rows_of[np.argsort(data.timestamp[rows_of])]][:-2]
        if not options:
            scores[trained_on] = -np.inf
        best = [item for item in np.argsort(-scores)[:4] if scores[item] > -np.inf]
        expected += [(user, rank, data.item_ids[item], scores[item]) for rank, item in enumerate(best, 1)]
    assert [(row["user_id"], int(row["rank"]), row["item_id"]) for row in rows] == [row[:3] for row in expected]
    assert [float(row["score"]) for row in rows] == pytest.approx([row[3] for row in expected], rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--users", "nobody", "else"], "there are lists for none of these users: 2 of 2 users are not in"),
        (
            ["--users", "user 1", "--dataset"],
            "was trained on file:shop.csv, of which the record does not name the folder",
        ),
        (["--users", "user 1", "--dataset", "synthetic-tiny"], "holds other data than those that"),
    ],
)
def test_what_cannot_be_answered_is_refused(checkpoint, shop, change, message):
    dataset = [] if "--dataset" in change else ["--dataset", shop]
    given = change if change[-1] != "--dataset" else change[:-1]  # that is, without it
    said = benchmarks("recommend", "--checkpoint", checkpoint, *given, *dataset)
    assert (said.returncode, said.stdout) == (2, "")
    assert message in said.stderr
    assert said.stderr.count("\n") == 1
