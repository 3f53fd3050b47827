"""The ladder: from what must be equal to what must still agree after a whole training, each rung named.

An adapter is held to the spec's float64 reference, and so to every other adapter. The first rung that breaks is where
to look for the bug, with the parameter or step of the largest difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backends.ann import exact, interests
from backends.contract import UnavailableError
from benchmarks.agreement import ladder_data, tolerances
from benchmarks.agreement.climbs import Climb
from benchmarks.agreement.differences import (
    N_ENTRIES,
    Difference,
    Entry,
    described,
    largest,
    to_the_array,
    to_the_gradients,
    to_the_row,
)
from benchmarks.agreement.truths import Truth, truth
from benchmarks.harness.evaluation import answers
from benchmarks.hashing import hash_arrays
from benchmarks.metrics import evaluate
from benchmarks.specs.base import Arrays

OVERWRITTEN = 99
"""What parameters' arrays hold once a model has been made of them."""


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


@dataclass(frozen=True)
class Outcome:
    """How far one adapter has climbed.

    Attributes:
        rungs: from the lowest up to the first that breaks, or all of them.
        divergence: float64[n_steps], how far each step's loss is from the reference's, relative; empty where no
            training was reached.
        trained: a hash of all losses and final parameters, "" where the end was not reached: equal bits, equal hash.
    """

    rungs: tuple[Rung, ...]
    divergence: npt.NDArray[np.float64]
    trained: str

    @property
    def holds(self) -> bool:
        return self.rungs[-1].holds


def climb(adapter: Any, climb: Climb, device: str, mode: str, seed: int = 0, *, shared: Path | None = None) -> Outcome:
    """Climbs up to the first rung that breaks.

    Args:
        adapter: a module, or anything with the contract's functions.
        climb: the way up.
        device: "cpu" or "gpu".
        mode: "eager" or "compiled".
        seed: that of the ladder's data and initial parameters.
        shared: the folder in which the processes of a run keep what the reference has found out.
    """
    climber = _Climber(adapter, truth(climb, seed, shared), device, mode)
    rungs = tuple(rung for rung, _ in climber.climbing())
    return Outcome(rungs, climber.divergence, climber.trained)


def climbing(adapter: Any, climb: Climb, device: str, mode: str) -> Iterator[tuple[Rung, Difference]]:
    """The same, each rung as soon as it is reached, with what was found there."""
    return _Climber(adapter, truth(climb), device, mode).climbing()


class _Climber:
    """One adapter beside the reference. Rungs are taken in order: the state moves on with them."""

    def __init__(self, adapter: Any, truth: Truth, device: str, mode: str) -> None:
        self.adapter, self.truth, self.device, self.mode = adapter, truth, device, mode
        self.climb, self.spec, self.data = truth.climb, truth.spec, truth.data
        self.expected = truth.untrained  # the parameters that the state is at, as the reference has them
        self.first_vectors: Arrays = {}  # those before any step
        self.divergence = np.empty(0)
        self.trained = ""
        self.losses: list[npt.NDArray[Any]] = []
        self.everybody = ladder_data.asked(self.data, np.arange(self.data.n_users, dtype=np.int32))

    def climbing(self) -> Iterator[tuple[Rung, Difference]]:
        for name in self.climb.rungs:
            try:
                difference = self._rungs()[name]()
            except UnavailableError:  # nothing to judge on this machine
                raise
            except (Exception, SystemExit) as error:  # whatever an adapter raises, this is the rung where it broke
                difference = Difference(np.inf, f"{type(error).__name__}: {error}", error=error)
            rung = self._judged(name, difference)
            yield rung, difference
            if not rung.holds:
                return

    def _rungs(self) -> dict[str, Callable[[], Difference]]:
        return {
            "round trip": self.round_trip,
            "forward": self.vectors,
            "gradients": self.gradients,
            "loss": self.loss,
            "one step": self.one_step,
            "trajectory": self.trajectory,
            "parameters": self.parameters,
            "vectors": self.vectors,
            "restored": self.restored,
            "metrics": self.metrics,
        }

    def _judged(self, name: str, difference: Difference) -> Rung:
        limit, size = self._limit(name), difference.size
        finite = bool(np.isfinite(size))
        return Rung(name, finite and size <= limit, size if finite else None, limit, difference.where)

    def _limit(self, name: str) -> float:
        return tolerances.of(name, self.climb).limit

    def _call(self, function: str, arrays: Arrays) -> Any:
        """The adapter's answer for its state and copies of these arrays, which it has to leave as they are."""
        lent = _copied(arrays)
        answer = getattr(self.adapter, function)(self.state, lent)
        for name, value in arrays.items():
            if not np.array_equal(lent[name], value):
                raise ValueError(f"{function} has written to {name!r}, an array of its caller's")
        return answer

    def _init(self, parameters: Arrays) -> Any:
        """A state of these parameters: of their values, not of the arrays, which its caller goes on to write to."""
        lent = _copied(parameters)
        state = self.adapter.init(self.spec, lent, self.device, self.mode)
        for name, value in parameters.items():
            if not np.array_equal(lent[name], value):
                raise ValueError(f"init has written to {name!r}, an array of its caller's")
            lent[name][...] = OVERWRITTEN
        return state

    def round_trip(self) -> Difference:
        self.state = self._init(self.truth.start)
        exported = self.adapter.export(self.state)
        kept = [name for name, value in exported.items() if np.all(np.asarray(value) == OVERWRITTEN)]
        if kept:
            return Difference(
                np.inf, f"init has kept its caller's arrays, where it has to copy them: {', '.join(kept)}"
            )
        return self._exported(self.truth.start)

    def _exported(self, expected: Arrays) -> Difference:
        """How the parameters differ that the adapter gives back, by their names, types and shapes first."""
        start, exported = self.truth.start, self.adapter.export(self.state)
        if set(exported) != set(start):
            return Difference(np.inf, f"parameters {', '.join(sorted(set(exported) ^ set(start)))}")
        for name, value in start.items():
            if described(exported[name]) != described(value):
                return Difference(np.inf, f"{name} is {described(exported[name])}, not {described(value)}")
        return largest(exported, expected)

    def vectors(self) -> Difference:
        found = self._vectors()
        for name, value in found.items():
            if not isinstance(value, np.ndarray) or value.dtype != np.float32:
                return Difference(np.inf, f"{name} gives {described(value)}, not float32")
        self.first_vectors = self.first_vectors or _copied(found)
        scale = to_the_row if self.climb.start == "extreme" else to_the_array
        alone = {"embed_users of one": self._users(self.truth.asked.part(slice(1)))}
        among_others = {"embed_users of one": found["embed_users"][:1]}
        expected = self.truth.trained_vectors if self.losses else self.truth.untrained_vectors
        return _worst(largest(found, expected, scale), largest(alone, among_others, scale))

    def _vectors(self) -> Arrays:
        """What is asked for after every chunk of steps, too, as a run does."""
        return {"embed_users": self._users(self.truth.asked), "embed_items": self.adapter.embed_items(self.state)}

    def _users(self, asked: ladder_data.Asked) -> npt.NDArray[Any]:
        return answers(self.spec, partial(self._call, "embed_users"), asked)

    def gradients(self) -> Difference:
        """Against the reference's own gradient, and along random directions against its finite differences.

        Of the second step's batch, too, as far as there is one: no answer may be that of another question.
        """
        found, expected = self._call("gradients", self.truth.first), self.truth.gradients
        if set(found) != set(expected):
            return Difference(np.inf, f"parameters {', '.join(sorted(set(found) ^ set(expected)))}")
        worst = largest(found, expected, to_the_gradients(expected))
        if self.truth.second is not None:
            of_second = self.truth.gradients_of_second
            found_then = self._call("gradients", self.truth.second)
            worst = _worst(worst, largest(found_then, of_second, to_the_gradients(of_second)))
        if not np.isfinite(worst.size):
            return worst
        for name, slope in self.truth.slopes.items():
            if slope.off(found[name]) > worst.size:
                entries = largest({name: found[name]}, {name: expected[name]}).entries
                worst = Difference(slope.off(found[name]), f"{name}, against finite differences", entries)
        return worst

    def loss(self) -> Difference:
        """The first training step's loss; the step itself is judged on the next rung."""
        loss, self.expected = self.truth.after_one
        self.losses = [self._train(self.truth.chunks[0])]
        return self._loss_difference("loss", np.array([loss]))

    def one_step(self) -> Difference:
        return self._exported(self.expected)

    def trajectory(self) -> Difference:
        """The losses of all steps, whatever happens between the calls.

        Vectors and parameters are asked for, and another model is made and learns; neither may change what follows. Nor
        may a step change the parameters that were given away before it.
        """
        expected, self.expected = self.truth.trained
        of_other = self._other_learns()
        if of_other.size > self._limit("one step"):
            return of_other
        for chunk in self.truth.chunks[1:]:
            self._vectors()
            exported = self.adapter.export(self.state)
            before = _copied(exported)
            self.losses.append(self._train(chunk))
            moved = [name for name, value in before.items() if not np.array_equal(exported[name], value)]
            if moved:
                return Difference(np.inf, f"training has written to {', '.join(moved)}, as export had given them")
        losses = {"losses": np.concatenate(self.losses)}
        self.trained = hash_arrays(losses, self.adapter.export(self.state))
        return self._loss_difference("trajectory", expected)

    def _other_learns(self) -> Difference:
        """How far another model is from the reference after its first step, made while this one is at work.

        It learns once more, so that this one would show it if it went on from there.
        """
        own, self.state = self.state, self._init(self.truth.start)
        self._train(self.truth.chunks[0])
        found = self._exported(self.truth.after_one[1])
        self._train(self.truth.chunks[0])
        self.state = own
        return found

    def _train(self, chunk: Arrays) -> npt.NDArray[Any]:
        self.state, losses = self._call("train", chunk)
        if hasattr(self.adapter, "sync"):  # a port of one's own does without
            self.adapter.sync(self.state)
        return np.asarray(losses)

    def parameters(self) -> Difference:
        """All of them after the training, those that no vector shows, too."""
        return self._exported(self.expected)

    def restored(self) -> Difference:
        """A fresh state that takes up what was exported is, and answers, as the trained one.

        One that takes up the initial parameters in between answers as the first did before its training, and leaves
        that one's answers as they are, those that were given before and those that it gives now.
        """
        trained, exported = self._vectors(), self.adapter.export(self.state)
        before = _copied(trained)
        old, self.state = self.state, self._init(self.truth.start)
        anew, left = largest(self._vectors(), self.first_vectors), largest(trained, before)
        self.state = old
        still = largest(self._vectors(), before)
        self.state = self._init(exported)
        again = largest(self.adapter.export(self.state), exported), largest(self._vectors(), before)
        return _worst(anew, left, still, *again)

    def metrics(self) -> Difference:
        """User by user, so that hits of some do not make up for those that others miss."""
        found = self._hits(self._users(self.everybody), self.adapter.embed_items(self.state))
        expected = self._hits(
            self.truth.users(self.expected, self.everybody).astype(np.float32),
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
            return Difference(np.inf, f"losses are {described(found)}, not float32{list(expected.shape)}")
        relative = self.divergence = np.abs(found - expected) / np.abs(expected)
        step = int(np.argmax(np.where(np.isfinite(relative), relative, np.inf)))
        beyond = np.flatnonzero(~(relative <= self._limit(rung)))[:N_ENTRIES]
        entries = tuple(Entry(f"step {at + 1}", float(found[at]), float(expected[at])) for at in beyond)
        return Difference(float(relative[step]), f"step {step + 1}", entries)


def _worst(*differences: Difference) -> Difference:
    """The largest, one that is not finite before all others."""
    return max(differences, key=lambda difference: difference.size if np.isfinite(difference.size) else np.inf)


def _copied(arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Arrays that nobody else writes to, whatever an adapter does with those that it was lent or has given."""
    return {name: value.copy() for name, value in arrays.items()}
