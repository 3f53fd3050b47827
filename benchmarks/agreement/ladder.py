"""The ladder: from what must be equal to what must still agree after a whole training, each rung named.

An adapter is held to the spec's float64 reference, and so to every other adapter. The first rung that breaks is where
to look for the bug, with the parameter or step of the largest difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from backends.ann import exact, interests
from benchmarks import sampling
from benchmarks.agreement import reference
from benchmarks.agreement.tolerances import LADDER
from benchmarks.harness.evaluation import answers
from benchmarks.metrics import evaluate
from benchmarks.specs.base import Arrays, DifferentiableSpec


@dataclass(frozen=True)
class Rung:
    """One rung, judged.

    Attributes:
        rung: its name, a key of `tolerances.LADDER`.
        difference: the largest difference found; None where it is not finite.
        where: the parameter, array or step of that difference.
    """

    rung: str
    holds: bool
    difference: float | None
    tolerance: float
    where: str


Difference = tuple[float, str]


def climb(adapter: Any, spec: DifferentiableSpec, device: str, mode: str) -> list[Rung]:
    """The rungs from the lowest up to the first that breaks, or all of them."""
    rungs = []
    for name, difference in _Climb(adapter, spec, device, mode).rungs():
        try:
            rungs.append(_judged(name, *difference()))
        except Exception as error:  # whatever an adapter raises, this is the rung where it broke
            rungs.append(_judged(name, np.inf, f"{type(error).__name__}: {error}"))
        if not rungs[-1].holds:
            break
    return rungs


def _judged(name: str, difference: float, where: str) -> Rung:
    limit = LADDER[name].limit
    finite = bool(np.isfinite(difference))
    return Rung(name, finite and difference <= limit, difference if finite else None, limit, where)


class _Climb:
    """One adapter beside the reference. Rungs are taken in order: the state moves on with them."""

    def __init__(self, adapter: Any, spec: DifferentiableSpec, device: str, mode: str) -> None:
        self.adapter, self.spec = adapter, spec
        self.data = reference.problem()
        self.start = reference.initial_parameters(spec)
        self.given = {name: value.copy() for name, value in self.start.items()}
        self.truth = reference.Trajectory(spec, self.start)
        self.chunks = reference.chunks(spec, self.data)
        self.state = adapter.init(spec, self.given, device, mode)
        rng = sampling.generator("ladder", "asked users")
        some = rng.integers(0, self.data.n_users, 500, dtype=np.int32)  # out of order, with repeats
        self.asked = reference.asked(self.data, some)
        self.everybody = reference.asked(self.data, np.arange(self.data.n_users, dtype=np.int32))

    def rungs(self) -> Iterator[tuple[str, Callable[[], Difference]]]:
        yield "round trip", self.round_trip
        yield "forward", self.vectors
        yield "gradients", self.gradients
        yield "loss", self.loss
        yield "one step", self.one_step
        yield "trajectory", self.trajectory
        yield "vectors", self.vectors
        yield "metrics", self.metrics

    def round_trip(self) -> Difference:
        exported = self.adapter.export(self.state)
        if set(exported) != set(self.start):
            return np.inf, f"parameters {', '.join(sorted(set(exported) ^ set(self.start)))}"
        for name, value in exported.items():
            if value.dtype != self.start[name].dtype or value.shape != self.start[name].shape:
                return np.inf, f"{name} is {value.dtype}{list(value.shape)}"
        return _largest(exported, self.start)

    def vectors(self) -> Difference:
        found = {"embed_users": self._users(self.asked), "embed_items": self.adapter.embed_items(self.state)}
        expected = {
            "embed_users": self._true_users(self.asked),
            "embed_items": self.spec.item_vectors(self.truth.parameters),
        }
        for name, value in found.items():
            if value.dtype != np.float32:
                return np.inf, f"{name} gives {value.dtype}, not float32"
        return _largest(found, expected, relative=True)

    def _users(self, asked: reference.Asked) -> npt.NDArray[Any]:
        return answers(self.spec, partial(self.adapter.embed_users, self.state), asked)

    def _true_users(self, asked: reference.Asked) -> npt.NDArray[np.float64]:
        return answers(self.spec, partial(self.spec.user_vectors, self.truth.parameters), asked)

    def gradients(self) -> Difference:
        """Against the reference's own gradient, and along random directions against its finite differences."""
        self.first = next(self.chunks)
        batch = next(reference.steps(self.first))
        found = self.adapter.gradients(self.state, batch)
        _, expected = reference.gradients(self.spec, self.truth.parameters, batch)
        if set(found) != set(expected):
            return np.inf, f"parameters {', '.join(sorted(set(found) ^ set(expected)))}"
        worst = _largest(found, expected, relative=True)
        if not np.isfinite(worst[0]):
            return worst
        for name, value in self.truth.parameters.items():
            if name in self.spec.unlearnt:
                continue
            direction = {name: sampling.generator("ladder", "direction", name).standard_normal(value.shape)}
            slope = reference.directional_slope(self.spec, self.truth.parameters, batch, direction)
            along = float(np.sum(found[name].astype(np.float64) * direction[name]))
            size = float(np.linalg.norm(expected[name]) * np.linalg.norm(direction[name]))
            worst = max(worst, (abs(slope - along) / size, f"{name}, against finite differences"))
        return worst

    def loss(self) -> Difference:
        """The first training step's loss; the step itself is judged on the next rung."""
        self.expected = [self.truth.step(next(reference.steps(self.first)))]
        self.state, found = self.adapter.train(self.state, self.first)
        self.found = [np.asarray(found)]
        return self._loss_difference()

    def one_step(self) -> Difference:
        """Parameters after one step; the arrays that were handed over must not have moved with them."""
        if any(not np.array_equal(self.given[name], value) for name, value in self.start.items()):
            return np.inf, "the caller's own arrays were written to"
        return _largest(self.adapter.export(self.state), self.truth.parameters)

    def trajectory(self) -> Difference:
        for chunk in self.chunks:
            self.expected += [self.truth.step(batch) for batch in reference.steps(chunk)]
            self.state, found = self.adapter.train(self.state, chunk)
            self.found.append(np.asarray(found))
        return self._loss_difference()

    def metrics(self) -> Difference:
        found = self.metric(self._users(self.everybody), self.adapter.embed_items(self.state))
        expected = self.metric(
            self._true_users(self.everybody).astype(np.float32),
            self.spec.item_vectors(self.truth.parameters).astype(np.float32),
        )
        return abs(found - expected), f"recall@10 {found:.4f}, reference {expected:.4f}"

    def metric(self, users: npt.NDArray[np.float32], items: npt.NDArray[np.float32]) -> float:
        """Recall@10 of the held-out item of each user."""
        indptr = np.arange(self.data.n_users + 1, dtype=np.int64)
        lists = interests.search(users, items, 10, lambda vectors: exact.top_k(vectors, items, 10))
        return evaluate(lists, indptr, self.data.held_out, self.data.n_items, (10,)).metrics["recall@10"]

    def _loss_difference(self) -> Difference:
        found, expected = np.concatenate(self.found), np.array(self.expected)
        if found.shape != expected.shape or found.dtype != np.float32:
            return np.inf, f"losses are {found.dtype}{list(found.shape)}, not float32{list(expected.shape)}"
        relative = np.abs(found - expected) / np.abs(expected)
        step = int(np.argmax(np.where(np.isfinite(relative), relative, np.inf)))
        return float(relative[step]), f"step {step + 1}"


def _largest(found: Arrays, expected: Arrays, *, relative: bool = False) -> Difference:
    """The largest difference over all arrays, and its array; relative to the array's largest value if asked for."""
    worst = (0.0, "")
    for name, value in expected.items():
        if found[name].shape != value.shape:
            return np.inf, f"{name} has shape {list(found[name].shape)}, not {list(value.shape)}"
        difference = float(np.max(np.abs(found[name].astype(np.float64) - value)))
        if relative:
            difference /= float(np.max(np.abs(value))) or 1.0
        if not np.isfinite(difference):
            return difference, name
        worst = max(worst, (difference, name))
    return worst
