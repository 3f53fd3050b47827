import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.ann import exact
from benchmarks.harness.evaluation import Judge, exact_lists
from benchmarks.harness.retrieval import N_SINGLE_QUERIES, _summary, drop_seen, measure, n_to_ask
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
    single = [0.001 * n for n in range(101)]
    summary = _summary({"query": {"nprobe": 4}, "metrics": {"recall@5": 0.5}, "single_s": single, "batch_qps": [2.0]})
    assert summary["query"] == {"nprobe": 4}
    assert summary["metrics"] == {"recall@5": 0.5}
    assert {name: round(value, 9) for name, value in summary["timings"].items() if name != "batch_qps"} == {
        "p50_s": 0.05,
        "p95_s": 0.095,
        "p99_s": 0.099,
    }
    assert summary["timings"]["batch_qps"] == [2.0]


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

    def __init__(self, judge, folder, index, queries, *, filter_seen):
        self.judge = lambda: judge
        self.spec = SimpleNamespace(asks="histories", answers_empty=False, filter_seen=filter_seen)
        self.asked = {"vectors": str(folder), "index": index, "build": {}, "queries": queries, "threads": 1, "seed": 0}
        self.clock = lambda _: contextlib.nullcontext()

    def finish(self, **result):
        self.result = result


def written_vectors(folder, shape):
    """Random vectors of users, of this shape, and of items, as a training leaves them."""
    rng = np.random.default_rng(1)
    users, items = (rng.standard_normal(size).astype(np.float32) for size in (shape, (N_ITEMS, shape[-1])))
    np.save(folder / "users.npy", users)
    np.save(folder / "items.npy", items)
    return users, items


@pytest.mark.parametrize("filter_seen", [False, True])
@pytest.mark.parametrize("index", ["exact", "faiss-flat"])
@pytest.mark.parametrize("shape", [(N_QUERIES, 4), (N_QUERIES, 1, 4), (N_QUERIES, 3, 4)])
def test_an_exact_index_is_worth_what_exact_search_is(judge, tmp_path, shape, index, filter_seen):
    users, items = written_vectors(tmp_path, shape)
    job = Job(judge, tmp_path, index, [{}], filter_seen=filter_seen)
    measure(job, lambda: iter(range(N_TURNS)))
    (result,) = job.result["answers"]
    asked = judge.asked(job.spec, "test")
    lists = exact_lists(users, items, K, asked.seen if filter_seen else None)
    expected = judge.judge(judge.spread(lists, asked), "test").metrics
    assert result["metrics"] == {**expected, f"index_recall@{K}": 1.0}
    assert (asked.place == -1).any(), "no query is without a history"
    assert (job.result["status"], job.result["settings"]) == ("ok", {"n_items": N_ITEMS, "dim": 4})
    assert len(result["timings"]["batch_qps"]) == N_TURNS
    assert 0 < result["timings"]["p50_s"] <= result["timings"]["p99_s"]


def test_a_single_query_of_several_interests_asks_the_index_for_each(judge, tmp_path, monkeypatch):
    users, _ = written_vectors(tmp_path, (N_QUERIES, 3, 4))
    one_by_one = []
    search_one = exact.search_one
    monkeypatch.setattr(exact, "search_one", lambda *given: one_by_one.append(given[1]) or search_one(*given))
    measure(Job(judge, tmp_path, "exact", [{}], filter_seen=False), lambda: iter(range(N_TURNS)))
    assert len(one_by_one) == 3 * N_SINGLE_QUERIES * N_TURNS
    asked = np.array(one_by_one).reshape(-1, 3, 4)
    assert all(any(np.array_equal(query, user) for user in users) for query in asked[:20])
