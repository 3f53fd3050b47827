"""Items and offsets beyond what a short integer counts."""

import numpy as np
import pytest

from backends.ann import load
from backends.ann.exact import top_k
from backends.ann.interests import search

N = 33_000
BEST = [N - 1, N - 3, N - 2]  # of the last three, in order
SETTINGS = {
    "exact": ({}, {}),
    "faiss-flat": ({}, {}),
    "faiss-ivf": ({"nlist": 4}, {"nprobe": 4}),
    "annoy": ({"n_trees": 4}, {"search_k": 2_000}),
    "hnswlib": ({"M": 4, "ef_construction": 20}, {"ef": 100}),
    "usearch": ({"connectivity": 4, "expansion_add": 20}, {"expansion_search": 100}),
}


@pytest.fixture(scope="module")
def vectors():
    """Short vectors, and three long ones at the end, the answers to the query (1, 0, 0, 0)."""
    made = np.random.default_rng(0).normal(0, 0.1, (N, 4)).astype(np.float32)
    made[-3:] = 0
    made[-3:, 0] = [9, 8, 10]
    return made


QUERY = np.eye(1, 4, dtype=np.float32)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_last_of_many_items_are_found(name, vectors):
    adapter, (build, query) = load(name), SETTINGS[name]
    index = adapter.build(name, vectors, build, threads=1, seed=0)
    assert adapter.search(index, np.repeat(QUERY, 2, axis=0), 3, query, threads=1).tolist() == [BEST, BEST]
    assert adapter.search_one(index, QUERY[0], 3, query).tolist() == BEST


def test_many_items_are_excluded(vectors):
    indices = np.append(np.arange(N - 3), np.arange(N - 3, N)).astype(np.int32)
    exclude = np.array([0, N - 3, N]), indices
    found = top_k(np.repeat(QUERY, 2, axis=0), vectors, 4, exclude)
    assert found[0].tolist() == [*BEST, -1]
    assert found[1].max() < N - 3


def test_lists_of_many_items_are_merged(vectors):
    users = np.stack([QUERY, -QUERY], axis=1)
    found = search(users, vectors, 3, lambda queries: top_k(queries, vectors, 3))
    assert found.tolist() == [BEST]
