"""Speed of exact top-50 and all metrics at ML-1M's size, as a ratio to a floor of the same run.

The floor is the bare matrix product and `np.argpartition`, which neither orders nor judges what it
finds. It is timed before every round, so that both see the same machine. Run it with
`python -m pytest benchmarks/bench_retrieval.py -s`.
"""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from backends.ann import interests
from backends.ann.exact import top_k
from benchmarks.bench_inputs import interleaved
from benchmarks.metrics import evaluate

N_USERS, N_ITEMS, DIM, K = 6_040, 3_883, 64, 50


@pytest.fixture(scope="module")
def problem():
    generator = np.random.Generator(np.random.Philox(0))
    users = generator.standard_normal((N_USERS, DIM), dtype=np.float32)
    items = generator.standard_normal((N_ITEMS, DIM), dtype=np.float32)
    indptr = np.concatenate([[0], np.cumsum(generator.integers(1, 40, N_USERS))])
    targets = generator.integers(0, N_ITEMS, indptr[-1], dtype=np.int32)
    return users, items, indptr, targets


def test_exact_top_50_and_metrics(benchmark, problem):
    """Floor: the bare matrix product and argpartition."""
    users, items, indptr, targets = problem
    with threadpool_limits(1):
        metrics = interleaved(
            benchmark,
            lambda: evaluate(top_k(users, items, K), indptr, targets, N_ITEMS).metrics,
            lambda: np.argpartition(users @ items.T, -K, axis=1)[:, -K:],
        )
    assert 0.0 < metrics[f"recall@{K}"] < 1.0


def test_four_interests_merged(benchmark):
    """Floor: the exact search for all interests alone, which the merging comes on top of."""
    generator = np.random.Generator(np.random.Philox(0))
    users = generator.standard_normal((1_000, 4, DIM), dtype=np.float32)
    items = generator.standard_normal((N_ITEMS, DIM), dtype=np.float32)
    with threadpool_limits(1):
        lists = interleaved(
            benchmark,
            lambda: interests.search(users, items, K, lambda vectors: top_k(vectors, items, K)),
            lambda: top_k(users.reshape(-1, DIM), items, K),
        )
    assert lists.shape == (1_000, K)
