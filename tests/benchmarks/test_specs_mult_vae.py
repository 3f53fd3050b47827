"""Mult-VAE's float64 reference, held to the paper's equations in loops over plain numbers, and its samples."""

import math
from dataclasses import replace
from types import SimpleNamespace

import autograd
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_numbers import affine, inner, softmax

from benchmarks import sampling, specs
from benchmarks.specs.base import Sizes
from benchmarks.specs.mult_vae import MultVAE
from datasets.errors import InputError

SIZES = Sizes(n_users=2, n_items=5)
SMALL = MultVAE(hidden_dim=4, embedding_dim=3, length=6, batch_size=4, kl_steps=10, kl_weight=0.3)
IMPROBABLE = 1e-4  # the seeds are fixed, so a test fails always or never
checked = settings(derandomize=True, deadline=None, max_examples=25)
seeds = st.integers(0, 2**32)


def parameters(seed, scale=0.7):
    rng = np.random.default_rng(seed)
    return {row.name: scale * rng.standard_normal(row.shape) for row in SMALL.parameters(SIZES)}


def training(sets):
    """Users with these items."""
    return SimpleNamespace(
        seen_indptr=np.cumsum([0, *map(len, sets)], dtype=np.int64),
        seen_items=np.array([item for items in sets for item in sorted(items)], np.int32),
    )


def some_sets(rng, n=4):
    return [rng.choice(SIZES.n_items, rng.integers(1, SIZES.n_items + 1), replace=False).tolist() for _ in range(n)]


def one_batch(spec, seed, epoch=1):
    (chunk,) = spec.batches(training(some_sets(np.random.default_rng(seed))), (seed,), epoch)
    return {name: values[0] for name, values in chunk.items()}


def plain_hidden(p, items, kept, scale):
    """tanh of what an encoder makes of these items, of which some are kept."""
    share = 1 / math.sqrt(len(items)) if items else 0.0
    sums = p["encoder_bias"].tolist()
    for item in kept:
        sums = [total + scale * share * value for total, value in zip(sums, p["encoder_embedding"][item], strict=True)]
    return [math.tanh(value) for value in sums]


def plain_scores(p, z):
    units = [math.tanh(value) for value in affine(p, "decoder", z)]
    return [inner(units, item) + bias for item, bias in zip(p["item_embedding"], p["item_bias"], strict=True)]


def plain_loss(p, spec, one):
    losses = []
    for row, history in enumerate(one["history"].tolist()):
        items = {item - 1 for item in history if item}
        kept = one["keep"][row].tolist() if "keep" in one else [True] * len(history)
        hidden = plain_hidden(p, items, [i - 1 for i, k in zip(history, kept, strict=True) if i and k], spec.keep_scale)
        mean, log_variance = affine(p, "mean", hidden), affine(p, "variance", hidden)
        z = [m + math.exp(v / 2) * e for m, v, e in zip(mean, log_variance, one["noise"][row].tolist(), strict=True)]
        shares = softmax(plain_scores(p, z))
        divergence = sum(m * m + math.exp(v) - v - 1 for m, v in zip(mean, log_variance, strict=True)) / 2
        losses.append(float(one["weight"][row]) * divergence - sum(math.log(shares[item]) for item in items))
    return sum(losses) / len(losses)


@checked
@given(seed=seeds, dropout=st.sampled_from([0.0, 0.5]), scale=st.floats(0.01, 1.5), epoch=st.integers(1, 9))
def test_the_loss_is_the_formula(seed, dropout, scale, epoch):
    spec = replace(SMALL, dropout=dropout)
    p, one = parameters(seed, scale), one_batch(spec, seed + 1, epoch)
    assert ("keep" in one) == bool(dropout)
    assert float(spec.loss(p, one)) == pytest.approx(plain_loss(p, spec, one), rel=1e-10)


@settings(checked, max_examples=8)
@given(seed=seeds)
def test_every_gradient_is_the_slope_of_the_loss(seed):
    p, one = parameters(seed), one_batch(SMALL, seed + 1, 3)
    gradients = autograd.grad(SMALL.loss)(p, one)
    assert gradients.keys() == p.keys()
    rng, h = np.random.default_rng(seed), 1e-6
    for name, value in p.items():
        direction = rng.standard_normal(value.shape)
        ahead, behind = (plain_loss({**p, name: value + way * h * direction}, SMALL, one) for way in (1, -1))
        assert np.sum(gradients[name] * direction) == pytest.approx((ahead - behind) / (2 * h), rel=1e-5, abs=1e-7)


@checked
@given(seed=seeds, histories=st.lists(st.lists(st.integers(0, 4), max_size=9), min_size=1, max_size=4))
def test_scores_are_those_of_the_mean_whatever_is_there_twice(seed, histories):
    queries = SimpleNamespace(
        user=np.zeros(len(histories), np.int32), history=np.array([i for h in histories for i in h], np.int32),
        start=np.cumsum([0, *map(len, histories)])[:-1], stop=np.cumsum(list(map(len, histories))),
    )  # fmt: skip
    p, ((inputs, _),) = parameters(seed), SMALL.inputs(queries)
    found = SMALL.user_vectors(p, inputs) @ SMALL.item_vectors(p).T
    for history, scores in zip(histories, found, strict=True):
        items = set(history[-SMALL.length :])
        hidden = plain_hidden(p, items, items, 1.0)
        np.testing.assert_allclose(scores, plain_scores(p, affine(p, "mean", hidden)), rtol=1e-9, atol=1e-12)


def test_the_second_terms_weight_rises_from_zero_over_epochs_and_stays():
    spec = replace(SMALL, kl_steps=10, kl_weight=0.35, batch_size=2)
    data = training([[0], [1], [2], [], [3], [4]])
    weights = [chunk["weight"] for epoch in (1, 2, 3) for chunk in spec.batches(data, ("k",), epoch)]
    of_steps = np.array([[0, 0.1], [0.2, 0.3], [0.35, 0.35]])
    np.testing.assert_allclose(weights, np.repeat(of_steps[..., None], 2, 2), rtol=1e-6)
    (chunk,) = replace(spec, kl_steps=0).batches(data, ("k",), 1)
    np.testing.assert_allclose(chunk["weight"], np.full((2, 2), 0.35), rtol=1e-6)


def test_noise_is_normal_and_of_its_epoch():
    spec = replace(SMALL, batch_size=500, embedding_dim=40)
    data = training([[0, 1]] * 500)
    (first,), (again,), (second,) = (spec.batches(data, ("k",), epoch) for epoch in (1, 1, 2))
    assert scipy.stats.kstest(first["noise"].ravel(), "norm").pvalue > IMPROBABLE
    assert (first["noise"] == again["noise"]).all()
    assert (first["noise"] != second["noise"]).mean() > 0.99
    assert (first["noise"].dtype, first["weight"].dtype) == (np.float32, np.float32)


@checked
@given(
    sets=st.lists(st.sets(st.integers(0, 30)), min_size=1, max_size=20).filter(any),
    batch_size=st.integers(1, 8), length=st.integers(1, 12), seed=st.integers(0, 2**20),
)  # fmt: skip
def test_every_user_once_with_as_many_items_as_are_read(sets, batch_size, length, seed):
    chunks = list(sampling.sets(sampling.generator("sets", seed), training(sets), batch_size, length))
    assert {array.dtype for chunk in chunks for array in chunk.values()} == {np.dtype(np.int32)}
    rows = np.concatenate([chunk["history"].reshape(-1, length) for chunk in chunks]).tolist()
    users = np.concatenate([chunk["user"].ravel() for chunk in chunks]).tolist()
    n_users = sum(map(bool, sets))
    assert len(rows) == (n_users // batch_size * batch_size if n_users >= batch_size else n_users)
    assert len(set(users)) == len(users)
    for user, row in zip(users, rows, strict=True):
        n = min(len(sets[user]), length)
        assert 0 not in row[:n]
        assert not any(row[n:])
        assert len({item - 1 for item in row[:n]} & sets[user]) == n


def test_items_of_those_who_have_more_are_as_likely():
    (chunk,) = sampling.sets(sampling.generator("sets"), training([range(8)] * 4000 + [[0]]), 4001, 3)
    of_many = chunk["history"][0][(chunk["history"][0] > 0).all(1)]
    assert len(of_many) == 4000
    assert scipy.stats.chisquare(np.bincount(of_many.ravel() - 1, minlength=8)).pvalue > IMPROBABLE


def test_users_without_rows_are_no_samples_and_none_at_all_are_a_sentence():
    with pytest.raises(InputError, match="no training row has a user; give data with user_id"):
        list(SMALL.batches(training([[], []]), ("k",), 1))


def test_the_defaults_are_the_papers():
    spec = specs.make("mult-vae", {})
    assert (spec.hidden_dim, spec.embedding_dim, spec.batch_size, spec.dropout, spec.kl_weight) == (
        600,
        200,
        500,
        0.5,
        0.2,
    )
    rows = {row.name: (row.shape, row.bound) for row in spec.parameters(SIZES)}
    assert rows["encoder_embedding"] == ((5, 600), (6 / 605) ** 0.5)
    assert rows["variance_weight"] == ((200, 600), (6 / 1000) ** 0.5)
    assert rows["decoder_weight"] == ((600, 200), (6 / 800) ** 0.5)
    assert rows["item_bias"] == ((5,), 0.0)
