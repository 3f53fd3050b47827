"""What adapters are held to on a climb. In a run the process that needs a part of it first keeps it for the others."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, overload

import numpy as np
import numpy.typing as npt

from benchmarks import sampling
from benchmarks.agreement import ladder_data, reference
from benchmarks.agreement.climbs import Climb
from benchmarks.agreement.differences import SMALL
from benchmarks.agreement.reference import Float64s, Trajectory, chunks, directional_slope, gradients, start, steps
from benchmarks.harness.evaluation import answers
from benchmarks.specs.base import Arrays, digest, settings

T = TypeVar("T")

N_DIRECTIONS = 5
N_DRAWS = 5
SMOOTH = 1e-7
"""How near a slope by differences is to the exact one, relative, where there is no kink: 4e-8 and less were seen."""
NO_SLOPE = 1e-9
"""A gradient that is so much smaller than others is one of rounding: the parameter cancels out of the loss."""


class Slope(NamedTuple):
    """How the loss rises along a direction of one parameter, by finite differences.

    Attributes:
        direction: float64, of the parameter's shape.
        slope: the loss's.
        size: that of the largest slope along any direction as long, which differences are relative to; of a parameter
            with hardly any gradient, a hundredth of the largest of all, as in `differences.to_the_gradients`.
    """

    direction: npt.NDArray[np.float64]
    slope: float
    size: float

    def off(self, gradient: npt.NDArray[Any]) -> float:
        """How far a gradient's slope along this direction is from it, relative."""
        return abs(self.slope - float(np.sum(gradient.astype(np.float64) * self.direction))) / self.size


class kept(Generic[T]):  # noqa: N801 - used as `property` is
    """A property that a process finds out once, and others not at all that have the same folder.

    A file that cannot be written or read, on a full disk or by another version of NumPy, changes nothing but the time.
    """

    def __init__(self, find: Callable[[Truth], T]) -> None:
        self._find = find
        self.__doc__ = find.__doc__

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, truth: None, _: type) -> kept[T]: ...
    @overload
    def __get__(self, truth: Truth, _: type) -> T: ...
    def __get__(self, truth: Truth | None, _: type) -> T | kept[T]:
        if truth is None:
            return self
        path = truth.path(self._name)
        value = self._read(path) if path else None
        if value is None:
            value = self._find(truth)
            if path:
                self._write(path, value)
        truth.__dict__[self._name] = value  # which is looked at before this property
        return value

    def _read(self, path: Path) -> T | None:
        try:
            value: T = pickle.loads(path.read_bytes())  # noqa: S301 - written by a worker of the same run
        except Exception:  # whatever a pickle raises that cannot be read, or is not there
            return None
        return value

    def _write(self, path: Path, value: T) -> None:
        unfinished = path.with_suffix(f".partial-{os.getpid()}")
        try:
            unfinished.write_bytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
            unfinished.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink()


class Truth:
    """What adapters are held to on one climb: the reference's training on the ladder's data, as far as it is asked for.

    Attributes:
        start: float32 (or int32, what is looked up), the initial parameters.
        chunks: the batches of all epochs, the very first step as a chunk of its own.
        untrained: the initial parameters in float64.
        data: what it is trained on and asked about.
        asked: what a climb asks, see `ladder_data.questions`.
    """

    def __init__(self, climb: Climb, seed: int, draw: int = 0, folder: Path | None = None) -> None:
        self.climb, self.spec = climb, climb.spec
        self.start = start(climb, seed, draw)
        self.chunks = list(chunks(climb, seed))
        self.untrained = Trajectory(self.spec, self.start).parameters
        by_history, everybody = self.spec.asks == "histories", climb.size == "wide"
        self.data = ladder_data.problem(seed, climb.size)
        self.asked = ladder_data.questions(self.data, everybody=everybody, by_history=by_history)
        self._folder = folder
        self._key = digest([climb.spec.model, settings(climb.spec), climb.name, seed, draw])

    def path(self, name: str) -> Path | None:
        """The file of a property of this name, where there is a folder for them."""
        return self._folder / f"{self._key}-{name}.pickle" if self._folder else None

    @property
    def first(self) -> Arrays:
        """The first step's batch."""
        return next(steps(self.chunks[0]))

    @property
    def second(self) -> Arrays | None:
        """The second step's batch, or one row of it where rows stand alone; None where there is one step."""
        if len(self.chunks) == 1:
            return None
        batch = next(steps(self.chunks[1]))
        return reference.part(batch, 0, 1) if self.spec.on_ladder.is_mean_of_rows else batch

    @kept
    def gradients_of_second(self) -> Float64s:
        """The second batch's, at the initial parameters."""
        assert self.second is not None  # noqa: S101 - asked for by whoever has seen it
        return gradients(self.spec, self.untrained, self.second)[1]

    @kept
    def _loss_and_gradients(self) -> tuple[float, Float64s]:
        return gradients(self.spec, self.untrained, self.first)

    @property
    def gradients(self) -> Float64s:
        """The first batch's, by automatic differentiation."""
        return self._loss_and_gradients[1]

    @kept
    def slopes(self) -> dict[str, Slope]:
        """For each parameter that is learnt, a random direction and the first batch's slope by finite differences.

        Only of a plain climb: of extreme rows no difference is small, and of wide data each takes seconds. And only
        where the loss has a slope: some biases cancel out of it.
        """
        if not self.climb.is_plain:
            return {}
        overall = max(float(np.max(np.abs(gradient))) for gradient in self.gradients.values())
        return {
            name: self._slope(name, gradient, overall)
            for name, gradient in self.gradients.items()
            if np.max(np.abs(gradient)) > NO_SLOPE * overall
        }

    def _slope(self, name: str, gradient: npt.NDArray[np.float64], overall: float) -> Slope:
        """Where a kink lies on the way differences are no slope, so that several directions are tried.

        A wrong gradient has no direction in which it is right.
        """
        for attempt in range(N_DIRECTIONS):
            rng = sampling.generator("ladder", "direction", name, *([attempt] if attempt else []))
            direction = rng.standard_normal(gradient.shape)
            found = directional_slope(self.spec, self.untrained, self.first, {name: direction})
            size = max(float(np.linalg.norm(gradient)), overall / SMALL) * float(np.linalg.norm(direction))
            slope = Slope(direction, found, size)
            if slope.off(gradient) <= SMOOTH:
                break
        return slope

    @property
    def is_smooth(self) -> bool:
        """Whether it starts where there is a gradient to agree on, not on a tie of interests or of sides of a ReLU."""
        return all(slope.off(self.gradients[name]) <= SMOOTH for name, slope in self.slopes.items())

    @kept
    def after_one(self) -> tuple[float, Float64s]:
        """The first step's loss, and the parameters after it."""
        loss, trajectory = self._after_one()
        return loss, trajectory.parameters

    @kept
    def trained(self) -> tuple[npt.NDArray[np.float64], Float64s]:
        """The losses of all steps, float64[n_steps], and the parameters after them."""
        first, trajectory = self._after_one()
        losses = [first, *(trajectory.step(batch) for chunk in self.chunks[1:] for batch in steps(chunk))]
        return np.array(losses), trajectory.parameters

    def _after_one(self) -> tuple[float, Trajectory]:
        trajectory = Trajectory(self.spec, self.start)
        return trajectory.moved(self.first, *self._loss_and_gradients), trajectory

    @kept
    def untrained_vectors(self) -> Float64s:
        """Of users and items before any step, under the names of the contract's functions."""
        return self._vectors(self.untrained)

    @kept
    def trained_vectors(self) -> Float64s:
        """The same after all steps."""
        return self._vectors(self.trained[1])

    def _vectors(self, parameters: Arrays) -> Float64s:
        users = self.users(parameters, self.asked)
        return {"embed_users": users, "embed_items": self.spec.item_vectors(parameters)}

    def users(self, parameters: Arrays, asked: ladder_data.Asked) -> npt.NDArray[np.float64]:
        """Vectors of whoever is asked for: float64[n, dim] or float64[n, interests, dim]."""
        return answers(self.spec, partial(self.spec.user_vectors, parameters), asked)


@functools.cache
def truth(climb: Climb, seed: int = 0, folder: Path | None = None) -> Truth:
    """The same for all adapters, modes and mutants of a process; from the seed's first draw that is smooth.

    What one process finds out and keeps in the folder of a run, those that come later need not.

    A reference that differentiates wrongly is smooth nowhere: the last draw shows it.
    """
    for draw in range(N_DRAWS):
        drawn = Truth(climb, seed, draw, folder)
        if drawn.is_smooth:
            break
    return drawn
