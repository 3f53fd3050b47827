"""Settings at their bounds and beyond, few items and narrow vectors: right, refused, or as good as codes can be."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backends.ann import INDEXES, Whole, check_together, load, settings
from datasets.errors import InputError, TooFewError

ROOT = Path(__file__).resolve().parents[3]
PARAMETERS = [
    (name, kind, parameter)
    for name, row in INDEXES.items()
    for kind in ("build", "query")
    for parameter in getattr(row, kind)
]
LISTS = [name for name, row in INDEXES.items() if "nlist" in row.build]
BY_SEARCHING_ALL = ["exact", "faiss-flat", "faiss-ivf", "annoy"]  # exact where they look at everything
SENSELESS = [True, False, 0, -2, 1.0, float("nan"), float("inf"), "8", None, [8], 10**26, 10**5_000]
TRIED = """
import itertools, json, sys
import numpy as np
from backends.ann import INDEXES, check_together, load
from datasets.errors import InputError

name = sys.argv[1]
row, adapter, rng = INDEXES[name], load(name), np.random.default_rng(0)
values = {
    "nlist": (1, 4, 300), "nprobe": (1, 4, 1_000_000), "nbits": (1, 4, 16), "k_factor": (1, 1_000_000),
    "M": (1, 2, 3, 65_536) if "nlist" in row.build else (2, 3, 512),
    "efConstruction": (1, 1_000), "efSearch": (1, 1_000),
    "n_trees": (1, 20), "search_k": (-1, 1, 2**31 - 1), "ef_construction": (1, 1_000), "ef": (1, 1_000),
    "connectivity": (2, 3, 512), "expansion_add": (1, 1_000), "expansion_search": (1, 1_000),
}


def swept(parameters):
    return [{}, *({parameter: value} for parameter in parameters for value in values[parameter])]


def like(kind, n, dim):
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    rows[: n // 2] = {"zeros": 0, "equal": rows[0], "huge": rows[: n // 2] * np.float32(1e30)}.get(kind, rows[: n // 2])
    return rows


told = []
small = {"nlist": 2, "M": 1, "nbits": 1}
few = [{name: small[name] for name in row.build}] if {"M", "nlist"} <= set(row.build) else []
for n, dim, kind in itertools.product((1, 2, 5, 300), (1, 2, 3), ("plain", "zeros", "equal", "huge")):
    items, queries = like(kind, n, dim), rng.standard_normal((6, dim)).astype(np.float32)
    queries[3] = 0
    scores = queries.astype(np.float64) @ items.T.astype(np.float64)
    for build in [*swept(row.build), *few]:
        try:
            index = adapter.build(name, items, build, threads=1, seed=2**63 - 1)
        except InputError:
            continue
        for query, k in itertools.product(swept(row.query), (1, 7, n + 3)):
            try:
                check_together(name, build, query)
                found = adapter.search(index, queries, k, query, threads=1)
            except InputError:
                continue
            assert found.shape == (6, k) and found.max() < n and found.min() >= -1, (n, dim, kind, build, query, k)
            there = [row[row >= 0] for row in found]
            assert all(len(set(row.tolist())) == len(row) for row in there), (n, dim, kind, build, query, k)
            best = -np.sort(-scores, 1)[:, : min(k, n)]
            close = [s[t] >= b[-1] - 1e-4 * np.abs(s).max() for s, t, b in zip(scores, there, best)]
            told.append((n, dim, kind, build, query, k, sum(map(np.sum, close)) / best.size))
print(json.dumps(told, default=float))
"""


@pytest.fixture(scope="module", params=INDEXES)
def tried(request):
    """What every combination came to, in a process that may die."""
    done = subprocess.run(
        [sys.executable, "-c", TRIED, request.param], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return request.param, json.loads(done.stdout)


def test_every_combination_answers_or_is_refused(tried):
    name, told = tried
    assert len(told) > 50
    if name in ("exact", "faiss-flat"):
        assert {recall for *_, recall in told} == {1.0}


def looks_at_everything(name, build, query):
    if name in LISTS:
        return query.get("nprobe", 8) >= build.get("nlist", 64)
    return query.get("search_k") == 2**31 - 1


def test_where_all_is_looked_at_nothing_is_missed(tried):
    name, told = tried
    everything = [case for case in told if looks_at_everything(name, case[3], case[4])]
    if name in BY_SEARCHING_ALL:
        assert [case for case in everything if case[-1] < 1] == []
    # Codes know the items only roughly; but that there are as many of them as were asked for, they know.
    assert [case for case in everything if case[5] > case[0] and case[-1] < 1] == []


@pytest.mark.parametrize(("name", "kind", "parameter"), PARAMETERS)
def test_a_parameter_has_bounds_and_both_are_named(name, kind, parameter):
    defaults = getattr(INDEXES[name], kind)
    bounds = defaults[parameter]
    assert isinstance(bounds, Whole)
    for value in SENSELESS:
        with pytest.raises(
            InputError, match=rf"{parameter} is .*; give a whole number from {bounds.least} to {bounds.most:,}"
        ):
            settings(defaults, {parameter: value})
    for value in (bounds.least - 1, bounds.most + 1):
        if value != bounds:
            with pytest.raises(InputError, match=f"{parameter} is {value}; give"):
                settings(defaults, {parameter: value})
    for value in (bounds.least, bounds.most, int(bounds), np.int64(bounds.most)):
        found = settings(defaults, {parameter: value})[parameter]
        assert (found, type(found)) == (value, int)


def test_a_default_without_bounds_is_a_whole_number_from_one():
    assert settings({"bits": 256}, {}) == {"bits": 256}
    with pytest.raises(InputError, match="bits is 0; give a whole number from 1 to 1,000,000"):
        settings({"bits": 256}, {"bits": 0})


@pytest.mark.parametrize("name", LISTS)
class TestProbes:
    @pytest.fixture
    def items(self):
        return np.random.default_rng(0).standard_normal((400, 16)).astype(np.float32)

    def test_more_probes_than_lists_are_refused_where_they_are_given(self, name, items):
        for build, query, lists in (({"nlist": 4}, {"nprobe": 5}, 4), ({}, {"nprobe": 65}, 64)):
            with pytest.raises(InputError, match=f"nprobe is {query['nprobe']}, but there are only {lists} lists"):
                check_together(name, build, query)
        check_together(name, {"nlist": 4}, {"nprobe": 4})
        check_together(name, {"nlist": 4}, {})
        index = load(name).build(name, items, self.few(name), threads=1, seed=0)
        with pytest.raises(InputError, match="nprobe is 5, but there are only 4 lists"):
            load(name).search(index, items[:3], 5, {"nprobe": 5}, threads=1)

    def test_a_default_above_the_lists_looks_into_all_of_them(self, name, items):
        index = load(name).build(name, items, self.few(name), threads=1, seed=0)
        queries = np.random.default_rng(1).standard_normal((50, 16)).astype(np.float32)
        every, default = (load(name).search(index, queries, 9, query, threads=1) for query in ({"nprobe": 4}, {}))
        np.testing.assert_array_equal(default, every)

    def test_too_few_items_are_told_from_what_is_wrong(self, name, items):
        with pytest.raises(TooFewError, match=r"nlist is 64, but there are only 20 vectors|Codes of"):
            load(name).build(name, items[:20], {}, threads=1, seed=0)

    def few(self, name):
        return {**{key: min(8, value) for key, value in INDEXES[name].build.items()}, "nlist": 4}


def test_seeds_of_63_bits_reach_every_library():
    items = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    for name, seed in itertools.product(INDEXES, (2**31, 2**63 - 1)):
        build = {key: min(8, value) for key, value in INDEXES[name].build.items()}
        load(name).build(name, items, build, threads=1, seed=seed)
