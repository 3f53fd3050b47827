import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backends import ann
from backends.ann import exact
from benchmarks.metrics import retrieved_recall
from datasets import vectors
from datasets.errors import InputError
from datasets.vectors import Settings

SMALL = Settings(n_items=500, dim=16, n_queries=40, seed=3)
CATALOGUE = Settings(n_items=3_706, dim=64, n_queries=600)

# Recall@50 on vectors that GRU4Rec and SASRec learnt on MovieLens-1M: 3,706 items, 64 columns (600 queries).
LEARNT = [
    ("faiss-ivf", {"nlist": 60}, "nprobe", {1: (0.36, 0.39), 2: (0.55, 0.60), 4: (0.73, 0.78), 8: (0.89, 0.92)}),
    ("faiss-hnsw", {"M": 16, "efConstruction": 100}, "efSearch", {50: (0.94, 0.97), 100: (0.98, 0.99)}),
    ("annoy", {"n_trees": 10}, "search_k", {500: (0.82, 0.85), 1000: (0.93, 0.94), 2000: (0.98, 0.98)}),
]
AS_LEARNT = 0.04  # below the lower of the two, or above the higher


def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


@pytest.fixture(scope="module")
def catalogue():
    return vectors.items(CATALOGUE), vectors.queries(CATALOGUE)


class TestTheNumbers:
    def test_they_are_pinned(self):
        """What makes other numbers raises `VERSION`, so that nobody goes on with those in a results folder."""
        assert (vectors.VERSION, digest(vectors.items(SMALL)), digest(vectors.queries(SMALL))) == (
            1,
            "8c15ea70f2d8d498",
            "fbdcbd926826ca20",
        )

    @hypothesis_settings(deadline=None, derandomize=True, max_examples=20)
    @given(block_rows=st.integers(1, 600))
    def test_the_block_does_not_matter(self, block_rows):
        assert np.array_equal(vectors.items(SMALL, block_rows=block_rows), vectors.items(SMALL))
        assert np.array_equal(vectors.queries(SMALL, block_rows=block_rows), vectors.queries(SMALL))

    @pytest.mark.parametrize("other", [{"seed": 4}, {"n_items": 700}, {"dim": 17}])
    def test_other_settings_make_others(self, other):
        changed = Settings(**{**vars(SMALL), **other})
        assert not np.array_equal(vectors.items(changed)[:40, :16], vectors.items(SMALL)[:40])
        assert not np.array_equal(vectors.queries(changed)[:, :16], vectors.queries(SMALL))

    def test_they_are_written_where_it_is_said(self, tmp_path):
        out = np.lib.format.open_memmap(tmp_path / "items.npy", "w+", np.float32, (500, 16))
        vectors.items(SMALL, out=out)
        out.flush()
        assert np.array_equal(np.load(tmp_path / "items.npy"), vectors.items(SMALL))

    @pytest.mark.parametrize(("n_items", "dim"), [(1, 2), (2, 2), (3, 5)])
    def test_the_smallest_there_are(self, n_items, dim):
        settings = Settings(n_items, dim, n_queries=1)
        assert (vectors.items(settings).shape, vectors.queries(settings).shape) == ((n_items, dim), (1, dim))
        assert vectors.items(settings).dtype == vectors.queries(settings).dtype == np.float32
        assert np.isfinite(vectors.items(settings)).all()


class TestTheShape:
    def test_lengths(self, catalogue):
        items, queries = catalogue
        lengths = np.linalg.norm(items, axis=1)
        assert (lengths**2).mean() == pytest.approx(1, abs=0.03)
        assert (queries.astype(float) ** 2).sum(1).mean() == pytest.approx(1, abs=0.05)
        assert np.log(lengths).std() == pytest.approx(0.23, abs=0.02)
        assert np.linalg.norm(items.mean(0)) == pytest.approx(0.47, abs=0.03)

    def test_spectrum(self, catalogue):
        items, _ = catalogue
        spectrum = np.linalg.eigvalsh(np.cov(items.T))[::-1]
        assert spectrum[0] / spectrum.sum() == pytest.approx(0.25, abs=0.02)
        assert spectrum.sum() ** 2 / (spectrum**2).sum() == pytest.approx(11.8, abs=1.5)
        ranks = np.arange(1, 64)
        slope = np.polyfit(np.log(ranks + 2.0), np.log(spectrum[1:]), 1)[0]
        assert slope == pytest.approx(-1.0, abs=0.3)  # the groups are few, so the sample's is steeper

    def test_queries_lie_near_items_and_share_a_direction(self, catalogue):
        items, queries = catalogue
        scores = queries @ items.T
        best = np.sort((scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True), axis=1)
        assert np.median(best[:, -1]) == pytest.approx(3.7, abs=0.3)
        assert np.median(best[:, -50]) == pytest.approx(2.3, abs=0.2)
        shared = queries.mean(0)
        assert np.linalg.norm(shared) == pytest.approx(0.34, abs=0.1)
        assert shared @ items.mean(0) < 0  # what is pushed away is long

    def test_axes_are_mixed(self, catalogue):
        """Every column holds about as much of the variance, as with learnt vectors; quantizers cut by columns."""
        items, _ = catalogue
        share = items.var(0) / items.var(0).sum() * items.shape[1]
        assert share.max() < 6
        assert share.min() > 0.15

    @pytest.mark.parametrize(("name", "build", "swept", "learnt"), LEARNT, ids=[row[0] for row in LEARNT])
    def test_they_are_as_hard_to_search_as_learnt_ones(self, catalogue, name, build, swept, learnt):
        items, queries = catalogue
        truth = exact.top_k(queries, items, 50)
        adapter = ann.load(name)
        index = adapter.build(name, items, build, threads=1, seed=0)
        for value, (low, high) in learnt.items():
            found = adapter.search(index, queries, 50, {swept: value}, threads=1)
            assert low - AS_LEARNT <= retrieved_recall(found, truth, queries, items) <= high + AS_LEARNT


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"n_items": 0}, "n_items of made-up vectors is 0; give a whole number from 1"),
            (
                {"n_items": 2**31},
                "n_items of made-up vectors is 2147483648; give a whole number from 1 to 2,147,483,647",
            ),
            ({"n_items": 10, "dim": 10**6}, "dim of made-up vectors is 1000000; give a whole number from 2 to 16,384"),
            ({"n_items": 10, "seed": 10**26}, "seed of made-up vectors is 10+; give a whole number from 0 to 9,223"),
            ({"n_items": True}, "n_items of made-up vectors is True"),
            ({"n_items": 10, "dim": 1}, "dim of made-up vectors is 1; give a whole number from 2"),
            ({"n_items": 10, "n_queries": 1.5}, "n_queries of made-up vectors is 1.5"),
            ({"n_items": "many"}, "n_items of made-up vectors is 'many'"),
            ({"n_items": 10, "seed": True}, "seed of made-up vectors is True"),
        ],
    )
    def test_what_no_vectors_can_be_made_from(self, given, message):
        with pytest.raises(InputError, match=message):
            Settings(**given)

    @pytest.mark.parametrize(
        ("n_items", "name"),
        [(100_000, "vectors-100k"), (1_000_000, "vectors-1m"), (3_706, "vectors-3706"), (1_500_000, "vectors-1500k")],
    )
    def test_names(self, n_items, name):
        assert Settings(n_items).name == name

    def test_the_variant_says_the_size(self):
        assert Settings(1_000_000).variant == "64-d, 1,000,000 items"
