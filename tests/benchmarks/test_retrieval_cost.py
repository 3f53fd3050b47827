import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.ann import exact
from benchmarks.harness.retrieval import _summary, drop_seen, n_to_ask

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
