"""SASRec through the whole house learns as well as a plain one of PyTorch's own modules, with the same settings."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import plain_sasrec
import pytest
import scipy.stats

from backends.registry import interpreter
from benchmarks.harness import store

ROOT = Path(__file__).resolve().parents[2]
SEED = 0
SUITE = """
[[block]]
dataset = "synthetic-small"
protocol = {{ name = "leave-k-out", k = 1, period = "test", ks = [10], primary_metric = "ndcg@10" }}
models = [
    {{ model = "popularity", settings = {{ filter_seen = true }} }},
    {{ model = "sasrec", settings = {{ {settings}, trains_on = "positions", patience = 0, filter_seen = true }} }},
]
"""


def values(results, model):
    """The metric of each query."""
    (record,) = [record for record in store.read(results) if (record.kind, record.model) == ("train", model)]
    return np.array(record.scores.values)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """The results folder of a run."""
    folder = tmp_path_factory.mktemp("sasrec")
    settings = ", ".join(f"{name} = {value}" for name, value in plain_sasrec.SETTINGS.items())
    (folder / "suite.toml").write_text(SUITE.format(settings=settings), encoding="utf-8")
    words = [
        "--suite",
        folder / "suite.toml",
        "--backends",
        "torch",
        "--mode",
        "eager",
        "--results",
        folder / "results",
    ]
    subprocess.run([sys.executable, "-m", "benchmarks", "run", *words], cwd=ROOT, capture_output=True, check=True)
    return folder / "results"


@pytest.fixture(scope="module")
def plain(ours, tmp_path_factory):
    """The metric of each query, by the plain model on the same split."""
    (split,) = (ours / "splits").iterdir()
    ranks = tmp_path_factory.mktemp("plain") / "ranks.json"
    subprocess.run([interpreter("torch"), plain_sasrec.__file__, split, ranks, str(SEED)], cwd=ROOT, check=True)
    rank = np.array(json.loads(ranks.read_text()))
    return np.where(rank < 10, 1 / np.log2(rank + 2), 0.0)


def test_the_plain_one_is_not_better_by_more_than_chance(ours, plain):
    ahead = plain - values(ours, "sasrec")
    interval = scipy.stats.bootstrap((ahead,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    assert interval.low <= 0, (
        f"the plain model is ahead by {ahead.mean():.4f} ({interval.low:.4f} – {interval.high:.4f})"
    )


def test_both_have_learnt_far_more_than_what_is_popular(ours, plain):
    popular = values(ours, "popularity").mean()
    assert min(values(ours, "sasrec").mean(), plain.mean()) > 1.5 * popular
