"""Several vectors a user: the merged lists against a slow oracle, against brute force, and through every index."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.ann import INDEXES, exact, interests, load
from datasets.errors import InputError

checked = settings(max_examples=200, deadline=None, derandomize=True)


def csr(lists):
    return (
        np.cumsum([0, *map(len, lists)], dtype=np.int64),
        np.array([item for items in lists for item in items], dtype=np.int32),
    )


def product(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def best_first(best, k):
    """The first k items of {item: score}, padded."""
    return ([item for item, _ in sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))] + [-1] * k)[:k]


def merged_slowly(users, items, found, k):
    """What the lists of each user's interests come to, from the definition."""
    lists = []
    for vectors, answers in zip(users.tolist(), found.reshape(*users.shape[:2], k).tolist(), strict=True):
        best = {}
        for vector, answer in zip(vectors, answers, strict=True):
            for item in answer:
                score = math.nan if item < 0 else product(vector, items[item].tolist())
                if not math.isnan(score):
                    best[item] = max(best.get(item, -math.inf), score)
        lists.append(best_first(best, k))
    return lists


def brute_force(users, items, k, excluded):
    """Every item by its largest product with an interest of the user."""
    lists = []
    for vectors, banned in zip(users.tolist(), excluded, strict=True):
        scores = {i: max(product(v, item) for v in vectors) for i, item in enumerate(items.tolist())}
        lists.append(best_first({item: score for item, score in scores.items() if item not in banned}, k))
    return lists


def exactly(items, k, exclude=None):
    return lambda queries: exact.top_k(queries, items, k, exclude)


@st.composite
def problems(draw):
    """Small whole numbers: products are exact, and most scores tie."""
    n_users, n_interests = draw(st.integers(0, 5)), draw(st.integers(1, 4))
    n_items, dim = draw(st.integers(1, 20)), draw(st.integers(1, 3))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    users = generator.integers(-1, 2, (n_users, n_interests, dim)).astype(np.float32)
    items = generator.integers(-2, 3, (n_items, dim)).astype(np.float32)
    return users, items, draw(st.integers(1, n_items + 3)), generator


@checked
@given(problems(), st.booleans())
def test_lists_are_merged_as_the_oracle_merges_them(problem, odd):
    users, items, k, generator = problem
    # One list at a time is the index's own, so two interests at least.
    users = np.repeat(users, 2, axis=1) + generator.integers(0, 2, (len(users), 2 * users.shape[1], 1), dtype=np.int32)
    users = users.astype(np.float32)
    if odd:
        users[generator.random(users.shape) < 0.1] = np.nan
        items[generator.random(items.shape) < 0.1] = generator.choice([np.nan, np.inf, -np.inf])
    # Whatever an index may answer: padding anywhere, an item twice, no order.
    found = generator.integers(-1, len(items), (users.shape[0] * users.shape[1], k), dtype=np.int32)
    merged = interests.search(users, items, k, lambda _: found)
    assert merged.dtype == np.int32
    assert merged.tolist() == merged_slowly(users, items, found, k)


@checked
@given(problems())
def test_exact_lists_merge_to_the_exact_list(problem):
    users, items, k, _ = problem
    found = interests.search(users, items, k, exactly(items, k))
    assert found.shape == (len(users), k)
    assert found.tolist() == brute_force(users, items, k, [()] * len(users))


@checked
@given(problems(), st.data())
def test_exclusions_hold_for_every_interest(problem, data):
    users, items, k, _ = problem
    banned = st.lists(st.integers(0, len(items) - 1), max_size=8)
    excluded = data.draw(st.lists(banned, min_size=len(users), max_size=len(users)))
    exclude = interests.repeated(csr(excluded), users.shape[1])
    expected = csr([banned for banned in excluded for _ in range(users.shape[1])])
    for array, slow in zip(exclude, expected, strict=True):
        assert array.dtype == slow.dtype
        np.testing.assert_array_equal(array, slow)
    found = interests.search(users, items, k, exactly(items, k, exclude))
    assert found.tolist() == brute_force(users, items, k, excluded)


def test_a_worked_example():
    items = np.array([[1, 0], [0, 1], [2, 0], [1, 1]], dtype=np.float32)
    users = np.array([[[1, 0], [0, 2]]], dtype=np.float32)
    # The first interest finds items 2 (at 2) and 3 (at 1), the second 1 and 3 (both at 2): all three tie.
    found = np.array([[2, 3], [1, 3]], dtype=np.int32)
    assert interests.search(users, items, 2, lambda _: found).tolist() == [[1, 2]]
    # Only the interest that found an item scores it: item 3 is now at 1.
    found = np.array([[3, 2], [1, -1]], dtype=np.int32)
    assert interests.search(users, items, 2, lambda _: found).tolist() == [[1, 2]]
    found = np.array([[3, -1], [-1, 1]], dtype=np.int32)
    assert interests.search(users, items, 2, lambda _: found).tolist() == [[1, 3]]


class Vectors:
    """Without ties: the order of equal scores is an index's own affair where it cuts its list."""

    generator = np.random.default_rng(0)
    items = generator.standard_normal((500, 16)).astype(np.float32)
    users = generator.standard_normal((40, 3, 16)).astype(np.float32)
    k = 30


@pytest.fixture(scope="module", params=list(INDEXES))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def find(name):
    adapter = load(name)
    index = adapter.build(name, Vectors.items, {}, threads=1, seed=0)
    return lambda queries: adapter.search(index, queries, Vectors.k, {}, threads=1)


def test_every_indexes_lists_merge_without_duplicates(find):
    found = interests.search(Vectors.users, Vectors.items, Vectors.k, find)
    assert found.shape == (len(Vectors.users), Vectors.k)
    assert all(len(set(row)) == Vectors.k for row in found.tolist())
    assert found.min() >= 0
    scores = np.einsum("qid,qkd->iqk", Vectors.users, Vectors.items[found]).max(0)
    assert (np.diff(scores, axis=1) < 1e-4).mean() > 0.98  # an approximate index may miss an item's nearest interest


@pytest.mark.parametrize("name", ["exact", "faiss-flat"], scope="module", indirect=True)
def test_exact_indexes_equal_brute_force(find):
    found = interests.search(Vectors.users, Vectors.items, Vectors.k, find)
    scores = np.einsum("qid,nd->qin", Vectors.users.astype(np.float64), Vectors.items.astype(np.float64)).max(1)
    np.testing.assert_array_equal(found, np.argsort(-scores, axis=1)[:, : Vectors.k])


def test_one_interest_is_a_user_of_one_vector(find):
    users = Vectors.users[:, 0]
    one = interests.search(users[:, None], Vectors.items, Vectors.k, find)
    np.testing.assert_array_equal(one, interests.search(users, Vectors.items, Vectors.k, find))
    np.testing.assert_array_equal(one, find(users))


def test_the_list_of_one_interest_is_left_as_the_index_gave_it():
    worst_first = exactly(Vectors.items, Vectors.k)(Vectors.users[:, 0])[:, ::-1]
    one = interests.search(Vectors.users[:, :1], Vectors.items, Vectors.k, lambda _: worst_first)
    np.testing.assert_array_equal(one, worst_first)


def test_padding_stands_at_the_end_where_the_catalogue_is_small(name):
    build = {parameter: 2 for parameter in INDEXES[name].build if parameter in ("nlist", "nbits")}
    adapter, items = load(name), Vectors.items[:20]
    index = adapter.build(name, items, build, threads=1, seed=0)
    found = interests.search(
        Vectors.users, items, 23, lambda queries: adapter.search(index, queries, 23, {}, threads=1)
    )
    assert (np.sort(found[:, :20], axis=1) == np.arange(20)).all()
    assert (found[:, 20:] == -1).all()


def test_the_index_is_asked_once_and_the_candidates_vectors_are_never_held_together():
    n, n_interests, k, dim = 500, 4, 50, 64
    generator = np.random.default_rng(0)
    users = generator.standard_normal((n, n_interests, dim)).astype(np.float32)
    items = generator.standard_normal((1_000, dim)).astype(np.float32)
    found, asked = generator.integers(0, 1_000, (n * n_interests, k), dtype=np.int32), []

    def find(queries):
        asked.append(queries.shape)
        return found

    interests.search(users, items, k, find)  # compiles
    tracemalloc.start()
    interests.search(users, items, k, find)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert asked == [(n * n_interests, dim)] * 2
    assert peak < n * n_interests * k * dim * 4 / 10


@pytest.mark.parametrize(
    ("users", "items", "answer", "message"),
    [
        ((2, 3, 4), (5, 3), (6, 2), r"Users of shape \(2, 3, 4\) and items of shape \(5, 3\)"),
        ((2, 0, 4), (5, 4), (0, 2), r"Users of shape \(2, 0, 4\)"),
        ((4,), (5, 4), (1, 2), r"Users of shape \(4,\)"),
        ((2, 3, 4), (5, 4), (6, 3), r"6 queries with shape \(6, 3\)"),
        ((2, 3, 4), (1, 4), (6, 2), r"items up to 1; it must give k = 2 of the 1 items"),
    ],
)
def test_refuses_what_does_not_fit(users, items, answer, message):
    with pytest.raises(InputError, match=message):
        interests.search(
            np.ones(users, dtype=np.float32),
            np.ones(items, dtype=np.float32),
            2,
            lambda _: np.ones(answer, dtype=np.int32),
        )
