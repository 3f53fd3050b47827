"""The float64 NumPy trajectory that adapters are held to: the spec's loss, exact gradients, the papers' updates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import autograd
import numpy as np
import numpy.typing as npt

from benchmarks import sampling
from benchmarks.agreement import ladder_data
from benchmarks.agreement.climbs import Climb
from benchmarks.specs.base import SGD, Adam, Arrays, DifferentiableSpec, Sizes

Float64s = dict[str, npt.NDArray[np.float64]]


N_AT_ONCE = 128
"""Rows that are differentiated together, where the loss is their mean: of 1,500 under 70,000 classes each array that a
step of the reference makes would take 0.8 GB."""
NOISE = 0.1
"""What is added to parameters that all start at zero or at one: a bias that is zero can be left out, and a scale that
is one, and no rung below the first step would show it."""
SCALES = (1.0, 1e-6, 100.0)
"""Of extreme rows, in turn: as drawn, near zero, far from it; every fourth is nearer to zero still."""
TABLES = ("_embedding", "_factors")
SCALED = (*TABLES, "output_weight", "_query_weight", "attention_interests")
"""What has extreme rows: all that is looked up or served, and what makes the scores of an attention."""
INTERESTS = {"attention_interests": 0, "bilinear": 1}
"""What tells the interests of a user apart, and along which axis."""
SHIFT = 40.0
"""By how much rows are moved: a variance taken as E[x^2] - E[x]^2 has no digit left that counts, nor has a distance by
products; and where users are moved downwards a product with an item is far below -1e4, which some take for -1e9."""
MOVED: dict[str, dict[str, float]] = {
    "shifted": {"_slope_": 1.0, "_embedding": SHIFT, "_factors": SHIFT},
    "opposed": {"user_embedding": -SHIFT, "user_factors": -SHIFT, "_embedding": SHIFT, "_factors": SHIFT},
    "lowered": {"position_embedding": SHIFT, "attention_hidden": SHIFT, "attention_interests": -4 * SHIFT},
}
"""Start -> part of a parameter's name -> by how much it is moved; the first that fits. A slope of PReLU is moved beyond
that of the identity."""


def start(climb: Climb, seed: int = 0, draw: int = 0) -> dict[str, npt.NDArray[Any]]:
    """The float32 (or int32) arrays that a climb starts from; a seed has as many draws of them as are asked for."""
    problem = ladder_data.problem(seed, climb.size)
    table = climb.spec.parameters(Sizes.of(problem))
    key = (*ladder_data.key(seed), climb.spec.model, *([draw] if draw else []))
    drawn = sampling.initial_parameters(table, key)
    names = [name for name in drawn if name not in climb.spec.unlearnt]
    if climb.start == "extreme":  # without noise: beside a bias no output would be near zero
        tiniest = climb.spec.on_ladder.tiniest
        return drawn | {name: _extreme(drawn[name], tiniest) for name in names if name.endswith(SCALED)}
    alike = [row.name for row in table if row.bound == 0 and _is_alike(drawn[row.name])]
    drawn |= {name: np.asarray(drawn[name] + _noise((*key, name), drawn[name])) for name in alike}
    if climb.start in MOVED:
        return drawn | {name: _moved(name, drawn[name], climb.start) for name in names}
    if climb.start == "tied":
        return drawn | {name: _tied(name, drawn[name]) for name in names if name in INTERESTS}
    return drawn


def _is_alike(value: npt.NDArray[Any]) -> bool:
    return bool(np.issubdtype(value.dtype, np.floating) and np.ptp(value) == 0)


def _noise(key: tuple[object, ...], value: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return sampling.generator(*key, "noise").uniform(-NOISE, NOISE, value.shape).astype(np.float32)


def _moved(name: str, value: npt.NDArray[np.float32], start: str) -> npt.NDArray[np.float32]:
    return value + np.float32(next((by for part, by in MOVED[start].items() if part in name), 0.0))


def _tied(name: str, value: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    first = value.take([0], INTERESTS[name])
    return np.broadcast_to(first, value.shape).copy()


def _extreme(table: npt.NDArray[np.float32], tiniest: float) -> npt.NDArray[np.float32]:
    scale = np.resize(np.array([*SCALES, tiniest], np.float32), len(table))
    return table * scale[:, None]


def chunks(climb: Climb, seed: int = 0) -> Iterator[Arrays]:
    """The batches of a climb; the very first, which holds the rare rows, as a chunk of its own.

    Where a climb says how many steps it takes, those after the first come as two chunks of the same length.
    """
    problem = ladder_data.problem(seed, climb.size)
    drawn = _drawn(climb.spec, problem, seed)
    first_chunk = next(drawn)
    first = ladder_data.with_the_rare({name: values[0] for name, values in first_chunk.items()}, problem)
    yield {name: values[None] for name, values in first.items()}
    rest = itertools.chain([part(first_chunk, 1, None)], drawn)
    if climb.n_steps is None:
        yield from (chunk for chunk in rest if _length(chunk))
    elif climb.n_steps > 1:
        half = (climb.n_steps - 1) // 2
        batches = list(itertools.islice(itertools.chain.from_iterable(map(steps, rest)), 2 * half))
        for portion in (batches[:half], batches[half:]):
            yield {name: np.stack([batch[name] for batch in portion]) for name in first}


def _drawn(spec: DifferentiableSpec, problem: ladder_data.Problem, seed: int) -> Iterator[Arrays]:
    for epoch in range(1, spec.epochs + 1):
        yield from spec.batches(problem, (*ladder_data.key(seed), spec.model), epoch)


def part(chunk: Arrays, first: int, last: int | None) -> Arrays:
    """Some steps of a chunk, some rows of a batch."""
    return {name: values[first:last] for name, values in chunk.items()}


def _length(arrays: Arrays) -> int:
    """Steps of a chunk, rows of a batch."""
    return len(next(iter(arrays.values())))


def steps(chunk: Arrays) -> Iterator[Arrays]:
    """One batch after the other: {name: array[batch, ...]}."""
    for i in range(_length(chunk)):
        yield {name: values[i] for name, values in chunk.items()}


def gradients(spec: DifferentiableSpec, parameters: Arrays, batch: Arrays) -> tuple[float, Float64s]:
    """The loss of one batch and its exact gradient for every parameter that is learnt."""
    if not spec.on_ladder.is_mean_of_rows or "negatives" in batch:  # which all rows share
        return _at_once(spec, parameters, batch)
    n_rows, n_samples = _length(batch), spec.n_samples(batch)
    loss = 0.0
    summed: Float64s = {}
    for first in range(0, n_rows, N_AT_ONCE):
        portion = part(batch, first, first + N_AT_ONCE)
        share = spec.n_samples(portion) / n_samples
        of_portion, gradient = _at_once(spec, parameters, portion)
        loss += share * of_portion
        summed = {name: summed.get(name, 0.0) + share * value for name, value in gradient.items()}
    return loss, summed


def _at_once(spec: DifferentiableSpec, parameters: Arrays, batch: Arrays) -> tuple[float, Float64s]:
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
        return self.moved(batch, *gradients(self.spec, self.parameters, batch))

    def moved(self, batch: Arrays, loss: float, gradient: Float64s) -> float:
        """The same, of a batch whose loss and gradient at these parameters are known."""
        carried = self.spec.carried(self.parameters, batch) if self.spec.unlearnt else {}
        self._t += 1
        optimizer = self.spec.optimizer
        clipped = _clipped(gradient, optimizer.clip_norm)
        changes = self._adam(optimizer, clipped) if isinstance(optimizer, Adam) else _sgd(optimizer, clipped)
        moved = {name: self.parameters[name] - change for name, change in changes.items()}
        self.parameters = {**self.parameters, **moved, **carried}
        return loss

    def _adam(self, adam: Adam, gradient: Float64s) -> Float64s:
        """Kingma and Ba 2015, algorithm 1; the decay is that of Loshchilov and Hutter 2019, algorithm 2.

        The warm-up is that of Goyal et al. 2017, section 2.2.
        """
        is_warming = self._t < adam.warmup_steps
        rate = adam.learning_rate * self._t / adam.warmup_steps if is_warming else adam.learning_rate
        changes = {}
        for name, g in gradient.items():
            m = self._first[name] = adam.beta1 * self._first[name] + (1 - adam.beta1) * g
            v = self._second[name] = adam.beta2 * self._second[name] + (1 - adam.beta2) * g**2
            m_hat, v_hat = m / (1 - adam.beta1**self._t), v / (1 - adam.beta2**self._t)
            change = m_hat / (np.sqrt(v_hat) + adam.epsilon) + adam.weight_decay * self.parameters[name]
            changes[name] = rate * change
        return changes


def _exact(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return value.astype(np.float64) if np.issubdtype(value.dtype, np.floating) else value


def _clipped(gradient: Float64s, clip_norm: float) -> Float64s:
    """Pascanu, Mikolov and Bengio 2013, algorithm 1, over all parameters together; 0 clips nothing."""
    norm = np.sqrt(sum(np.sum(g**2) for g in gradient.values()))
    return {name: clip_norm / norm * g for name, g in gradient.items()} if norm > clip_norm > 0 else gradient


def _sgd(sgd: SGD, gradient: Float64s) -> Float64s:
    return {name: sgd.learning_rate * g for name, g in gradient.items()}
