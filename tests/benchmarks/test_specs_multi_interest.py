"""ComiRec-SA, ComiRec-DR and MIND: their float64 references against the papers' formulas in plain loops."""

import dataclasses
import math

import autograd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import specs
from benchmarks.agreement import climbs, ladder_data, reference
from benchmarks.specs import sequences
from benchmarks.specs.base import Sizes
from benchmarks.specs.comirec_dr import ComiRecDR
from benchmarks.specs.comirec_sa import ComiRecSA
from benchmarks.specs.mind import MIND

SIZES = Sizes(n_users=3, n_items=6)
ROUTED = {
    "comirec-dr": ComiRecDR(n_interests=2, squash_epsilon=0.01, embedding_dim=3, length=4),
    "mind": MIND(n_interests=2, squash_epsilon=0.01, power=3, embedding_dim=3, length=4),
}
SPECS = {"comirec-sa": ComiRecSA(n_interests=2, attention_dim=5, embedding_dim=3, length=4), **ROUTED}
checked = settings(derandomize=True, deadline=None, max_examples=25)
seeds = st.integers(0, 2**32)


@pytest.fixture(params=SPECS)
def spec(request):
    return SPECS[request.param]


@pytest.fixture(params=ROUTED)
def routed(request):
    return ROUTED[request.param]


def parameters(spec, seed):
    """Float64 parameters, away from zero, large enough for interests to differ."""
    rng = np.random.default_rng(seed)
    return {row.name: 1.5 * rng.standard_normal(row.shape) for row in spec.parameters(SIZES)}


def batch(spec, seed, lengths=(4, 1, 3, 0, 2)):
    rng = np.random.default_rng(seed)
    history = rng.integers(1, SIZES.n_items + 1, (len(lengths), spec.length))
    history[np.arange(spec.length) >= np.array(lengths)[:, None]] = 0
    return {"history": history, "length": np.array(lengths), "target": rng.integers(0, SIZES.n_items, len(lengths))}


def known(history):
    """Place and table row of each item, padding left out."""
    return [(place, row) for place, row in enumerate(history.tolist()) if row]


def inner(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def times(matrix, vector):
    return [inner(row, vector) for row in matrix]


def shares(logits):
    top = max(logits, default=0.0)
    weights = [math.exp(x - top) for x in logits]
    return [w / sum(weights) for w in weights]


def weighted(weights, vectors, dim):
    return [sum(w * v[i] for w, v in zip(weights, vectors, strict=True)) for i in range(dim)]


def squashed(z, epsilon):
    square = inner(z, z)
    return [square / (1 + square) * x / math.sqrt(square + epsilon) for x in z]


def plain_self_attention(spec, p, history):
    """a = softmax(w2 tanh(W1 (e + place))) over the items that are there, for each interest, which is their sum a e."""
    items = [p["item_embedding"][row] for _, row in known(history)]
    placed = [item + p["position_embedding"][place] for item, (place, _) in zip(items, known(history), strict=True)]
    hidden = [[math.tanh(x) for x in times(p["attention_hidden"], h)] for h in placed]
    attention = [shares([inner(w2, g) for g in hidden]) for w2 in p["attention_interests"]]
    return [weighted(a, items, spec.embedding_dim) for a in attention]


def plain_coupling(spec, p, history):
    """For each item that is there what each interest takes of it, after n_routing - 1 updates of the logits."""
    votes, logits = plain_votes(spec, p, history), []
    for place, _ in known(history):
        logits.append([p["routing_logits"][k][place] if spec.model == "mind" else 0.0 for k in range(spec.n_interests)])
    for _ in range(spec.n_routing - 1):
        interests = plain_capsules(spec, votes, [shares(row) for row in logits])
        for row, vote in zip(logits, votes, strict=True):
            for k in range(spec.n_interests):
                row[k] += inner(vote[k], interests[k])
    return [shares(row) for row in logits]


def plain_votes(spec, p, history):
    """W e or S e: one vector for each item that is there and each interest."""
    if spec.model == "mind":
        return [[times(p["bilinear"], p["item_embedding"][row])] * spec.n_interests for _, row in known(history)]
    return [
        [times(p["bilinear"][place][k], p["item_embedding"][row]) for k in range(spec.n_interests)]
        for place, row in known(history)
    ]


def plain_capsules(spec, votes, coupling):
    return [
        squashed(
            weighted([c[k] for c in coupling], [vote[k] for vote in votes], spec.embedding_dim), spec.squash_epsilon
        )
        for k in range(spec.n_interests)
    ]


def plain_routed(spec, p, history, coupling):
    interests = plain_capsules(spec, plain_votes(spec, p, history), coupling)
    if spec.model == "comirec-dr":
        return interests
    dense = [[x + b for x, b in zip(times(p["dense_weight"], v), p["dense_bias"], strict=True)] for v in interests]
    return [[max(x, 0.0) for x in v] for v in dense]


def plain_interests(spec, p, history, coupling=None):
    if spec.model == "comirec-sa":
        return plain_self_attention(spec, p, history)
    return plain_routed(spec, p, history, plain_coupling(spec, p, history) if coupling is None else coupling)


def plain_loss(spec, p, batch, couplings=None):
    """-mean ln softmax(<user, target>) over the items; the user is the closest interest, or MIND's attended."""
    total = 0.0
    for row, (history, target) in enumerate(zip(batch["history"], batch["target"], strict=True)):
        interests = plain_interests(spec, p, history, couplings and couplings[row])
        products = [inner(v, p["item_embedding"][target + 1]) for v in interests]
        user = interests[products.index(max(products))]
        if spec.model == "mind":
            user = weighted(shares([x**spec.power for x in products]), interests, spec.embedding_dim)
        total -= math.log(shares(times(p["item_embedding"][1:], user))[target])
    return total / len(batch["target"])


def loss(spec, p, batch):
    return float(spec.loss(p, batch | spec.held_fixed(p, batch)))


class TestReference:
    @checked
    @given(seed=seeds)
    @pytest.mark.parametrize("model", SPECS)
    def test_the_interests_are_the_formula(self, model, seed):
        spec, p = SPECS[model], parameters(SPECS[model], seed)
        inputs = batch(spec, seed + 1)
        expected = [plain_interests(spec, p, history) for history in inputs["history"]]
        found = spec.user_vectors(p, inputs)
        assert found.shape == (5, 2, 3)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)

    @checked
    @given(seed=seeds)
    @pytest.mark.parametrize("model", SPECS)
    def test_the_loss_is_the_formula(self, model, seed):
        spec, p = SPECS[model], parameters(SPECS[model], seed)
        one = batch(spec, seed + 1)
        assert loss(spec, p, one) == pytest.approx(plain_loss(spec, p, one), rel=1e-10)

    @pytest.mark.parametrize("seed", [1, 2])
    def test_every_gradient_is_the_slope_of_the_loss_with_the_routing_held(self, spec, seed):
        p, one = parameters(spec, seed), batch(spec, seed)
        routed = spec.model in ROUTED
        couplings = [plain_coupling(spec, p, history) for history in one["history"]] if routed else None
        value, gradients = reference.gradients(spec, p, one)
        assert value == pytest.approx(plain_loss(spec, p, one), rel=1e-10)
        assert gradients.keys() == p.keys() - {"routing_logits"}
        h = 1e-6
        for name, gradient in gradients.items():
            for place in np.ndindex(gradient.shape):
                step = np.zeros_like(gradient)
                step[place] = h
                ahead, behind = (plain_loss(spec, {**p, name: p[name] + s * step}, one, couplings) for s in (1, -1))
                assert gradient[place] == pytest.approx((ahead - behind) / (2 * h), rel=1e-5, abs=1e-7), (name, place)

    def test_the_items_are_their_rows_without_the_padding(self, spec):
        p = parameters(spec, 0)
        assert np.array_equal(spec.item_vectors(p), p["item_embedding"][1:])

    def test_a_step_of_the_reference_lowers_the_loss(self, spec):
        small = type(spec).for_ladder()[0]
        one = next(reference.steps(next(small.batches(ladder_data.problem(), ("test",), 1))))
        trajectory = reference.Trajectory(small, reference.start(climbs.to_the_end(small)))
        losses = [trajectory.step(one) for _ in range(20)]
        assert losses[-1] < losses[0]


class TestPadding:
    def test_its_row_changes_nothing_and_learns_nothing(self, spec):
        p, one = parameters(spec, 3), batch(spec, 3)
        other = {**p, "item_embedding": p["item_embedding"] + 7.0 * (np.arange(SIZES.n_items + 1) == 0)[:, None]}
        assert np.array_equal(spec.user_vectors(other, one), spec.user_vectors(p, one))
        assert loss(spec, other, one) == loss(spec, p, one)
        _, gradients = reference.gradients(spec, p, one)
        assert not gradients["item_embedding"][0].any()
        assert gradients["item_embedding"][1:].any(1).all()

    def test_its_places_change_nothing(self, spec):
        """What belongs to places that no history reaches has no effect and no gradient."""
        p, one = parameters(spec, 3), batch(spec, 3, lengths=(2, 1, 2))
        place_axis = {"position_embedding": 0, "bilinear": 0, "routing_logits": 1}
        of_places = [name for name in p if name in place_axis and p[name].shape[place_axis[name]] == spec.length]
        assert len(of_places) == 1
        moved = np.moveaxis(p[of_places[0]].copy(), place_axis[of_places[0]], 0)
        moved[2:] += 5.0
        other = {**p, of_places[0]: np.moveaxis(moved, 0, place_axis[of_places[0]])}
        np.testing.assert_allclose(spec.user_vectors(other, one), spec.user_vectors(p, one), rtol=1e-12)

    def test_an_empty_history_gives_finite_vectors_and_gradients(self, spec):
        p, one = parameters(spec, 0), batch(spec, 0, lengths=(0, 0))
        expected = np.maximum(p["dense_bias"], 0) if spec.model == "mind" else np.zeros(3)
        assert np.array_equal(spec.user_vectors(p, one), np.broadcast_to(expected, (2, 2, 3)))
        assert all(np.isfinite(g).all() for g in reference.gradients(spec, p, one)[1].values())


class TestClosest:
    def test_it_is_the_first_of_equals(self):
        interests = np.array([[[1.0, 0.0], [1.0, 5.0], [0.5, 9.0]], [[0.0, 1.0], [2.0, 1.0], [2.0, 0.0]]])
        assert sequences.closest(interests, np.array([[1.0, 0.0], [3.0, 0.0]])).tolist() == [[1.0, 0.0], [2.0, 1.0]]

    def test_it_alone_has_a_gradient(self):
        interests, wanted = np.array([[[1.0, 0.0], [3.0, 5.0]]]), np.array([[1.0, 0.0]])
        slope = autograd.grad(lambda v: np.sum(sequences.closest(v, wanted)[0]))(interests)
        assert slope.tolist() == [[[0.0, 0.0], [1.0, 1.0]]]


class TestRouting:
    @checked
    @given(seed=seeds, scale=st.floats(1e-6, 1e6))
    def test_what_is_squashed_keeps_its_direction_and_is_shorter_than_1(self, seed, scale):
        z = scale * np.random.default_rng(seed).standard_normal((4, 3))
        found = sequences.squash(z, 1e-9)
        assert (np.linalg.norm(found, axis=1) <= 1).all()
        np.testing.assert_allclose(np.cross(found, z), 0, atol=1e-12 * scale)
        assert (np.sum(found * z, 1) >= 0).all()

    def test_a_place_is_shared_out_among_the_interests(self, routed):
        coupling = routed.held_fixed(parameters(routed, 0), batch(routed, 0))["coupling"]
        assert coupling.shape == (5, 2, 4)
        np.testing.assert_allclose(coupling.sum(1), 1)

    def test_the_first_pass_of_comirec_is_even(self):
        spec = dataclasses.replace(ROUTED["comirec-dr"], n_routing=1)
        assert (spec.held_fixed(parameters(spec, 0), batch(spec, 0))["coupling"] == 0.5).all()

    def test_from_logits_of_zero_all_interests_of_mind_would_be_the_same(self):
        spec, one = ROUTED["mind"], batch(ROUTED["mind"], 0, lengths=(4, 3, 2))
        p = parameters(spec, 0)
        apart = np.ptp(spec.user_vectors(p, one), axis=1)
        assert (apart.max(1) > 0.01).all()
        even = {**p, "routing_logits": np.zeros_like(p["routing_logits"])}
        assert np.ptp(spec.user_vectors(even, one), axis=1).max() < 1e-15

    def test_the_gradient_holds_the_coupling(self, routed):
        """Through all passes, as without the authors' stops, it would be another."""
        p, one = parameters(routed, 0), batch(routed, 0)
        _, held = reference.gradients(routed, p, one)

        def whole(table):
            moved = {**p, "item_embedding": table}
            return routed.loss(moved, one | routed.held_fixed(moved, one))

        through = autograd.grad(whole)(p["item_embedding"])
        assert np.max(np.abs(through - held["item_embedding"])) > 1e-4

    def test_finite_differences_hold_it_too(self, routed):
        p, one = parameters(routed, 0), batch(routed, 0)
        _, gradients = reference.gradients(routed, p, one)
        for name, gradient in gradients.items():
            direction = {name: np.random.default_rng(1).standard_normal(gradient.shape)}
            slope = reference.directional_slope(routed, p, one, direction)
            assert slope == pytest.approx(np.sum(gradient * direction[name]), rel=1e-6)

    def test_training_leaves_the_first_logits_of_mind_alone(self):
        spec = MIND.for_ladder()[0]
        start = reference.start(climbs.to_the_end(spec))
        trajectory = reference.Trajectory(spec, start)
        for one in reference.steps(next(spec.batches(ladder_data.problem(), ("test",), 1))):
            trajectory.step(one)
        for name, value in start.items():
            assert np.array_equal(trajectory.parameters[name], value) == (name == "routing_logits")


class TestParameterTables:
    def test_the_published_sizes(self):
        described = {
            model: {row.name: row.shape for row in specs.make(model, {}).parameters(Sizes(5, 9))} for model in SPECS
        }
        assert described == {
            "comirec-sa": {
                "item_embedding": (10, 64),
                "position_embedding": (20, 64),
                "attention_hidden": (256, 64),
                "attention_interests": (4, 256),
            },
            "comirec-dr": {"item_embedding": (10, 64), "bilinear": (20, 4, 64, 64)},
            "mind": {
                "item_embedding": (10, 64),
                "bilinear": (64, 64),
                "routing_logits": (4, 20),
                "dense_weight": (64, 64),
                "dense_bias": (64,),
            },
        }

    def test_the_first_logits_of_mind_are_spread_like_a_standard_normal(self):
        (row,) = (row for row in MIND().parameters(SIZES) if row.name == "routing_logits")
        assert row.bound / math.sqrt(3) == pytest.approx(1)
