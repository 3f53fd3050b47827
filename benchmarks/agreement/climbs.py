"""Which climbs an adapter has: every branch of its spec, and what only other rows, other sizes or more steps show."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from benchmarks import specs
from benchmarks.agreement import WHOLE, pairs
from benchmarks.agreement.ladder_data import Size
from benchmarks.settings import SettingError
from benchmarks.specs.base import DifferentiableSpec, settings

Start: TypeAlias = Literal["drawn", "extreme", "shifted", "opposed", "lowered", "tied"]

STARTS: tuple[Start, ...] = ("extreme", "shifted", "opposed", "lowered", "tied")
"""Those that are not drawn from the table of parameters alone."""
_BEFORE = ("round trip", "forward", "gradients", "loss")
_AFTER = ("one step", "trajectory", "parameters", "vectors", "restored")
ALL_PAIRS = "all pairs"
"""The variant of the climbs in which all pairs of choices meet."""
N_STEPS = 7
"""Steps of a climb for a branch: a first one, and two calls of as many, for which compilers compile once."""


@dataclass(frozen=True)
class Climb:
    """One way up the ladder: with which spec, on which data, from which start, and how far.

    Attributes:
        name: "whole", or what is special about it; unique among a family's climbs of one variant.
        rungs: those that it climbs, in order.
        size: see `ladder_data.SIZES`.
        start: "drawn" from the spec's table of parameters; "extreme": of the rows of each table a quarter stays, and
            three are 1e-6, 100 and `OnLadder.tiniest` times as large; "shifted": all tables moved by 40, so that
            variances and distances are small beside what they are taken of; "opposed": those of users by -40, so that
            products of users and items are far below zero; "lowered": so that all scores of an attention are; "tied":
            all interests of a user are the same.
        n_steps: steps that it trains, at most; None for all of the spec's epochs.
    """

    name: str
    spec: DifferentiableSpec
    rungs: tuple[str, ...]
    size: Size = "small"
    start: Start = "drawn"
    n_steps: int | None = None

    @property
    def differs_by(self) -> dict[str, Any]:
        """The settings in which its spec differs from that of the family's first climb to the end."""
        first, own = settings(type(self.spec).for_ladder()[0]), settings(self.spec)
        return {name: value for name, value in own.items() if value != first[name] and name != "variant"}

    @property
    def kind(self) -> str:
        """Its name without a number: "pairs" of all that climb for pairs of choices."""
        return self.name.rstrip("0123456789 ")

    @property
    def is_plain(self) -> bool:
        """Whether its loss is smooth enough, and small enough, for slopes by finite differences."""
        return self.size == "small" and self.start == "drawn"


@functools.cache
def of(model: str, *, quick: bool = False) -> tuple[Climb, ...]:
    """A family's climbs, the short ones first; `quick` leaves those that go to the end, on ordinary rows."""
    return of_forms(type(specs.make(model, {})).for_ladder(), quick=quick)


def of_forms(whole: tuple[DifferentiableSpec, ...], *, quick: bool = False) -> tuple[Climb, ...]:
    """The same of a spec's forms for the ladder, the first of which is the one that the others are special beside."""
    if quick:
        return tuple(map(to_the_end, whole))
    return (*_branches(whole[0]), *_special(whole), *map(to_the_end, whole))


def to_the_end(spec: DifferentiableSpec) -> Climb:
    """The climb of a spec on ordinary data, as long as the spec trains, to the last rung."""
    return Climb(WHOLE, spec, (*_BEFORE, *_AFTER, "metrics"))


def named(model: str, variant: str, name: str) -> Climb:
    """The one of these names.

    Raises:
        LookupError: the family has none.
    """
    for climb in of(model):
        if (climb.spec.variant, climb.name) == (variant, name):
            return climb
    raise LookupError(f"{model} has no climb {name!r} of {variant!r}")


def _branches(small: DifferentiableSpec) -> Iterator[Climb]:
    """All values of all choices, in pairs."""
    plain = _with(small, ALL_PAIRS, small.on_ladder.plain)
    for i, row in enumerate(pairs.covering(small.on_ladder.choices, lambda row: _made(plain, row) is not None), 1):
        spec = _made(plain, row)
        assert spec is not None  # noqa: S101 - its rows are possible
        yield Climb(f"pairs {i}", spec, (*_BEFORE, *_AFTER), n_steps=N_STEPS)


def _made(plain: DifferentiableSpec, row: pairs.Row) -> DifferentiableSpec | None:
    """The plain spec with these values of choices; None where it does not take them together."""
    changes: dict[str, Any] = {}
    for name, value in row.items():
        changes |= value if isinstance(value, dict) else {name: value}
    try:
        return _with(plain, plain.variant, changes)
    except SettingError:
        return None


def _special(whole: tuple[DifferentiableSpec, ...]) -> Iterator[Climb]:
    """What the ordinary data do not have."""
    first, beside = whole[0], whole[0].on_ladder
    for start in STARTS:
        steps = ("one step",) if start != "extreme" or beside.steps_from_extreme else ()
        for i, changes in enumerate(beside.starts.get(start, ())):
            for spec in whole if (start, i) == ("extreme", 0) else (first,):
                made = _with(spec, spec.variant, changes)
                name = f"{start} rows {i + 1}" if i else f"{start} rows"
                yield Climb(name, made, (*_BEFORE, *steps), start=start, n_steps=1)
    if beside.far_back is not None:
        yield Climb("long histories", _with(first, first.variant, beside.far_back), _BEFORE, n_steps=1)
    wide = _with(first, first.variant, beside.wide)
    yield Climb("wide", wide, (*_BEFORE, "one step"), size="wide", n_steps=1)
    if beside.long is not None:
        yield Climb("long", _with(first, first.variant, beside.long), (*_BEFORE, *_AFTER))


def _with(spec: DifferentiableSpec, variant: str, changes: Mapping[str, Any]) -> DifferentiableSpec:
    made: DifferentiableSpec = dataclasses.replace(spec, variant=variant, **changes)  # type: ignore[type-var]
    return made
