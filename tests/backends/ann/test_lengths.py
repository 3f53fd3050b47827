"""The length of a query changes no answer: of every index, from 1e-30 to 1e30 and below."""

import numpy as np
import pytest

from backends.ann import INDEXES, bare, load
from backends.ann.vectors import checked_queries
from benchmarks.metrics import retrieved_recall

K = 20
LENGTHS = [1e-42, 1e-38, 1e-30, 1e-20, 1e-7, 1e-3, 0.3, 50.0, 1e7, 1e20, 1e30, 1e36]
TRAINED = {"nlist": 4, "M": 8, "nbits": 6}


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    items = rng.standard_normal((1_500, 16)) * np.exp(0.3 * rng.standard_normal((1_500, 1)))
    return items.astype(np.float32), rng.standard_normal((40, 16)).astype(np.float32)


@pytest.fixture(scope="module", params=INDEXES)
def index(request, vectors):
    build = {
        name: min(value, TRAINED.get(name, value)) for name, value in INDEXES[request.param].build.items() if value > 0
    }
    if request.param.startswith(("faiss-hnsw", "hnswlib")):
        build["M"] = 16
    return load(request.param).build(request.param, vectors[0], build, threads=1, seed=0)


@pytest.fixture(scope="module")
def plain(index, vectors):
    return load(index.name).search(index, vectors[1], K, {}, threads=1)


def recall(found, vectors):
    items, queries = (each.astype(np.float64) for each in vectors)
    truth = np.argsort(-(queries @ items.T), axis=1, kind="stable")[:, :K].astype(np.int32)
    return retrieved_recall(found, truth, vectors[1], vectors[0])


@pytest.mark.parametrize("length", LENGTHS)
def test_answers_are_as_good(index, plain, vectors, length):
    rescaled = (vectors[1].astype(np.float64) * length).astype(np.float32)
    found = load(index.name).search(index, rescaled, K, {}, threads=1)
    bits_lost = 0.05 if length < 1e-40 else 0.003  # what is left of a number that small has few bits
    assert recall(found, vectors) >= recall(plain, vectors) - bits_lost
    for one in range(3):
        np.testing.assert_array_equal(load(index.name).search_one(index, rescaled[one], K, {}), found[one])


def test_queries_of_all_lengths_in_one_batch(index, plain, vectors):
    lengths = np.resize(LENGTHS[1:], len(vectors[1]))[:, None]
    mixed = (vectors[1] * lengths).astype(np.float32)
    mixed[7] = 0
    found = load(index.name).search(index, mixed, K, {}, threads=1)
    assert recall(found, vectors) >= recall(plain, vectors) - 0.03
    assert len(set(found[7].tolist()) - {-1}) == K, "to a query of zeros all items are alike"


def test_the_bare_call_is_given_what_the_adapter_gives(index, vectors, monkeypatch):
    """Else their difference would be one of the answers, and not of what stands around a call."""
    seen = []
    monkeypatch.setitem(
        bare.CALLS,
        INDEXES[index.name].module.rpartition(".")[2],
        lambda *given: seen.append(given[1]) or (lambda: None),
    )
    bare.call(index, vectors[1] * np.float32(1e-20), K, {})
    assert 1 <= np.abs(seen[0]).max(axis=1).min() < 2


class TestChecked:
    def of(self, rows):
        rows = np.array(rows, np.float32)
        return checked_queries(load("exact").build("exact", np.ones((1, rows.shape[1])), {}, 1, 0), rows, 1)

    def test_ordinary_queries_are_not_touched(self):
        queries = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
        index = load("exact").build("exact", queries, {}, threads=1, seed=0)
        assert checked_queries(index, queries, 1) is queries

    def test_only_a_power_of_two_is_taken_out(self):
        np.testing.assert_array_equal(self.of([[3 * 2.0**-50, -(2.0**-50)], [3 * 2.0**70, 0]]), [[1.5, -0.5], [1.5, 0]])

    def test_zeros_and_subnormals(self):
        np.testing.assert_array_equal(self.of([[0, 0], [1e-45, -1e-45]]), [[0, 0], [1, -1]])
