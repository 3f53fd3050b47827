"""One real run: three models in four frameworks, the baselines and every index, on a file of one's own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from backends.ann import INDEXES
from backends.registry import FRAMEWORKS
from benchmarks import checkpoints, specs
from benchmarks.agreement.tolerances import METRIC
from benchmarks.agreement.verdict import verdicts
from benchmarks.harness import store
from benchmarks.specs.base import Sizes

ROOT = Path(__file__).resolve().parents[1]
N_USERS, N_ITEMS, N_ROWS, N_GROUPS = 120, 60, 2_400, 4
MODELS = ("mf-bpr", "mf-logloss", "gru4rec")

SUITE = """
title = "Small, and nothing left out"

[[block]]
dataset = "{data}"
modes = ["eager"]
protocol = {protocol}
models = [
    {{ model = "popularity", settings = {{ variant = "seen-kept" }} }},
    {{ model = "popularity", settings = {{ variant = "seen-filtered", filter_seen = true }} }},
    {{ model = "mf-bpr", settings = {{ variant = "small", embedding_dim = 8, batch_size = 256, steps_per_epoch = 8, epochs = 2, learning_rate = 0.1 }} }},
]
indexes = [
    {{ name = "exact" }},
    {{ name = "faiss-flat" }},
    {{ name = "faiss-ivf", build = [{{ nlist = 4 }}], query = [{{ nprobe = 1 }}, {{ nprobe = 4 }}] }},
    {{ name = "faiss-hnsw", build = [{{ M = 8, efConstruction = 40 }}], query = [{{ efSearch = 50 }}] }},
    {{ name = "faiss-sq8" }},
    {{ name = "faiss-ivfsq8", build = [{{ nlist = 4 }}], query = [{{ nprobe = 4 }}] }},
    {{ name = "faiss-ivfpq", build = [{{ nlist = 4, M = 8, nbits = 4 }}], query = [{{ nprobe = 4 }}] }},
    {{ name = "faiss-ivfpq-rerank", build = [{{ nlist = 4, M = 8, nbits = 4 }}], query = [{{ nprobe = 4, k_factor = 2 }}] }},
    {{ name = "faiss-fastscan", build = [{{ nlist = 4, M = 8 }}], query = [{{ nprobe = 4 }}] }},
    {{ name = "faiss-fastscan-rerank", build = [{{ nlist = 4, M = 8 }}], query = [{{ nprobe = 4, k_factor = 2 }}] }},
    {{ name = "annoy", build = [{{ n_trees = 5 }}], query = [{{ search_k = 500 }}] }},
    {{ name = "hnswlib", build = [{{ M = 8, ef_construction = 40 }}], query = [{{ ef = 50 }}] }},
    {{ name = "usearch", build = [{{ connectivity = 8, expansion_add = 40 }}], query = [{{ expansion_search = 50 }}] }},
]

[[block]]
dataset = "{data}"
modes = ["eager"]
protocol = {protocol}
models = [
    {{ model = "als", settings = {{ variant = "small", embedding_dim = 8, regularization = 0.1 }} }},
    {{ model = "mf-logloss", settings = {{ variant = "small", embedding_dim = 8, batch_size = 256, n_negatives = 2, epochs = 2, learning_rate = 0.1 }} }},
    {{ model = "gru4rec", settings = {{ variant = "small", embedding_dim = 8, length = 6, padding_masked = true, normalised = false, batch_size = 64, cuts_per_sequence = 8, epochs = 9, patience = 2, learning_rate = 0.03 }} }},
]
"""  # noqa: E501 - TOML's inline tables have no line breaks
PROTOCOL = (
    '{ name = "time-split", train_until = 0.8, validation_until = 0.9, per = "user", unknown_users = "drop", '
    'period = "test", ks = [5, 10], primary_metric = "recall_micro@10" }'
)


class Finished(NamedTuple):
    run: subprocess.CompletedProcess
    results: Path
    records: list


def benchmarks(*arguments):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=500, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The run, over users of four groups who each buy what their group likes."""
    folder = tmp_path_factory.mktemp("end-to-end")
    rng = np.random.default_rng(1)
    user = rng.integers(0, N_USERS, N_ROWS)
    item = rng.integers(0, N_ITEMS // N_GROUPS, N_ROWS) * N_GROUPS + user % N_GROUPS
    rows = [f"u{u},i{i},{1_600_000_000 + 60 * n}" for n, (u, i) in enumerate(zip(user, item, strict=True))]
    data = folder / "interactions.csv"
    data.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    suite = folder / "small.toml"
    suite.write_text(SUITE.format(data=f"file:{data}", protocol=PROTOCOL))
    run = benchmarks("run", "--suite", suite, "--results", folder / "results")
    return Finished(run, folder / "results", store.read(folder / "results"))


def of(finished, **wanted):
    return [r for r in finished.records if all(getattr(r, name) == value for name, value in wanted.items())]


def test_the_whole_run_is_fine(finished):
    assert finished.run.returncode == 0, finished.run.stderr
    assert {record.status for record in finished.records} == {"ok"}
    n_index_cells = len(INDEXES) + 1  # one has two query settings; popularity's vectors are nothing to search
    assert len(finished.records) == len(MODELS) * len(FRAMEWORKS) + 2 + 1 + n_index_cells


@pytest.mark.parametrize("model", MODELS)
def test_frameworks_were_given_the_same_parameters_and_batches(finished, model):
    records = of(finished, kind="train", model=model)
    assert {record.backend for record in records} == set(FRAMEWORKS)
    for name in ("dataset", "split", "spec", "parameters", "batches"):
        assert len({record.hashes[name] for record in records}) == 1, name


@pytest.mark.parametrize("model", MODELS)
def test_frameworks_agree_on_a_model_that_has_learnt(finished, model):
    (verdict,) = [verdict for verdict in verdicts(finished.records) if verdict.model == model]
    assert verdict.verdict == "agrees", verdict.reason
    assert verdict.spread <= METRIC.limit
    for record in of(finished, kind="train", model=model):
        assert record.metrics["recall_micro@10"] > record.curve[0].metrics["recall_micro@10"] + 0.1
    assert f"agrees       {model} (small)" in finished.run.stdout


@pytest.mark.parametrize("model", MODELS)
def test_frameworks_losses_are_the_same_epoch_by_epoch(finished, model):
    losses = np.array([[p.loss for p in r.curve[1:]] for r in of(finished, kind="train", model=model)])
    assert len(losses) == len(FRAMEWORKS)
    np.testing.assert_allclose(losses, np.broadcast_to(losses[0], losses.shape), rtol=1e-4)


def test_early_stopping_goes_back_to_the_same_epoch_in_every_framework(finished):
    records = of(finished, kind="train", model="gru4rec")
    assert len({len(record.curve) for record in records}) == 1
    (best,) = {record.metrics["best_epoch"] for record in records}
    for record in records:
        curve = [point.metrics["recall_micro@10"] for point in record.curve]
        assert curve[best] == max(curve[1:]) == record.metrics["validation.recall_micro@10"]


@pytest.mark.parametrize("model", MODELS)
def test_every_training_leaves_a_checkpoint_that_fits_its_spec(finished, model):
    """The parameters of one model, whoever trained it."""
    records = of(finished, kind="train", model=model)
    own = {name: value for name, value in records[0].settings.items() if name not in {"primary_metric", "protocol"}}
    table = specs.make(model, own).parameters(Sizes(N_USERS, N_ITEMS))
    folder = finished.results / "checkpoints"
    trained = [checkpoints.load(folder / f"{record.cell}.npz", table) for record in records]
    for other in trained[1:]:
        for name, value in trained[0].items():
            np.testing.assert_allclose(other[name], value, atol=1e-3)


def test_models_learn_more_than_popularity_knows(finished):
    (popularity,) = of(finished, kind="train", model="popularity", variant="seen-kept")
    for record in of(finished, kind="train", variant="small"):
        assert record.metrics["recall_micro@10"] > popularity.metrics["recall_micro@10"] + 0.1, record.model


def test_every_index_searched_the_same_vectors(finished):
    records = of(finished, kind="index")
    assert {record.index.name for record in records} == set(INDEXES)
    assert len({record.group for record in records}) == 1
    by_name = {record.index.name: record for record in records}
    (trained,) = of(finished, kind="train", model="mf-bpr", backend="torch")
    for name in ("exact", "faiss-flat"):
        assert by_name[name].metrics["index_recall@10"] == 1.0
        assert by_name[name].metrics["recall_micro@10"] == trained.metrics["recall_micro@10"]
    lists = [record for record in records if record.index.name == "faiss-ivf"]
    probes = {record.index.query["nprobe"]: record.metrics["index_recall@10"] for record in lists}
    assert probes[1] <= probes[4] == 1.0


def pages(results):
    return {path.relative_to(results): path.read_bytes() for path in results.rglob("*") if _is_page(path)}


def _is_page(path):
    return path.suffix in {".md", ".html", ".svg", ".csv", ".parquet"} and path.is_file()


def test_leaderboards_name_every_model_and_framework(finished):
    page = (finished.results / "leaderboard.md").read_text()
    for model in (*MODELS, "als", "popularity"):
        assert f"| {model} " in page
    for name in (*FRAMEWORKS, *INDEXES):
        assert name in page
    assert "**Agreement:** 3 agrees, 0 differs, 0 undecided, 0 not compared" in page
    assert (finished.results / "site" / "index.html").read_text().startswith("<!doctype html>")


def test_report_writes_the_same_bytes_again(finished):
    before = pages(finished.results)
    assert {path.suffix for path in before} == {".md", ".html", ".svg", ".csv", ".parquet"}
    for path in before:
        (finished.results / path).unlink()
    done = benchmarks("report", "--results", finished.results)
    assert done.returncode == 0, done.stderr
    assert pages(finished.results) == before


def test_records_in_another_order_make_the_same_pages(finished, tmp_path):
    lines = (finished.results / store.FILE_NAME).read_text().splitlines()
    (tmp_path / store.FILE_NAME).write_text("".join(f"{line}\n" for line in reversed(lines)))
    assert benchmarks("report", "--results", tmp_path).returncode == 0
    assert pages(tmp_path) == pages(finished.results)


def test_records_hold_no_path_into_the_results_folder(finished):
    """What was written is worth the same after the folder has been moved."""
    assert str(finished.results) not in store.file_of(finished.results).read_text(encoding="utf-8")
