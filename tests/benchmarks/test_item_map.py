"""Maps of item vectors: where items are placed, which are, what neighbours say, and whole cells with real workers."""

import contextlib
import dataclasses
import json
import subprocess
import sys
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from threadpoolctl import threadpool_limits

from benchmarks.cli import progress
from benchmarks.harness import environment, files, item_map, store
from benchmarks.harness.groups import groups
from benchmarks.harness.plan import Options, cells
from benchmarks.harness.prepare import prepare
from benchmarks.harness.run import Run
from benchmarks.suites import Block, ModelRow
from datasets import synthetic
from datasets.errors import InputError
from datasets.interactions import Interactions

N = 60


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Several that wait for each other on busy cores take half a minute for what one does at once."""
    import sklearn.manifold  # noqa: F401 - limits hold for what is loaded

    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def clusters():
    """Vectors of any length in two directions far apart, float32[60, 8], and the direction of each."""
    rng = np.random.default_rng(0)
    category = np.arange(N) % 2
    vectors = rng.normal(0, 0.1, (N, 8)) + np.where(category, 1, -1)[:, None] * np.eye(8)[0]
    return (vectors * rng.uniform(0.01, 100, (N, 1))).astype(np.float32), category


def test_planning_and_other_workers_load_no_scikit_learn():
    code = "import sys, benchmarks.cli, benchmarks.harness.worker, reports.write; print('sklearn' in sys.modules)"
    seen = subprocess.run(
        [sys.executable, "-c", code], cwd=environment.ROOT, capture_output=True, text=True, check=True
    )
    assert seen.stdout == "False\n"


def everything(vectors):
    return np.arange(len(vectors))


class TestDirections:
    def test_lengths_are_one_and_zeros_stay(self):
        unit = item_map.directions(np.array([[3, 4], [0, 0], [-0.5, 0]], np.float32))
        np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [-1, 0]], rtol=1e-6)
        assert unit.dtype == np.float32

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_named(self, clusters, value):
        vectors = clusters[0].copy()
        vectors[[7, 9], 2] = value
        with pytest.raises(InputError, match="2 of 60 item vectors are not finite, the first that of item 7"):
            item_map.directions(vectors)


class TestProject:
    def test_clusters_stay_apart(self, clusters):
        unit = item_map.directions(clusters[0])
        method, places = item_map.project(unit, everything(unit))
        assert method == "t-SNE"
        apart = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        assert (clusters[1][apart.argmin(axis=1)] == clusters[1]).all()

    @pytest.mark.parametrize("limit", [N, N - 1])
    def test_places_are_centred_fill_the_plane_and_are_short_to_write(self, clusters, limit, monkeypatch):
        monkeypatch.setattr(item_map, "TSNE_LIMIT", limit)
        unit = item_map.directions(clusters[0])
        method, places = item_map.project(unit, everything(unit))
        assert method == ("t-SNE" if limit == N else "PCA")
        np.testing.assert_allclose(places.min(axis=0), -places.max(axis=0), atol=0.001)
        assert np.abs(places).max() == 1
        assert all(len(repr(value)) <= len("-0.123") for value in places.ravel().tolist())
        assert "-0.0" not in map(repr, places.ravel().tolist())
        np.testing.assert_array_equal(item_map.project(unit, everything(unit))[1], places)

    def test_a_large_catalogue_is_shown_by_its_own_principal_components(self, clusters, monkeypatch):
        monkeypatch.setattr(item_map, "TSNE_LIMIT", 10)
        unit = item_map.directions(clusters[0])
        shown = np.array([40, 3, 17, 8, 21, 55])
        method, places = item_map.project(unit, shown)
        centred = unit.astype(np.float64) - unit.mean(axis=0, dtype=np.float64)
        expected = (centred @ np.linalg.svd(centred)[2][:2].T)[shown]
        expected -= (expected.min(axis=0) + expected.max(axis=0)) / 2
        expected /= np.abs(expected).max()
        assert method == "PCA"
        signs = np.sign((places * expected).sum(axis=0))  # an axis has no direction of its own
        np.testing.assert_allclose(places * signs, expected, atol=0.001)

    @pytest.mark.parametrize("limit", [10_000, 3])
    def test_one_dimension_is_enough(self, limit, monkeypatch):
        monkeypatch.setattr(item_map, "TSNE_LIMIT", limit)
        unit = item_map.directions(np.array([[1], [-2], [3], [-4], [0]], np.float32))
        assert item_map.project(unit, everything(unit))[1].shape == (5, 2)

    @pytest.mark.parametrize(
        ("vectors", "message"),
        [
            (np.eye(3), "3 items are too few for a map, expected at least 4; leave item_maps out"),
            (np.outer([1, 2, 3, 4, 5], [1]), "the vectors of all 5 items have one direction"),
            (np.outer(np.arange(1, 50), [0.1, 0.7, 0.3]), "the vectors of all 49 items have one direction"),
            (np.zeros((6, 4)), "the vectors of all 6 items have one direction"),
        ],
    )
    def test_what_cannot_be_mapped_is_said(self, vectors, message):
        unit = item_map.directions(vectors.astype(np.float32))
        with pytest.raises(InputError, match=message):
            item_map.project(unit, everything(unit))


class TestNeighbours:
    def test_of_clusters_are_of_the_same_category(self, clusters):
        shares = item_map.neighbour_shares(item_map.directions(clusters[0]), clusters[1])
        assert shares["neighbour_category_share"] == 1.0
        assert shares["neighbour_category_chance"] == pytest.approx(29 / 59)

    def test_of_categories_at_random_are_by_chance(self):
        rng = np.random.default_rng(1)
        unit = item_map.directions(rng.normal(size=(2_000, 8)).astype(np.float32))
        shares = item_map.neighbour_shares(unit, rng.integers(0, 4, 2_000))
        assert shares["neighbour_category_share"] == pytest.approx(shares["neighbour_category_chance"], abs=0.04)

    @settings(deadline=None, derandomize=True)
    @given(
        arrays.arrays(np.int8, st.tuples(st.integers(2, 9), st.just(3)), elements=st.integers(-4, 4)),
        st.data(),
    )
    def test_they_are_those_of_a_plain_loop(self, whole, data):
        unit = item_map.directions(whole.astype(np.float32))
        n = len(unit)
        category = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
        n_same = n_pairs_same = 0
        for item in range(n):
            others = [other for other in range(n) if other != item]
            similarities = (unit @ unit.T)[item]
            nearest = max(others, key=lambda other: (similarities[other], -other))
            n_same += category[nearest] == category[item]
            n_pairs_same += sum(category[other] == category[item] for other in others)
        shares = item_map.neighbour_shares(unit, category)
        assert shares["neighbour_category_share"] == pytest.approx(n_same / n)
        assert shares["neighbour_category_chance"] == pytest.approx(n_pairs_same / (n * (n - 1)))


def data(item_features, names):
    nothing = np.empty(0, np.int32)
    ids = np.array([f"i{item}" for item in range(4)])
    return Interactions("made", nothing, nothing, None, None, None, ids[:0], ids, "", {}, item_features, names)


class TestCategories:
    COLOUR = np.array([2, 0, 2, 1], np.int32)

    def test_only_those_of_shown_items_are_kept_and_numbered_anew(self, tmp_path):
        made = data({"shelf": self.COLOUR[::-1], "colour": self.COLOUR}, {"colour": ("red", "green", "blue")})
        item_map.save_categories(made, tmp_path)
        category, names = item_map.load_categories(tmp_path, np.array([2, 1, 0]))
        assert (category.tolist(), names) == ([1, 0, 1], ["red", "blue"])

    def test_codes_without_names_are_numbers(self, tmp_path):
        item_map.save_categories(data({"colour": self.COLOUR}, {}), tmp_path)
        category, names = item_map.load_categories(tmp_path, np.arange(4))
        assert (category.tolist(), names) == ([2, 0, 2, 1], ["colour 0", "colour 1", "colour 2"])

    def test_items_without_features_have_none(self, tmp_path):
        item_map.save_categories(data({}, {}), tmp_path)
        assert list(tmp_path.iterdir()) == []
        assert item_map.load_categories(tmp_path, np.arange(4)) is None


def test_the_most_popular_are_shown_ties_by_number(monkeypatch):
    counts = np.array([1, 0, 7, 9, 0, 7, 2])
    assert item_map.most_popular(counts).tolist() == [3, 2, 5, 6, 0]  # and none that training has no row of
    monkeypatch.setattr(item_map, "MAX_ITEMS", 3)
    assert item_map.most_popular(counts).tolist() == [3, 2, 5]


class TestMeasure:
    @pytest.fixture
    def measure(self, clusters, tmp_path):
        def measure(item_counts):
            np.save(tmp_path / "items.npy", clusters[0])
            finished = {}
            item_map.measure(
                SimpleNamespace(
                    asked={"vectors": str(tmp_path), "split": str(tmp_path)},
                    judge=lambda: SimpleNamespace(split=SimpleNamespace(item_counts=item_counts)),
                    clock=lambda _: contextlib.nullcontext(),
                    finish=finished.update,
                )
            )
            return finished

        return measure

    def test_what_is_shown_stands_in_the_order_of_popularity(self, measure, tmp_path, monkeypatch):
        monkeypatch.setattr(item_map, "MAX_ITEMS", 6)
        counts = np.ones(N, np.int64)
        counts[[30, 12, 31]] = [9, 7, 7]
        np.save(tmp_path / item_map.CODES, np.arange(N, dtype=np.int32))
        (tmp_path / item_map.NAMES).write_text(json.dumps([f"item {item}" for item in range(N)]))
        shown = measure(counts)["map"]
        assert [shown["categories"][code] for code in shown["category"]] == [
            "item 30", "item 12", "item 31", "item 0", "item 1", "item 2",
        ]  # fmt: skip
        assert len(shown["x"]) == len(shown["y"]) == 6

    def test_what_is_recorded_of_items_without_categories(self, measure):
        finished = measure(np.ones(N, np.int64))
        assert finished["metrics"] == {}
        assert finished["settings"] == {"n_items": N, "dim": 8}
        assert (finished["map"]["category"], finished["map"]["categories"]) == (None, None)
        assert json.loads(json.dumps(finished, allow_nan=False)) == finished


PROTOCOL = {
    "name": "time-split", "train_until": 0.8, "validation_until": 0.9, "per": "user", "unknown_users": "drop",
    "period": "test", "ks": [5, 10], "primary_metric": "recall_micro@10",
}  # fmt: skip
BLOCK = Block(
    dataset="synthetic-tiny",
    protocol=PROTOCOL,
    models=(ModelRow("popularity"), ModelRow("als", {"embedding_dim": 8, "regularization": 1.0})),
    item_maps=True,
)


class Bench:
    """A results folder, the cells of the block, and runs of them with real workers."""

    def __init__(self, results):
        self.results = results
        self.prepared = prepare(BLOCK, results, None)
        self.cells = cells(BLOCK, self.prepared, Options())
        self.train = next(cell for cell in self.cells if cell.kind == "train" and cell.model == "als")
        (self.map,) = (cell for cell in self.cells if cell.kind == "map")

    def run(self, *wanted):
        """Runs groups of these cells that are not finished; what was run, and the records by kind."""
        session = Run(self.results, 60.0, lambda *_: None)
        todo = [group for group in groups(wanted) if session.unfinished(group)]
        for group in todo:
            session.execute(group, self.prepared)
        records = {record.kind: record for record in store.read(self.results)}
        return [group.cells[0].kind for group in todo], records


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("maps"))
    bench.run(bench.train, bench.map)
    return bench


def test_a_map_is_recorded_and_shows_the_categories_that_the_data_were_drawn_from(finished):
    ran, records = finished.run(finished.train, finished.map)
    assert ran == []  # the fixture has, and both are finished
    record = records["map"]
    assert (record.status, record.reason, record.model) == ("ok", None, "als")
    assert record.settings["n_items"] == 100
    assert record.versions["scikit-learn"] == item_map.versions()["scikit-learn"]
    assert record.map.method == "t-SNE"
    assert len(record.map.x) == len(record.map.y) == len(record.map.category) == 100
    assert record.map.categories == [f"category {code}" for code in range(synthetic.SIZES["tiny"].n_tastes)]
    assert record.metrics["neighbour_category_share"] > 3 * record.metrics["neighbour_category_chance"]
    assert progress.headline(record) == "t-SNE of 100 items"


def test_vectors_that_are_not_finite_are_that_cells_failure(finished):
    folder = finished.results / "vectors" / finished.train.key
    whole, users = np.load(folder / "items.npy"), np.load(folder / "users.npy")
    broken = whole.copy()
    broken[5, 0] = np.nan

    def left(items):
        def write(partial):
            partial.mkdir()
            np.save(partial / "items.npy", items)
            np.save(partial / "users.npy", users)

        files.fill(folder, write)
        (trained,) = (r for r in store.read(finished.results) if r.cell == finished.train.key)
        hashes = {**trained.hashes, "vectors": files.seal(folder)}
        store.append(finished.results, [msgspec.structs.replace(trained, hashes=hashes)])

    left(broken)
    other = dataclasses.replace(finished.map, threads=2)  # a cell that is not finished
    _, records = finished.run(other)
    left(whole)
    assert records["map"].status == "failed"
    assert "1 of 100 item vectors are not finite, the first that of item 5" in records["map"].reason
    assert records["map"].map is None


@pytest.mark.parametrize("status", ["failed", "missing"])
def test_a_map_of_a_training_that_did_not_finish_is_skipped(finished, tmp_path, status):
    bench = Bench(tmp_path)
    if status == "failed":
        (trained,) = (r for r in store.read(finished.results) if r.cell == bench.train.key)
        store.append(tmp_path, [msgspec.structs.replace(trained, status="failed", reason="it broke")])
    _, records = bench.run(bench.map)
    assert records["map"].status == "skipped"
    assert records["map"].reason == f"the training whose vectors it maps is {status}"
