"""DSSM and YouTubeDNN: their float64 reference against the formulas in plain loops, and the batches they learn from."""

import dataclasses
import math

import numpy as np
import pytest

from benchmarks import specs
from benchmarks.agreement import ladder_data
from benchmarks.specs.base import Sizes
from benchmarks.specs.dssm import DSSM
from benchmarks.specs.youtube_dnn import YouTubeDNN
from datasets.errors import InputError

SIZES = Sizes(
    n_users=3,
    n_items=6,
    user_features={"region": np.array([0, 2, 1, 2], np.int32), "activity": np.array([0, 0.5, -1, 2], np.float32)},
    item_features={"group": np.array([0, 1, 1, 3, 2, 0, 1], np.int32)},
)
PLAIN = DSSM(embedding_dim=3, user_tower=(4, 2), item_tower=(5, 2), double_sigmoid=False, scaling="none")
RICH = DSSM(
    user_features=("history", "user", "region", "activity"),
    item_features=("group", "item"),
    history_length=4,
    embedding_dim=3,
    user_tower=(4, 2),
    item_tower=(2,),
    activation="prelu",
    batch_norm=True,
    scaling="length",
)
BARE = {"scaling": "none", "batch_norm": False, "by_distance": False}
FORMS = ("point-wise", "pair-wise", "list-wise", "triplet", "in-batch")
WITHOUT = ("triplet", True)  # distances, which a log-probability corrects nothing of


def parameters(spec, seed=0):
    """Float64 parameters away from zero, the columns as they are."""
    rng = np.random.default_rng(seed)
    rows = {row.name: row for row in spec.parameters(SIZES)}
    given = {name: row.values if name in spec.unlearnt else None for name, row in rows.items()}
    drawn = {name: 1.5 * rng.standard_normal(row.shape) for name, row in rows.items()}
    kept = {name: np.abs(value) for name, value in drawn.items() if "_norm_variance_" in name}
    return {name: drawn[name] if value is None else value for name, value in given.items()} | kept


def batch(n_items=3):
    return {
        "user": np.array([0, 2, 1, 0, -1]),
        "history": np.array([[1, 2, 6, 1], [5, 0, 0, 0], [0, 0, 0, 0], [2, 2, 3, 0], [4, 4, 0, 0]]),
        "length": np.array([4, 1, 0, 3, 2]),
        "item": np.array([[0, 3, 5], [2, 2, 1], [0, 4, 3], [1, 5, 5], [2, 0, 4]])[:, :n_items],
        "log_q": np.log([[0.1, 0.2, 0.3], [0.3, 0.3, 0.2], [0.1, 0.1, 0.2], [0.2, 0.3, 0.3], [0.3, 0.1, 0.1]])[
            :, :n_items
        ],
    }


def leaky(x, slope):
    return np.array([max(v, 0.0) + slope * min(v, 0.0) for v in x])


def plain_tower(p, side, x, n_layers):
    for i in range(n_layers):
        x = leaky(p[f"{side}_weight_{i}"] @ x + p[f"{side}_bias_{i}"], 0.01)
    return x


def plain_vectors(p, given):
    users = [plain_tower(p, "user", p["user_embedding"][row + 1], 2) for row in given["user"]]
    items = [[plain_tower(p, "item", p["item_embedding"][item + 1], 2) for item in row] for row in given["item"]]
    return users, items


def cross_entropy(logits, label):
    return math.log(sum(math.exp(logit) for logit in logits)) - logits[label]


def plain_loss(spec, users, items, given):
    """The forms of `TwoTower`'s docstring, number by number."""
    rows = range(len(users))
    if spec.form == "in-batch":
        losses = []
        for a in rows:
            others = [b for b in rows if b == a or given["item"][b][0] != given["item"][a][0]]
            logits = [users[a] @ items[b][0] / spec.temperature for b in others]
            if spec.log_q:
                logits = [logit - given["log_q"][b][0] for logit, b in zip(logits, others, strict=True)]
            losses.append(cross_entropy(logits, others.index(a)))
        return np.mean(losses)
    losses = []
    for a in rows:
        scores = [users[a] @ item / spec.temperature for item in items[a]]
        if spec.log_q:
            scores = [score - log_q for score, log_q in zip(scores, given["log_q"][a], strict=True)]
        if spec.form == "list-wise":
            losses.append(cross_entropy(scores, 0))
        elif spec.form == "pair-wise":
            losses += [math.log(1 + math.exp(score - scores[0])) for score in scores[1:]]
        elif spec.form == "triplet":
            distances = [math.dist(users[a], item) for item in items[a]]
            losses += [max(0.0, distances[0] - distance + spec.margin) for distance in distances[1:]]
        else:
            logits = [1 / (1 + math.exp(-score)) for score in scores] if spec.double_sigmoid else scores
            losses += [math.log(1 + math.exp(logit)) - (j == 0) * logit for j, logit in enumerate(logits)]
    return np.mean(losses)


class TestLoss:
    @pytest.mark.parametrize(
        ("form", "log_q"), [(form, log_q) for form in FORMS for log_q in (False, True) if (form, log_q) != WITHOUT]
    )
    def test_every_form_is_the_formula(self, form, log_q):
        spec = dataclasses.replace(PLAIN, form=form, temperature=2.0, log_q=log_q)
        p, given = parameters(spec), batch(1 if form == "in-batch" else 3)
        assert spec.loss(p, given) == pytest.approx(plain_loss(spec, *plain_vectors(p, given), given))

    def test_the_published_double_sigmoid(self):
        spec = dataclasses.replace(PLAIN, double_sigmoid=True)
        p, given = parameters(spec), batch()
        assert spec.loss(p, given) == pytest.approx(plain_loss(spec, *plain_vectors(p, given), given))

    def test_weight_decay_takes_in_all_that_is_learnt(self):
        p, given = parameters(RICH), batch()
        learnt = {name: value for name, value in p.items() if name not in RICH.unlearnt}
        squares = sum(float(np.sum(value**2)) for value in learnt.values())
        with_decay = dataclasses.replace(RICH, l2=0.5)
        assert with_decay.loss(p, given) == pytest.approx(RICH.loss(p, given) + 0.25 * squares)
        assert not any("norm_mean" in name or name == "user_region" for name in learnt)

    def test_log_q_of_one_size_changes_no_softmax(self):
        spec = dataclasses.replace(PLAIN, form="in-batch", log_q=True)
        p, given = parameters(spec), batch(1)
        even = given | {"log_q": np.full((5, 1), -2.0)}
        assert spec.loss(p, even) == pytest.approx(dataclasses.replace(spec, log_q=False).loss(p, given))


class TestFeatures:
    @pytest.mark.parametrize("pooling", ["mean", "sum", "max", "concat"])
    def test_a_towers_input_is_its_features_side_by_side(self, pooling):
        width = 19 if pooling == "concat" else 10
        spec = dataclasses.replace(RICH, pooling=pooling, user_tower=(), item_tower=(width,), **BARE)
        p, given = parameters(spec), batch()
        found = spec.user_vectors(p, given)
        for row, user in enumerate(given["user"]):
            items = [p["item_embedding"][item] for item in given["history"][row] if item]
            zeros = np.zeros(3)
            pooled = {
                "mean": sum(items, zeros) / max(1, len(items)),
                "sum": sum(items, zeros),
                "max": np.max(items, 0) if items else zeros,
                "concat": np.concatenate([*items, *[zeros] * (4 - len(items))]),
            }[pooling]
            region = p["user_region_embedding"][SIZES.user_features["region"][user + 1]]
            activity = SIZES.user_features["activity"][[user + 1]]
            expected = np.concatenate([pooled, p["user_embedding"][user + 1], region, activity])
            np.testing.assert_allclose(found[row], expected)

    def test_items_too(self):
        spec = dataclasses.replace(RICH, user_tower=(6,), item_tower=(), **BARE)
        p = parameters(spec)
        for item, vector in enumerate(spec.item_vectors(p)):
            group = p["item_group_embedding"][SIZES.item_features["group"][item + 1]]
            np.testing.assert_allclose(vector, [*group, *p["item_embedding"][item + 1]])

    def test_the_history_shares_the_items_table(self):
        names = [row.name for row in RICH.parameters(SIZES)]
        assert {name for name in names if name.endswith("_embedding")} == {
            "user_embedding",
            "item_embedding",
            "user_region_embedding",
            "item_group_embedding",
        }
        assert "user_activity_embedding" not in names  # a dense column is taken as it is

    def test_without_its_id_a_user_has_no_table(self):
        spec = dataclasses.replace(PLAIN, user_features=("region",))
        assert "user_embedding" not in [row.name for row in spec.parameters(SIZES)]


class TestTowers:
    def test_in_training_a_layer_is_normalised_over_the_batch(self):
        spec = dataclasses.replace(RICH, user_tower=(4,), item_tower=(4,), activation="none", scaling="none")
        p, given = parameters(spec), batch()
        p |= {"user_norm_scale_0": np.ones(4), "user_norm_shift_0": np.zeros(4)}
        users, _ = spec._trained(p, given, {})
        np.testing.assert_allclose(np.mean(users, 0), 0, atol=1e-9)
        np.testing.assert_allclose(np.std(users, 0), 1, rtol=1e-3)

    def test_a_step_keeps_a_tenth_of_the_batchs_moments(self):
        spec = dataclasses.replace(RICH, user_tower=(4,), item_tower=(4,), activation="none")
        p, given = parameters(spec), batch()
        bare = dataclasses.replace(spec, user_tower=(), item_tower=(10,), **BARE)
        inputs = bare.user_vectors(p, given) @ p["user_weight_0"].T
        kept = spec.carried(p, given)
        assert set(kept) == {name for name in spec.unlearnt if "_norm_" in name}
        expected = 0.9 * p["user_norm_variance_0"] + 0.1 * np.var(inputs, 0, ddof=1)
        np.testing.assert_allclose(kept["user_norm_variance_0"], expected)
        np.testing.assert_allclose(kept["user_norm_mean_0"], 0.9 * p["user_norm_mean_0"] + 0.1 * np.mean(inputs, 0))

    def test_a_user_is_served_alike_in_any_company(self):
        p, given = parameters(RICH), batch()
        alone = {name: value[1:2] for name, value in given.items()}
        np.testing.assert_allclose(RICH.user_vectors(p, alone)[0], RICH.user_vectors(p, given)[1])

    @pytest.mark.parametrize(("scaling", "length"), [("length", 1.0), ("squared-length", None)])
    def test_outputs_are_scaled(self, scaling, length):
        spec = dataclasses.replace(PLAIN, scaling=scaling, by_distance=False)
        p = parameters(spec)
        bare = dataclasses.replace(spec, scaling="none").item_vectors(p)
        lengths = np.linalg.norm(spec.item_vectors(p), axis=1)
        np.testing.assert_allclose(lengths, length or 1 / np.linalg.norm(bare, axis=1))

    def test_products_of_served_vectors_rank_by_distance(self):
        spec = dataclasses.replace(PLAIN, by_distance=True)
        p, given = parameters(spec), batch()
        bare = dataclasses.replace(spec, by_distance=False)
        users, items = bare.user_vectors(p, given), bare.item_vectors(p)
        by_distance = np.argsort([[math.dist(user, item) for item in items] for user in users], axis=1)
        served = np.argsort(-(spec.user_vectors(p, given) @ spec.item_vectors(p).T), axis=1)
        np.testing.assert_array_equal(served, by_distance)


class TestBatches:
    DATA = ladder_data.problem()

    @pytest.mark.parametrize("spec", [*DSSM.for_ladder(), *YouTubeDNN.for_ladder()], ids=lambda spec: spec.variant)
    def test_shapes_and_types(self, spec):
        for chunk in spec.batches(self.DATA, ("key",), 1):
            shape = chunk["user"].shape
            n = 1 if spec.form == "in-batch" else 1 + spec.n_negatives
            wanted = {"user": shape, "item": (*shape, n)}
            if spec.history_length:
                wanted |= {"history": (*shape, spec.history_length), "length": shape}
            if spec.log_q:
                wanted["log_q"] = (*shape, n)
            assert {name: value.shape for name, value in chunk.items()} == wanted
            assert {value.dtype for name, value in chunk.items() if name != "log_q"} == {np.dtype(np.int32)}

    def test_users_excluded_positives_are_no_negatives(self):
        spec = dataclasses.replace(PLAIN, exclude_positives=True, batch_size=50, sampler="popularity")
        for chunk in spec.batches(self.DATA, ("key",), 1):
            for user, items in zip(chunk["user"].ravel(), chunk["item"].reshape(-1, 4), strict=True):
                own = self.DATA.seen_items[self.DATA.seen_indptr[user] : self.DATA.seen_indptr[user + 1]]
                assert items[0] in own
                assert not set(items[1:].tolist()) & set(own.tolist())

    def test_in_batch_correction_is_an_items_share_of_the_rows(self):
        spec = dataclasses.replace(PLAIN, form="in-batch", log_q=True, batch_size=100)
        chunk = next(iter(spec.batches(self.DATA, ("key",), 1)))
        share = np.bincount(self.DATA.item, minlength=self.DATA.n_items) / len(self.DATA.item)
        np.testing.assert_allclose(chunk["log_q"], np.log(share[chunk["item"]]), rtol=1e-6)


class TestRefusals:
    @pytest.mark.parametrize("setting", ["pooling", "activation", "scaling", "form", "sampler"])
    def test_a_word_that_is_no_choice(self, setting):
        with pytest.raises(InputError, match=r"'wrong'.*expected .*correct it in the suite"):
            specs.make("dssm", {setting: "wrong"})

    def test_a_history_without_its_length(self):
        with pytest.raises(InputError, match=r"history_length is 0 and the user's features are user, history"):
            specs.make("dssm", {"user_features": ["user", "history"]})

    def test_a_feature_that_the_data_lack(self):
        with pytest.raises(InputError, match=r"dssm: the data have no user feature 'zip', expected one of .*region"):
            specs.make("dssm", {"user_features": ["user", "zip"]}).parameters(SIZES)
