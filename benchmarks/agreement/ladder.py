"""The ladder: from what must be equal to what must still agree after a whole training, each rung named.

An adapter is held to the spec's float64 reference, and so to every other adapter. The first rung that breaks is where
to look for the bug, with the parameter or step of the largest difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backends.ann import exact, interests
from backends.contract import UnavailableError
from benchmarks import sampling
from benchmarks.agreement import reference
from benchmarks.agreement.tolerances import LADDER
from benchmarks.harness.evaluation import answers
from benchmarks.hashing import hash_arrays
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


class Entry(NamedTuple):
    """One number that departs: its place, e.g. "item_bias[3]" or "step 2", what the adapter has, and the reference."""

    place: str
    found: float
    expected: float


class Difference(NamedTuple):
    """What a rung found: how large the largest difference is, where, and what shows it.

    Attributes:
        entries: up to five numbers: of an array those that depart most, of losses the first beyond the tolerance.
        error: what the adapter raised, where that is what was found.
    """

    size: float
    where: str
    entries: tuple[Entry, ...] = ()
    error: BaseException | None = None


N_ENTRIES = 5


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
    """Climbs up to the first rung that breaks; the seed is that of the ladder's data and initial parameters."""
    climber = _Climber(adapter, spec, device, mode, seed)
    rungs = tuple(rung for rung, _ in climber.climbing())
    return Climb(rungs, climber.divergence, climber.trained)


def climbing(adapter: Any, spec: DifferentiableSpec, device: str, mode: str) -> Iterator[tuple[Rung, Difference]]:
    """The same, each rung as soon as it is reached, with what was found there."""
    return _Climber(adapter, spec, device, mode, 0).climbing()


def _judged(name: str, difference: Difference) -> Rung:
    limit, size = LADDER[name].limit, difference.size
    finite = bool(np.isfinite(size))
    return Rung(name, finite and size <= limit, size if finite else None, limit, difference.where)


class _Climber:
    """One adapter beside the reference. Rungs are taken in order: the state moves on with them."""

    def __init__(self, adapter: Any, spec: DifferentiableSpec, device: str, mode: str, seed: int) -> None:
        self.adapter, self.spec, self.device, self.mode = adapter, spec, device, mode
        self.data, self.truth = reference.problem(seed), reference.truth(spec, seed)
        self.given = _copied(self.truth.start)
        self.expected = self.truth.untrained  # the parameters that the state is at, as the reference has them
        self.divergence = np.empty(0)
        self.trained = ""
        rng = sampling.generator("ladder", "asked users")
        some = rng.integers(0, self.data.n_users, 500, dtype=np.int32)  # out of order, with repeats
        self.asked = reference.asked(self.data, some)
        self.everybody = reference.asked(self.data, np.arange(self.data.n_users, dtype=np.int32))

    def climbing(self) -> Iterator[tuple[Rung, Difference]]:
        for name, compare in self._rungs():
            try:
                difference = compare()
            except UnavailableError:  # nothing to judge on this machine
                raise
            except (Exception, SystemExit) as error:  # whatever an adapter raises, this is the rung where it broke
                difference = Difference(np.inf, f"{type(error).__name__}: {error}", error=error)
            rung = _judged(name, difference)
            yield rung, difference
            if not rung.holds:
                return

    def _rungs(self) -> Iterator[tuple[str, Callable[[], Difference]]]:
        yield "round trip", self.round_trip
        yield "forward", self.vectors
        yield "gradients", self.gradients
        yield "loss", self.loss
        yield "one step", self.one_step
        yield "trajectory", self.trajectory
        yield "vectors", self.vectors
        yield "metrics", self.metrics

    def _call(self, function: str, arrays: Arrays) -> Any:
        """The adapter's answer for its state and copies of these arrays, which it has to leave as they are."""
        lent = _copied(arrays)
        answer = getattr(self.adapter, function)(self.state, lent)
        for name, value in arrays.items():
            if not np.array_equal(lent[name], value):
                raise ValueError(f"{function} has written to {name!r}, an array of its caller's")
        return answer

    def round_trip(self) -> Difference:
        self.state = self.adapter.init(self.spec, self.given, self.device, self.mode)
        start, exported = self.truth.start, self.adapter.export(self.state)
        if set(exported) != set(start):
            return Difference(np.inf, f"parameters {', '.join(sorted(set(exported) ^ set(start)))}")
        for name, value in start.items():
            if _described(exported[name]) != _described(value):
                return Difference(np.inf, f"{name} is {_described(exported[name])}, not {_described(value)}")
        return _largest(exported, start)

    def vectors(self) -> Difference:
        found = {"embed_users": self._users(self.asked), "embed_items": self.adapter.embed_items(self.state)}
        expected = {"embed_users": self._true_users(self.asked), "embed_items": self.spec.item_vectors(self.expected)}
        for name, value in found.items():
            if not isinstance(value, np.ndarray) or value.dtype != np.float32:
                return Difference(np.inf, f"{name} gives {_described(value)}, not float32")
        return _largest(found, expected, relative=True)

    def _users(self, asked: reference.Asked) -> npt.NDArray[Any]:
        return answers(self.spec, partial(self._call, "embed_users"), asked)

    def _true_users(self, asked: reference.Asked) -> npt.NDArray[np.float64]:
        return answers(self.spec, partial(self.spec.user_vectors, self.expected), asked)

    def gradients(self) -> Difference:
        """Against the reference's own gradient, and along random directions against its finite differences."""
        found, expected = self._call("gradients", self.truth.first), self.truth.gradients
        if set(found) != set(expected):
            return Difference(np.inf, f"parameters {', '.join(sorted(set(found) ^ set(expected)))}")
        worst = _largest(found, expected, relative=True)
        if not np.isfinite(worst.size):
            return worst
        for name, (direction, slope) in self.truth.slopes.items():
            along = float(np.sum(found[name].astype(np.float64) * direction))
            size = float(np.linalg.norm(expected[name]) * np.linalg.norm(direction))
            if abs(slope - along) / size > worst.size:
                entries = _departing(name, found[name], expected[name])
                worst = Difference(abs(slope - along) / size, f"{name}, against finite differences", entries)
        return worst

    def loss(self) -> Difference:
        """The first training step's loss; the step itself is judged on the next rung."""
        loss, self.expected = self.truth.after_one
        self.losses = [self._train(self.truth.chunks[0])]
        return self._loss_difference("loss", np.array([loss]))

    def one_step(self) -> Difference:
        """Parameters after one step; the arrays that were handed over must not have moved with them."""
        if any(not np.array_equal(self.given[name], value) for name, value in self.truth.start.items()):
            return Difference(np.inf, "the caller's own arrays were written to")
        return _largest(self.adapter.export(self.state), self.expected)

    def trajectory(self) -> Difference:
        expected, self.expected = self.truth.trained
        self.losses += [self._train(chunk) for chunk in self.truth.chunks[1:]]
        losses = {"losses": np.concatenate(self.losses)}
        self.trained = hash_arrays(losses, self.adapter.export(self.state))
        return self._loss_difference("trajectory", expected)

    def _train(self, chunk: Arrays) -> npt.NDArray[Any]:
        self.state, losses = self._call("train", chunk)
        return np.asarray(losses)

    def metrics(self) -> Difference:
        """User by user, so that hits of some do not make up for those that others miss."""
        found = self._hits(self._users(self.everybody), self.adapter.embed_items(self.state))
        expected = self._hits(
            self._true_users(self.everybody).astype(np.float32),
            self.spec.item_vectors(self.expected).astype(np.float32),
        )
        words = f"recall@10 {found.mean():.4f}, reference {expected.mean():.4f}"
        return Difference(float(np.mean(np.abs(found - expected))), words)

    def _hits(self, users: npt.NDArray[np.float32], items: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Recall@10 of the held-out item of each user, float64[n_users]."""
        indptr = np.arange(self.data.n_users + 1, dtype=np.int64)
        lists = interests.search(users, items, 10, lambda vectors: exact.top_k(vectors, items, 10))
        return evaluate(lists, indptr, self.data.held_out, self.data.n_items, (10,)).per_query["recall@10"]

    def _loss_difference(self, rung: str, expected: npt.NDArray[np.float64]) -> Difference:
        found = np.concatenate(self.losses)
        if found.shape != expected.shape or found.dtype != np.float32:
            return Difference(np.inf, f"losses are {_described(found)}, not float32{list(expected.shape)}")
        relative = self.divergence = np.abs(found - expected) / np.abs(expected)
        step = int(np.argmax(np.where(np.isfinite(relative), relative, np.inf)))
        beyond = np.flatnonzero(~(relative <= LADDER[rung].limit))[:N_ENTRIES]
        entries = tuple(Entry(f"step {at + 1}", float(found[at]), float(expected[at])) for at in beyond)
        return Difference(float(relative[step]), f"step {step + 1}", entries)


def _copied(arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The adapter's own, to do with what it likes: the reference's are held by all climbs."""
    return {name: value.copy() for name, value in arrays.items()}


def _largest(found: Arrays, expected: Arrays, *, relative: bool = False) -> Difference:
    """The largest difference over all arrays, and its array; relative to the array's largest value if asked for."""
    worst = Difference(0.0, "")
    for name, value in expected.items():
        if not isinstance(found[name], np.ndarray) or found[name].shape != value.shape:
            return Difference(np.inf, f"{name} is {_described(found[name])}, not an array of shape {list(value.shape)}")
        difference = float(np.max(np.abs(found[name].astype(np.float64) - value)))
        if relative:
            difference /= float(np.max(np.abs(value))) or 1.0
        if not np.isfinite(difference):
            return Difference(difference, name, _departing(name, found[name], value))
        if difference > worst.size:
            worst = Difference(difference, name, _departing(name, found[name], value))
    return worst


def _departing(name: str, found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> tuple[Entry, ...]:
    """The entries that differ most, the largest difference first; what is not finite before all others."""
    difference = np.abs(found.astype(np.float64) - expected).ravel()
    difference[~np.isfinite(difference)] = np.inf
    largest = np.argsort(-difference, kind="stable")[:N_ENTRIES]
    at = [np.unravel_index(flat, expected.shape) for flat in largest if difference[flat] > 0]
    return tuple(Entry(f"{name}{[int(i) for i in index]}", float(found[index]), float(expected[index])) for index in at)


def _described(value: Any) -> str:
    """An array's dtype and shape, "float32[300, 8]"; of anything else its type."""
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
