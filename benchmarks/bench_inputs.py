"""How fast batches, negatives and cached data are made, each as a ratio to a stated floor in the same run.

Run with `python -m pytest benchmarks/bench_inputs.py -s`; the ratio is in `extra_info` and on the screen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
import pytest

import datasets
from benchmarks import negatives, sampling
from benchmarks.negatives import Sampler
from benchmarks.protocols.base import training_rows
from benchmarks.specs.mf_bpr import MFBPR
from benchmarks.specs.mf_logloss import MFLogLoss

T = TypeVar("T")
N_USERS, N_ITEMS, N_ROWS = 3_706, 4_052, 278_511  # Online Retail's training rows
N_NEGATIVES, N_EACH = 3_000_000, 3
N_ROUNDS = 15


def interleaved(benchmark, work: Callable[[], T], floor: Callable[[], object]) -> T:
    """What the work gives, timed by turns with its floor; the ratio of medians is what counts on a shared machine."""
    floor_s = []

    def floor_first():
        start = time.perf_counter()
        floor()
        floor_s.append(time.perf_counter() - start)

    given = benchmark.pedantic(work, setup=floor_first, rounds=N_ROUNDS, warmup_rounds=2)
    if benchmark.stats is None:  # under --benchmark-disable
        return given
    ratio = benchmark.stats.stats.median / float(np.median(floor_s))
    benchmark.extra_info["floor_s"] = float(np.median(floor_s))
    benchmark.extra_info["ratio_to_floor"] = ratio
    print(f"\n{benchmark.name}: {ratio:.2f} x its floor")  # noqa: T201
    return given


@pytest.fixture
def training():
    rng = np.random.default_rng(0)
    user = rng.integers(0, N_USERS, N_ROWS, dtype=np.int32)
    item = rng.integers(0, N_ITEMS, N_ROWS, dtype=np.int32)
    return SimpleNamespace(n_users=N_USERS, n_items=N_ITEMS, user=user, item=item)


def test_uniform_negatives(benchmark):
    """Floor: as many raw 32-bit words from the same generator."""
    rng = sampling.generator("bench")
    interleaved(
        benchmark,
        lambda: sampling.uniform_items(rng, N_ITEMS, (N_NEGATIVES,)),
        lambda: rng.bit_generator.random_raw(N_NEGATIVES // 2),
    )


@pytest.fixture
def skewed_training():
    """MovieLens-1M's shape: 6,040 users, 3,706 items, a million rows, a few users and items with many of them."""
    n_users, n_items, n_rows = 6_040, 3_706, N_NEGATIVES // N_EACH
    rng = np.random.default_rng(0)
    user, item = (
        np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(n_rows)).astype(np.int32)
        for weights in (rng.lognormal(0, 1, n_users), rng.lognormal(0, 1.5, n_items))
    )
    *_, seen_indptr, seen_items = training_rows(user, item, n_users)
    item_counts = np.bincount(item, minlength=n_items)
    return SimpleNamespace(
        n_items=n_items, user=user, item_counts=item_counts, seen_indptr=seen_indptr, seen_items=seen_items
    )


def negatives_for_each_row(benchmark, training, sampler):
    """Floor: a raw 64-bit word of the same generator for each negative."""
    rng = sampling.generator("bench")
    drawn = interleaved(
        benchmark,
        lambda: sampler.draw(rng, training.user, N_EACH),
        lambda: rng.bit_generator.random_raw(N_NEGATIVES),
    )
    assert drawn.size == N_NEGATIVES


def test_popularity_negatives(benchmark, skewed_training):
    negatives_for_each_row(benchmark, skewed_training, Sampler.of("popularity", skewed_training))


def test_popularity_negatives_without_positives(benchmark, skewed_training):
    sampler = Sampler.of("popularity", skewed_training, exclude_positives=True)
    negatives_for_each_row(benchmark, skewed_training, sampler)


def test_popularity_negatives_without_positives_or_bitmap(benchmark, skewed_training, monkeypatch):
    """As with users and items so many that a positive has to be searched for."""
    monkeypatch.setattr(negatives, "BITMAP_BYTES", 0)
    sampler = Sampler.of("popularity", skewed_training, exclude_positives=True)
    negatives_for_each_row(benchmark, skewed_training, sampler)


def test_batches_of_an_epoch_of_log_loss(benchmark, training):
    """Floor: the shuffle and the raw words that an epoch needs, and one copy of what comes out."""
    spec, rng = MFLogLoss(), sampling.generator("bench")
    made = list(spec.batches(training, ("bench",), 1))
    n_words = 2 * N_ROWS * spec.n_negatives

    def floor():
        rng.permutation(N_ROWS)
        rng.bit_generator.random_raw(n_words // 2)
        return [{name: values.copy() for name, values in chunk.items()} for chunk in made]

    interleaved(benchmark, lambda: list(spec.batches(training, ("bench",), 1)), floor)


def test_batches_of_an_epoch_of_bpr(benchmark, training):
    """Floor: the raw words that an epoch needs, and one look-up of the users and of the items of known rows."""
    spec, rng = MFBPR(), sampling.generator("bench")
    shape = (spec.steps_per_epoch, spec.batch_size)
    rows = rng.integers(0, N_ROWS, shape, dtype=np.int32)

    def floor():
        rng.bit_generator.random_raw(rows.size)
        return training.user[rows], training.item[rows]

    interleaved(benchmark, lambda: list(spec.batches(training, ("bench",), 1)), floor)


@pytest.fixture
def sequences():
    """MovieLens-20M's shape: 138,000 users, 20 million rows."""
    rng = np.random.default_rng(0)
    lengths = np.maximum(5, rng.lognormal(4.5, 1.0, 138_000)).astype(np.int64)
    indptr = np.append(0, np.cumsum(lengths * 20_000_000 // lengths.sum()))
    items = rng.integers(0, 20_000, indptr[-1], dtype=np.int32)
    user = np.arange(len(lengths), dtype=np.int32)
    return SimpleNamespace(sequence_user=user, sequence_indptr=indptr, sequence_items=items)


def test_random_cuts_of_an_epoch(benchmark, sequences):
    """Floor: the shuffle, the draws, and one copy of what comes out."""
    made = list(sampling.random_cuts(sampling.generator("bench"), sequences, 256, 20))
    lengths = np.diff(sequences.sequence_indptr)

    def floor():
        rng = sampling.generator("bench")
        rng.integers(4, np.maximum(lengths, 5))
        rng.permutation(len(lengths))
        return [{name: values.copy() for name, values in chunk.items()} for chunk in made]

    interleaved(benchmark, lambda: list(sampling.random_cuts(sampling.generator("bench"), sequences, 256, 20)), floor)


def test_windows_of_an_epoch(benchmark, sequences):
    """Floor: the shuffle, and one copy of what comes out; of a fiftieth of the sequences."""
    few = 138_000 // 50
    some = SimpleNamespace(
        sequence_user=sequences.sequence_user[:few],
        sequence_indptr=sequences.sequence_indptr[: few + 1],
        sequence_items=sequences.sequence_items,
    )
    made = list(sampling.windows(sampling.generator("bench"), some, 20, 5))
    n_windows = sum(chunk["user"].size for chunk in made)

    def floor():
        sampling.generator("bench").permutation(n_windows)
        return [{name: values.copy() for name, values in chunk.items()} for chunk in made]

    interleaved(benchmark, lambda: list(sampling.windows(sampling.generator("bench"), some, 20, 5)), floor)


def test_cached_load_of_online_retail(benchmark):
    """Floor: reading the publisher's archive once from the page cache."""
    folder = Path(os.environ.get("RECALLBENCH_DATA", "../shared/data"))
    archive = folder / "online+retail.zip"
    if not archive.exists():
        pytest.skip(f"no real data: {archive} does not exist (RECALLBENCH_DATA names another folder)")
    datasets.load("online-retail", folder)
    interleaved(benchmark, lambda: datasets.load("online-retail", folder), archive.read_bytes)
