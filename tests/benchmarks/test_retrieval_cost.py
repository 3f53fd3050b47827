import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import ann
from backends.ann import INDEXES, bare, exact
from benchmarks.harness import retrieval
from benchmarks.harness.evaluation import Judge, exact_lists
from benchmarks.harness.retrieval import drop_seen, measure, n_to_ask
from benchmarks.metrics import retrieved_recall
from benchmarks.protocols import LeaveKOut
from benchmarks.protocols.base import Queries, Split

checked = settings(derandomize=True, deadline=None, max_examples=200)


def exclusions(seen):
    indptr = np.append(0, np.cumsum([len(row) for row in seen])).astype(np.int64)
    return indptr, np.array([item for row in seen for item in sorted(row)], np.int32)


def test_seen_items_are_dropped_and_the_rest_moves_up():
    found = np.array([[4, 2, 0, 1], [3, 0, 1, 2], [0, 1, 2, 3]], np.int32)
    kept = drop_seen(found, exclusions([{2}, set(), {0, 1, 3}]), 2)
    assert kept.dtype == np.int32
    assert kept.tolist() == [[4, 0], [3, 0], [2, -1]]


def test_what_was_not_found_stays_behind_what_was():
    found = np.array([[-1, 4, -1, 2]], np.int32)
    assert drop_seen(found, exclusions([{4}]), 3).tolist() == [[2, -1, -1]]


def test_one_users_items_are_not_dropped_for_another():
    found = np.array([[0, 1], [0, 1]], np.int32)
    assert drop_seen(found, exclusions([{0, 1}, set()]), 2).tolist() == [[-1, -1], [0, 1]]


def test_no_queries():
    assert drop_seen(np.empty((0, 4), np.int32), exclusions([]), 2).shape == (0, 2)


@st.composite
def searches(draw):
    """Lists of distinct items with gaps of -1, each user's seen items, and k; items are up to 12."""
    n, width = draw(st.integers(0, 5)), draw(st.integers(1, 8))
    items = st.permutations(range(13)).map(lambda order: order[:width])
    gaps = st.sets(st.integers(0, width - 1))
    found = [
        [-1 if at in holes else item for at, item in enumerate(row)]
        for row, holes in draw(st.lists(st.tuples(items, gaps), min_size=n, max_size=n))
    ]
    seen = draw(st.lists(st.sets(st.integers(0, 15), max_size=6), min_size=n, max_size=n))
    return found, seen, draw(st.integers(1, width)), width


@checked
@given(searches())
def test_it_is_the_plain_filter(search):
    found, seen, k, width = search
    kept = drop_seen(np.array(found, np.int32).reshape(len(found), width), exclusions(seen), k)
    plain = [[item for item in row if item >= 0 and item not in own] for row, own in zip(found, seen, strict=True)]
    assert kept.tolist() == [(row + [-1] * k)[:k] for row in plain]


@checked
@given(seed=st.integers(0, 2**20), k=st.integers(1, 6), n_seen=st.integers(0, 10))
def test_as_many_more_as_are_seen_make_exact_search_with_exclusions(seed, k, n_seen):
    rng = np.random.default_rng(seed)
    users, items = (rng.standard_normal((n, 4)).astype(np.float32) for n in (6, 15))
    exclude = exclusions([set(rng.integers(0, 15, n_seen).tolist()) for _ in users])
    found = exact.top_k(users, items, n_to_ask(k, exclude))
    assert np.array_equal(drop_seen(found, exclude, k), exact.top_k(users, items, k, exclude))


def test_nothing_more_is_asked_for_where_seen_items_stay():
    assert n_to_ask(50, None) == 50
    assert n_to_ask(50, exclusions([set(), set()])) == 50
    assert n_to_ask(50, exclusions([{1}, {1, 2, 3}])) == 53


def test_latencies_become_percentiles():
    measured = retrieval._Setting({"nprobe": 4}, {"recall@5": 0.5}, {"lost/recall@5": (0.0, 0.1)})
    measured.single_s = [0.001 * n for n in range(101)]
    measured.rate("batch_qps", 2.0)
    measured.batch = np.empty((3, 2), np.float32)
    summary = measured.summary({"n_items": 7}, [0.25])
    assert summary["settings"] == {"n_items": 7, "batch_queries": 3}
    assert summary["query"] == {"nprobe": 4}
    assert summary["metrics"] == {"recall@5": 0.5}
    assert summary["intervals"] == {"lost/recall@5": (0.0, 0.1)}
    assert {name: np.round(value, 9).tolist() for name, value in summary["timings"].items()} == {
        "p50_s": 0.05,
        "p95_s": 0.095,
        "p99_s": 0.099,
        "load_s": [0.25],
        "batch_qps": [2.0],
    }


N_QUERIES, N_ITEMS, K, N_TURNS = 30, 40, 5, 2


@pytest.fixture(scope="module")
def judge():
    """Thirty queries about a target each, with histories of none to five items; only these are ever read."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 6, N_QUERIES)
    stop = np.cumsum(lengths)
    queries = Queries(
        user=np.full(N_QUERIES, -1, np.int32),
        indptr=np.arange(N_QUERIES + 1),
        items=rng.integers(0, N_ITEMS, N_QUERIES, dtype=np.int32),
        history=rng.integers(0, N_ITEMS, stop[-1], dtype=np.int32),
        start=stop - lengths,
        stop=stop,
        best=np.empty((N_QUERIES, 0), np.int32),
    )
    unread = dict.fromkeys(("user", "item", "seen_indptr", "seen_items"), np.zeros(0, np.int32))
    unread |= dict.fromkeys(("sequence_user", "sequence_indptr", "sequence_items"), np.zeros(0, np.int32))
    split = Split(
        n_users=1,
        n_items=N_ITEMS,
        item_counts=np.arange(N_ITEMS),
        periods={"validation": queries, "test": queries},
        n_rows=(1, 1, 1),
        **unread,
    )
    return Judge(split, LeaveKOut(k=1, period="test", ks=(1, K), primary_metric=f"recall@{K}"))


class Job:
    """What `measure` asks of a worker's job, and what it was told in the end."""

    def __init__(self, judge, folder, index, queries, *, filter_seen=False):
        self.folder = folder
        self.judge = lambda: judge
        self.spec = SimpleNamespace(asks="histories", answers_empty=False, filter_seen=filter_seen)
        self.asked = {"vectors": str(folder), "index": index, "build": {}, "queries": queries, "threads": 1, "seed": 0}
        if judge is None:
            self.asked["protocol"] = {"name": "search", "k": K, "primary_metric": f"index_recall@{K}"}
        else:
            self.asked |= {"protocol": {"primary_metric": f"recall@{K}"}, "split": "a folder"}
        self.timings = {}

    @contextlib.contextmanager
    def clock(self, name):
        yield
        self.timings[name] = 0.125

    def finish(self, **result):
        self.result = result


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(retrieval, "WINDOW_S", 0.002)
    monkeypatch.setattr(retrieval, "SINGLE_QUERIES", (4, 8))


def written_vectors(folder, shape, n_items=N_ITEMS):
    """Random vectors of users, of this shape, and of items, as a training leaves them."""
    rng = np.random.default_rng(1)
    users, items = (rng.standard_normal(size).astype(np.float32) for size in (shape, (n_items, shape[-1])))
    np.save(folder / "users.npy", users)
    np.save(folder / "items.npy", items)
    return users, items


def measured(judge, folder, index="exact", queries=({},), **spec):
    job = Job(judge, folder, index, list(queries), **spec)
    measure(job, lambda: None, lambda: iter(range(N_TURNS)))
    return job


@pytest.mark.parametrize("filter_seen", [False, True])
@pytest.mark.parametrize("index", ["exact", "faiss-flat"])
@pytest.mark.parametrize("shape", [(N_QUERIES, 4), (N_QUERIES, 1, 4), (N_QUERIES, 3, 4)])
def test_an_exact_index_is_worth_what_exact_search_is(judge, tmp_path, shape, index, filter_seen):
    users, items = written_vectors(tmp_path, shape)
    job = measured(judge, tmp_path, index, filter_seen=filter_seen)
    (result,) = job.result["answers"]
    asked = judge.asked(job.spec, "test")
    lists = exact_lists(users, items, K, asked.seen if filter_seen else None)
    expected = judge.judge(judge.spread(lists, asked), "test").metrics
    own = {f"index_recall@{K}": 1.0, f"exact/recall@{K}": expected[f"recall@{K}"], f"lost/recall@{K}": 0.0}
    assert result["metrics"] == {**expected, **own}
    assert result["intervals"] == {f"lost/recall@{K}": (0.0, 0.0)}
    assert (asked.place == -1).any(), "no query is without a history"
    assert job.result["status"] == "ok"


def test_what_an_index_loses_is_exact_search_less_its_own_query_by_query(judge, tmp_path):
    users, items = written_vectors(tmp_path, (N_QUERIES, 4))
    queries = [{"nprobe": 1}, {"nprobe": 3}]
    job = Job(judge, tmp_path, "faiss-ivf", queries)
    job.asked["build"] = {"nlist": 8}
    measure(job, lambda: None, lambda: iter(range(N_TURNS)))
    asked = judge.asked(job.spec, "test")
    adapter = ann.load("faiss-ivf")
    index = adapter.build("faiss-ivf", items, {"nlist": 8}, threads=1, seed=0)
    truth = exact_lists(users, items, K, None)

    def hits(lists):
        """Of each query with a target: whether it is among the K."""
        spread = judge.spread(lists, asked)
        targets = judge.split.period("test").items
        return np.array([target in row for target, row in zip(targets, spread, strict=True)], float)

    of_exact = hits(truth)
    for query, answer in zip(queries, job.result["answers"], strict=True):
        found = adapter.search(index, users, K, query, 1)
        lost = of_exact - hits(found)
        metrics = answer["metrics"]
        assert metrics[f"exact/recall@{K}"] == pytest.approx(of_exact.mean())
        assert metrics[f"lost/recall@{K}"] == pytest.approx(lost.mean())
        assert metrics[f"index_recall@{K}"] == retrieved_recall(found, truth, users, items) < 1
        draws = np.random.default_rng(0).integers(len(lost), size=(20_000, len(lost)))
        expected = np.quantile(lost[draws].mean(1), [0.025, 0.975])
        assert np.allclose(answer["intervals"][f"lost/recall@{K}"], expected, atol=0.04)


def test_everything_that_a_record_of_an_index_holds(tmp_path):
    n_items = 20_000
    written_vectors(tmp_path, (N_QUERIES, 16), n_items)
    job = measured(None, tmp_path, "faiss-hnsw", [{"efSearch": 10}, {"efSearch": 20}])
    settings = job.result["answers"][0]["settings"]
    assert settings.pop("threads_all") >= 1
    assert settings.pop("batch_queries") >= 256
    assert settings == {"n_items": n_items, "dim": 16, "n_queries": N_QUERIES, "n_interests": 1}
    assert set(job.timings) == {"build_s", "save_s"}
    memory = job.result["memory"]
    assert memory["index_bytes"] > n_items * 16 * 4
    assert 0.7 < memory["resident_bytes"] / memory["index_bytes"] < 2
    for answer in job.result["answers"]:
        timings = answer["timings"]
        assert 0 < timings["p50_s"] <= timings["p95_s"] <= timings["p99_s"]
        for name in ("load_s", "batch_qps", "batch_qps_all", "bare_qps"):
            assert len(timings[name]) == N_TURNS
            assert min(timings[name]) > 0
        assert len(timings["call_overhead"]) == N_TURNS


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("shape", [(N_QUERIES, 32), (N_QUERIES, 3, 32)])
def test_every_index_is_measured_on_made_up_vectors_which_have_no_task(tmp_path, index, shape):
    written_vectors(tmp_path, shape, n_items=600)
    job = measured(None, tmp_path, index)
    (answer,) = job.result["answers"]
    assert set(answer["metrics"]) == {f"index_recall@{K}"}
    assert answer["metrics"][f"index_recall@{K}"] > 0.1
    assert answer["intervals"] == {}
    assert ("bare_qps" in answer["timings"]) == ("call_overhead" in answer["timings"]) == (len(shape) == 2)
    assert answer["settings"]["n_interests"] == (1 if len(shape) == 2 else 3)


def test_what_is_measured_was_read_from_the_file(judge, tmp_path, monkeypatch):
    written_vectors(tmp_path, (N_QUERIES, 4))
    restored, searched = [], []
    restore, search = exact.restore, exact.search
    monkeypatch.setattr(exact, "restore", lambda *given: restored.append(restore(*given)) or restored[-1])
    monkeypatch.setattr(exact, "search", lambda *given, **named: searched.append(given[0]) or search(*given, **named))
    measured(judge, tmp_path)
    built, *rest = searched
    assert len(restored) == 1 + N_TURNS
    assert built is not restored[0]
    assert all(index is restored[0] for index in rest)


def clock_of(judge, folder):
    """The clock of an exact index over the vectors in a folder, before it has timed anything."""
    job = Job(judge, folder, "exact", [{}])
    task = retrieval._Task.of(job, *(np.load(folder / f"{name}.npy") for name in ("users", "items")))
    return retrieval._Clock(task, retrieval._serve(job, task)[0])


def test_batches_are_searched_with_one_thread_and_with_all(judge, tmp_path, monkeypatch):
    written_vectors(tmp_path, (N_QUERIES, 4))
    monkeypatch.setattr(retrieval.environment, "usable_cores", lambda: 3)
    clock = clock_of(judge, tmp_path)
    searched = []
    clock._batch_s = lambda _, threads: searched.append(threads) or 1 / threads
    setting = retrieval._Setting({}, batch=clock.users[:8], calls=(2, 4, 1))
    clock.turn(setting)
    assert searched == [1] * 2 + [3] * 4
    assert setting.rates["batch_qps"] == [8.0]
    assert setting.rates["batch_qps_all"] == [pytest.approx(24.0)]
    assert len(setting.single_s) == 1


@pytest.mark.parametrize(
    ("a_query_s", "expected"),
    [(1e-9, (1024, 1953)), (5e-7, (1024, 4)), (1e-6, (256, 8)), (1e-3, (256, 1))],  # in windows of 2 ms
)
def test_a_fast_index_answers_more_queries_at_once_and_more_often(judge, tmp_path, monkeypatch, a_query_s, expected):
    n_batch, n_calls = expected
    written_vectors(tmp_path, (N_QUERIES, 4))
    monkeypatch.setattr(retrieval.environment, "usable_cores", lambda: 2)
    clock = clock_of(judge, tmp_path)
    clock._batch_s = lambda setting, threads: len(setting.batch) * a_query_s / threads
    setting = retrieval._Setting({})
    clock.calibrate(setting)
    assert np.array_equal(setting.batch, clock_of(judge, tmp_path).users[:n_batch])
    one, every, singles = setting.calls
    assert one == n_calls
    assert every in (2 * n_calls, 2 * n_calls - 1, 2 * n_calls + 1, 1)
    assert 4 <= singles <= 8


@pytest.mark.parametrize(("cores", "sizes"), [(1, [256, 1024]), (4, [512, 1024]), (16, [2048, 2048])])
def test_a_batch_is_large_enough_for_all_cores(judge, tmp_path, monkeypatch, cores, sizes):
    written_vectors(tmp_path, (N_QUERIES, 4))
    monkeypatch.setattr(retrieval.environment, "usable_cores", lambda: cores)
    clock = clock_of(judge, tmp_path)
    assert (clock.sizes, len(clock.users)) == (sizes, sizes[-1])


def test_overhead_is_of_the_shortest_call_through_the_adapter_and_the_shortest_direct_one(judge, tmp_path, monkeypatch):
    written_vectors(tmp_path, (N_QUERIES, 4))
    clock = clock_of(judge, tmp_path)
    taken = {"ours": iter([0.5, 0.25, 0.75]), "theirs": iter([0.2, 1.0, 0.3])}
    order = []

    def clocked(whose):
        order.append(whose)
        return next(taken[whose])

    clock._batch_s = lambda *_: clocked("ours")
    monkeypatch.setattr(retrieval, "_seconds", lambda _: clocked("theirs"))
    setting = retrieval._Setting({}, batch=clock.users[:8])
    clock._one_thread(setting, 3)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert setting.rates == {
        "batch_qps": [3 * 8 / 1.5],
        "bare_qps": [3 * 8 / 1.5],
        "call_overhead": [pytest.approx(0.2)],
    }


def test_a_single_query_of_several_interests_asks_the_index_for_each(judge, tmp_path, monkeypatch):
    users, _ = written_vectors(tmp_path, (N_QUERIES, 3, 4))
    one_by_one = []
    search_one = exact.search_one
    monkeypatch.setattr(exact, "search_one", lambda *given: one_by_one.append(given[1]) or search_one(*given))
    measured(judge, tmp_path)
    assert len(one_by_one) % 3 == 0
    assert len(one_by_one) >= 3 * 4 * N_TURNS
    asked = np.array(one_by_one).reshape(-1, 3, 4)
    assert all(any(np.array_equal(query, user) for user in users) for query in asked[:20])


ITEMS_OF = {  # where in a library's own answer the items are; Annoy's is a loop over single queries
    "exact": lambda answer: answer,
    "faiss": lambda answer: answer[1],
    "hnswlib": lambda answer: answer[0],
    "usearch": lambda answer: answer.keys,
    "annoy": None,
}


@pytest.mark.parametrize("index", INDEXES)
def test_direct_calls_of_a_library_find_what_the_adapter_does(index):
    rng = np.random.default_rng(0)
    items, queries = (rng.standard_normal((n, 32)).astype(np.float32) for n in (600, 20))
    adapter = ann.load(index)
    built = adapter.build(index, items, {}, threads=1, seed=0)
    answer = bare.call(built, queries, K, {})()
    items_of = ITEMS_OF[INDEXES[index].module.rpartition(".")[2]]
    if items_of is None:
        assert answer is None
    else:
        assert np.array_equal(items_of(answer), adapter.search(built, queries, K, {}, threads=1))


def test_every_library_has_its_direct_call():
    assert set(bare.CALLS) == {row.module.rpartition(".")[2] for row in INDEXES.values()}
