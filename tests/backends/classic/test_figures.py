"""What the classic models come to on MovieLens-1M: all before 2003 trains, all from there is asked for.

The figures of popularity, of item-based neighbours and of EASE were also measured independently of this code. Some
copies of the data set differ in a few timestamps, and so by some rows around the cut.
"""

import importlib

import pytest

import datasets
from backends.registry import FAMILIES
from benchmarks import protocols
from benchmarks.harness.evaluation import Judge
from benchmarks.specs.ease import EASE
from benchmarks.specs.item_cf import ItemCF
from benchmarks.specs.popularity import Popularity
from benchmarks.specs.user_cf import UserCF


@pytest.fixture(scope="module")
def judge(real_data_dir):
    if not (real_data_dir / "ml-1m.zip").exists():
        pytest.skip(f"no real data: {real_data_dir} has no ml-1m.zip")
    protocol = protocols.TimeSplit(
        train_until="2003-01-01",
        validation_until="2003-01-01",
        per="user",
        unknown_users="drop",
        period="test",
        ks=(50,),
        primary_metric="recall_micro@50",
    )
    data = datasets.load("ml-1m", real_data_dir, accept_download=False, progress=False)
    return Judge(protocol.split(data), protocol)


def test_what_is_asked(judge):
    assert sum(judge.split.n_rows) == 1_000_209
    assert judge.split.n_rows[1] == 0
    assert judge.split.n_rows[2] == len(judge.split.period("test").items) == pytest.approx(3_346, abs=5)
    assert len(judge.split.period("test")) == 178


@pytest.mark.parametrize(
    ("spec", "recall"),
    [
        (Popularity(), 0.0717),
        (Popularity(filter_seen=True), 0.1258),
        (ItemCF(), 0.1387),
        (ItemCF(user_weighted=True), 0.1449),
        (UserCF(), 0.1405),
        (UserCF(item_weighted=True), 0.1438),
        (EASE(regularization=1000.0), 0.155),
    ],
    ids=["popularity", "popularity-filtered", "item-cf", "item-cf-weighted", "user-cf", "user-cf-weighted", "ease"],
)
def test_recall(judge, spec, recall):
    adapter = importlib.import_module(FAMILIES[spec.model].adapters["classic"])
    state = adapter.init(spec, {}, "cpu", "eager")
    for chunk in spec.batches(judge.split, ("unused",), 1):
        state, _ = adapter.train(state, chunk)
    metrics, _ = judge.all_periods(adapter, state, spec)
    assert metrics["recall_micro@50"] == pytest.approx(recall, abs=0.001)
    assert not any(name.startswith("validation") for name in metrics)
