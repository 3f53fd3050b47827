"""The losses that sequence models share, in loops over plain numbers, and what batches hold for them."""

import itertools
import math
import re
from dataclasses import replace

import autograd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import negatives, sampling, specs
from benchmarks.agreement import ladder_data
from benchmarks.settings import SettingError
from benchmarks.specs.base import Sizes
from benchmarks.specs.sasrec import SASRec

DATA = ladder_data.problem()
SMALL = SASRec(embedding_dim=4, length=5, n_blocks=1, batch_size=16, n_negatives=3, dropout=0)
BCE = replace(SMALL, objective="bce")
LOG_Q = replace(SMALL, sampler="popularity", log_q=True)
checked = settings(derandomize=True, deadline=None, max_examples=25)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def plain_binary_loss(positive, others, calibration, n_items):
    """-1 / (k + 1) (log sigmoid(s+)^beta + sum of log(1 - sigmoid(s-))), beta as the paper writes it."""
    alpha = len(others) / (n_items - 1)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    logs = math.log(sigmoid(positive) ** beta) + sum(math.log(1 - sigmoid(other)) for other in others)
    return -logs / (len(others) + 1)


def plain_softmax_loss(positive, others):
    return -math.log(math.exp(positive) / (math.exp(positive) + sum(math.exp(other) for other in others)))


def case(spec, seed, n_items=9, n=6):
    """Outputs, a table of as many items, and a batch of n rows, some places of which are padding."""
    rng = np.random.default_rng(seed)
    at_positions = spec.trains_on == "positions"
    shape = (n, spec.length) if at_positions else (n,)
    target = rng.integers(0, n_items + at_positions, shape)
    target.flat[0] = 1
    drawn = rng.integers(0, n_items, (*shape, spec.n_negatives) if spec.objective == "bce" else spec.n_negatives)
    one = {"target": target, "negatives": drawn, "target_log_q": rng.normal(size=shape),
           "negative_log_q": rng.normal(size=drawn.shape)}  # fmt: skip
    return rng.normal(size=(*shape, spec.embedding_dim)), rng.normal(size=(n_items, spec.embedding_dim)), one


def known(spec, outputs, one):
    """Of each target that is no padding: its place, output and item."""
    for place in np.ndindex(one["target"].shape):
        item = int(one["target"][place]) - (spec.trains_on == "positions")
        if item >= 0:
            yield place, outputs[place], item


class TestLosses:
    @checked
    @given(
        seed=st.integers(0, 2**32),
        n_negatives=st.integers(1, 4),
        calibration=st.sampled_from([0.0, 0.3, 0.75, 1.0]),
        trains_on=st.sampled_from(["positions", "cuts"]),
    )
    def test_bce_is_the_formula(self, seed, n_negatives, calibration, trains_on):
        spec = replace(BCE, n_negatives=n_negatives, calibration=calibration, trains_on=trains_on)
        outputs, table, one = case(spec, seed)
        losses = [
            plain_binary_loss(output @ table[item], table[one["negatives"][place]] @ output, calibration, len(table))
            for place, output, item in known(spec, outputs, one)
        ]
        assert float(spec.next_item_loss(outputs, table, one)) == pytest.approx(np.mean(losses), rel=1e-10)

    @checked
    @given(seed=st.integers(0, 2**32), trains_on=st.sampled_from(["positions", "cuts"]))
    def test_logq_is_taken_from_the_positive_and_from_the_negatives(self, seed, trains_on):
        spec = replace(LOG_Q, trains_on=trains_on)
        outputs, table, one = case(spec, seed)
        losses = [
            plain_softmax_loss(
                output @ table[item] - one["target_log_q"][place],
                [output @ table[other] - log_q
                 for other, log_q in zip(one["negatives"], one["negative_log_q"], strict=True) if other != item],
            )
            for place, output, item in known(spec, outputs, one)
        ]  # fmt: skip
        assert float(spec.next_item_loss(outputs, table, one)) == pytest.approx(np.mean(losses), rel=1e-10)

    def test_where_all_items_are_alike_logq_changes_nothing(self):
        spec = replace(SMALL, log_q=True)
        (with_log_q,), (without,) = (list(each.batches(DATA, ("key",), 1)) for each in (spec, SMALL))
        p = {row.name: np.random.default_rng(0).normal(size=row.shape) for row in spec.parameters(Sizes.of(DATA))}
        one, other = ({name: values[0] for name, values in chunk.items()} for chunk in (with_log_q, without))
        assert float(spec.loss(p, one)) == pytest.approx(float(SMALL.loss(p, other)), rel=1e-6)

    def test_scores_at_which_a_plain_sigmoid_is_zero_are_survived(self):
        outputs, table, one = case(BCE, 0)
        loss, gradient = autograd.value_and_grad(lambda rows: BCE.next_item_loss(outputs, rows, one))(400 * table)
        assert np.isfinite(loss)
        assert np.isfinite(gradient).all()
        assert loss > 100

    @pytest.mark.parametrize(
        ("n_negatives", "calibration", "expected"),
        [(1, 0.0, 1.0), (1, 1.0, 1 / 99), (50, 0.5, 1 - 0.5 * 49 / 99), (99, 1.0, 1.0)],
    )
    def test_beta_is_one_without_calibration_and_alpha_with_a_full_one(self, n_negatives, calibration, expected):
        assert replace(BCE, n_negatives=n_negatives, calibration=calibration).beta(100) == pytest.approx(expected)


def drawn(spec, key=("key",), epoch=1):
    """All that an epoch holds, {name: array[steps, ...]}."""
    chunks = list(spec.batches(DATA, key, epoch))
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


class TestBatches:
    @pytest.mark.parametrize("trains_on", ["positions", "cuts", "prefixes"])
    def test_each_target_of_bce_has_negatives_of_its_own(self, trains_on):
        found = drawn(replace(BCE, trains_on=trains_on))
        assert found["negatives"].shape == (*found["target"].shape, 3)
        assert found["negatives"].dtype == np.int32
        assert len(np.unique(found["negatives"].reshape(-1, 3), axis=0)) > 0.9 * found["target"].size

    @pytest.mark.parametrize("trains_on", ["positions", "cuts", "prefixes"])
    @pytest.mark.parametrize("sampler", ["uniform", "popularity"])
    def test_what_a_user_has_is_drawn_unless_it_is_excluded(self, trains_on, sampler):
        spec = replace(BCE, trains_on=trains_on, sampler=sampler, n_negatives=20)
        for exclude, some in ((False, True), (True, False)):
            found = drawn(replace(spec, exclude_positives=exclude))
            hits = [
                np.isin(found["negatives"][place], DATA.seen_items[DATA.seen_indptr[user] : DATA.seen_indptr[user + 1]])
                for place in np.ndindex(found["user"].shape)
                for user in [found["user"][place]]
            ]
            assert np.any(hits) == some

    def test_shared_negatives_are_of_the_named_distribution(self):
        found = drawn(replace(LOG_Q, n_negatives=4000))
        p = negatives.probabilities("popularity", DATA.item_counts)
        shares = np.bincount(found["negatives"].ravel(), minlength=DATA.n_items) / found["negatives"].size
        assert np.abs(shares - p).max() < 4 * np.sqrt(p.max() / found["negatives"].size)
        assert p.max() > 2 * p.min()

    @pytest.mark.parametrize("trains_on", ["positions", "cuts"])
    def test_logq_is_that_of_the_targets_and_the_negatives(self, trains_on):
        found = drawn(replace(LOG_Q, trains_on=trains_on))
        log_q = negatives.log_q(negatives.probabilities("popularity", DATA.item_counts))
        item = found["target"] - (trains_on == "positions")
        np.testing.assert_array_equal(found["target_log_q"][item >= 0], log_q[item[item >= 0]])
        np.testing.assert_array_equal(found["negative_log_q"], log_q[found["negatives"]])
        assert found["target_log_q"].shape == found["target"].shape
        assert found["target_log_q"].dtype == found["negative_log_q"].dtype == np.float32

    @pytest.mark.parametrize("spec", [SMALL, LOG_Q, BCE, replace(BCE, exclude_positives=True)])
    def test_histories_and_targets_are_those_without_negatives(self, spec):
        found, without = drawn(spec), drawn(replace(SMALL, n_negatives=0))
        assert all(np.array_equal(found[name], values) for name, values in without.items())

    @pytest.mark.parametrize("spec", [BCE, replace(BCE, exclude_positives=True)])
    def test_negatives_do_not_depend_on_dropout_or_on_the_vectors(self, spec):
        other = replace(spec, dropout=0.5, embedding_dim=32, learning_rate=0.1)
        np.testing.assert_array_equal(drawn(spec)["negatives"], drawn(other)["negatives"])

    @pytest.mark.parametrize("changes", [{}, {"dropout": 0.5}, {"objective": "softmax"}])
    def test_a_chunk_holds_so_few_steps_that_what_is_drawn_fits(self, changes, monkeypatch):
        spec = replace(BCE, n_negatives=7, **changes)
        whole = drawn(spec)
        most = 3 * 4 * 16 * 5 * 7
        monkeypatch.setattr(sampling, "MOST_DRAWN", most)
        chunks = list(spec.batches(DATA, ("key",), 1))
        for name, of_chunk in itertools.product(("negatives", "keep"), chunks):
            assert name not in of_chunk or of_chunk[name].nbytes <= most
        assert all(len(chunk["target"]) <= 3 for chunk in chunks) or spec.objective == "softmax"
        for name, values in whole.items():
            np.testing.assert_array_equal(np.concatenate([chunk[name] for chunk in chunks]), values)

    def test_one_step_is_drawn_however_large(self, monkeypatch):
        monkeypatch.setattr(sampling, "MOST_DRAWN", 1)
        assert {len(chunk["negatives"]) for chunk in BCE.batches(DATA, ("key",), 1)} == {1}

    def test_shared_uniform_negatives_are_those_that_they_were_before_there_were_others(self):
        chunks = list(SMALL.batches(DATA, ("key",), 2))
        n_steps = sum(len(chunk["negatives"]) for chunk in chunks)
        before = sampling.uniform_items(sampling.generator("key", "negatives", 2), DATA.n_items, (n_steps, 3))
        np.testing.assert_array_equal(np.concatenate([chunk["negatives"] for chunk in chunks]), before)


@pytest.mark.parametrize("model", ["sasrec", "gru4rec"])
def test_adams_second_moment_forgets_as_fast_as_is_said_and_all_else_stays(model):
    plain, fast = (specs.make(model, {"clip_norm": 0.5, **given}).optimizer for given in ({}, {"beta2": 0.98}))
    assert (plain.beta2, fast.beta2) == (0.999, 0.98)
    assert replace(fast, beta2=0.999) == plain


@pytest.mark.parametrize("model", ["sasrec", "gru4rec"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objective": "bce", "n_negatives": 0}, "n_negatives is 0, expected 1 or more, which bce needs"),
        ({"n_negatives": 0, "sampler": "popularity"}, "sampler is 'popularity', expected uniform"),
        ({"n_negatives": 0, "log_q": True}, "log_q is True, expected false but for a softmax over negatives"),
        ({"n_negatives": 3, "objective": "bce", "log_q": True}, "log_q is True, expected false but for a softmax"),
        ({"n_negatives": 3, "calibration": 0.5}, 'calibration is 0.5, expected 0 unless objective = "bce"'),
        ({"n_negatives": 3, "objective": "bce", "calibration": 1.5}, "calibration is 1.5, expected a number from 0 to"),
        ({"n_negatives": 3, "exclude_positives": True}, "exclude_positives is True, expected false unless"),
        ({"objective": "bpr"}, "objective is 'bpr', expected one of softmax, bce"),
    ],
)
def test_what_does_not_fit_together_is_refused(model, given, message):
    with pytest.raises(SettingError, match=re.escape(f"{model}: {message}")):
        specs.make(model, given)
