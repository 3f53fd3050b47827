"""Search spaces as suites have them: what values a search may give to settings of a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from benchmarks import specs
from benchmarks.settings import Natural, NonNegative, SettingError, check, make, require, shown

Value: TypeAlias = bool | int | float | str


class _Between:
    """What ranges have in common: their ends, both included."""

    low: Any
    high: Any
    log: bool

    def __post_init__(self) -> None:
        check(self, "a range")
        require(self.low < self.high, "a range", self, "high", f"more than low, which is {self.low:g}")
        require(self.low > 0 or not self.log, "a range", self, "low", "more than 0, since its logarithm is drawn")

    @property
    def corners(self) -> tuple[Value, ...]:
        """The values that have to be possible for all to be."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Range(_Between):
    """Numbers from low to high.

    Attributes:
        log: whether the logarithm is drawn evenly, and not the value itself.
    """

    low: NonNegative
    high: NonNegative
    log: bool = False


@dataclass(frozen=True)
class WholeRange(_Between):
    """Whole numbers from low to high; see `Range`."""

    low: Natural
    high: Natural
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: Annotated[tuple[Value, ...], Meta(min_length=2, description="a list of two or more values")]

    def __post_init__(self) -> None:
        check(self, "a choice")
        kinds = [(type(value), value) for value in self.values]
        require(len(set(kinds)) == len(kinds), "a choice", self, "values", "each of them once")

    @property
    def corners(self) -> tuple[Value, ...]:
        return self.values


Axis: TypeAlias = Range | WholeRange | Choice


def axes(model: str, settings: Mapping[str, Any], space: Mapping[str, Any]) -> dict[str, Axis]:
    """What each setting of a space is drawn from.

    Args:
        model: a model of the registry.
        settings: those that are not drawn, in place of the defaults.
        space: the name of a setting -> a list of values, or a table `{ low = …, high = …, log = … }`.

    Raises:
        SettingError: for a setting that the model does not have or that is its name, what is neither list nor table,
            or a value that the setting cannot have.
    """
    spec = specs.make(model, settings)
    made: dict[str, Axis] = {}
    for name, given in space.items():
        if name == "variant":
            raise SettingError("search: variant is the name of a row, expected a setting that is learnt with.", (name,))
        axis = _axis(name, given, getattr(spec, name, None))
        for value in axis.corners:
            try:
                specs.make(model, {**settings, name: value})
            except SettingError as error:
                raise SettingError(f"search: {error}", (name,)) from error
        made[name] = axis
    return made


def _axis(name: str, given: Any, value: Any) -> Axis:
    """What a setting is drawn from, of which a value says whether it is a whole number."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    try:
        if isinstance(given, list | tuple):
            return Choice(tuple(given))
        if isinstance(given, Mapping):
            return make(WholeRange, given, "a range") if is_whole else make(Range, given, "a range")
    except SettingError as error:
        raise SettingError(f"search, {name}: {error}", (name,)) from error
    raise SettingError(
        f"search: {name} is {shown(given)}, expected a list of values, or a table such as "
        "{ low = 0.0001, high = 0.01, log = true }.",
        (name,),
    )


def is_within(axis: Axis, value: Value) -> bool:
    """Whether a value can be drawn."""
    if isinstance(axis, Choice):
        return any(value == each and type(value) is type(each) for each in axis.values)
    return not isinstance(value, bool | str) and math.isfinite(value) and axis.low <= value <= axis.high


def described(space: Mapping[str, Axis]) -> dict[str, dict[str, Any]]:
    """A space as records hold it."""

    def of(axis: Axis) -> dict[str, Any]:
        if isinstance(axis, Choice):
            return {"values": list(axis.values)}
        return {"low": axis.low, "high": axis.high, "log": axis.log}

    return {name: of(axis) for name, axis in space.items()}


def n_settings(space: Iterable[Axis]) -> int | None:
    """How many settings there are to try, None where numbers that are not whole make them countless."""
    n = 1
    for axis in space:
        if isinstance(axis, Choice):
            n *= len(axis.values)
        elif isinstance(axis, WholeRange):
            n *= axis.high - axis.low + 1
        else:
            return None
    return n
