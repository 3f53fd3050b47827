"""LightGCN, held to the equations of its paper in loops over plain numbers; its graph and its triples."""

import math
from dataclasses import replace
from types import SimpleNamespace

import autograd
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_numbers import inner

from benchmarks import sampling, specs
from benchmarks.specs.base import Sizes
from benchmarks.specs.lightgcn import LightGCN, edges
from datasets.errors import InputError

N_ITEMS = 6
SMALL = LightGCN(embedding_dim=3, n_layers=2, batch_size=5, l2=0.3)
IMPROBABLE = 1e-4  # the seeds are fixed, so a test fails always or never
checked = settings(derandomize=True, deadline=None, max_examples=25)
seeds = st.integers(0, 2**32)
some_sets = st.lists(st.sets(st.integers(0, N_ITEMS - 1), max_size=N_ITEMS), min_size=1, max_size=5).filter(
    lambda sets: any(0 < len(one) < N_ITEMS for one in sets)
)


def training(sets, n_items=N_ITEMS):
    """Users with these items."""
    counts = np.zeros(n_items, np.int64)
    for items in sets:
        counts[list(items)] += 1
    return SimpleNamespace(
        n_users=len(sets),
        n_items=n_items,
        item_counts=counts,
        seen_indptr=np.cumsum([0, *map(len, sets)], dtype=np.int64),
        seen_items=np.array([item for items in sets for item in sorted(items)], np.int32),
    )


def sizes(sets):
    data = training(sets)
    return Sizes(data.n_users, data.n_items, {}, {}, data.seen_indptr, data.seen_items)


def parameters(sets, seed, spec=SMALL):
    rng = np.random.default_rng(seed)
    return {
        row.name: rng.standard_normal(row.shape) if row.values is None else row.values
        for row in spec.parameters(sizes(sets))
    }


def batch(sets, seed, n=4):
    rng = np.random.default_rng(seed)
    return {
        "user": rng.integers(0, len(sets), n),
        "positive": rng.integers(0, N_ITEMS, n),
        "negative": rng.integers(0, N_ITEMS, n),
    }


def plain_vectors(p, sets, n_layers):
    """Equations 3 and 4 of the paper: sums over neighbours, and the mean over layers."""
    of_item = [{user for user, items in enumerate(sets) if item in items} for item in range(N_ITEMS)]
    users, items = p["user_embedding"].tolist(), p["item_embedding"].tolist()
    layers = [(users, items)]
    for _ in range(n_layers):
        before_users, before_items = layers[-1]
        layers.append((
            [passed(sets[user], before_items, [len(of_item[i]) for i in range(N_ITEMS)], len(sets[user]))
             for user in range(len(sets))],
            [passed(of_item[item], before_users, [len(items) for items in sets], len(of_item[item]))
             for item in range(N_ITEMS)],
        ))  # fmt: skip
    return tuple(
        [[sum(column) / len(layers) for column in zip(*(layer[side][node] for layer in layers), strict=True)]
         for node in range(len(layers[0][side]))]
        for side in (0, 1)
    )  # fmt: skip


def passed(neighbours, rows, degrees, degree):
    total = [0.0] * SMALL.embedding_dim
    for other in neighbours:
        share = 1 / math.sqrt(degree * degrees[other])
        total = [a + float(np.float32(share)) * b for a, b in zip(total, rows[other], strict=True)]
    return total


def plain_loss(p, sets, spec, one):
    users, items = plain_vectors(p, sets, spec.n_layers)
    losses = []
    for user, positive, negative in zip(
        *(one[name].tolist() for name in ("user", "positive", "negative")), strict=True
    ):
        margin = inner(users[user], items[positive]) - inner(users[user], items[negative])
        rows = (p["user_embedding"][user], p["item_embedding"][positive], p["item_embedding"][negative])
        squares = sum(inner(row, row) for row in rows)
        losses.append(math.log1p(math.exp(-margin)) + spec.l2 * squares / 2)
    return sum(losses) / len(losses)


@checked
@given(sets=some_sets, seed=seeds, n_layers=st.integers(1, 4), l2=st.sampled_from([0.0, 0.3]))
def test_the_loss_is_the_formula(sets, seed, n_layers, l2):
    spec = replace(SMALL, n_layers=n_layers, l2=l2)
    p, one = parameters(sets, seed), batch(sets, seed + 1)
    assert float(spec.loss(p, one)) == pytest.approx(plain_loss(p, sets, spec, one), rel=1e-9)


@checked
@given(sets=some_sets, seed=seeds, n_layers=st.integers(1, 4))
def test_vectors_are_means_over_layers(sets, seed, n_layers):
    spec, p = replace(SMALL, n_layers=n_layers), parameters(sets, seed)
    users, items = plain_vectors(p, sets, n_layers)
    asked = np.arange(len(sets))[::-1]
    np.testing.assert_allclose(spec.user_vectors(p, {"user": asked}), np.array(users)[asked], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(spec.item_vectors(p), items, rtol=1e-9, atol=1e-12)


@settings(checked, max_examples=10)
@given(sets=some_sets, seed=seeds)
def test_every_gradient_is_the_slope_of_the_loss(sets, seed):
    p, one = parameters(sets, seed), batch(sets, seed + 1)
    learnt = {name: value for name, value in p.items() if name not in SMALL.unlearnt}
    gradients = autograd.grad(lambda values: SMALL.loss({**p, **values}, one))(learnt)
    assert gradients.keys() == {"user_embedding", "item_embedding"}
    rng, h = np.random.default_rng(seed), 1e-6
    for name, value in learnt.items():
        direction = rng.standard_normal(value.shape)
        ahead, behind = (plain_loss({**p, name: value + w * h * direction}, sets, SMALL, one) for w in (1, -1))
        assert np.sum(gradients[name] * direction) == pytest.approx((ahead - behind) / (2 * h), rel=1e-5, abs=1e-7)


@checked
@given(sets=some_sets)
def test_edges_lead_both_ways_with_one_weight_and_are_sorted(sets):
    to, from_, weight = edges(sizes(sets))
    assert (to.dtype, from_.dtype, weight.dtype) == (np.int32, np.int32, np.float32)
    there = list(zip(to.tolist(), from_.tolist(), strict=True))
    assert there == sorted(set(there))
    pairs = {(user, item + len(sets)) for user, items in enumerate(sets) for item in items}
    assert set(there) == pairs | {(b, a) for a, b in pairs}
    degree = np.bincount(to)
    np.testing.assert_array_equal(weight, (1 / np.sqrt(degree[to] * degree[from_])).astype(np.float32))


def test_who_has_nothing_and_what_nobody_has_keep_a_share_of_their_rows():
    sets = [{0, 1}, set(), {1}]
    p = parameters(sets, 0)
    np.testing.assert_allclose(SMALL.user_vectors(p, {"user": np.array([1])})[0], p["user_embedding"][1] / 3)
    np.testing.assert_allclose(SMALL.item_vectors(p)[5], p["item_embedding"][5] / 3)


@checked
@given(sets=some_sets, batch_size=st.integers(1, 9), seed=seeds)
def test_triples_are_of_users_who_have_the_first_item_and_not_the_second(sets, batch_size, seed):
    spec = replace(SMALL, batch_size=batch_size)
    chunks = list(spec.batches(training(sets), (seed,), 1))
    assert {array.dtype for chunk in chunks for array in chunk.values()} == {np.dtype(np.int32)}
    assert sum(spec.n_samples(chunk) for chunk in chunks) == math.ceil(sum(map(len, sets)) / batch_size) * batch_size
    for chunk in chunks:
        rows = zip(*(chunk[name].ravel().tolist() for name in ("user", "positive", "negative")), strict=True)
        assert all(positive in sets[user] and negative not in sets[user] for user, positive, negative in rows)


def test_users_are_drawn_alike_however_much_they_have_and_so_are_their_items():
    sets = [{0}, set(), set(range(1, 9))]
    data = training(sets, 10)
    rng = sampling.generator("positives by user")
    chunks = [chunk for _ in range(1000) for chunk in sampling.positives_by_user(rng, data, 9)]
    user, positive = (np.concatenate([chunk[name].ravel() for chunk in chunks]) for name in ("user", "positive"))
    assert scipy.stats.binomtest(int((user == 0).sum()), len(user)).pvalue > IMPROBABLE
    assert set(user.tolist()) == {0, 2}
    assert scipy.stats.chisquare(np.bincount(positive[user == 2], minlength=9)[1:]).pvalue > IMPROBABLE


def test_each_epoch_has_draws_of_its_own_and_always_the_same():
    data = training([{0, 1}, {2, 3}, {4}] * 20)
    first, again, second = ([*SMALL.batches(data, ("k",), epoch)] for epoch in (1, 1, 2))
    for name in ("user", "positive", "negative"):
        np.testing.assert_array_equal(first[0][name], again[0][name])
        assert (first[0][name] != second[0][name]).any()


def test_nobody_with_an_item_is_a_sentence():
    with pytest.raises(InputError, match="no training row has a user; give data with user_id"):
        list(SMALL.batches(training([set(), set()]), ("k",), 1))


def test_everybody_with_every_item_is_another_one():
    with pytest.raises(InputError, match="every user with training rows has every item, so that no negative is left"):
        list(SMALL.batches(training([set(range(N_ITEMS)), set()]), ("k",), 1))


def test_the_defaults_are_the_papers():
    spec = specs.make("lightgcn", {})
    assert (spec.embedding_dim, spec.n_layers, spec.learning_rate, spec.l2) == (64, 3, 0.001, 1e-4)
    assert spec.filter_seen
    rows = {row.name: (row.shape, row.bound) for row in spec.parameters(sizes([{0, 1}, {2}]))}
    assert rows["user_embedding"] == ((2, 64), (6 / 66) ** 0.5)
    assert rows["item_embedding"] == ((6, 64), (6 / 70) ** 0.5)
    assert rows["edge_weight"] == ((6,), 0.0)


def test_sizes_that_do_not_say_who_has_what_are_refused():
    with pytest.raises(ValueError, match="who has what"):
        SMALL.parameters(Sizes(n_users=8, n_items=5))


@pytest.mark.parametrize("changes", [{"n_layers": 0}, {"embedding_dim": 0}, {"l2": -1.0}])
def test_what_cannot_be_is_a_sentence(changes):
    with pytest.raises(InputError, match=f"lightgcn: {next(iter(changes))} is"):
        specs.make("lightgcn", changes)
