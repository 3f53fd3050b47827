"""What a training worker does around an adapter: the learning curve, early stopping, what it leaves behind.

The model is scripted: it says beforehand which share of users it will serve well after each epoch.
"""

import itertools
import json
import shutil
import sys
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from benchmarks import checkpoints, specs
from benchmarks.harness import training, worker
from benchmarks.harness.accelerator import Accelerator
from benchmarks.protocols.base import Queries, Split
from benchmarks.specs.base import Parameter
from datasets.errors import InputError

N_USERS = 10
N_TESTED = 5
"""The validation period asks about every user, the test about the first of them: the two metrics differ."""


class Scripted:
    """After epoch e the first `script[e]` users are given their own item, all others one that is nobody's."""

    model: ClassVar[str] = "scripted"
    asks: ClassVar[str] = "users"
    serves: ClassVar[str] = "vectors"
    variant: ClassVar[str] = "scripted"
    filter_seen: ClassVar[bool] = False

    def __init__(self, script, patience, epochs):
        self.script, self.patience, self.epochs = script, patience, epochs

    def parameters(self, sizes):
        return (Parameter("items", (sizes.n_items, N_USERS), 0.0),)

    def batches(self, training, _, epoch):
        yield {"epoch": np.full((1, len(training.user)), epoch)}

    def n_samples(self, chunk):
        return chunk["epoch"].size


def served(n_well, size):
    """Item vectors float32[N_USERS + 1, N_USERS], for users of whom each has a 1 at their own place."""
    items = np.zeros((N_USERS + 1, N_USERS), np.float32)
    everybody = np.arange(N_USERS)
    items[np.where(everybody < n_well, everybody, N_USERS), everybody] = size
    return items


def scripted_adapter():
    """The contract over {"items": the item vectors}; it counts its steps, and no two epochs leave the same."""

    def init(spec, parameters, *_):
        given = parameters["items"]
        return SimpleNamespace(spec=spec, items=given.copy() if given.any() else served(spec.script[0], 1))

    def train(state, batches):
        adapter.n_steps += 1
        state.items = served(state.spec.script[batches["epoch"][0, 0]], 1 + 0.01 * adapter.n_steps)
        return state, np.ones(1, np.float32)

    adapter = ModuleType("scripted")
    adapter.n_steps = 0
    adapter.init, adapter.train = init, train
    adapter.embed_users = lambda _, inputs: np.eye(N_USERS, dtype=np.float32)[inputs["user"]]
    adapter.embed_items = lambda state: state.items
    adapter.export = lambda state: {"items": state.items.copy()}
    adapter.sync = lambda _: None
    return adapter


def queries(n):
    """The first n users, each about the item of their own number."""
    everybody = np.arange(n, dtype=np.int32)
    return Queries(
        user=everybody,
        indptr=np.arange(n + 1),
        items=everybody,
        history=np.zeros(0, np.int32),
        start=np.zeros(n, np.int64),
        stop=np.zeros(n, np.int64),
        best=np.empty((n, 0), np.int32),
    )


def split(n_validation):
    everybody = np.arange(N_USERS, dtype=np.int32)
    nothing = np.zeros(0, np.int32)
    return Split(
        n_users=N_USERS,
        n_items=N_USERS + 1,
        user=everybody,
        item=np.full(N_USERS, N_USERS, np.int32),
        item_counts=np.bincount([N_USERS] * N_USERS),
        seen_indptr=np.arange(N_USERS + 1),
        seen_items=np.full(N_USERS, N_USERS, np.int32),
        sequence_user=nothing,
        sequence_indptr=np.zeros(1, np.int64),
        sequence_items=nothing,
        periods={"validation": queries(n_validation), "test": queries(N_TESTED)},
        n_rows=(N_USERS, n_validation, N_TESTED),
    )


class Trained:
    """What one training left behind."""

    def __init__(self, folder, adapter):
        self.folder, self.adapter = folder, adapter
        self.result = json.loads((folder / "result.json").read_text())
        self.metrics, self.curve = self.result["metrics"], self.result["curve"]

    @property
    def values(self):
        """The learning curve: of how many of ten users the watched period was served well."""
        return [round(10 * point["metrics"]["recall@1"]) for point in self.curve]


@pytest.fixture
def train(tmp_path, monkeypatch):
    def run(script, *, patience=0, epochs=None, period="test", n_validation=N_USERS, adapter=None, call=None, **asked):
        adapter = adapter or scripted_adapter()
        spec = Scripted(script, patience, len(script) - 1 if epochs is None else epochs)
        monkeypatch.setitem(sys.modules, "scripted", adapter)
        monkeypatch.setattr(worker.specs, "make", lambda *_: spec)
        shutil.rmtree(tmp_path / "split", ignore_errors=True)
        split(n_validation).save(tmp_path / "split")
        protocol = {"name": "leave-k-out", "k": 1, "period": period, "ks": [1, 2], "primary_metric": "recall@1"}
        job = {"model": "scripted", "settings": {}, "adapter": "scripted", "device": "cpu", "mode": "eager", "seed": 0}
        job |= {
            "backend": "scripted",
            "protocol": protocol,
            "split": str(tmp_path / "split"),
            "split_hash": "s",
            "spawned": 0.0,
        }
        (tmp_path / "job.json").write_text(json.dumps(job | asked))
        (call or training.train)(worker.Job(tmp_path))
        return Trained(tmp_path, adapter)

    return run


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of the scripted framework, which keeps what is put there; it has drawn 10 J more at each reading."""
    module = ModuleType("backends.scripted.gpu")
    module.put, module.read = [], iter(range(0, 1000, 10))
    module.resident = lambda arrays: module.put.append(arrays) or dict(arrays)
    module.peak_bytes = lambda: 4096
    monkeypatch.setitem(sys.modules, "backends.scripted", ModuleType("backends.scripted"))
    monkeypatch.setitem(sys.modules, "backends.scripted.gpu", module)
    monkeypatch.setattr(Accelerator, "joules", lambda _: float(next(module.read)))
    return module


class TestOnAGpu:
    def test_each_chunk_is_put_there_before_it_is_trained_and_the_most_memory_is_recorded(self, train, gpu):
        trained = train([0, 3, 9], device="gpu")
        assert trained.values == [0, 3, 9]
        assert [int(chunk["epoch"][0, 0]) for chunk in gpu.put] == [1, 2]
        assert trained.result["memory"]["peak_device_bytes"] == 4096

    def test_timed_steps_copy_nothing_and_what_they_drew_is_counted(self, train, gpu, monkeypatch):
        monkeypatch.setattr(worker, "_wait_until_alone", lambda: None)
        monkeypatch.setattr(worker, "_turns", lambda: iter([None] * 4))
        ticks = itertools.count()
        monkeypatch.setattr(worker.time, "perf_counter", lambda: next(ticks) / 10)  # as if a call took so many seconds
        result = self.result(train, device="gpu")
        assert len(gpu.put) == 1, "once, before the clock runs"
        assert result["timings"]["joules_per_sample"] == pytest.approx(4 * 10 / (4 * 3 * N_USERS))
        assert result["memory"]["peak_device_bytes"] == 4096
        monkeypatch.setattr(worker, "COUNTED_S", 1.3)
        assert "joules_per_sample" not in self.result(train, device="gpu")["timings"], "too short to be counted"
        on_cpu = self.result(train)
        assert len(gpu.put) == 2
        assert "peak_device_bytes" not in on_cpu["memory"]

    @staticmethod
    def result(train, **asked):
        """Of a throughput cell, which leaves no metrics."""
        seen = []
        with pytest.raises(KeyError, match="metrics"):
            train([0, 9], call=lambda job: (worker.throughput(job), seen.append(job.folder / "result.json")), **asked)
        return json.loads(seen[0].read_text())


class TestLearningCurve:
    def test_it_is_of_the_validation_period_and_the_reported_metrics_are_not(self, train):
        done = train([0, 4, 8])
        assert done.values == [0, 4, 8]
        assert [(point["epoch"], point["steps"]) for point in done.curve] == [(0, 0), (1, 1), (2, 2)]
        assert [point["loss"] for point in done.curve] == [None, 1.0, 1.0]
        assert done.metrics["recall@1"] == 1.0
        assert done.metrics["validation.recall@1"] == 0.8
        assert "best_epoch" not in done.metrics

    def test_without_validation_queries_it_is_of_the_reported_period(self, train):
        done = train([0, 4, 8], n_validation=0)
        assert done.values == [0, 8, 10]
        assert not any(name.startswith("validation.") for name in done.metrics)


class TestScores:
    def test_they_are_the_reported_periods_primary_metric_query_by_query(self, train):
        scores = train([0, 4], period="validation").result["scores"]
        assert scores == {"values": [1.0] * 4 + [0.0] * 6, "weights": [1.0] * 10}

    def test_of_a_great_many_queries_none_are_kept(self, train, monkeypatch):
        monkeypatch.setattr(training, "MOST_SCORES", N_TESTED - 1)
        assert train([0, 4]).result["scores"] is None


class TestTrial:
    """A trial of a search: it is judged by the period of its protocol alone, and says each point as it comes."""

    def run(self, train, script, **given):
        return train(script, period="validation", call=training.trial, **{"cap_s": 0.0, **given})

    def test_it_prints_its_curve_and_leaves_nothing_but_a_result(self, train, capsys):
        done = self.run(train, [0, 4, 8])
        assert capsys.readouterr().out.splitlines() == ["point 1 0.4", "point 2 0.8"]
        assert (done.values, done.result["ended"], done.metrics) == ([0, 4, 8], "complete", {"recall@1": 0.8})
        assert {path.name for path in done.folder.iterdir()} == {"job.json", "result.json", "split"}

    def test_its_value_is_of_the_epoch_that_a_training_would_go_back_to(self, train):
        assert self.run(train, [0, 8, 4]).metrics == {"recall@1": 0.4}
        assert self.run(train, [0, 8, 4, 3, 2], patience=2).metrics == {"recall@1": 0.8, "best_epoch": 1}

    def test_a_file_ends_it_in_the_middle_of_an_epoch(self, train, tmp_path):
        adapter = scripted_adapter()
        learn = adapter.train

        def train_then_stop(state, batches):
            if batches["epoch"][0, 0] == 3:
                (tmp_path / training.STOP).touch()
            return learn(state, batches)

        adapter.train = train_then_stop
        done = self.run(train, [0, 4, 8, 9, 9, 9], adapter=adapter)
        assert (done.values, done.result["ended"], done.metrics) == ([0, 4, 8], "pruned", {"recall@1": 0.8})

    def test_its_time_is_up_after_an_epoch(self, train):
        done = self.run(train, [0, 4, 8], cap_s=1e-9)
        assert (done.values, done.result["ended"]) == ([0, 4], "capped")


class TestEarlyStopping:
    def test_it_stops_after_patience_epochs_that_were_no_better(self, train):
        done = train([0, 3, 5, 4, 5, 9], patience=2)
        assert done.values == [0, 3, 5, 4, 5]  # as good is no better, and the ninth is never seen
        assert done.metrics["best_epoch"] == 2
        assert done.adapter.n_steps == 4

    def test_it_goes_back_to_the_best_epoch_in_all_that_it_leaves(self, train):
        done = train([0, 3, 5, 4, 4, 9], patience=2)
        assert done.metrics["validation.recall@1"] == 0.5
        assert done.metrics["recall@1"] == 1.0
        items = np.load(done.folder / "items.npy")
        assert items.max() == np.float32(1.02), "the vectors are not those of the second epoch"
        table = (Parameter("items", (N_USERS + 1, N_USERS), 0.0),)
        assert np.array_equal(checkpoints.load(done.folder / "parameters.npz", table)["items"], items)
        assert np.load(done.folder / "users.npy").shape == (N_TESTED, N_USERS)

    def test_patience_begins_anew_with_every_better_epoch(self, train):
        done = train([0, 1, 1, 2, 2, 3, 3, 3, 9], patience=2)
        assert done.values == [0, 1, 1, 2, 2, 3, 3, 3]
        assert done.metrics["best_epoch"] == 5

    def test_a_training_that_ends_first_goes_back_too(self, train):
        done = train([0, 2, 6, 4], patience=5)
        assert (done.values, done.metrics["best_epoch"]) == ([0, 2, 6, 4], 2)
        assert done.metrics["validation.recall@1"] == 0.6

    def test_a_training_whose_last_epoch_was_the_best_stays_there(self, train):
        done = train([0, 2, 4, 6], patience=2)
        assert (done.metrics["best_epoch"], done.metrics["validation.recall@1"]) == (3, 0.6)
        assert np.load(done.folder / "items.npy").max() == np.float32(1.03)

    def test_untrained_parameters_are_never_the_best(self, train):
        done = train([9, 4, 5, 4, 4], patience=2)
        assert done.values == [9, 4, 5, 4, 4]
        assert done.metrics["best_epoch"] == 2

    def test_without_patience_it_trains_to_the_end_and_stays_there(self, train):
        done = train([0, 9, 1, 1, 1])
        assert done.values == [0, 9, 1, 1, 1]
        assert done.metrics["validation.recall@1"] == 0.1

    @pytest.mark.parametrize("asked", [{"period": "validation"}, {"n_validation": 0}])
    def test_the_reported_period_may_not_stop_it(self, train, asked):
        period = asked.get("period", "test")
        with pytest.raises(InputError) as error:
            train([0, 4, 8], patience=1, **asked)
        assert f"patience is 1, but training would be stopped by the {period} period" in str(error.value)
        assert "set patience = 0 in the suite" in str(error.value)

    def test_without_patience_the_reported_period_may_be_watched(self, train):
        assert train([0, 4, 8], period="validation").values == [0, 4, 8]


class TestLeftOut:
    """Training sequences of 1, 3 and 5 items."""

    training = SimpleNamespace(sequence_indptr=np.array([0, 1, 4, 9]))

    @pytest.mark.parametrize(
        ("model", "given", "said"),
        [
            (
                "gru4rec",
                {},
                "left out of training, with fewer than 5 items: 2 of 3 sequences, with 4 of 9 rows",
            ),
            (
                "sasrec",
                {},
                "with fewer than 2 items: 1 of 3 sequences, with 1 of 9 rows",
            ),
            ("mind", {"min_history": 2}, "with fewer than 3 items: 1 of 3 sequences, with 1 of 9 rows"),
            ("youtube-dnn", {}, "with fewer than 2 items: 1 of 3 sequences, with 1 of 9 rows"),
            ("mf-bpr", {}, None),
            ("lstm", {}, None),
        ],
    )
    def test_what_is_too_short_is_counted(self, model, given, said):
        found = training.left_out(specs.make(model, given), self.training)
        assert len(found) == (said is not None)
        assert said is None or said in found[0]
