"""The ladder: from what must be equal to what must still agree after a whole training, each rung named.

An adapter is held to the spec's float64 reference, and so to every other adapter. The first rung that breaks is where
to look for the bug, with the parameter or step of the largest difference.
"""

from __future__ import annotations

import hashlib
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


@dataclass(frozen=True)
class Climb:
    """One adapter's climb.

    Attributes:
        rungs: from the lowest up to the first that breaks, or all of them.
        divergence: float64[n_steps], how far each step's loss is from the reference's, relative; empty where no
            training was reached.
        trained: a hash of all losses and final parameters, "" where the end was not reached: equal bits, equal hash.
    """

    rungs: tuple[Rung, ...]
    divergence: npt.NDArray[np.float64]
    trained: str


def climb(adapter: Any, spec: DifferentiableSpec, device: str, mode: str, seed: int = 0) -> Climb:
    """Climbs up to the first rung that breaks."""
    rungs = []
    climber = _Climber(adapter, spec, device, mode, seed)
    for name, difference in climber.rungs():
        try:
            rungs.append(_judged(name, *difference()))
        except Exception as error:  # whatever an adapter raises, this is the rung where it broke
            rungs.append(_judged(name, np.inf, f"{type(error).__name__}: {error}"))
        if not rungs[-1].holds:
            break
    return Climb(tuple(rungs), climber.divergence, climber.trained)


def _judged(name: str, difference: float, where: str) -> Rung:
    limit = LADDER[name].limit
    finite = bool(np.isfinite(difference))
    return Rung(name, finite and difference <= limit, difference if finite else None, limit, where)


class _Climber:
    """One adapter beside the reference. Rungs are taken in order: the state moves on with them."""

    def __init__(self, adapter: Any, spec: DifferentiableSpec, device: str, mode: str, seed: int) -> None:
        self.adapter, self.spec = adapter, spec
        self.data, self.truth = reference.problem(seed), reference.truth(spec, seed)
        self.given = _copied(self.truth.start)
        self.expected = self.truth.untrained  # the parameters that the state is at, as the reference has them
        self.divergence = np.empty(0)
        self.trained = ""
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
        start, exported = self.truth.start, self.adapter.export(self.state)
        if set(exported) != set(start):
            return np.inf, f"parameters {', '.join(sorted(set(exported) ^ set(start)))}"
        for name, value in exported.items():
            if value.dtype != start[name].dtype or value.shape != start[name].shape:
                return np.inf, f"{name} is {value.dtype}{list(value.shape)}"
        return _largest(exported, start)

    def vectors(self) -> Difference:
        found = {"embed_users": self._users(self.asked), "embed_items": self.adapter.embed_items(self.state)}
        expected = {"embed_users": self._true_users(self.asked), "embed_items": self.spec.item_vectors(self.expected)}
        for name, value in found.items():
            if value.dtype != np.float32:
                return np.inf, f"{name} gives {value.dtype}, not float32"
        return _largest(found, expected, relative=True)

    def _users(self, asked: reference.Asked) -> npt.NDArray[Any]:
        return answers(self.spec, partial(self.adapter.embed_users, self.state), asked)

    def _true_users(self, asked: reference.Asked) -> npt.NDArray[np.float64]:
        return answers(self.spec, partial(self.spec.user_vectors, self.expected), asked)

    def gradients(self) -> Difference:
        """Against the reference's own gradient, and along random directions against its finite differences."""
        found, expected = self.adapter.gradients(self.state, _copied(self.truth.first)), self.truth.gradients
        if set(found) != set(expected):
            return np.inf, f"parameters {', '.join(sorted(set(found) ^ set(expected)))}"
        worst = _largest(found, expected, relative=True)
        if not np.isfinite(worst[0]):
            return worst
        for name, (direction, slope) in self.truth.slopes.items():
            along = float(np.sum(found[name].astype(np.float64) * direction))
            size = float(np.linalg.norm(expected[name]) * np.linalg.norm(direction))
            worst = max(worst, (abs(slope - along) / size, f"{name}, against finite differences"))
        return worst

    def loss(self) -> Difference:
        """The first training step's loss; the step itself is judged on the next rung."""
        loss, self.expected = self.truth.after_one
        self.losses = [self._train(self.truth.chunks[0])]
        return self._loss_difference(np.array([loss]))

    def one_step(self) -> Difference:
        """Parameters after one step; the arrays that were handed over must not have moved with them."""
        if any(not np.array_equal(self.given[name], value) for name, value in self.truth.start.items()):
            return np.inf, "the caller's own arrays were written to"
        return _largest(self.adapter.export(self.state), self.expected)

    def trajectory(self) -> Difference:
        expected, self.expected = self.truth.trained
        self.losses += [self._train(chunk) for chunk in self.truth.chunks[1:]]
        self.trained = _hash([*self.losses, *dict(sorted(self.adapter.export(self.state).items())).values()])
        return self._loss_difference(expected)

    def _train(self, chunk: Arrays) -> npt.NDArray[Any]:
        self.state, losses = self.adapter.train(self.state, _copied(chunk))
        return np.asarray(losses)

    def metrics(self) -> Difference:
        """User by user, so that hits of some do not make up for those that others miss."""
        found = self._hits(self._users(self.everybody), self.adapter.embed_items(self.state))
        expected = self._hits(
            self._true_users(self.everybody).astype(np.float32),
            self.spec.item_vectors(self.expected).astype(np.float32),
        )
        difference = float(np.mean(np.abs(found - expected)))
        return difference, f"recall@10 {found.mean():.4f}, reference {expected.mean():.4f}"

    def _hits(self, users: npt.NDArray[np.float32], items: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Recall@10 of the held-out item of each user, float64[n_users]."""
        indptr = np.arange(self.data.n_users + 1, dtype=np.int64)
        lists = interests.search(users, items, 10, lambda vectors: exact.top_k(vectors, items, 10))
        return evaluate(lists, indptr, self.data.held_out, self.data.n_items, (10,)).per_query["recall@10"]

    def _loss_difference(self, expected: npt.NDArray[np.float64]) -> Difference:
        found = np.concatenate(self.losses)
        if found.shape != expected.shape or found.dtype != np.float32:
            return np.inf, f"losses are {found.dtype}{list(found.shape)}, not float32{list(expected.shape)}"
        self.divergence = np.abs(found - expected) / np.abs(expected)
        step = int(np.argmax(np.where(np.isfinite(self.divergence), self.divergence, np.inf)))
        return float(self.divergence[step]), f"step {step + 1}"


def _copied(arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The adapter's own, to do with what it likes: the reference's are held by all climbs."""
    return {name: value.copy() for name, value in arrays.items()}


def _hash(arrays: list[npt.NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


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
