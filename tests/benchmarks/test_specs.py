import dataclasses
import math
import re
from types import SimpleNamespace

import autograd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datasets
from backends.registry import FAMILIES, TRAINABLE
from benchmarks import protocols, sampling, specs
from benchmarks.agreement import climbs, reference
from benchmarks.agreement.reference import Trajectory
from benchmarks.settings import SettingError
from benchmarks.specs.als import ALS
from benchmarks.specs.base import SGD, Adam, Sizes, digest
from benchmarks.specs.base import settings as settings_of
from benchmarks.specs.mf_bpr import MFBPR
from benchmarks.specs.mf_logloss import MFLogLoss
from benchmarks.specs.oracle import Oracle
from benchmarks.specs.popularity import Popularity
from datasets.errors import InputError

SIZES = Sizes(n_users=6, n_items=5, seen_indptr=np.arange(7), seen_items=np.arange(6, dtype=np.int32) % 5)
TRAINED = {
    "mf-bpr": MFBPR(embedding_dim=3, batch_size=7, l2=0.01, epochs=4, steps_per_epoch=2),
    "mf-logloss": MFLogLoss(embedding_dim=3, batch_size=7, n_negatives=2, l2=0.01, epochs=4),
}
checked = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 2**32)
LEAVE_ONE_OUT = {"name": "leave-k-out", "k": 1, "period": "test", "ks": [5], "primary_metric": "recall@5"}


@pytest.fixture(params=TRAINED)
def spec(request):
    return TRAINED[request.param]


@pytest.fixture
def training():
    rows = np.arange(60, dtype=np.int32)
    return SimpleNamespace(
        n_users=SIZES.n_users,
        n_items=SIZES.n_items,
        user=rows % SIZES.n_users,
        item=(rows * 7 // 3) % SIZES.n_items,
        item_counts=np.array([20, 0, 15, 15, 10]),
    )


def parameters(spec, seed, scale=1.0):
    """Float64 parameters, biases too, away from zero."""
    rng = np.random.default_rng(seed)
    return {row.name: scale * rng.standard_normal(row.shape) for row in spec.parameters(SIZES)}


def batch(spec, seed, size=5):
    rng = np.random.default_rng(seed)
    users = rng.integers(0, SIZES.n_users, size)
    items, others = rng.integers(0, SIZES.n_items, (2, size))
    if spec.model == "mf-bpr":
        return {"user": users, "positive": items, "negative": others}
    return {"user": users, "item": items, "label": rng.integers(0, 2, size).astype(np.float64)}


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def inner(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def plain_bpr_loss(p, batch, l2):
    """-mean ln sigmoid(x_ui - x_uj), x_ui = <u, i> + b_i; the penalty as published, on biases their plain sum."""
    total, penalty = 0.0, 0.0
    rows = list(zip(batch["user"], batch["positive"], batch["negative"], strict=True))
    for u, i, j in rows:
        user, item, other = p["user_factors"][u], p["item_factors"][i], p["item_factors"][j]
        margin = inner(user, item) + p["item_bias"][i] - inner(user, other) - p["item_bias"][j]
        total += -math.log(sigmoid(margin))
        penalty += inner(user, user) + inner(item, item) + inner(other, other) + p["item_bias"][i] + p["item_bias"][j]
    return total / len(rows) + l2 * penalty


def plain_log_loss(p, batch, l2):
    """-mean(y ln P + (1 - y) ln(1 - P)), P = sigmoid(b + b_u + b_i + <u, i>); the penalty on both factor rows."""
    total, penalty = 0.0, 0.0
    rows = list(zip(batch["user"], batch["item"], batch["label"], strict=True))
    for u, i, y in rows:
        user, item = p["user_factors"][u], p["item_factors"][i]
        x = p["global_bias"] + p["user_bias"][u] + p["item_bias"][i] + inner(user, item)
        total -= y * math.log(sigmoid(x)) + (1 - y) * math.log(sigmoid(-x))
        penalty += inner(user, user) + inner(item, item)
    return total / len(rows) + l2 * penalty


PLAIN = {"mf-bpr": plain_bpr_loss, "mf-logloss": plain_log_loss}


class TestParameterTables:
    def test_bpr(self):
        rows = MFBPR(embedding_dim=8).parameters(SIZES)
        assert [(row.name, row.shape) for row in rows] == [
            ("user_factors", (6, 8)),
            ("item_factors", (5, 8)),
            ("item_bias", (5,)),
        ]
        assert [row.bound for row in rows] == pytest.approx([0.5, 0.5, math.sqrt(2)])

    def test_log_loss(self):
        rows = MFLogLoss(embedding_dim=8).parameters(SIZES)
        assert [(row.name, row.shape) for row in rows] == [
            ("user_factors", (6, 8)),
            ("item_factors", (5, 8)),
            ("user_bias", (6,)),
            ("item_bias", (5,)),
            ("global_bias", ()),
        ]
        assert [row.bound for row in rows] == pytest.approx([0.5, 0.5, math.sqrt(2), math.sqrt(2), 0])

    def test_als(self):
        rows = ALS(embedding_dim=8).parameters(SIZES)
        assert [(row.name, row.shape) for row in rows] == [("user_factors", (6, 8)), ("item_factors", (5, 8))]

    def test_what_learns_nothing_has_none(self):
        assert Popularity().parameters(SIZES) == Oracle().parameters(SIZES) == ()

    def test_the_published_defaults(self):
        assert MFBPR() == MFBPR("as_published", 128, 15_000, 30, 75, 0, 0.0005, 1e-8, 1e-7, False)
        assert MFLogLoss() == MFLogLoss("as_published", 128, 5, 5_000, 10, 0, 0.005, 1e-8, 1e-7, False)
        assert ALS() == ALS("as_published", 128, 1e-6, 15, 1, False)


class TestReference:
    @checked
    @given(seed=seeds, scale=st.floats(0.01, 2.0), l2=st.sampled_from([0.0, 1e-7, 0.3]))
    @pytest.mark.parametrize("model", TRAINED)
    def test_the_loss_is_the_formula(self, model, seed, scale, l2):
        spec = specs.make(model, {**settings_of(TRAINED[model]), "l2": l2})
        p, one = parameters(spec, seed, scale), batch(spec, seed + 1)
        assert float(spec.loss(p, one)) == pytest.approx(PLAIN[model](p, one, l2), rel=1e-11)

    @checked
    @given(seed=seeds)
    @pytest.mark.parametrize("model", TRAINED)
    def test_every_gradient_is_the_slope_of_the_loss(self, model, seed):
        spec = TRAINED[model]
        p, one = parameters(spec, seed), batch(spec, seed + 1, size=3)
        gradients = autograd.grad(spec.loss)(p, one)
        assert gradients.keys() == p.keys()
        h = 1e-6
        for name, value in p.items():
            for place in np.ndindex(value.shape):
                ahead, behind = (
                    PLAIN[model]({**p, name: moved(value, place, sign * h)}, one, spec.l2) for sign in (1, -1)
                )
                assert gradients[name][place] == pytest.approx((ahead - behind) / (2 * h), rel=1e-6, abs=1e-8)

    def test_the_stable_form_survives_scores_at_which_the_plain_one_overflows(self, spec):
        p = {name: np.full_like(value, 40.0) for name, value in parameters(spec, 0).items()}
        p["item_factors"][::2] *= -1
        one = batch(spec, 3, size=40)
        assert np.isfinite(spec.loss(p, one))
        assert all(np.isfinite(g).all() for g in autograd.grad(spec.loss)(p, one).values())

    @pytest.mark.parametrize("model", TRAINED)
    def test_inner_products_of_the_vectors_rank_as_the_model_scores(self, model):
        """They are the score less what is the same for all items of a user: a margin of one item over another."""
        spec = TRAINED[model]
        p = parameters(spec, 0)
        users = np.array([4, 0, 0, 5])
        vectors = spec.user_vectors(p, {"user": users})
        items = spec.item_vectors(p)
        assert (vectors.shape, items.shape) == ((4, 4), (SIZES.n_items, 4))
        for row, u in enumerate(users):
            for i in range(SIZES.n_items):
                score = inner(p["user_factors"][u], p["item_factors"][i]) + p["item_bias"][i]
                assert vectors[row] @ items[i] == pytest.approx(score, rel=1e-12)

    def test_a_step_of_the_reference_lowers_the_loss(self, spec):
        one = batch(spec, 1)
        trajectory = Trajectory(spec, {name: v.astype(np.float32) for name, v in parameters(spec, 0).items()})
        losses = [trajectory.step(one) for _ in range(50)]
        assert losses[-1] < losses[0]


def moved(value, place, by):
    changed = np.array(value)
    changed[place] += by
    return changed


class TestAdam:
    @pytest.mark.parametrize("adam", [Adam(0.005), Adam(0.03, epsilon=1e-4), Adam(0.1, 0.8, 0.99, 1e-3)])
    def test_the_folded_form_makes_the_papers_updates(self, adam):
        rng = np.random.default_rng(0)
        gradients = rng.standard_normal((500, 20)) * 10 ** rng.uniform(-6, 2, 20)
        step_size, epsilon, decay = (schedule.astype(np.float64) for schedule in adam.schedule(0, 500))
        assert not decay.any()
        m = v = np.zeros(20)
        for t, g in enumerate(gradients, 1):
            m = adam.beta1 * m + (1 - adam.beta1) * g
            v = adam.beta2 * v + (1 - adam.beta2) * g**2
            m_hat, v_hat = m / (1 - adam.beta1**t), v / (1 - adam.beta2**t)
            expected = adam.learning_rate * m_hat / (np.sqrt(v_hat) + adam.epsilon)
            folded = step_size[t - 1] * m / (np.sqrt(v) + epsilon[t - 1])
            np.testing.assert_allclose(folded, expected, rtol=1.2e-7)  # two roundings to float32

    @given(done=st.integers(0, 1000), n_first=st.integers(0, 50), n_then=st.integers(1, 50))
    @checked
    def test_a_schedule_goes_on_where_the_one_before_ended(self, done, n_first, n_then):
        adam = Adam(0.01, warmup_steps=100, weight_decay=0.1)
        whole = adam.schedule(done, n_first + n_then)
        first, then = adam.schedule(done, n_first), adam.schedule(done + n_first, n_then)
        for together, a, b in zip(whole, first, then, strict=True):
            assert together.dtype == np.float32
            assert np.array_equal(together, np.concatenate([a, b]))

    def test_the_first_step_has_the_learning_rates_size_whatever_the_gradient(self):
        step_size, epsilon, _ = (float(schedule[0]) for schedule in Adam(0.01).schedule(0, 1))
        for gradient in (1e-3, 1.0, 1e3):
            m, v = 0.1 * gradient, 0.001 * gradient**2
            assert step_size * m / (math.sqrt(v) + epsilon) == pytest.approx(0.01, rel=1e-4)

    def test_the_learning_rate_warms_up_linearly_from_the_first_step_on(self):
        cold, warm = (Adam(0.01, warmup_steps=n, weight_decay=0.5).schedule(0, 6) for n in (0, 4))
        shares = [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
        for at in (0, 2):  # step sizes and decay
            np.testing.assert_allclose(warm[at], np.array(shares) * cold[at], rtol=1e-6)
        assert np.array_equal(warm[1], cold[1])  # epsilons
        assert [float(Adam(0.01, warmup_steps=4).warmth(done)) for done in range(6)] == shares
        assert [float(Adam(0.01).warmth(done)) for done in range(6)] == [1.0] * 6

    def test_what_decays_is_the_learning_rates_share_without_the_bias_correction(self):
        *_, decay = Adam(0.01, weight_decay=0.3).schedule(5, 3)
        assert decay.dtype == np.float32
        np.testing.assert_allclose(decay, [0.003] * 3, rtol=1e-7)

    @pytest.mark.parametrize("model", ["sasrec", "gru4rec", "mind", "comirec-sa", "comirec-dr"])
    def test_a_sequence_models_optimizer_has_its_settings_and_none_of_these_by_default(self, model):
        asked = {"learning_rate": 0.25, "epsilon": 0.5, "warmup_steps": 7, "weight_decay": 0.1, "clip_norm": 5}
        assert specs.make(model, asked).optimizer == Adam(0.25, 0.9, 0.999, 0.5, 7, 0.1, 5.0)
        plain = specs.make(model, {}).optimizer
        assert (plain.warmup_steps, plain.weight_decay, plain.clip_norm) == (0, 0.0, 0.0)

    @pytest.mark.parametrize("model", ["sasrec", "gru4rec", "mind", "comirec-sa", "comirec-dr"])
    def test_the_initial_scale_is_that_of_everything_that_is_drawn_to_be_learnt(self, model):
        spec = specs.make(model, {})
        plain, scaled = (dataclasses.replace(spec, initial_scale=scale).parameters(SIZES) for scale in (1.0, 0.25))
        assert plain == spec.parameters(SIZES)
        for before, after in zip(plain, scaled, strict=True):
            share = 1.0 if after.name in spec.unlearnt else 0.25
            assert after == dataclasses.replace(before, bound=share * before.bound)

    def test_a_specs_optimizer_has_its_settings(self):
        for spec in TRAINED.values():
            changed = specs.make(spec.model, {"learning_rate": 0.25, "epsilon": 0.5})
            assert changed.optimizer == Adam(0.25, 0.9, 0.999, 0.5)


class TestSGD:
    @given(rate=st.floats(1e-4, 10), done=st.integers(0, 1000), n_steps=st.integers(1, 70))
    @checked
    def test_its_steps_stay_the_same_and_it_has_no_epsilon(self, rate, done, n_steps):
        step_size, epsilon, decay = SGD(rate, 5.0).schedule(done, n_steps)
        assert (step_size.dtype, epsilon.dtype, decay.dtype) == (np.float32,) * 3
        assert step_size.tolist() == [np.float32(rate)] * n_steps
        assert epsilon.tolist() == decay.tolist() == [0.0] * n_steps

    def test_optimizers_have_names_by_which_adapters_tell_them_apart(self):
        assert (Adam.name, SGD.name) == ("adam", "sgd")


class TestMembers:
    """What the harness relies on in every family, those to come too."""

    @pytest.mark.parametrize("model", FAMILIES)
    def test_what_a_spec_asks_and_serves_is_known(self, model):
        spec = specs.make(model, {})
        assert spec.asks in {"users", "histories"}
        assert spec.serves in {"vectors", "scores", "lists"}
        assert type(spec.patience) is int
        assert type(spec.filter_seen) is bool
        assert spec.asks == "users" or (hasattr(spec, "inputs") and type(spec.answers_empty) is bool)

    @pytest.mark.parametrize("model", TRAINABLE)
    def test_what_is_not_learnt_is_among_the_parameters_and_has_a_say_in_what_a_step_leaves(self, model):
        for spec in type(specs.make(model, {})).for_ladder():
            names = list(reference.start(climbs.to_the_end(spec)))
            assert len(set(names)) == len(names)
            assert set(spec.unlearnt) < set(names)
            assert not spec.unlearnt or callable(spec.carried)

    @pytest.mark.parametrize("model", TRAINABLE)
    def test_the_ladder_keeps_the_kind_of_the_family(self, model):
        spec = specs.make(model, {})
        climbing = type(spec).for_ladder()
        assert len({small.variant for small in climbing}) == len(climbing)
        for small in climbing:
            assert (small.serves, small.optimizer.name) == (spec.serves, spec.optimizer.name)
            assert specs.make(model, settings_of(small)) == small


def epoch_bytes(spec, training, epoch, key=("split", 0)):
    return [
        {name: (a.shape, a.dtype.str, a.tobytes()) for name, a in chunk.items()}
        for chunk in spec.batches(training, key, epoch)
    ]


class TestBatches:
    def test_an_epoch_does_not_depend_on_how_many_there_are(self, spec, training):
        longer = specs.make(spec.model, {**settings_of(spec), "epochs": 400})
        for epoch in (1, 2, spec.epochs):
            assert epoch_bytes(longer, training, epoch) == epoch_bytes(spec, training, epoch)

    def test_an_epoch_does_not_depend_on_those_before_it(self, spec, training):
        in_order = [epoch_bytes(spec, training, epoch) for epoch in (1, 2, 3)]
        assert [epoch_bytes(spec, training, epoch) for epoch in (3, 1, 2)] == [in_order[2], in_order[0], in_order[1]]

    def test_settings_that_are_not_the_batches_own_do_not_change_them(self, spec, training):
        other = specs.make(
            spec.model, {**settings_of(spec), "embedding_dim": 64, "learning_rate": 0.5, "l2": 1.0, "variant": "other"}
        )
        assert epoch_bytes(other, training, 1) == epoch_bytes(spec, training, 1)

    def test_epochs_seeds_splits_and_models_differ(self, spec, training):
        base = epoch_bytes(spec, training, 1)
        assert epoch_bytes(spec, training, 2) != base
        assert epoch_bytes(spec, training, 1, ("split", 1)) != base
        assert epoch_bytes(spec, training, 1, ("other", 0)) != base

    def test_bpr_takes_as_many_steps_as_it_says(self, training):
        (chunk,) = TRAINED["mf-bpr"].batches(training, ("split", 0), 1)
        assert {name: values.shape for name, values in chunk.items()} == dict.fromkeys(
            ("user", "positive", "negative"), (2, 7)
        )

    @pytest.mark.parametrize(("batch_size", "n_steps"), [(7, 9), (10, 6), (60, 1), (100, 1)])
    def test_bpr_without_a_number_of_steps_takes_one_pass(self, training, batch_size, n_steps):
        spec = specs.make("mf-bpr", {"steps_per_epoch": 0, "batch_size": batch_size})
        (chunk,) = spec.batches(training, ("split", 0), 1)
        assert chunk["user"].shape == (n_steps, batch_size)

    def test_log_loss_sees_every_row(self, training):
        spec = TRAINED["mf-logloss"]
        chunks = list(spec.batches(training, ("split", 0), 1))
        assert [chunk["label"].shape for chunk in chunks] == [(8, 21), (1, 12)]
        assert sum(chunk["label"].sum() for chunk in chunks) == 60

    def test_no_call_takes_more_steps_than_a_chunk_may_hold(self, spec, training):
        longer = {"mf-bpr": {"steps_per_epoch": 150}, "mf-logloss": {"batch_size": 1}}[spec.model]
        changed = specs.make(spec.model, {**settings_of(spec), **longer})
        training.user, training.item = np.tile(training.user, 3), np.tile(training.item, 3)
        for chunk in changed.batches(training, ("split", 0), 1):
            assert len(chunk["user"]) <= sampling.STEPS_PER_CHUNK

    def test_als_gets_all_rows_at_once(self, training):
        (chunk,) = ALS().batches(training, ("split", 0), 1)
        assert np.array_equal(chunk["user"], [training.user])
        assert np.array_equal(chunk["item"], [training.item])

    @pytest.mark.parametrize("model", ["item-cf", "user-cf", "ease", "slim"])
    def test_models_of_sets_get_all_rows_at_once(self, training, model):
        (chunk,) = specs.make(model, {}).batches(training, ("split", 0), 1)
        assert {name: values.tolist() for name, values in chunk.items()} == {
            "user": [training.user.tolist()],
            "item": [training.item.tolist()],
        }

    @pytest.mark.parametrize("model", ["item-cf", "user-cf", "ease", "slim"])
    def test_models_of_sets_need_users(self, training, model):
        training.user = training.item = np.zeros(0, np.int32)
        with pytest.raises(InputError, match=f"no training row has a user, and {model} learns from who has what"):
            list(specs.make(model, {}).batches(training, ("split", 0), 1))

    def test_popularity_gets_the_counts(self, training):
        (chunk,) = Popularity().batches(training, ("split", 0), 1)
        assert chunk["count"].tolist() == [[20, 0, 15, 15, 10]]

    def test_the_oracle_gets_nothing(self, training):
        assert list(Oracle().batches(training, ("split", 0), 1)) == []


class TestMake:
    @pytest.mark.parametrize("model", FAMILIES)
    def test_no_settings_are_the_defaults(self, model):
        spec = specs.make(model, {})
        assert spec.model == model
        assert spec == type(spec)()

    def test_settings_take_the_defaults_place(self):
        spec = specs.make("mf-bpr", {"variant": "small", "embedding_dim": 4})
        assert (spec.variant, spec.embedding_dim, spec.batch_size) == ("small", 4, 15_000)

    def test_an_unknown_model_is_named_with_those_there_are(self):
        with pytest.raises(InputError) as error:
            specs.make("mf-bqr", {})
        assert "'mf-bqr'" in str(error.value)
        assert all(model in str(error.value) for model in FAMILIES)

    @pytest.mark.parametrize("model", FAMILIES)
    def test_an_unknown_setting_is_named_with_those_there_are(self, model):
        with pytest.raises(InputError) as error:
            specs.make(model, {"embeding_dim": 4})
        assert f"{model} has no setting 'embeding_dim'" in str(error.value)
        assert "variant" in str(error.value)

    @pytest.mark.parametrize("name", ["model", "serves", "asks", "unlearnt", "optimizer"])
    def test_what_is_fixed_is_no_setting(self, name):
        with pytest.raises(InputError, match=f"no setting '{name}'"):
            specs.make("mf-bpr", {name: "vectors"})

    @pytest.mark.parametrize("model", FAMILIES)
    def test_a_spec_is_made_again_from_its_settings(self, model):
        spec = specs.make(model, {"variant": "again"})
        assert specs.make(model, settings_of(spec)) == spec

    @pytest.mark.parametrize("model", ["item-cf", "user-cf"])
    def test_no_neighbours_are_refused(self, model):
        with pytest.raises(InputError, match=f"{model}: n_neighbours is 0, expected a whole number from 1"):
            specs.make(model, {"n_neighbours": 0})

    def test_on_the_ladder_epsilon_and_penalty_are_large_enough_to_be_felt(self):
        for spec in TRAINED.values():
            small = type(spec).for_ladder()[0]
            assert small.epsilon >= 1e-4
            assert small.l2 >= 1e-4
            assert small.optimizer.learning_rate >= 0.01


class TestDigest:
    def test_it_is_the_same_for_ever(self):
        assert digest({"a": 1, "b": [1.5, None, "x"]}) == "51824779aebdb7de"
        assert digest(settings_of(Popularity())) == "22d10d73e71a176c"

    def test_the_order_of_keys_does_not_matter(self):
        assert digest({"a": {"x": 1, "y": 2}, "b": 3}) == digest({"b": 3, "a": {"y": 2, "x": 1}})

    @pytest.mark.parametrize("other", [{"a": 2}, {"b": 1}, {"a": "1"}, {"a": [1]}, {"a": 1, "b": None}, [["a", 1]]])
    def test_every_value_matters(self, other):
        assert digest(other) != digest({"a": 1})

    def test_every_setting_matters(self, spec):
        before = settings_of(spec)
        for name, value in before.items():
            other = {**before, name: not value if isinstance(value, bool) else value * 2 or 1}
            assert digest(settings_of(specs.make(spec.model, other))) != digest(before), name


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        ("sasrec", {}, 'trains_on = "prefixes" with it, or 0'),
        ("mind", {"trains_on": "cuts"}, 'trains_on = "prefixes" with it, or 0'),
        ("dssm", {}, "0, since no feature is the history"),
    ],
)
def test_a_cap_of_prefixes_where_there_are_none_is_refused(model, given, expected):
    with pytest.raises(SettingError, match=f"prefixes_per_sequence is 3, expected {re.escape(expected)}"):
        specs.make(model, {**given, "prefixes_per_sequence": 3})


def test_a_cap_of_prefixes_leaves_so_many_of_each_sequence():
    split = protocols.make(LEAVE_ONE_OUT).split(datasets.load("synthetic-tiny"))
    longest = np.diff(split.sequence_indptr).max()
    for model, changes in (
        ("mind", {"trains_on": "prefixes"}),
        ("youtube-dnn", {"user_features": ["user", "history"]}),
    ):
        n_samples = [
            sum(spec.n_samples(chunk) for chunk in spec.batches(split, ("key",), 1))
            for most in (0, 2, int(longest))
            for spec in [specs.make(model, {**changes, "batch_size": 50, "prefixes_per_sequence": most})]
        ]
        assert n_samples[0] == n_samples[2] > n_samples[1]
        assert n_samples[1] == np.minimum(np.diff(split.sequence_indptr) - 1, 2).sum() // 50 * 50
