"""BERT4Rec's float64 reference, held to the paper's equations in loops over plain numbers."""

import math
from dataclasses import replace
from types import SimpleNamespace

import autograd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_numbers import affine, inner, plain_norm, softmax, times

from benchmarks import masks, sampling, specs
from benchmarks.specs.base import Sizes
from benchmarks.specs.bert4rec import MASKED, BERT4Rec
from datasets.errors import InputError

SIZES = Sizes(n_users=2, n_items=5)
SMALL = BERT4Rec(embedding_dim=4, length=5, n_blocks=2, n_heads=2, ffn_dim=3, norm_epsilon=0.01, dropout=0)
checked = settings(derandomize=True, deadline=None, max_examples=25)
seeds = st.integers(0, 2**32)


def parameters(spec, seed, scale=0.7):
    """Float64 parameters, those too that start at zero, and the row of the padding."""
    rng = np.random.default_rng(seed)
    return {row.name: scale * rng.standard_normal(row.shape) for row in spec.parameters(SIZES)}


def pieces(spec, seed):
    """A batch as the spec draws it, with what keeps dropout and negatives."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 2 * spec.length, 4)
    data = SimpleNamespace(
        n_items=SIZES.n_items, n_users=SIZES.n_users, item_counts=np.ones(SIZES.n_items),
        sequence_user=np.zeros(4, np.int32), sequence_indptr=np.cumsum([0, *lengths]),
        sequence_items=rng.integers(0, SIZES.n_items, lengths.sum()).astype(np.int32),
    )  # fmt: skip
    (chunk,) = replace(spec, batch_size=99).batches(data, (seed,), 1)
    return {name: values[0] for name, values in chunk.items()}


def asked(spec, histories):
    """What a model is asked: these histories."""
    queries = SimpleNamespace(
        user=np.zeros(len(histories), np.int32), history=np.array([i for h in histories for i in h], np.int32),
        start=np.cumsum([0, *map(len, histories)])[:-1], stop=np.cumsum(list(map(len, histories))),
    )  # fmt: skip
    ((inputs, rows),) = spec.inputs(queries)
    assert rows.tolist() == list(range(len(histories)))
    return inputs


def plain_gelu(x):
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def plain_attention(p, block, xs, n_heads):
    query, key, value = ([times(p[f"{block}_{part}_weight"], x) for x in xs] for part in ("query", "key", "value"))
    size = len(xs[0]) // n_heads
    mixed = []
    for place in range(len(xs)):
        heads = []
        for head in range(n_heads):
            own = slice(head * size, (head + 1) * size)
            weights = softmax([inner(query[place][own], other[own]) / math.sqrt(size) for other in key])
            heads += [
                sum(weight * of[i] for weight, of in zip(weights, value, strict=True)) for i in range(*own.indices(99))
            ]
        mixed.append(times(p[f"{block}_mixed_weight"], heads))
    return mixed


def plain_outputs(p, spec, history, keep=None):
    """The vector at each place of these items and masks; padding is nowhere, since it has no say."""

    def dropped(place, xs):
        if keep is None:
            return xs
        kept = keep[place, : len(xs)].tolist()
        return [[spec.keep_scale * x * k for x, k in zip(*pair, strict=True)] for pair in zip(xs, kept, strict=True)]

    def normed_sum(name, xs, others):
        sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(xs, others, strict=True)]
        return [plain_norm(p, name, x, spec.norm_epsilon) for x in sums]

    table = {MASKED: p["mask_embedding"][0], **dict(enumerate(p["item_embedding"]))}
    xs = [(table[item] + p["position_embedding"][place]).tolist() for place, item in enumerate(history)]
    xs = dropped(0, xs)
    for i in range(spec.n_blocks):
        block = f"block_{i}"
        xs = normed_sum(f"{block}_attention", xs, dropped(1 + 2 * i, plain_attention(p, block, xs, spec.n_heads)))
        inner_units = [[plain_gelu(value) for value in affine(p, f"{block}_inner", x)] for x in xs]
        dense = [affine(p, f"{block}_outer", x) for x in inner_units]
        xs = normed_sum(f"{block}_ffn", xs, dropped(2 + 2 * i, dense))
    return xs


def plain_scores(p, output):
    projected = [plain_gelu(value) for value in affine(p, "head", output)]
    return [inner(projected, item) + bias for item, bias in zip(p["item_embedding"][1:], p["item_bias"], strict=True)]


def plain_loss(p, spec, one):
    """The mean over all masks of softmax over all items, or over the hidden one and the other negatives."""
    losses = []
    for row, history in enumerate(one["history"].tolist()):
        keep = one["keep"][row] if "keep" in one else None
        outputs = plain_outputs(p, spec, [item for item in history if item], keep)
        for place, target in zip(one["place"][row].tolist(), one["target"][row].tolist(), strict=True):
            if target:
                scores = plain_scores(p, outputs[place])
                among = range(len(scores))
                if "negatives" in one:
                    among = [target - 1, *(item for item in one["negatives"].tolist() if item != target - 1)]
                losses.append(-math.log(softmax([scores[item] for item in among])[list(among).index(target - 1)]))
    return sum(losses) / len(losses)


@checked
@given(
    seed=seeds, n_heads=st.sampled_from([1, 2, 4]), n_blocks=st.integers(1, 2),
    n_negatives=st.sampled_from([0, 1, 4]), dropout=st.sampled_from([0, 0.3]),
)  # fmt: skip
def test_the_loss_is_the_formula(seed, n_heads, n_blocks, n_negatives, dropout):
    spec = replace(SMALL, n_heads=n_heads, n_blocks=n_blocks, n_negatives=n_negatives, dropout=dropout, mask_share=0.5)
    p, one = parameters(spec, seed), pieces(spec, seed + 1)
    assert float(spec.loss(p, one)) == pytest.approx(plain_loss(p, spec, one), rel=1e-10)


@checked
@given(seed=seeds, lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_a_user_is_what_a_mask_behind_the_last_items_becomes(seed, lengths):
    rng, p = np.random.default_rng(seed), parameters(SMALL, seed)
    histories = [rng.integers(0, SIZES.n_items, n).tolist() for n in lengths]
    found = SMALL.user_vectors(p, asked(SMALL, histories)) @ SMALL.item_vectors(p).T
    read = [[item + 1 for item in items[max(0, len(items) - 4) :]] for items in histories]
    expected = [plain_scores(p, plain_outputs(p, SMALL, [*items, MASKED])[-1]) for items in read]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@settings(checked, max_examples=8)
@given(seed=seeds)
def test_every_gradient_is_the_slope_of_the_loss(seed):
    p, one = parameters(SMALL, seed), pieces(SMALL, seed + 1)
    gradients = autograd.grad(SMALL.loss)(p, one)
    assert gradients.keys() == p.keys()
    rng, h = np.random.default_rng(seed), 1e-6
    for name, value in p.items():
        direction = rng.standard_normal(value.shape)
        ahead, behind = (plain_loss({**p, name: value + way * h * direction}, SMALL, one) for way in (1, -1))
        assert np.sum(gradients[name] * direction) == pytest.approx((ahead - behind) / (2 * h), rel=1e-5, abs=1e-7)


def test_padding_has_no_say_and_learns_nothing():
    p, one = parameters(SMALL, 0), pieces(SMALL, 1)
    changed = {**p, "item_embedding": p["item_embedding"] + 9 * (np.arange(6) == 0)[:, None]}
    assert SMALL.loss(changed, one) == SMALL.loss(p, one)
    assert not autograd.grad(SMALL.loss)(p, one)["item_embedding"][0].any()


def test_the_defaults_are_the_papers():
    spec = specs.make("bert4rec", {})
    assert (spec.n_blocks, spec.n_heads, spec.length, spec.mask_share) == (2, 2, 200, 0.2)
    assert (spec.learning_rate, spec.weight_decay, spec.clip_norm, spec.beta2) == (1e-4, 0.01, 5.0, 0.999)
    rows = {row.name: (row.shape, row.bound) for row in spec.parameters(SIZES)}
    assert rows["block_1_inner_weight"] == ((256, 64), 0.02)
    assert rows["item_bias"] == ((5,), 0.0)


def test_samples_are_masked_pieces_and_as_many_as_there_are_masks():
    spec = replace(SMALL, batch_size=3, n_negatives=2, objective="bce", dropout=0.25)
    data = SimpleNamespace(
        n_items=5, n_users=1, user=np.zeros(9, np.int32), item=np.arange(9, dtype=np.int32) % 5,
        item_counts=np.ones(5), sequence_user=np.zeros(3, np.int32),
        sequence_indptr=np.array([0, 3, 6, 9]), sequence_items=np.arange(9, dtype=np.int32) % 5,
    )  # fmt: skip
    (chunk,) = spec.batches(data, ("key",), 1)
    (plain,) = masks.pieces(
        sampling.generator("key", "masked", 1), data, 3, spec.length, share=0.2, last=0.1, mask=MASKED
    )
    for name, values in plain.items():
        np.testing.assert_array_equal(chunk[name], values)
    assert chunk["negatives"].shape == (1, 3, 1, 2)
    assert chunk["keep"].shape == (1, 3, 5, 5, 4)
    assert spec.n_samples(chunk) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_heads": 3}, "bert4rec: n_heads is 3, expected a divisor of embedding_dim, which is 64"),
        ({"length": 1}, "bert4rec: length is 1, expected 2 or more"),
        ({"trains_on": "positions"}, "bert4rec: trains_on is 'positions', expected one of masked"),
        ({"mask_share": 0.0}, "bert4rec: mask_share is 0.0, expected a number between 0 and 1"),
        ({"last_share": 1.1}, "bert4rec: last_share is 1.1, expected a number from 0 to 1"),
    ],
)
def test_what_cannot_be_is_a_sentence(changes, said):
    with pytest.raises(InputError, match=said):
        specs.make("bert4rec", changes)
