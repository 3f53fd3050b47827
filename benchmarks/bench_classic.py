"""Speed of item-based neighbours at ML-1M's size, fitting and lists of 50 for everybody, as a ratio to a library.

The floor is the item-item recommender of `implicit`, compiled from C++, with as many neighbours and lists as long. It
is timed before every round, so that both see the same machine. Run it with
`python -m pytest benchmarks/bench_classic.py -s`.
"""

from __future__ import annotations

import os
import warnings

import numba
import numpy as np
import pytest
import scipy.sparse

from backends.classic import item_cf
from benchmarks.bench_inputs import interleaved
from benchmarks.specs.item_cf import ItemCF

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as workers have it: threads that spin starve who is timed next
N_USERS, N_ITEMS, N_ROWS, K = 6_040, 3_706, 1_000_000, 50


@pytest.fixture(scope="module")
def interactions():
    """Distinct pairs bool[N_USERS, N_ITEMS], activity of users and popularity of items about as skewed as real ones."""
    rng = np.random.Generator(np.random.Philox(0))
    activity = rng.lognormal(0.0, 1.0, N_USERS)
    popularity = (np.arange(N_ITEMS) + 100.0) ** -1.3
    n_drawn = np.maximum(20, activity / activity.sum() * 1.2 * N_ROWS).astype(int)
    user = np.repeat(np.arange(N_USERS), n_drawn)
    item = rng.choice(N_ITEMS, len(user), p=popularity / popularity.sum())
    pairs = scipy.sparse.csr_matrix((np.ones(len(user), np.bool_), (user, item)), (N_USERS, N_ITEMS))
    assert 0.9 * N_ROWS < pairs.nnz < 1.1 * N_ROWS
    return pairs


@pytest.mark.parametrize("threads", [1, 2])
def test_item_cf(benchmark, interactions, threads):
    """Floor: the library's fit and its lists for everybody, on the same rows."""
    if threads > numba.config.NUMBA_NUM_THREADS:
        pytest.skip(f"there are {numba.config.NUMBA_NUM_THREADS} threads")
    from implicit.nearest_neighbours import CosineRecommender

    everybody, spec = np.arange(N_USERS), ItemCF(n_neighbours=K)
    batches = {"user": np.repeat(everybody, np.diff(interactions.indptr))[None], "item": interactions.indices[None]}
    start, stop = interactions.indptr[:-1], interactions.indptr[1:]
    inputs = {"user": everybody, "history": interactions.indices, "start": start, "stop": stop}
    counts = interactions.astype(np.float64)

    def work():
        state, _ = item_cf.train(item_cf.init(spec, {}, "cpu", "eager"), batches)
        return item_cf.recommend(state, inputs, K)

    def floor():
        model = CosineRecommender(K=K + 1, num_threads=threads)  # an item is its own first neighbour there
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a matrix that the library makes itself
            model.fit(counts, show_progress=False)
        return model.recommend(everybody, counts, N=K)[0]

    given = numba.get_num_threads()
    numba.set_num_threads(threads)
    lists = interleaved(benchmark, work, floor)
    numba.set_num_threads(given)
    assert np.mean(lists[:, :10] == floor()[:, :10]) > 0.9  # ties apart, they are the same
