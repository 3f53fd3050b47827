"""An adapter in NumPy, for tests of the ladder: it is sound, and faults are planted in classes that derive from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.agreement import climbs, ladder, ladder_data, reference
from benchmarks.agreement.tolerances import LADDER

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
        (step_size,), (epsilon,), (decay,) = optimizer.schedule(state.done, 1)
        if optimizer.clip_norm:
            norm = np.sqrt(sum(np.sum(g * g) for g in gradient.values()))
            factor = np.minimum(np.float32(1), np.float32(optimizer.clip_norm) / norm)
            gradient = {name: factor * g for name, g in gradient.items()}
        for name, g in gradient.items():
            change = self.adam(optimizer, *state.moments[name], g, epsilon) if optimizer.name == "adam" else g
            state.parameters[name] -= decay * state.parameters[name]
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
