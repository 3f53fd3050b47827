"""The float64 NumPy trajectory that adapters are held to: the spec's loss, exact gradients, the papers' updates."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import autograd
import numpy as np
import numpy.typing as npt

from benchmarks import sampling
from benchmarks.protocols import features
from benchmarks.protocols.base import training_rows
from benchmarks.specs.base import SGD, Adam, Arrays, DifferentiableSpec, Sizes

Float64s = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Problem:
    """A small, learnable data set, drawn from groups of users who prefer groups of items; see `Training`.

    It asks one question a user, and is so its own `Questions`.

    Attributes:
        sequence_user, sequence_indptr, sequence_items: sequences of five to fourteen items of a user's group.
        history, start, stop: what is known of each user: none to ten items of the group.
        held_out: int32[n_users], one more item of each user's preferred group, for the metric.
    """

    n_users: int
    n_items: int
    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    item_counts: npt.NDArray[np.int64]
    seen_indptr: npt.NDArray[np.int64]
    seen_items: npt.NDArray[np.int32]
    user_features: Arrays
    item_features: Arrays
    sequence_user: npt.NDArray[np.int32]
    sequence_indptr: npt.NDArray[np.int64]
    sequence_items: npt.NDArray[np.int32]
    history: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Asked:
    """Some of a problem's users, in any order, with what is known of each; see `Questions`."""

    user: npt.NDArray[np.int32]
    history: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]


N_DIRECTIONS = 5
N_DRAWS = 5
SMOOTH = 1e-7
"""How near a slope by differences is to the exact one, relative, where there is no kink: 4e-8 and less were seen."""
N_USERS, N_ITEMS, N_ROWS, N_GROUPS, N_SEQUENCES = 300, 200, 1500, 4, 120


@functools.cache
def problem(seed: int = 0) -> Problem:
    """The ladder's data: more users and items than a batch touches, so that untouched rows matter."""
    rng = sampling.generator(*_key(seed), "interactions")
    user = rng.integers(0, N_USERS, N_ROWS, dtype=np.int32)
    preferred = (rng.integers(0, N_ITEMS // N_GROUPS, (2, N_ROWS)) * N_GROUPS).astype(np.int32)
    item = preferred[0] + user % N_GROUPS
    held_out = preferred[1][:N_USERS] + np.arange(N_USERS, dtype=np.int32) % N_GROUPS
    rng = sampling.generator(*_key(seed), "sequences")
    sequence_user = rng.integers(0, N_USERS, N_SEQUENCES, dtype=np.int32)
    sequence_indptr, sequence_items = _of_their_group(rng, sequence_user, rng.integers(5, 15, N_SEQUENCES))
    everybody = np.arange(N_USERS, dtype=np.int32)
    item_counts = np.bincount(item, minlength=N_ITEMS)
    *_, seen_indptr, seen_items = training_rows(user, item, N_USERS)
    region, group = everybody % (N_GROUPS - 1), np.arange(N_ITEMS, dtype=np.int32) % N_GROUPS
    indptr, history = _of_their_group(rng, everybody, rng.integers(0, 11, N_USERS))
    return Problem(
        n_users=N_USERS,
        n_items=N_ITEMS,
        user=user,
        item=item,
        item_counts=item_counts,
        seen_indptr=seen_indptr,
        seen_items=seen_items,
        user_features=features.encoded({"region": region}, np.bincount(user, minlength=N_USERS), "activity"),
        item_features=features.encoded({"group": group}, item_counts, "popularity"),
        sequence_user=sequence_user,
        sequence_indptr=sequence_indptr,
        sequence_items=sequence_items,
        history=history,
        start=indptr[:-1],
        stop=indptr[1:],
        held_out=held_out.astype(np.int32),
    )


def _key(seed: int) -> tuple[object, ...]:
    return ("ladder", seed) if seed else ("ladder",)


def _of_their_group(
    rng: np.random.Generator, user: npt.NDArray[np.int32], length: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Items of each user's preferred group: int64[n + 1] offsets and int32 items."""
    indptr = np.append(0, np.cumsum(length)).astype(np.int64)
    group = np.repeat(user % N_GROUPS, length)
    return indptr, (rng.integers(0, N_ITEMS // N_GROUPS, indptr[-1]) * N_GROUPS + group).astype(np.int32)


def asked(data: Problem, users: npt.NDArray[np.int32]) -> Asked:
    """The questions of these users: int32[n], in any order and with repeats."""
    return Asked(users, data.history, data.start[users], data.stop[users])


def initial_parameters(spec: DifferentiableSpec, seed: int = 0, draw: int = 0) -> dict[str, npt.NDArray[Any]]:
    """The float32 (or int32) arrays that a climb starts from; a seed has as many draws of them as are asked for."""
    data = problem(seed)
    table = spec.parameters(Sizes.of(data))
    return sampling.initial_parameters(table, (*_key(seed), spec.model, *([draw] if draw else [])))


def chunks(spec: DifferentiableSpec, seed: int = 0) -> Iterator[Arrays]:
    """The batches of all epochs over the ladder's data, the very first step as a chunk of its own."""
    for epoch in range(1, spec.epochs + 1):
        for chunk in spec.batches(problem(seed), (*_key(seed), spec.model), epoch):
            if epoch == 1 and len(next(iter(chunk.values()))) > 1:
                yield {name: values[:1] for name, values in chunk.items()}
                yield {name: values[1:] for name, values in chunk.items()}
            else:
                yield chunk


def steps(chunk: Arrays) -> Iterator[Arrays]:
    """One batch after the other: {name: array[batch, ...]}."""
    for i in range(len(next(iter(chunk.values())))):
        yield {name: values[i] for name, values in chunk.items()}


def gradients(spec: DifferentiableSpec, parameters: Arrays, batch: Arrays) -> tuple[float, Float64s]:
    """The loss of one batch and its exact gradient for every parameter that is learnt."""
    fixed = {name: parameters[name] for name in spec.unlearnt}
    learnt = {name: value for name, value in parameters.items() if name not in fixed}
    given = _with_held_fixed(spec, parameters, batch)
    value, gradient = autograd.value_and_grad(lambda p: spec.loss({**p, **fixed}, given))(learnt)
    return float(value), gradient


def directional_slope(spec: DifferentiableSpec, parameters: Arrays, batch: Arrays, direction: Arrays) -> float:
    """Slope of the loss along a direction by differences of fourth order: owes nothing to anybody's differentiation."""
    h = 1e-6  # so small that hardly any ReLU switches on the way
    given = _with_held_fixed(spec, parameters, batch)

    def loss(steps: int) -> float:
        moved = {name: value + steps * h * direction[name] for name, value in parameters.items() if name in direction}
        return float(spec.loss({**parameters, **moved}, given))

    return (8 * (loss(1) - loss(-1)) - (loss(2) - loss(-2))) / (12 * h)


def _with_held_fixed(spec: DifferentiableSpec, parameters: Arrays, batch: Arrays) -> Arrays:
    return {**batch, **spec.held_fixed(parameters, batch)}


class Trajectory:
    """Parameters and the optimizer's moments in float64, moved one batch at a time."""

    def __init__(self, spec: DifferentiableSpec, parameters: Arrays) -> None:
        self.spec = spec
        self.parameters: Float64s = {name: _exact(value) for name, value in parameters.items()}
        self._first = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self._second = {name: np.zeros_like(value) for name, value in self.parameters.items()}
        self._t = 0

    def step(self, batch: Arrays) -> float:
        """One step of the spec's optimizer; returns the loss before it."""
        loss, gradient = gradients(self.spec, self.parameters, batch)
        carried = self.spec.carried(self.parameters, batch) if self.spec.unlearnt else {}
        self._t += 1
        optimizer = self.spec.optimizer
        changes = self._adam(optimizer, gradient) if isinstance(optimizer, Adam) else _sgd(optimizer, gradient)
        moved = {name: self.parameters[name] - change for name, change in changes.items()}
        self.parameters = {**self.parameters, **moved, **carried}
        return loss

    def _adam(self, adam: Adam, gradient: Float64s) -> Float64s:
        """Kingma and Ba 2015, algorithm 1."""
        changes = {}
        for name, g in gradient.items():
            m = self._first[name] = adam.beta1 * self._first[name] + (1 - adam.beta1) * g
            v = self._second[name] = adam.beta2 * self._second[name] + (1 - adam.beta2) * g**2
            m_hat, v_hat = m / (1 - adam.beta1**self._t), v / (1 - adam.beta2**self._t)
            changes[name] = adam.learning_rate * m_hat / (np.sqrt(v_hat) + adam.epsilon)
        return changes


class Truth:
    """What adapters of one spec are held to: the reference's training on the ladder's data, worked out as far as asked.

    Attributes:
        start: float32 (or int32, what is looked up), the initial parameters.
        chunks: the batches of all epochs, the very first step as a chunk of its own.
        untrained: the initial parameters in float64.
    """

    def __init__(self, spec: DifferentiableSpec, seed: int, draw: int = 0) -> None:
        self.spec = spec
        self.start = initial_parameters(spec, seed, draw)
        self.chunks = list(chunks(spec, seed))
        self._trajectory = Trajectory(spec, self.start)
        self.untrained = self._trajectory.parameters

    @property
    def first(self) -> Arrays:
        """The first step's batch."""
        return next(steps(self.chunks[0]))

    @functools.cached_property
    def gradients(self) -> Float64s:
        """The first batch's, by automatic differentiation."""
        return gradients(self.spec, self.untrained, self.first)[1]

    @functools.cached_property
    def slopes(self) -> dict[str, tuple[npt.NDArray[np.float64], float]]:
        """For each parameter that is learnt, a random direction and the first batch's slope by finite differences."""
        return {name: self._slope(name, gradient) for name, gradient in self.gradients.items()}

    def _slope(self, name: str, gradient: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
        """Where a kink lies on the way differences are no slope, so that several directions are tried.

        A wrong gradient has no direction in which it is right.
        """
        for attempt in range(N_DIRECTIONS):
            rng = sampling.generator("ladder", "direction", name, *([attempt] if attempt else []))
            direction = rng.standard_normal(gradient.shape)
            slope = directional_slope(self.spec, self.untrained, self.first, {name: direction})
            if _is_slope(slope, gradient, direction):
                break
        return direction, slope

    @property
    def is_smooth(self) -> bool:
        """Whether it starts where there is a gradient to agree on, not on a tie of interests or of sides of a ReLU."""
        return all(
            _is_slope(slope, self.gradients[name], direction) for name, (direction, slope) in self.slopes.items()
        )

    @functools.cached_property
    def after_one(self) -> tuple[float, Float64s]:
        """The first step's loss, and the parameters after it."""
        loss = self._trajectory.step(self.first)
        return loss, self._trajectory.parameters

    @functools.cached_property
    def trained(self) -> tuple[npt.NDArray[np.float64], Float64s]:
        """The losses of all steps, float64[n_steps], and the parameters after them."""
        losses = [self.after_one[0]]
        losses += [self._trajectory.step(batch) for chunk in self.chunks[1:] for batch in steps(chunk)]
        return np.array(losses), self._trajectory.parameters


@functools.cache
def truth(spec: DifferentiableSpec, seed: int = 0) -> Truth:
    """The same for all adapters, modes and injected bugs of a process; from the seed's first draw that is smooth.

    A reference that differentiates wrongly is smooth nowhere: the last draw shows it.
    """
    for draw in range(N_DRAWS):
        drawn = Truth(spec, seed, draw)
        if drawn.is_smooth:
            break
    return drawn


def _is_slope(slope: float, gradient: npt.NDArray[np.float64], direction: npt.NDArray[np.float64]) -> bool:
    size = float(np.linalg.norm(gradient) * np.linalg.norm(direction))
    return abs(slope - float(np.sum(gradient * direction))) <= SMOOTH * size


def _exact(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return value.astype(np.float64) if np.issubdtype(value.dtype, np.floating) else value


def _sgd(sgd: SGD, gradient: Float64s) -> Float64s:
    """Pascanu, Mikolov and Bengio 2013, algorithm 1, over all parameters together."""
    norm = np.sqrt(sum(np.sum(g**2) for g in gradient.values()))
    return {name: sgd.learning_rate * min(1.0, sgd.clip_norm / norm) * g for name, g in gradient.items()}
