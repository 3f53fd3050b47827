"""The ladder judges adapters; here it is judged itself, on an adapter in NumPy that faults are planted in."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest

from backends.registry import TRAINABLE
from benchmarks import sampling
from benchmarks.agreement import climbs, ladder, ladder_data, reference, tolerances
from benchmarks.agreement.tolerances import LADDER, METRIC, Tolerance
from benchmarks.harness.evaluation import answers
from benchmarks.specs.sasrec import SASRec

ROOT = Path(__file__).resolve().parents[2]
FAULTED = ("mf-logloss", "mf-bpr", "comirec-sa")
"""Those that faults are planted in, each in a fraction of a second: users, and several interests of a history."""
RUNGS = list(LADDER)
N_USERS = ladder_data.problem().n_users


def whole(family):
    """The family's first climb to the end."""
    return climbs.of(family, quick=True)[0]


@dataclass
class State:
    spec: Any
    parameters: dict[str, np.ndarray]
    moments: dict[str, tuple[np.ndarray, np.ndarray]]
    done: int = 0


class Sound:
    """The contract in float32 NumPy: the spec's own loss, and the optimizers as the other adapters write them."""

    def init(self, spec, parameters, device, mode):
        assert (device, mode) == ("cpu", "eager")
        own = {name: self.take(value) for name, value in parameters.items()}
        return State(spec, own, {name: (np.zeros_like(value), np.zeros_like(value)) for name, value in own.items()})

    def take(self, value):
        return value.copy()

    def loss_and_gradient(self, state, batch):
        loss, gradient = reference.gradients(state.spec, state.parameters, batch)
        return loss, {name: np.asarray(value, np.float32) for name, value in gradient.items()}

    def train(self, state, batches):
        losses = []
        for batch in reference.steps(batches):
            loss, gradient = self.loss_and_gradient(state, batch)
            losses.append(loss)
            carried = state.spec.carried(state.parameters, batch) if state.spec.unlearnt else {}
            self.step(state, gradient)
            state.parameters |= {name: value.astype(np.float32) for name, value in carried.items()}
        return state, np.array(losses, np.float32)

    def step(self, state, gradient, rate=1.0):
        optimizer = state.spec.optimizer
        (step_size,), (epsilon,) = optimizer.schedule(state.done, 1)
        if optimizer.name == "sgd":
            norm = np.sqrt(sum(np.sum(g * g) for g in gradient.values()))
            step_size = step_size * np.minimum(np.float32(1), np.float32(optimizer.clip_norm) / norm)
        for name, g in gradient.items():
            change = self.adam(optimizer, *state.moments[name], g, epsilon) if optimizer.name == "adam" else g
            state.parameters[name] -= np.float32(rate) * step_size * change
        state.done += 1

    def adam(self, adam, m, v, g, epsilon):
        m += np.float32(1 - adam.beta1) * (g - m)
        v += np.float32(1 - adam.beta2) * (g * g - v)
        return m / (np.sqrt(v) + epsilon)

    def gradients(self, state, batch):
        return self.loss_and_gradient(state, batch)[1]

    def embed_users(self, state, inputs):
        return state.spec.user_vectors(state.parameters, inputs).astype(np.float32)

    def embed_items(self, state):
        return state.spec.item_vectors(state.parameters).astype(np.float32)

    def export(self, state):
        return {name: value.copy() for name, value in state.parameters.items()}

    def sync(self, state):
        pass


def climb(adapter, family):
    return ladder.climb(adapter, whole(family), "cpu", "eager").rungs


@pytest.mark.parametrize("family", TRAINABLE)
def test_sound_adapter_holds_to_the_last_rung(family):
    rungs = climb(Sound(), family)
    assert [rung.rung for rung in rungs] == RUNGS
    assert all(rung.holds for rung in rungs)
    assert all(rung.difference is not None and rung.difference <= rung.tolerance for rung in rungs)
    assert [rung.tolerance for rung in rungs] == [LADDER[name].limit for name in RUNGS]


def raises(error):
    def method(*_):
        raise error

    return method


class ExportIsRounded(Sound):
    def export(self, state):
        return {name: value.astype(np.float16).astype(np.float32) for name, value in super().export(state).items()}


class ExportLacksAParameter(Sound):
    def export(self, state):
        return dict(list(super().export(state).items())[1:])


class ExportIsFloat64(Sound):
    def export(self, state):
        return {name: value.astype(np.float64) for name, value in super().export(state).items()}


class ExportIsTransposed(Sound):
    def export(self, state):
        return {name: value.T for name, value in super().export(state).items()}


class ExportRaises(Sound):
    export = raises(KeyError("no such variable"))


class TwoItemsAreSwapped(Sound):
    def embed_items(self, state):
        items = super().embed_items(state)
        items[[0, 1]] = items[[1, 0]]
        return items


class UsersComeSorted(Sound):
    def embed_users(self, state, inputs):
        return super().embed_users(state, inputs)[np.argsort(inputs["user"])]


class OneUserIsNotANumber(Sound):
    def embed_users(self, state, inputs):
        users = super().embed_users(state, inputs)
        users[3] = np.nan
        return users


class ItemsLackTheirLastColumn(Sound):
    def embed_items(self, state):
        return super().embed_items(state)[:, :-1]


class EmbeddingRaises(Sound):
    embed_users = raises(IndexError("index 299 is out of bounds"))


class GradientIsOffByAThousandth(Sound):
    def gradients(self, state, batch):
        return {name: np.float32(1.001) * value for name, value in super().gradients(state, batch).items()}


class GradientIsNotANumber(Sound):
    def gradients(self, state, batch):
        found = super().gradients(state, batch)
        next(iter(found.values()))[0] = np.nan
        return found


class GradientOfOneRowIsLost(Sound):
    def gradients(self, state, batch):
        found = super().gradients(state, batch)
        of_items = found.get("item_factors", found.get("item_embedding"))
        of_items[np.abs(of_items).sum(1).argmax()] = 0
        return found


class GradientIsMissing(Sound):
    def gradients(self, state, batch):
        return dict(list(super().gradients(state, batch).items())[1:])


class GradientsRaise(Sound):
    gradients = raises(RuntimeError("no gradient function"))


class LossIsWithoutPenalty(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, losses - np.float32(1e-5)


class LossIsTakenAfterTheUpdate(Sound):
    def train(self, state, batches):
        losses = []
        for batch in reference.steps(batches):
            self.step(state, self.gradients(state, batch))
            losses.append(self.loss_and_gradient(state, batch)[0])
        return state, np.array(losses, np.float32)


class LossesAreFloat64(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, losses.astype(np.float64)


class LossesAreOneACall(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, losses.mean(keepdims=True)


class LossIsNotANumber(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, np.full_like(losses, np.nan)


class TrainingRaises(Sound):
    train = raises(ValueError("cannot compile"))


class StepIsAThousandthTooLong(Sound):
    def step(self, state, gradient, rate=1.0):
        super().step(state, gradient, 1.001 * rate)


class StepIsForgotten(Sound):
    def step(self, state, gradient, rate=1.0):
        pass


class CallersArraysAreTrained(Sound):
    def take(self, value):
        return value


class StepDriftsAfterAHundred(Sound):
    def step(self, state, gradient, rate=1.0):
        super().step(state, gradient, 1.01 * rate if state.done >= 100 else rate)


class StepCountStartsAnewWithEveryCall(Sound):
    def train(self, state, batches):
        state.done = 0
        return super().train(state, batches)


class LossBecomesInfiniteInTheMiddle(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, np.where(np.arange(len(losses)) == 5, np.float32(np.inf), losses)


class ItemsAreScaledAfterTraining(Sound):
    """Parameters and losses are right: only the vectors at the end can show it."""

    def embed_items(self, state):
        items = super().embed_items(state)
        return items if state.done < 2 else items * np.float32(1.001)


class MomentsAreLostWhenVectorsAreAskedFor(Sound):
    def embed_items(self, state):
        for moments in state.moments.values():
            for moment in moments:
                moment[...] = 0
        return super().embed_items(state)


class ExportChangesWhatFollows(Sound):
    def export(self, state):
        state.done = 0
        return super().export(state)


class ExportHoldsOneStaleParameter(Sound):
    """The last parameter is exported as it was after the first step."""

    def export(self, state):
        found, last = super().export(state), list(state.parameters)[-1]
        if state.done == 1:
            self.stale = found[last].copy()
        return found if state.done <= 1 else {**found, last: self.stale}


class ExportIsOfARoundedCopy(Sound):
    """Nearer than any limit, but what is made of it is not what has been trained."""

    def export(self, state):
        found = super().export(state)
        return found if state.done <= 1 else {name: np.asarray(np.round(value, 5)) for name, value in found.items()}


class InitTakesTheFirstParametersAgain(Sound):
    taken = None

    def init(self, spec, parameters, device, mode):
        self.taken = self.taken or {name: value.copy() for name, value in parameters.items()}
        return super().init(spec, self.taken, device, mode)


class VectorsOfEverybodyAreReversed(Sound):
    def embed_users(self, state, inputs):
        everybody = len(inputs["user"]) == N_USERS
        return super().embed_users(state, inputs)[:: -1 if everybody else 1]


class RankingRaises(Sound):
    def embed_users(self, state, inputs):
        if len(inputs["user"]) == N_USERS:
            raise MemoryError("too many users")
        return super().embed_users(state, inputs)


FAULTS = {
    ExportIsRounded: "round trip",
    ExportLacksAParameter: "round trip",
    ExportIsFloat64: "round trip",
    ExportIsTransposed: "round trip",
    ExportRaises: "round trip",
    TwoItemsAreSwapped: "forward",
    UsersComeSorted: "forward",
    OneUserIsNotANumber: "forward",
    ItemsLackTheirLastColumn: "forward",
    EmbeddingRaises: "forward",
    GradientIsOffByAThousandth: "gradients",
    GradientIsNotANumber: "gradients",
    GradientOfOneRowIsLost: "gradients",
    GradientIsMissing: "gradients",
    GradientsRaise: "gradients",
    LossIsWithoutPenalty: "loss",
    LossIsTakenAfterTheUpdate: "loss",
    LossesAreFloat64: "loss",
    LossIsNotANumber: "loss",
    TrainingRaises: "loss",
    StepIsAThousandthTooLong: "one step",
    StepIsForgotten: "one step",
    CallersArraysAreTrained: "one step",
    LossesAreOneACall: "trajectory",
    StepDriftsAfterAHundred: "trajectory",
    StepCountStartsAnewWithEveryCall: "trajectory",
    LossBecomesInfiniteInTheMiddle: "trajectory",
    MomentsAreLostWhenVectorsAreAskedFor: "trajectory",
    ExportChangesWhatFollows: "trajectory",
    ExportHoldsOneStaleParameter: "parameters",
    ItemsAreScaledAfterTraining: "vectors",
    ExportIsOfARoundedCopy: "restored",
    InitTakesTheFirstParametersAgain: "restored",
    VectorsOfEverybodyAreReversed: "metrics",
    RankingRaises: "metrics",
}


@pytest.mark.parametrize("family", FAULTED)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_fault_breaks_at_its_rung(fault, family):
    rungs = climb(fault(), family)
    due = FAULTS[fault]
    assert [rung.rung for rung in rungs] == RUNGS[: RUNGS.index(due) + 1]
    assert [rung.holds for rung in rungs] == [True] * RUNGS.index(due) + [False]


class StateIsNotCarried(Sound):
    def train(self, state, batches):
        kept = {name: state.parameters[name] for name in state.spec.unlearnt}
        state, losses = super().train(state, batches)
        state.parameters |= kept
        return state, losses


class ConstantIsMoved(Sound):
    def step(self, state, gradient, rate=1.0):
        super().step(state, gradient, rate)
        for name in state.spec.unlearnt:
            state.parameters[name] = state.parameters[name] + np.float32(1e-4)


class ConstantHasAGradient(Sound):
    def gradients(self, state, batch):
        return super().gradients(state, batch) | {name: state.parameters[name] for name in state.spec.unlearnt}


class GradientsAreNotClipped(Sound):
    def step(self, state, gradient, rate=1.0):
        norm = np.sqrt(sum(np.sum(g * g) for g in gradient.values()))
        super().step(state, gradient, rate * max(1, norm / state.spec.optimizer.clip_norm))


class CarriedStateIsResetByAQuestion(Sound):
    def embed_users(self, state, inputs):
        for name in state.spec.unlearnt:
            state.parameters[name] = np.zeros_like(state.parameters[name])
        return super().embed_users(state, inputs)


class UnknownUserIsTheLastOne(Sound):
    def embed_users(self, state, inputs):
        user = np.where(inputs["user"] < 0, N_USERS - 1, inputs["user"])
        return super().embed_users(state, {**inputs, "user": user})


class HistoryIsWhatAUserFirstHad(Sound):
    """One history a user: whatever a later question says."""

    def embed_users(self, state, inputs):
        _, first, again = np.unique(inputs["user"], return_index=True, return_inverse=True)
        return super().embed_users(state, {name: values[first] for name, values in inputs.items()})[again]


@pytest.mark.parametrize(
    ("fault", "family", "due"),
    [
        (StateIsNotCarried, "lstm", "one step"),
        (CarriedStateIsResetByAQuestion, "lstm", "trajectory"),
        (UnknownUserIsTheLastOne, "lstm", "forward"),
        (HistoryIsWhatAUserFirstHad, "gru4rec", "forward"),
        (GradientsAreNotClipped, "lstm", "one step"),
        (ConstantIsMoved, "mind", "one step"),
        (ConstantHasAGradient, "mind", "gradients"),
    ],
)
def test_fault_in_what_only_some_families_have_breaks_at_its_rung(fault, family, due):
    *held, last = climb(fault(), family)
    assert (last.rung, last.holds) == (due, False)
    assert all(rung.holds for rung in held)


def at_least_a_thousandth(vectors):
    return vectors / np.maximum(np.sqrt(np.sum(vectors**2, -1, keepdims=True)), np.float32(1e-3))


class LengthIsKeptFromZeroByAThousandth(Sound):
    def embed_users(self, state, inputs):
        return at_least_a_thousandth(super().embed_users(bare(state), inputs))

    def embed_items(self, state):
        return at_least_a_thousandth(super().embed_items(bare(state)))


def bare(state):
    """The state with vectors that are not normalised."""
    return dataclasses.replace(state, spec=dataclasses.replace(state.spec, normalised=False))


def in_16_bits(arrays):
    return {name: values.astype(np.int16) if values.dtype == np.int32 else values for name, values in arrays.items()}


class QuestionsAreCastTo16Bits(Sound):
    def embed_users(self, state, inputs):
        return super().embed_users(state, in_16_bits(inputs))


class BatchesAreCastTo16Bits(Sound):
    def loss_and_gradient(self, state, batch):
        return super().loss_and_gradient(state, in_16_bits(batch))


class StepCountWrapsAt256(Sound):
    def step(self, state, gradient, rate=1.0):
        state.done %= 256
        super().step(state, gradient, rate)


class OneOfMoments(SASRec):
    """Variance as E[x^2] - E[x]^2."""

    def _norm(self, p, name, x):
        mean = anp.mean(x, -1, keepdims=True)
        variance = anp.mean(x * x, -1, keepdims=True) - mean * mean
        return (1 + p[f"{name}_scale"]) * (x - mean) / anp.sqrt(variance + self.norm_epsilon) + p[f"{name}_shift"]


class VarianceIsADifferenceOfMoments(Sound):
    def init(self, spec, parameters, device, mode):
        return super().init(OneOfMoments(**dataclasses.asdict(spec)), parameters, device, mode)


class HistoryIsCutTo16(Sound):
    def embed_users(self, state, inputs):
        history = np.where(np.arange(inputs["history"].shape[1]) < 16, inputs["history"], 0)
        return super().embed_users(state, {**inputs, "history": history})


@pytest.mark.parametrize(
    ("fault", "family", "name", "due"),
    [
        (LengthIsKeptFromZeroByAThousandth, "gru4rec", "extreme rows", "forward"),
        (VarianceIsADifferenceOfMoments, "sasrec", "shifted rows", "forward"),
        (QuestionsAreCastTo16Bits, "mf-bpr", "wide", "forward"),
        (BatchesAreCastTo16Bits, "mf-bpr", "wide", "gradients"),
        (HistoryIsCutTo16, "youtube-dnn", "wide", "forward"),
        (StepCountWrapsAt256, "mf-bpr", "long", "trajectory"),
    ],
)
def test_fault_that_ordinary_data_do_not_show_breaks_a_climb_of_its_own(fault, family, name, due):
    special = climbs.named(family, whole(family).spec.variant, name)
    assert ladder.climb(Sound(), special, "cpu", "eager").holds
    *held, last = ladder.climb(fault(), special, "cpu", "eager").rungs
    assert (last.rung, last.holds) == (due, False)
    assert all(rung.holds for rung in held)
    assert climb(fault(), family)[-1].holds


def test_broken_rung_names_the_parameter():
    last = climb(GradientOfOneRowIsLost(), "mf-bpr")[-1]
    assert last.where.startswith("item_factors")
    assert last.difference > last.tolerance


def test_broken_rung_tells_what_was_raised():
    last = climb(GradientsRaise(), "mf-bpr")[-1]
    assert (last.where, last.difference) == ("RuntimeError: no gradient function", None)


def test_every_rung_is_broken_by_some_fault():
    assert set(FAULTS.values()) == set(LADDER)


class VectorsWithoutSkill(Sound):
    """Its losses are right, but the vectors that it serves owe nothing to training."""

    def __init__(self, kind):
        self.kind = kind
        self.start = {}
        self.has_trained = False

    def init(self, spec, parameters, device, mode):
        self.start = self.start or {name: value.copy() for name, value in parameters.items()}
        return super().init(spec, parameters, device, mode)

    def train(self, state, batches):
        self.has_trained = True
        return super().train(state, batches)

    def embed_users(self, state, inputs):
        vectors = state.spec.user_vectors(self.start, inputs)
        if self.has_trained and self.kind == "random":
            rng = sampling.generator("random users")
            vectors = rng.standard_normal((N_USERS, *vectors.shape[1:]))[inputs["user"]]
        return vectors.astype(np.float32)

    def embed_items(self, state):
        vectors = state.spec.item_vectors(self.start)
        if self.has_trained and self.kind == "random":
            vectors = sampling.generator("random items").standard_normal(vectors.shape)
        if self.has_trained and self.kind == "popularity":  # beside it stands the 1 that every user's vector ends with
            vectors = np.pad(ladder_data.problem().item_counts[:, None], ((0, 0), (vectors.shape[1] - 1, 0)))
        return vectors.astype(np.float32)


def test_direction_over_a_kink_is_passed_over(monkeypatch):
    true_slope, seen = reference.directional_slope, []

    def slope(spec, parameters, batch, direction):
        (name,) = direction
        seen.append(name)
        return 1e6 if seen.count(name) == 1 else true_slope(spec, parameters, batch, direction)

    monkeypatch.setattr(reference, "directional_slope", slope)
    truth = reference.Truth(whole("mf-bpr"), 0)
    for name, (direction, found) in truth.slopes.items():
        assert found == pytest.approx(np.sum(truth.gradients[name] * direction), rel=1e-6)
        assert seen.count(name) == 2


def test_start_on_a_kink_is_passed_over():
    climb, seed = whole("mind"), 3  # whose first draw has two interests that tie
    first = reference.Truth(climb, seed)
    assert not first.is_smooth
    found = reference.truth(climb, seed)
    assert found.is_smooth
    assert any(not np.array_equal(found.start[name], value) for name, value in first.start.items())


def test_reference_that_differentiates_wrongly_is_smooth_nowhere(monkeypatch):
    true_slope = reference.directional_slope
    monkeypatch.setattr(reference, "directional_slope", lambda *given: 1.001 * true_slope(*given))
    assert not reference.truth.__wrapped__(whole("mf-bpr"), 0).is_smooth


WITHOUT_SKILL = [(kind, family) for kind in ("untrained", "random") for family in FAULTED]


@pytest.mark.parametrize(("kind", "family"), [*WITHOUT_SKILL, ("popularity", "mf-logloss"), ("popularity", "mf-bpr")])
def test_vectors_without_skill_fail_every_rung_that_sees_them(monkeypatch, kind, family):
    lifted = Tolerance(np.inf, 0.0, "lifted, to see whether the next rungs would hold")
    monkeypatch.setattr(tolerances, "LADDER", {**LADDER, "vectors": lifted})
    *_, vectors, restored, metrics = climb(VectorsWithoutSkill(kind), family)
    assert [rung.rung for rung in (vectors, restored, metrics)] == RUNGS[-3:]
    assert vectors.difference > 100 * LADDER["vectors"].limit
    assert not metrics.holds
    assert metrics.difference > 25 * LADDER["metrics"].limit


def _metric(spec, parameters):
    data = ladder_data.problem()
    asked = ladder_data.asked(data, np.arange(data.n_users))
    scores = answers(spec, partial(spec.user_vectors, parameters), asked) @ spec.item_vectors(parameters).T
    scores = scores.reshape(data.n_users, -1, data.n_items).max(1)  # over interests, where there are several
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return float(np.mean((best == data.held_out[:, None]).any(1)))


@pytest.mark.parametrize("family", TRAINABLE)
def test_metric_tolerances_are_far_smaller_than_what_the_reference_learns(family):
    truth = reference.truth(whole(family))
    learnt = _metric(truth.spec, truth.trained[1]) - _metric(truth.spec, truth.start)
    assert learnt > 10 * LADDER["metrics"].limit
    assert learnt > 10 * METRIC.limit


@pytest.mark.parametrize("name", RUNGS)
def test_tolerance_was_measured_and_has_room_above_that(name):
    tolerance = LADDER[name]
    assert tolerance.measured <= tolerance.limit
    assert tolerance.meaning
    if name in {"round trip", "forward", "restored", "metrics"}:
        return  # copies of parameters, what is made of them twice, and a share of 300 users: all can be equal
    assert tolerance.measured > 0, "float32 beside float64 never differs by nothing: this was not measured"
