"""SASRec's float64 reference, held to the paper's equations in loops over plain numbers."""

import math
from dataclasses import replace

import autograd
import numpy as np
import pytest
from autograd.extend import Box
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_numbers import affine, inner, plain_norm, softmax, times

from benchmarks import sampling, specs
from benchmarks.agreement import climbs, reference
from benchmarks.specs.base import Sizes
from benchmarks.specs.sasrec import SASRec
from datasets.errors import InputError

SIZES = Sizes(n_users=2, n_items=5)
SMALL = SASRec(
    embedding_dim=4,
    length=5,
    n_blocks=2,
    n_heads=2,
    ffn_dim=3,
    norm_epsilon=0.01,
    trains_on="cuts",
    n_negatives=0,
    dropout=0,
)
EVERY = replace(SMALL, trains_on="positions")
checked = settings(derandomize=True, deadline=None, max_examples=25)
seeds = st.integers(0, 2**32)


def parameters(spec, seed, scale=0.7):
    """Float64 parameters, those too that start at zero, and the row of the padding."""
    rng = np.random.default_rng(seed)
    return {row.name: scale * rng.standard_normal(row.shape) for row in spec.parameters(SIZES)}


def batch(spec, seed, lengths=None):
    """Histories of these lengths, of one to `length` items where none are given."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, spec.length + 1, 4) if lengths is None else np.array(lengths)
    items = rng.integers(1, SIZES.n_items + 1, (len(length), spec.length))
    history = np.where(np.arange(spec.length) < length[:, None], items, 0)
    return {"history": history, "length": length, "target": rng.integers(0, SIZES.n_items, len(length))}


def plain_attention(p, block, xs, n_heads):
    """What each place makes of itself and those before it: one list a place, the heads one behind the other."""
    query, key, value = ([times(p[f"{block}_{part}_weight"], x) for x in xs] for part in ("query", "key", "value"))
    size = len(xs[0]) // n_heads
    mixed = []
    for place in range(len(xs)):
        mixed.append([])
        for head in range(n_heads):
            own = slice(head * size, (head + 1) * size)
            seen = range(place + 1)
            weights = softmax([inner(query[place][own], key[other][own]) / math.sqrt(size) for other in seen])
            mixed[-1] += [sum(weights[other] * value[other][i] for other in seen) for i in range(*own.indices(99))]
    return mixed


def plain_dense(p, block, x):
    return affine(p, f"{block}_outer", [max(value, 0.0) for value in affine(p, f"{block}_inner", x)])


def plain_outputs(p, spec, history, keep=None):
    """The vector at each place of these items, oldest first; padding is nowhere, since it has no say.

    Of an empty history, of one place. `keep` says of each dropout, place and element whether it stays.
    """
    n = max(len(history), 1)

    def dropped(place, xs):
        if keep is None:
            return xs
        kept = keep[place, :n].tolist()
        return [[spec.keep_scale * x * k for x, k in zip(*pair, strict=True)] for pair in zip(xs, kept, strict=True)]

    def plus(xs, others):
        return [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(xs, others, strict=True)]

    root = math.sqrt(spec.embedding_dim)
    xs = [
        [root * e + s for e, s in zip(p["item_embedding"][item], p["position_embedding"][place], strict=True)]
        for place, item in enumerate(history)
    ] or [[0.0] * spec.embedding_dim]
    xs = dropped(0, xs)
    for i in range(spec.n_blocks):
        block = f"block_{i}"
        normed = [plain_norm(p, f"{block}_attention", x, spec.norm_epsilon) for x in xs]
        xs = plus(xs, dropped(1 + 2 * i, plain_attention(p, block, normed, spec.n_heads)))
        of = [plain_dense(p, block, plain_norm(p, f"{block}_ffn", x, spec.norm_epsilon)) for x in xs]
        xs = plus(xs, dropped(2 + 2 * i, of))
    return [plain_norm(p, "final", x, spec.norm_epsilon) for x in xs]


def plain_user(p, spec, history, keep=None):
    return plain_outputs(p, spec, history, keep)[-1]


def every_place(spec, seed):
    """Histories of one to `length` items, each place with a target: as `sampling.every_position` has them, shifted."""
    rng = np.random.default_rng(seed)
    one = batch(spec, seed)
    known = one["history"] > 0
    target = np.where(known, rng.integers(1, SIZES.n_items + 1, known.shape), 0)
    keep = rng.random((len(known), spec.n_dropped(), spec.length, spec.embedding_dim)) > spec.drop_rate / 256
    drawn = {"negatives": rng.integers(0, SIZES.n_items, spec.n_negatives), "keep": keep}
    wanted = {"negatives": spec.n_negatives, "keep": spec.drop_rate}
    return {"history": one["history"], "target": target} | {name: drawn[name] for name in drawn if wanted[name]}


def plain_loss_of_places(p, spec, one):
    """The mean over all places with a target, of softmax over all items, or the target and the other negatives."""
    items, losses = p["item_embedding"][1:].tolist(), []
    for row, (history, targets) in enumerate(zip(one["history"].tolist(), one["target"].tolist(), strict=True)):
        keep = one["keep"][row] if "keep" in one else None
        outputs = plain_outputs(p, spec, [item for item in history if item], keep)
        for output, target in zip(outputs, targets, strict=False):
            among = range(len(items))
            if "negatives" in one:
                among = [target - 1, *(item for item in one["negatives"].tolist() if item != target - 1)]
            shares = softmax([inner(output, items[item]) for item in among])
            losses.append(-math.log(shares[list(among).index(target - 1)]))
    return sum(losses) / len(losses)


def histories(one):
    return [row[:length].tolist() for row, length in zip(one["history"], one["length"], strict=True)]


def plain_loss(p, spec, one):
    """The mean of -ln softmax(<user, item>) over the items, of which padding is none."""
    total = 0.0
    for history, target in zip(histories(one), one["target"], strict=True):
        user = plain_user(p, spec, history)
        total -= math.log(softmax([inner(user, item) for item in p["item_embedding"][1:].tolist()])[target])
    return total / len(one["target"])


class TestParameters:
    def test_the_table(self):
        rows = SASRec(embedding_dim=4, length=5, n_blocks=1, ffn_dim=16).parameters(SIZES)
        assert [(row.name, row.shape, row.bound) for row in rows] == [
            ("item_embedding", (6, 4), 0.5),
            ("position_embedding", (5, 4), 0.5),
            ("block_0_attention_scale", (4,), 0.0),
            ("block_0_attention_shift", (4,), 0.0),
            ("block_0_query_weight", (4, 4), 0.5),
            ("block_0_key_weight", (4, 4), 0.5),
            ("block_0_value_weight", (4, 4), 0.5),
            ("block_0_ffn_scale", (4,), 0.0),
            ("block_0_ffn_shift", (4,), 0.0),
            ("block_0_inner_weight", (16, 4), 0.5),
            ("block_0_inner_bias", (16,), 0.0),
            ("block_0_outer_weight", (4, 16), 0.25),
            ("block_0_outer_bias", (4,), 0.0),
            ("final_scale", (4,), 0.0),
            ("final_shift", (4,), 0.0),
        ]

    def test_blocks_have_their_own(self):
        names = [row.name for row in SASRec(n_blocks=3).parameters(SIZES)]
        assert len(set(names)) == len(names) == 4 + 3 * 11
        assert {"block_0_key_weight", "block_1_key_weight", "block_2_key_weight"} <= set(names)

    def test_without_a_setting_there_are_as_many_inner_units_as_the_embedding_has(self):
        shapes = {row.name: row.shape for row in SASRec(embedding_dim=6).parameters(SIZES)}
        assert (shapes["block_1_inner_weight"], shapes["block_1_outer_weight"]) == ((6, 6), (6, 6))

    def test_the_defaults(self):
        spec = specs.make("sasrec", {})
        assert (spec.variant, spec.trains_on, spec.n_negatives) == ("sampled softmax", "positions", 512)
        assert (spec.embedding_dim, spec.length, spec.n_blocks, spec.n_heads) == (64, 50, 2, 1)
        assert (spec.learning_rate, spec.batch_size, spec.dropout) == (0.001, 128, 0.2)
        assert (spec.norm_epsilon, spec.epsilon) == (1e-8, 1e-8)

    @pytest.mark.parametrize("n_heads", [0, -1, 3, 128])
    def test_heads_that_do_not_divide_the_embedding_are_refused(self, n_heads):
        with pytest.raises(
            InputError,
            match=rf"sasrec: n_heads is {n_heads}, expected (a divisor of embedding_dim, which is 64|a whole)",
        ):
            specs.make("sasrec", {"n_heads": n_heads})


class TestReference:
    @checked
    @given(seed=seeds, n_heads=st.sampled_from([1, 2, 4]), n_blocks=st.integers(1, 3), scale=st.floats(0.01, 1.5))
    def test_the_loss_is_the_formula(self, seed, n_heads, n_blocks, scale):
        spec = replace(SMALL, n_heads=n_heads, n_blocks=n_blocks)
        p, one = parameters(spec, seed, scale), batch(spec, seed + 1)
        assert float(spec.loss(p, one)) == pytest.approx(plain_loss(p, spec, one), rel=1e-10)

    @checked
    @given(
        seed=seeds,
        n_blocks=st.integers(1, 2),
        n_negatives=st.sampled_from([0, 1, 4]),
        dropout=st.sampled_from([0, 0.3]),
    )
    def test_the_loss_of_every_place_is_the_formula(self, seed, n_blocks, n_negatives, dropout):
        spec = replace(EVERY, n_blocks=n_blocks, n_negatives=n_negatives, dropout=dropout)
        p, one = parameters(spec, seed), every_place(spec, seed + 1)
        assert float(spec.loss(p, one)) == pytest.approx(plain_loss_of_places(p, spec, one), rel=1e-10)

    @checked
    @given(seed=seeds)
    def test_dropout_of_samples_is_the_formula(self, seed):
        spec = replace(SMALL, dropout=0.3)
        p, one = parameters(spec, seed), batch(spec, seed + 1)
        keep = np.random.default_rng(seed).random((4, spec.n_dropped(), spec.length, spec.embedding_dim)) > 0.3
        found = spec.user_vectors(p, {**one, "keep": keep})
        expected = [plain_user(p, spec, history, kept) for history, kept in zip(histories(one), keep, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)

    @checked
    @given(seed=seeds)
    def test_the_users_are_the_formula_whatever_is_known_of_them(self, seed):
        p, one = parameters(SMALL, seed), batch(SMALL, seed + 1, lengths=range(SMALL.length + 1))
        found = SMALL.user_vectors(p, one)
        expected = [plain_user(p, SMALL, history) for history in histories(one)]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)

    def test_the_items_are_the_table_without_padding(self):
        p = parameters(SMALL, 0)
        np.testing.assert_array_equal(SMALL.item_vectors(p), p["item_embedding"][1:])

    @settings(checked, max_examples=8)
    @given(seed=seeds)
    def test_every_gradient_is_the_slope_of_the_loss(self, seed):
        p, one = parameters(SMALL, seed), batch(SMALL, seed + 1)
        gradients = autograd.grad(SMALL.loss)(p, one)
        assert gradients.keys() == p.keys()
        rng, h = np.random.default_rng(seed), 1e-6
        for name, value in p.items():
            direction = rng.standard_normal(value.shape)
            ahead, behind = (plain_loss({**p, name: value + way * h * direction}, SMALL, one) for way in (1, -1))
            assert np.sum(gradients[name] * direction) == pytest.approx((ahead - behind) / (2 * h), rel=1e-5, abs=1e-7)

    def test_padding_has_no_say_and_learns_nothing(self):
        p, one = parameters(SMALL, 0), batch(SMALL, 1, lengths=[0, 1, 3, 5])
        changed = {**p, "item_embedding": p["item_embedding"] + 9 * (np.arange(6) == 0)[:, None]}
        np.testing.assert_array_equal(SMALL.user_vectors(changed, one), SMALL.user_vectors(p, one))
        gradients = autograd.grad(SMALL.loss)(p, one)
        assert not gradients["item_embedding"][0].any()
        assert gradients["item_embedding"][1:].any(1).all()

    def test_more_padding_changes_nothing(self):
        p, one = parameters(SMALL, 0), batch(SMALL, 1, lengths=[0, 1, 3, 5])
        longer = {**p, "position_embedding": np.pad(p["position_embedding"], ((0, 3), (0, 0)), constant_values=7.0)}
        wider = {**one, "history": np.pad(one["history"], ((0, 0), (0, 3)))}
        np.testing.assert_allclose(SMALL.user_vectors(longer, wider), SMALL.user_vectors(p, one), rtol=1e-12)

    def test_a_user_without_a_history_has_a_finite_vector_and_gradient_under_the_smallest_epsilon(self):
        spec = replace(SMALL, norm_epsilon=1e-8)
        start = sampling.initial_parameters(spec.parameters(SIZES), ("test",))  # here the norms see nothing but zeros
        p, one = {name: value.astype(np.float64) for name, value in start.items()}, batch(spec, 0, lengths=[0, 0, 2])
        assert np.isfinite(spec.user_vectors(p, one)).all()
        assert all(np.isfinite(value).all() for value in autograd.grad(spec.loss)(p, one).values())

    def test_scores_at_which_the_plain_softmax_overflows_are_survived(self):
        p, one = parameters(SMALL, 0, scale=60.0), batch(SMALL, 1)
        assert np.isfinite(SMALL.loss(p, one))
        assert all(np.isfinite(value).all() for value in autograd.grad(SMALL.loss)(p, one).values())


class Watched(SASRec):
    """SASRec that notes how near to its kink any ReLU comes whose output a user's vector depends on."""

    last: np.ndarray
    nearest = math.inf

    def user_vectors(self, p, inputs):
        Watched.last = inputs["length"][:, None] - 1
        return super().user_vectors(p, inputs)

    def _dense(self, p, block, x):
        x_plain, weight, bias = (_plain(value) for value in (x, p[f"{block}_inner_weight"], p[f"{block}_inner_bias"]))
        places = np.arange(self.length)
        counts = places == Watched.last if block == f"block_{self.n_blocks - 1}" else places <= Watched.last
        Watched.nearest = min(Watched.nearest, np.min(np.abs(x_plain @ weight.T + bias)[counts]))
        return super()._dense(p, block, x)


def _plain(value):
    """The array within what autograd wraps around it."""
    while isinstance(value, Box):
        value = value._value
    return value


def test_the_ladders_training_keeps_away_from_the_kinks_of_relu():
    """Else rounding would decide which side a unit is on, and one framework would part from another."""
    climb = climbs.to_the_end(Watched.for_ladder()[0])
    truth = reference.Trajectory(climb.spec, reference.start(climb))
    losses = [truth.step(one) for chunk in reference.chunks(climb) for one in reference.steps(chunk)]
    assert losses[-1] < losses[0]
    assert 5e-5 < Watched.nearest < 0.01
