"""Runs over made-up vectors with real workers: from a block of a suite to records."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import cli, sampling, suites
from benchmarks.harness import files, sources, store, worker
from benchmarks.harness.groups import TURNS, groups
from benchmarks.harness.plan import MADE_UP, Options, cells
from benchmarks.harness.prepare import prepare
from benchmarks.harness.run import Run
from benchmarks.suites import Block, IndexRow
from datasets import vectors
from datasets.errors import InputError, TooFewError
from reports import write

SETTINGS = vectors.Settings(n_items=600, dim=8, n_queries=40)
SEARCH = {"name": "search", "k": 10, "primary_metric": "index_recall@10"}
INDEXES = (IndexRow("exact"), IndexRow("faiss-ivf", ({"nlist": 8},), ({"nprobe": 1}, {"nprobe": 8})))
BLOCK = Block("vectors-600", SEARCH, models=(), indexes=INDEXES, vectors=SETTINGS)
BROKEN = IndexRow("faiss-ivfpq", ({"M": 10},))  # of 8 columns
TOO_LARGE = IndexRow("faiss-ivf", ({"nlist": 601},))
SUITE = """
[[block]]
vectors = { n_items = 600, dim = 8, n_queries = 40 }
protocol = { name = "search", k = 10 }
indexes = [{ name = "exact" }, { name = "annoy" }]
"""


class Bench:
    """A results folder and runs of a block in it."""

    def __init__(self, results):
        self.results = results
        self.reported = []

    def run(self, block=BLOCK):
        """Runs what is unfinished; returns the cells of it."""
        prepared = prepare(block, self.results, None)
        session = Run(self.results, 60.0, lambda cell, record: self.reported.append((cell, record)))
        unfinished = [group for group in groups(cells(block, prepared, Options())) if session.unfinished(group)]
        for group in unfinished:
            session.execute(group, prepared)
        return [cell for group in unfinished for cell in group.cells]

    def records(self):
        return {
            (record.index.name, *record.index.build.values(), *record.index.query.values()): record
            for record in store.read(self.results)
        }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TURNS, "index", 2)
        bench = Bench(tmp_path_factory.mktemp("finished"))
        assert len(bench.run()) == 3
    return bench


def test_every_setting_is_a_record_of_one_group(finished):
    records = finished.records()
    assert list(records) == [("exact",), ("faiss-ivf", 8, 1), ("faiss-ivf", 8, 8)]
    assert {record.status for record in records.values()} == {"ok"}
    assert len({record.group for record in records.values()}) == 1
    recalls = [record.metrics for record in records.values()]
    assert [set(metrics) for metrics in recalls] == [{"index_recall@10"}] * 3
    one, some, every = (metrics["index_recall@10"] for metrics in recalls)
    assert some < one == every == 1


def test_every_worker_says_which_sources_it_ran(finished):
    assert {record.hashes["sources"] for record in finished.records().values()} == {sources.tree_hash()}


def test_a_record_says_what_was_searched_and_how(finished):
    record = finished.records()["faiss-ivf", 8, 1]
    assert (record.kind, record.model, record.variant) == ("index", MADE_UP, "8-d, 600 items")
    assert (record.backend, record.mode, record.dataset) == ("classic", "eager", "vectors-600")
    assert (record.protocol, record.settings["primary_metric"]) == ("search", "index_recall@10")
    assert {"n_items": 600, "dim": 8, "n_queries": 40, "n_interests": 1}.items() <= record.settings.items()
    assert record.settings["threads_all"] >= 1
    assert {"build_s", "save_s", "load_s", "p50_s", "p95_s", "p99_s"} <= set(record.timings)
    for name in ("load_s", "batch_qps", "batch_qps_all", "bare_qps", "call_overhead"):
        assert len(record.timings[name]) == 2
    assert record.memory["index_bytes"] > 600 * 8 * 4
    assert record.memory["resident_bytes"] >= 0
    assert any("600 items and 40 queries of 8 columns, made up" in note for note in record.notes)


def test_the_vectors_are_drawn_once_and_hashed(finished):
    prepared = prepare(BLOCK, finished.results, None)
    assert np.array_equal(np.load(prepared.folder / "items.npy"), vectors.items(SETTINGS))
    assert np.array_equal(np.load(prepared.folder / "users.npy"), vectors.queries(SETTINGS))
    record = finished.records()["exact",]
    assert record.hashes["dataset"] == prepared.hashes["dataset"] == (prepared.folder / "hash").read_text()
    drawn = (prepared.folder / "items.npy").stat().st_mtime_ns
    assert prepare(BLOCK, finished.results, None) == prepared
    assert (prepared.folder / "items.npy").stat().st_mtime_ns == drawn


def test_a_finished_run_is_not_run_again_and_leaderboards_are_made_of_it(finished):
    lines = (finished.results / store.FILE_NAME).read_bytes()
    assert finished.run() == []
    assert (finished.results / store.FILE_NAME).read_bytes() == lines
    assert any(path.suffix == ".md" for path in write.write([finished.results]))
    assert MADE_UP in (finished.results / "leaderboard.md").read_text(encoding="utf-8")


def test_an_index_that_fails_leaves_the_others_and_is_tried_again(finished, tmp_path, monkeypatch):
    monkeypatch.setitem(TURNS, "index", 1)
    shutil.copytree(finished.results, tmp_path / "results")
    bench = Bench(tmp_path / "results")
    block = Block(
        "vectors-600", SEARCH, models=(), indexes=(IndexRow("exact"), BROKEN, IndexRow("annoy")), vectors=SETTINGS
    )
    for _ in range(2):
        tried = bench.run(block)
        assert [cell.index["name"] for cell in tried] == ["exact", "faiss-ivfpq", "annoy"]
    statuses = {name[0]: (record.status, record.reason) for name, record in bench.records().items()}
    assert statuses["exact"] == statuses["annoy"] == ("ok", None)
    assert statuses["faiss-ivfpq"][0] == "failed"
    assert statuses["faiss-ivfpq"][1].startswith("M is 10, but there are only 9 columns")


def test_an_index_for_more_items_than_there_are_is_skipped_and_says_so(finished, tmp_path, monkeypatch):
    monkeypatch.setitem(TURNS, "index", 1)
    shutil.copytree(finished.results, tmp_path / "results")
    bench = Bench(tmp_path / "results")
    bench.run(Block("vectors-600", SEARCH, models=(), indexes=(IndexRow("exact"), TOO_LARGE), vectors=SETTINGS))
    record = bench.records()["faiss-ivf", 601]
    assert record.status == "skipped"
    assert record.reason.startswith("nlist is 601, but there are only 600 vectors")


def test_data_too_few_for_a_model_skip_it_too():
    training = SimpleNamespace(sequence_indptr=np.array([0, 4, 6]), sequence_items=np.arange(6))
    with pytest.raises(TooFewError, match="the longest training sequence has 4 items, expected 5 or more") as refused:
        list(sampling.random_cuts(sampling.generator("test"), training, 8, 20, min_history=4))
    assert worker._status(refused.value) == "skipped"
    assert worker._status(InputError("of another kind")) == "failed"


class TestCommands:
    @pytest.fixture
    def call(self, tmp_path, capsys):
        suite = tmp_path / "own.toml"
        suite.write_text(SUITE)

        def call(command, *options):
            code = cli.main([command, "--suite", str(suite), *options])
            return code, capsys.readouterr().out

        return call

    def test_dry_run(self, call, tmp_path):
        code, out = call("run", "--dry-run", "--datasets", "vectors-600", "--results", str(tmp_path / "results"))
        assert code == 0
        assert (
            "index · made-up-vectors (8-d, 600 items) · classic · eager · annoy · vectors-600 · search · seed 0" in out
        )
        assert "2 cells" in out

    def test_some_indexes(self, call, tmp_path):
        _, out = call("run", "--dry-run", "--indexes", "exact", "--results", str(tmp_path / "results"))
        assert "1 cell," in out

    def test_prepare(self, call, tmp_path):
        code, out = call("prepare", "--results", str(tmp_path / "results"))
        assert code == 0
        assert "vectors-600: 600 items and 40 queries of 8 columns, made up, seed 0" in out
        (folder,) = (tmp_path / "results" / "vectors").iterdir()
        assert {path.name for path in folder.iterdir()} == {
            "items.npy",
            "users.npy",
            "hash",
            "preparation",
            files.MANIFEST,
        }

    def test_there_is_nothing_in_them_to_audit(self, call):
        assert call("audit") == (3, "nothing to judge: no block of the suite cuts a data set\n")


def test_the_suites_of_indexes_name_what_they_sweep():
    (made,) = [block for block in suites.load("ann").blocks if block.vectors is not None]
    (large,) = suites.load("ann-large").blocks
    assert (made.vectors.n_items, large.vectors.n_items) == (100_000, 1_000_000)
    assert {row.name for row in made.indexes} == {row.name for row in large.indexes}
    searched = {row.model for block in suites.load("ann").blocks for row in block.models}
    assert {"comirec-sa", "comirec-dr", "mind", "sasrec", "gru4rec", "dssm", "als"} <= searched
