"""Faults that only some families, or only a climb of their own, can show; planted in the adapter in NumPy."""

import dataclasses
from typing import ClassVar

import autograd.numpy as anp
import numpy as np
import pytest
from numpy_adapter import N_USERS, Sound, climb, whole

from benchmarks.agreement import climbs, ladder
from benchmarks.specs.comirec_sa import ComiRecSA
from benchmarks.specs.sasrec import SASRec


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


class MomentsAreEveryStates(Sound):
    moments: ClassVar[dict] = {}

    def init(self, spec, parameters, device, mode):
        state = super().init(spec, parameters, device, mode)
        for name, moments in state.moments.items():
            self.moments.setdefault((spec, name), moments)
        state.moments = {name: self.moments[spec, name] for name in state.moments}
        return state


@pytest.mark.parametrize(
    ("fault", "family", "due"),
    [
        (MomentsAreEveryStates, "mf-bpr", "trajectory"),
        (StateIsNotCarried, "lstm", "one step"),
        (CarriedStateIsResetByAQuestion, "lstm", "gradients"),
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


def narrow(arrays, dtype):
    return {name: values.astype(dtype) if values.dtype == np.int32 else values for name, values in arrays.items()}


class QuestionsAreCastTo16Bits(Sound):
    def embed_users(self, state, inputs):
        return super().embed_users(state, narrow(inputs, np.int16))


class BatchesAreCastTo16Bits(Sound):
    def loss_and_gradient(self, state, batch):
        return super().loss_and_gradient(state, narrow(batch, np.int16))


class QuestionsAreCastTo16BitsWithoutASign(Sound):
    def embed_users(self, state, inputs):
        return super().embed_users(state, narrow(inputs, np.uint16))


class GradientsAreClippedBeforeAdam(Sound):
    def step(self, state, gradient, rate=1.0):
        norm = np.sqrt(sum(np.sum(g * g) for g in gradient.values()))
        super().step(state, {name: g * min(1, 5 / norm) for name, g in gradient.items()}, rate)


class LastOfEqualsIsClosest(ComiRecSA):
    def loss(self, p, batch):
        """The same, with the interests in the opposite order: the first of equals is then the last."""
        reversed_order = {**p, "attention_interests": p["attention_interests"][::-1]}
        return super().loss(reversed_order, batch)


class ChoosesTheLastOfEquals(Sound):
    def init(self, spec, parameters, device, mode):
        return super().init(LastOfEqualsIsClosest(**dataclasses.asdict(spec)), parameters, device, mode)


class StepCountWrapsAt256(Sound):
    def step(self, state, gradient, rate=1.0):
        state.done %= 256
        super().step(state, gradient, rate)


class OneOfMoments(SASRec):
    """Variance as E[x^2] - E[x]^2."""

    def normed(self, p, name, x):
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
        (QuestionsAreCastTo16BitsWithoutASign, "mf-bpr", "wide", "forward"),
        (GradientsAreClippedBeforeAdam, "mf-bpr", "extreme rows", "one step"),
        (ChoosesTheLastOfEquals, "comirec-sa", "tied rows", "gradients"),
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
