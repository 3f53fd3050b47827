"""The float64 reference that adapters are held to, itself held to loops over plain numbers."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.registry import TRAINABLE
from benchmarks.agreement import climbs, ladder_data, reference, truths
from benchmarks.agreement.reference import Trajectory, directional_slope, gradients
from benchmarks.specs.base import SGD, Adam, OnLadder, Sizes

checked = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 2**32)
RATE = 0.1


class Toy:
    """What a spec has where nothing is special."""

    unlearnt: ClassVar[tuple[str, ...]] = ()
    on_ladder: ClassVar[OnLadder] = OnLadder(choices={})

    def held_fixed(self, *_):
        return {}


@dataclass(frozen=True)
class Line(Toy):
    """Squared error of x w + b: its gradient is known to everybody."""

    optimizer: Any

    def loss(self, p, batch):
        return anp.mean((batch["x"] @ p["w"] + p["b"] - batch["y"]) ** 2)


def line(seed, n_batches=4):
    """Parameters and batches of a line in three dimensions."""
    rng = np.random.default_rng(seed)
    start = {"w": rng.standard_normal(3).astype(np.float32), "b": np.float32(rng.standard_normal())}
    return start, [{"x": rng.standard_normal((5, 3)), "y": rng.standard_normal(5)} for _ in range(n_batches)]


def plain_gradient(w, b, batch):
    """The loss, its slopes for w, and its slope for b."""
    loss, of_w, of_b = 0.0, [0.0] * len(w), 0.0
    rows = list(zip(batch["x"].tolist(), batch["y"].tolist(), strict=True))
    for x, y in rows:
        error = sum(a * c for a, c in zip(x, w, strict=True)) + b - y
        loss += error**2 / len(rows)
        of_b += 2 * error / len(rows)
        for i, value in enumerate(x):
            of_w[i] += 2 * error * value / len(rows)
    return loss, of_w, of_b


class TestOptimizers:
    @checked
    @given(seed=seeds, clip_norm=st.floats(1e-3, 10))
    def test_gradient_descent_is_clipped_by_the_norm_of_all_parameters_together(self, seed, clip_norm):
        start, batches = line(seed)
        truth = Trajectory(Line(SGD(RATE, clip_norm)), start)
        w, b = start["w"].tolist(), float(start["b"])
        for batch in batches:
            loss, of_w, of_b = plain_gradient(w, b, batch)
            norm = math.sqrt(sum(g * g for g in of_w) + of_b * of_b)
            factor = clip_norm / norm if norm > clip_norm else 1.0
            w = [value - RATE * factor * g for value, g in zip(w, of_w, strict=True)]
            b -= RATE * factor * of_b
            assert truth.step(batch) == pytest.approx(loss, rel=1e-12)
            np.testing.assert_allclose(truth.parameters["w"], w, rtol=1e-10, atol=1e-13)
            np.testing.assert_allclose(truth.parameters["b"], b, rtol=1e-10, atol=1e-13)

    @pytest.mark.parametrize(("clip_norm", "length"), [(0.25, 0.25), (1e6, None)])
    def test_a_step_is_as_long_as_the_norm_at_most(self, clip_norm, length):
        start, (batch, *_) = line(0)
        truth = Trajectory(Line(SGD(RATE, clip_norm)), start)
        norm = math.hypot(*gradients(truth.spec, truth.parameters, batch)[1]["w"], truth_slope_of_b(truth, batch))
        assert norm > 0.25, "the case is chosen so that the smaller limit engages"
        truth.step(batch)
        moved = math.hypot(*(truth.parameters["w"] - start["w"]), truth.parameters["b"] - start["b"])
        assert moved == pytest.approx(RATE * (length or norm), rel=1e-9)

    @checked
    @given(seed=seeds)
    def test_adam_is_algorithm_1(self, seed):
        adam = Adam(0.05, 0.8, 0.95, 1e-3)
        start, batches = line(seed)
        truth = Trajectory(Line(adam), start)
        values, m, v = [*start["w"].tolist(), float(start["b"])], [0.0] * 4, [0.0] * 4
        for t, batch in enumerate(batches, 1):
            _, of_w, of_b = plain_gradient(values[:3], values[3], batch)
            truth.step(batch)
            for i, g in enumerate([*of_w, of_b]):
                m[i] = adam.beta1 * m[i] + (1 - adam.beta1) * g
                v[i] = adam.beta2 * v[i] + (1 - adam.beta2) * g * g
                m_hat, v_hat = m[i] / (1 - adam.beta1**t), v[i] / (1 - adam.beta2**t)
                values[i] -= adam.learning_rate * m_hat / (math.sqrt(v_hat) + adam.epsilon)
            np.testing.assert_allclose([*truth.parameters["w"], truth.parameters["b"]], values, rtol=1e-9, atol=1e-12)

    @checked
    @given(seed=seeds, warmup_steps=st.integers(0, 6), weight_decay=st.floats(0, 2), clip_norm=st.floats(1e-3, 10))
    def test_adam_with_warm_up_decay_and_clipping_is_the_papers_algorithms(
        self, seed, warmup_steps, weight_decay, clip_norm
    ):
        """In the order of Loshchilov and Hutter 2019, algorithm 2, in plain numbers, one parameter after the other."""
        adam = Adam(0.05, 0.8, 0.95, 1e-3, warmup_steps, weight_decay, clip_norm)
        start, batches = line(seed)
        truth = Trajectory(Line(adam), start)
        values, m, v = [*start["w"].tolist(), float(start["b"])], [0.0] * 4, [0.0] * 4
        for t, batch in enumerate(batches, 1):
            rate = 0.05 * t / warmup_steps if t < warmup_steps else 0.05
            _, of_w, of_b = plain_gradient(values[:3], values[3], batch)
            gradient = [*of_w, of_b]
            norm = math.sqrt(sum(g * g for g in gradient))
            truth.step(batch)
            for i, unclipped in enumerate(gradient):
                g = unclipped * clip_norm / norm if norm > clip_norm else unclipped
                m[i] = 0.8 * m[i] + (1 - 0.8) * g
                v[i] = 0.95 * v[i] + (1 - 0.95) * g * g
                values[i] -= rate * weight_decay * values[i]
                values[i] -= rate * m[i] / (1 - 0.8**t) / (math.sqrt(v[i] / (1 - 0.95**t)) + 1e-3)
            np.testing.assert_allclose([*truth.parameters["w"], truth.parameters["b"]], values, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("optimizer", [SGD(RATE, 0.5), Adam(RATE, clip_norm=0.5)])
    def test_a_gradient_of_zeros_is_clipped_to_zeros(self, optimizer):
        start = {"w": np.ones(3, np.float32), "b": np.float32(1.0)}
        truth = Trajectory(Line(optimizer), start)
        with np.errstate(all="raise"):
            truth.step({"x": np.zeros((5, 3)), "y": np.ones(5)})
        assert all(np.array_equal(truth.parameters[name], value) for name, value in start.items())

    def test_what_is_not_learnt_does_not_decay(self):
        """MIND's first logits; its other parameters do, each row of every table and each bias."""
        spec = dataclasses.replace(climbs.of("mind", quick=True)[0].spec, weight_decay=0.1)
        start = reference.start(climbs.to_the_end(spec))
        truth = Trajectory(spec, start)
        nothing = {name: np.zeros_like(value) for name, value in truth.parameters.items() if name not in spec.unlearnt}
        truth.moved(truths.Truth(climbs.to_the_end(spec), 0).first, 0.0, nothing)
        for name, value in start.items():
            share = 1.0 if name == "routing_logits" else 1 - 0.1 * spec.learning_rate
            np.testing.assert_allclose(truth.parameters[name], share * value.astype(np.float64), rtol=1e-12)

    def test_the_start_is_not_written_to(self):
        start, batches = line(0)
        kept = {name: np.array(value) for name, value in start.items()}
        truth = Trajectory(Line(SGD(RATE, 1.0)), start)
        for batch in batches:
            truth.step(batch)
        assert all(np.array_equal(start[name], kept[name]) for name in kept)
        assert all(value.dtype == np.float64 for value in truth.parameters.values())


def truth_slope_of_b(truth, batch):
    return float(gradients(truth.spec, truth.parameters, batch)[1]["b"])


class Memory(Toy):
    """A step starts from the state that the step before it left; a constant scales it, and nothing moves that."""

    optimizer: ClassVar[SGD] = SGD(RATE, 1e9)
    unlearnt: ClassVar[tuple[str, ...]] = ("state", "scale")

    def loss(self, p, batch):
        return anp.mean((self._next(p, batch) - batch["y"]) ** 2)

    def _next(self, p, batch):
        return p["w"] * p["state"] * p["scale"] + batch["x"]

    def carried(self, p, batch):
        return {"state": self._next(p, batch)}


class TestUnlearnt:
    def test_state_is_carried_as_the_step_saw_it_and_constants_stay(self):
        rng = np.random.default_rng(0)
        start = {"w": np.float32(0.5), "state": np.ones(3, np.float32), "scale": np.full(3, 2.0, np.float32)}
        batches = [{"x": rng.standard_normal(3), "y": rng.standard_normal(3)} for _ in range(5)]
        truth = Trajectory(Memory(), start)
        w, state = 0.5, [1.0] * 3
        for batch in batches:
            truth.step(batch)
            x, y = batch["x"].tolist(), batch["y"].tolist()
            left = [w * s * 2 + a for s, a in zip(state, x, strict=True)]
            # No gradient reaches the step before: the state that it left is a given.
            slope = sum(2 * (n - b) * 2 * s / 3 for n, b, s in zip(left, y, state, strict=True))
            w, state = w - RATE * slope, left
            assert truth.parameters["w"] == pytest.approx(w, rel=1e-12)
            np.testing.assert_allclose(truth.parameters["state"], state, rtol=1e-12)
            assert truth.parameters["scale"].tolist() == [2.0] * 3
        assert abs(w - 0.5) > 0.01

    def test_they_have_no_gradient(self):
        start = {"w": np.array(0.5), "state": np.ones(3), "scale": np.ones(3)}
        _, found = gradients(Memory(), start, {"x": np.zeros(3), "y": np.ones(3)})
        assert list(found) == ["w"]


class Coupled(Toy):
    """The loss is w times a coefficient that is made of w, but is a given to the gradient."""

    def held_fixed(self, p, _):
        return {"coefficient": p["w"] ** 2}

    def loss(self, p, batch):
        return batch["coefficient"] * p["w"] + batch["x"]


def test_what_is_held_fixed_is_not_differentiated():
    start, batch = {"w": np.array(3.0)}, {"x": np.array(1.0)}
    loss, gradient = gradients(Coupled(), start, batch)
    assert (loss, gradient) == (28.0, {"w": 9.0})
    assert directional_slope(Coupled(), start, batch, {"w": np.array(1.0)}) == pytest.approx(9.0, rel=1e-9)
    assert batch == {"x": np.array(1.0)}


@dataclass(frozen=True)
class Plain(Toy):
    """A loss of plain numbers, which no automatic differentiation could see into."""

    function: Any

    def loss(self, p, _):
        return np.float64(self.function(*(float(value) for value in p.values())))


class TestDirectionalSlope:
    @pytest.mark.parametrize("power", [1, 2, 3, 4])
    def test_it_is_exact_up_to_the_fourth_power(self, power):
        spec = Plain(lambda x: (1e3 * x) ** power)  # so steep that differences of second order would show
        slope = directional_slope(spec, {"x": np.array(1e-3)}, {}, {"x": np.array(1.0)})
        assert slope == pytest.approx(1e3 * power, rel=1e-10)

    def test_its_error_is_of_fourth_order(self):
        """On a wave h^4 f^(5) / 30 is left; differences of second order would leave h^2 f^(3) / 6."""
        places = []
        directional_slope(Plain(lambda x: places.append(x) or 0.0), {"x": np.array(0.0)}, {}, {"x": np.array(1.0)})
        h = min(place for place in places if place > 0)
        assert sorted(places) == pytest.approx([-2 * h, -h, h, 2 * h])
        wave = Plain(lambda x: math.sin(0.2 * x / h))  # so short that the error is far above rounding
        slope = directional_slope(wave, {"x": np.array(0.0)}, {}, {"x": np.array(1.0)})
        assert slope * h / 0.2 == pytest.approx(1 - 0.2**4 / 30, abs=1e-6)

    def test_it_is_along_the_direction_and_of_the_named_parameters_only(self):
        spec = Plain(lambda x, y: x * x + 10 * y)
        p = {"x": np.array(3.0), "y": np.array(1.0)}
        assert directional_slope(spec, p, {}, {"x": np.array(2.0)}) == pytest.approx(12.0)
        assert directional_slope(spec, p, {}, {"x": np.array(1.0), "y": np.array(-1.0)}) == pytest.approx(-4.0)
        assert p == {"x": np.array(3.0), "y": np.array(1.0)}


class TestChunks:
    """What a climb trains on; of GRU4Rec, whose cuts are drawn anew every epoch."""

    whole = climbs.of("gru4rec", quick=True)[0]

    def drawn(self, climb):
        """The batches as the spec draws them, one after the other."""
        data = ladder_data.problem(0, climb.size)
        for epoch in range(1, climb.spec.epochs + 1):
            for chunk in climb.spec.batches(data, (*ladder_data.key(0, climb.size), climb.spec.model), epoch):
                yield from reference.steps(chunk)

    def test_the_first_step_is_a_chunk_of_its_own_and_no_step_is_lost(self):
        first, *others = reference.chunks(self.whole)
        assert len(first["target"]) == 1
        _, *expected = self.drawn(self.whole)
        found = [batch for chunk in others for batch in reference.steps(chunk)]
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[name], other[name]) for name in one)

    def test_a_climb_of_some_steps_takes_them_in_a_first_one_and_two_calls_of_as_many(self):
        climb = dataclasses.replace(self.whole, n_steps=13)
        first, *halves = reference.chunks(climb)
        assert [len(chunk["target"]) for chunk in (first, *halves)] == [1, 6, 6]
        found = [batch["target"] for chunk in halves for batch in reference.steps(chunk)]
        expected = [batch["target"] for batch, _ in zip(self.drawn(climb), range(13), strict=False)][1:]
        assert np.array_equal(found, expected)

    def test_a_climb_of_one_step_has_the_first_alone(self):
        (first,) = reference.chunks(dataclasses.replace(self.whole, n_steps=1))
        assert len(first["target"]) == 1


class TestStart:
    whole = climbs.of("lstm", quick=True)[0]

    def started(self, start):
        climb = dataclasses.replace(self.whole, start=start)
        return reference.start(self.whole), reference.start(climb)

    def test_extreme_rows_are_as_drawn_near_zero_far_from_it_and_nearer_to_zero_still_in_turn(self):
        drawn, found = self.started("extreme")
        scales = [1.0, 1e-6, 100.0, self.whole.spec.on_ladder.tiniest]
        for name in ("item_embedding", "user_embedding", "output_weight"):
            assert found[name].dtype == np.float32
            for at, scale in enumerate(scales):
                np.testing.assert_allclose(found[name][at::4], scale * drawn[name][at::4], rtol=1e-6)

    def test_shifted_rows_are_moved_as_far_as_each_other(self):
        drawn, found = self.started("shifted")
        for name in ("item_embedding", "user_embedding"):
            assert found[name].dtype == np.float32
            np.testing.assert_allclose(found[name] - drawn[name], 40, atol=1e-5)

    def test_users_are_moved_the_other_way_where_they_are_opposed_to_items(self):
        drawn, found = self.started("opposed")
        for name, by in (("item_embedding", 40), ("user_embedding", -40)):
            np.testing.assert_allclose(found[name] - drawn[name], by, atol=1e-5)

    @pytest.mark.parametrize("model", TRAINABLE)
    def test_no_parameter_that_is_learnt_or_carried_starts_with_all_values_alike(self, model):
        """Not even those that a spec starts at zero or at one, so that leaving one out shows.

        Of extreme rows those do: beside a bias no output would be near zero.
        """
        for climb in (climb for climb in climbs.of(model) if climb.start != "extreme"):
            started = reference.start(climb)
            published = climb.spec.parameters(Sizes.of(ladder_data.problem(0, climb.size)))
            for name, value in started.items():
                assert value.dtype in (np.float32, np.int32)
                assert np.any(value != 0), name
                assert value.size == 1 or np.ptp(value) > 0, name
            alike = {
                row.name for row in published if row.bound == 0 and (row.values is None or np.ptp(row.values) == 0)
            }
            for name in alike if climb.start == "drawn" else ():
                (row,) = (row for row in published if row.name == name)
                assert np.max(np.abs(started[name] - (0 if row.values is None else row.values))) <= 0.1

    @pytest.mark.parametrize(("model", "name", "axis"), [
        ("comirec-sa", "attention_interests", 0), ("comirec-dr", "bilinear", 1),
    ])  # fmt: skip
    def test_tied_interests_are_the_same(self, model, name, axis):
        tied = climbs.named(model, "softmax", "tied rows")
        found, drawn = reference.start(tied)[name], reference.start(dataclasses.replace(tied, start="drawn"))[name]
        for interest in range(tied.spec.n_interests):
            assert np.array_equal(found.take(interest, axis), drawn.take(0, axis))
        vectors = tied.spec.user_vectors(reference.start(tied), truths.truth(tied).first)
        assert np.array_equal(vectors[:, 0], vectors[:, 1])

    @pytest.mark.parametrize(
        ("start", "changed"), [("extreme", {"output_weight"}), ("shifted", set()), ("opposed", set())]
    )
    def test_what_is_no_table_of_rows_starts_as_drawn(self, start, changed):
        drawn, found = self.started(start)
        random = {row.name for row in self.whole.spec.parameters(Sizes.of(ladder_data.problem())) if row.bound}
        others = random - {"item_embedding", "user_embedding"} - changed
        assert others
        assert all(np.array_equal(found[name], drawn[name]) for name in others)

    def test_a_draw_a_seed_and_a_family_each_have_a_start_of_their_own(self):
        starts = [reference.start(self.whole), reference.start(self.whole, draw=1), reference.start(self.whole, seed=1)]
        hashes = {start["item_embedding"].tobytes() for start in starts}
        assert len(hashes) == 3
        assert reference.start(self.whole)["item_embedding"].tobytes() in hashes


@pytest.mark.parametrize("model", [name for name in TRAINABLE if climbs.of(name)[0].spec.on_ladder.is_mean_of_rows])
def test_a_batch_in_portions_has_the_loss_and_the_gradient_of_the_whole(model, monkeypatch):
    truth = truths.truth(climbs.of(model, quick=True)[0])
    assert len(truth.first["user"]) % 5
    loss, expected = gradients(truth.spec, truth.untrained, truth.first)
    monkeypatch.setattr(reference, "N_AT_ONCE", 5)
    of_portions, found = gradients(truth.spec, truth.untrained, truth.first)
    assert of_portions == pytest.approx(loss, rel=1e-12)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-15)
