"""The ladder judges adapters; here it is judged itself, on an adapter in NumPy that faults are planted in."""

import numpy as np
import pytest
from numpy_adapter import FAULTED, N_USERS, RUNGS, Sound, climb

from backends.registry import TRAINABLE
from benchmarks.agreement import reference
from benchmarks.agreement.tolerances import LADDER


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


class InitWritesToItsCallersArrays(Sound):
    def init(self, spec, parameters, device, mode):
        state = super().init(spec, parameters, device, mode)
        next(iter(parameters.values())).ravel()[0] = 0
        return state


class GradientsAreThoseOfTheFirstCall(Sound):
    def gradients(self, state, batch):
        if not hasattr(state, "gradient"):
            state.gradient = super().gradients(state, batch)
        return state.gradient


class ModelLastMadeAnswers(Sound):
    def init(self, spec, parameters, device, mode):
        self.last = super().init(spec, parameters, device, mode)
        return self.last

    def embed_users(self, state, inputs):  # noqa: ARG002 - which is what is wrong
        return super().embed_users(self.last, inputs)


class ModelLastMadeLearns(Sound):
    def init(self, spec, parameters, device, mode):
        self.last = super().init(spec, parameters, device, mode)
        return self.last

    def train(self, state, batches):
        return state, super().train(self.last, batches)[1]


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


class ExportGivesItsOwnArrays(Sound):
    """What has been exported moves with the next step."""

    def export(self, state):
        return dict(state.parameters)


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


class ItemVectorsAreKeptUntilTheNextTraining(Sound):
    kept = None

    def train(self, state, batches):
        self.kept = None
        return super().train(state, batches)

    def embed_items(self, state):
        self.kept = super().embed_items(state) if self.kept is None else self.kept
        return self.kept


class ItemVectorsAreOneArrayForAll(Sound):
    given = None

    def embed_items(self, state):
        items = super().embed_items(state)
        self.given = np.empty_like(items) if self.given is None else self.given
        self.given[...] = items
        return self.given


class OneUserAloneLosesAnAxis(Sound):
    def embed_users(self, state, inputs):
        users = super().embed_users(state, inputs)
        return users[0] if len(users) == 1 else users


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
    OneUserAloneLosesAnAxis: "forward",
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
    CallersArraysAreTrained: "round trip",
    InitWritesToItsCallersArrays: "round trip",
    GradientsAreThoseOfTheFirstCall: "gradients",
    ModelLastMadeAnswers: "vectors",
    ModelLastMadeLearns: "trajectory",
    LossesAreOneACall: "trajectory",
    StepDriftsAfterAHundred: "trajectory",
    StepCountStartsAnewWithEveryCall: "trajectory",
    LossBecomesInfiniteInTheMiddle: "trajectory",
    MomentsAreLostWhenVectorsAreAskedFor: "trajectory",
    ExportChangesWhatFollows: "trajectory",
    ExportGivesItsOwnArrays: "trajectory",
    ExportHoldsOneStaleParameter: "parameters",
    ItemsAreScaledAfterTraining: "vectors",
    ExportIsOfARoundedCopy: "restored",
    InitTakesTheFirstParametersAgain: "restored",
    ItemVectorsAreKeptUntilTheNextTraining: "restored",
    ItemVectorsAreOneArrayForAll: "restored",
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


class InitForgetsABiasOfAll(Sound):
    """No vector shows it."""

    def init(self, spec, parameters, device, mode):
        return super().init(spec, {**parameters, "global_bias": np.zeros((), np.float32)}, device, mode)


def test_what_no_vector_shows_has_to_be_taken_up_too():
    last = climb(InitForgetsABiasOfAll(), "mf-logloss")[-1]
    assert (last.rung, last.holds, last.where) == ("round trip", False, "global_bias")


def test_broken_rung_names_the_parameter():
    last = climb(GradientOfOneRowIsLost(), "mf-bpr")[-1]
    assert last.where.startswith("item_factors")
    assert last.difference > last.tolerance


def test_broken_rung_tells_what_was_raised():
    last = climb(GradientsRaise(), "mf-bpr")[-1]
    assert (last.where, last.difference) == ("RuntimeError: no gradient function", None)


def test_every_rung_is_broken_by_some_fault():
    assert set(FAULTS.values()) == set(LADDER)
