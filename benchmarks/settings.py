"""Settings as suites, jobs and callers give them: each has a type with bounds, and is held to it where it enters.

A spec, a protocol or a row of a suite is a frozen dataclass whose fields have the types below; its `__post_init__`
calls `check`. So whatever there is of it is sound, whether a suite or a line of Python has made it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union

import msgspec
from msgspec import Meta

from datasets import names as of_things
from datasets.errors import InputError

T = TypeVar("T")
Place: TypeAlias = tuple[str | int, ...]

IN_SUITE = "correct it in the suite."
"""How messages end: a suite is where settings come from, unless the command line has given them."""

MOST = 2**31 - 1
"""The largest count: items, users and rows are numbered in 32 bits."""


ALIASES: Mapping[str, Sequence[str]] = {
    "pytorch": ("torch",),
    "tf": ("tensorflow",),
    "keras": ("tensorflow",),
    "paddlepaddle": ("paddle",),
    "flax": ("jax",),
    "implicit": ("classic", "als"),
    "cuda": ("gpu",),
    "nvidia": ("gpu",),
    "jit": ("compiled",),
    "graph": ("compiled",),
    "bpr": ("mf-bpr",),
    "matrixfactorization": ("mf-bpr", "mf-logloss", "als"),
    "mf": ("mf-bpr", "mf-logloss", "als"),
    "itemknn": ("item-cf",),
    "userknn": ("user-cf",),
    "linear": ("ease", "slim"),
    "elasticnet": ("slim",),
    "pop": ("popularity",),
    "mostpopular": ("popularity",),
    "twotower": ("dssm", "youtube-dnn", "twotower", "twotower-search"),
    "transformer": ("sasrec", "bert4rec"),
    "bert": ("bert4rec",),
    "cloze": ("bert4rec",),
    "gcn": ("lightgcn",),
    "vae": ("mult-vae",),
    "autoencoder": ("mult-vae",),
    "gru": ("gru4rec",),
    "bruteforce": ("exact", "faiss-flat"),
    "flat": ("faiss-flat",),
    "leaveoneout": ("leave-k-out",),
    "loo": ("leave-k-out",),
    "temporal": ("time-split",),
}
"""What else things are called, without `-` and `_`, where the spelling alone does not say what is meant."""


class SettingError(InputError):
    """A setting that cannot be.

    Attributes:
        place: keys and positions that lead to it in what was given: ("settings", "ks", 0).
        at_root: whether they lead there from the root of the suite.
    """

    def __init__(self, message: str, place: Place = (), at_root: bool = False) -> None:
        super().__init__(message)
        self.place, self.at_root = place, at_root


def whole(least: int, most: int = MOST) -> Meta:
    """The bounds of a whole number, both included."""
    return Meta(ge=least, le=most, description=f"a whole number from {least} to {most:,}")


def number(least: float, most: float = 1e9) -> Meta:
    """The bounds of a number, both included; neither NaN nor infinity is within any."""
    return Meta(ge=least, le=most, description=f"a number from {least:g} to {most:g}")


def line(most: int) -> Meta:
    """The bounds of a text that is printed and tells rows apart: one line without a blank at either end."""
    unseen = (
        r"\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
        r"\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff"  # halves of characters are none
    )
    pattern = rf"\A(?!\s)[^{unseen}]+(?<!\s)\Z"
    return Meta(
        min_length=1, max_length=most, pattern=pattern, description=f"one line of text, of 1 to {most:,} characters"
    )


Natural: TypeAlias = Annotated[int, whole(0)]
Count: TypeAlias = Annotated[int, whole(1)]
Once: TypeAlias = Annotated[int, Meta(ge=1, le=1, description="1, since it passes over the rows once")]
Never: TypeAlias = Annotated[int, Meta(ge=0, le=0, description="0, since it learns nothing")]
Width: TypeAlias = Annotated[int, whole(1, 65_536)]  # columns, units of a layer, places of a history
WidthOrNone: TypeAlias = Annotated[int, whole(0, 65_536)]
Few: TypeAlias = Annotated[int, whole(1, 1_000)]  # layers, interests, passes, cuts
Batch: TypeAlias = Annotated[int, whole(1, 2**24)]
Seed: TypeAlias = Annotated[int, whole(0, 2**63 - 1)]
Positive: TypeAlias = Annotated[float, number(1e-30)]  # what is smaller is zero in single precision
NonNegative: TypeAlias = Annotated[float, number(0)]
Rating: TypeAlias = Annotated[float, number(-1e9)]
Share: TypeAlias = Annotated[float, Meta(gt=0, lt=1, description="a number between 0 and 1")]
Dropout: TypeAlias = Annotated[float, Meta(ge=0, le=0.9, description="a number from 0 to 0.9")]
Decay: TypeAlias = Annotated[float, Meta(ge=0, lt=1, description="a number from 0, below 1")]
Portion: TypeAlias = Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
DataSet: TypeAlias = Annotated[  # a name, or a file's, whose bytes need be no text
    str, Meta(min_length=1, max_length=4_096, pattern=r"\A[^\x00-\x1f\x7f]+\Z", description="a data set, or a file")
]
LONGEST_NAME = 200  # characters
Name: TypeAlias = Annotated[str, line(LONGEST_NAME)]


def check(made: Any, name: str) -> None:
    """Holds every field of a frozen dataclass to its type, and gives each value that type.

    A whole number becomes a float where the field is one, a list a tuple, and -0.0 becomes 0.0: what is equal is then
    written, and hashed, in one way.

    Args:
        made: the dataclass, in its `__post_init__`.
        name: what it is called in the message.

    Raises:
        SettingError: for the first value that is not of its field's type, or out of its bounds.
    """
    for field, kind in _kinds(made.__class__).items():
        value = getattr(made, field)
        try:
            typed = _typed(value, kind)
        except (msgspec.ValidationError, ValueError, RecursionError) as error:
            raise SettingError(
                f"{name}: {field} is {shown(value)}, expected {in_words(kind)}; {IN_SUITE}", (field,)
            ) from error
        object.__setattr__(made, field, typed + 0.0 if isinstance(typed, float) else typed)


def _typed(value: Any, kind: Any) -> Any:
    if isinstance(value, Set):
        raise ValueError("a set has no order")
    return msgspec.convert(value, kind)


@functools.cache
def _kinds(made: type) -> Mapping[str, Any]:
    hints = typing.get_type_hints(made, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(made)}


def free(kind: type) -> tuple[str, ...]:
    """The fields of a frozen dataclass that more than one value may be given to."""
    return tuple(field for field, bounds in _kinds(kind).items() if not _is_fixed(bounds))


def _is_fixed(kind: Any) -> bool:
    if typing.get_origin(kind) is Literal:
        return len(typing.get_args(kind)) == 1
    notes = [note for note in typing.get_args(kind)[1:] if isinstance(note, Meta)]
    return any(note.ge is not None and note.ge == note.le for note in notes)


def require(met: bool, name: str, made: Any, field: str, expected: str) -> None:
    """For what a type cannot say, such as how two fields have to fit together.

    Raises:
        SettingError: if it is not met.
    """
    if not met:
        raise SettingError(
            f"{name}: {field} is {shown(getattr(made, field))}, expected {expected}; {IN_SUITE}", (field,)
        )


def require_distinct(name: str, made: Any, *fields: str) -> None:
    """Refuses a list that names something twice."""
    for field in fields:
        values = getattr(made, field)
        require(len(set(values)) == len(values), name, made, field, "each of them once")


def make(kind: type[T], given: Any, name: str, settable: Collection[str] = ()) -> T:
    """The dataclass with these settings in place of its defaults.

    Args:
        kind: a dataclass.
        given: names of fields -> values, as TOML or JSON have them.
        name: what it is called in messages.
        settable: the fields that may be given; empty for all.

    Raises:
        SettingError: if what is given is no table, names a field that there is not, or leaves out one that is needed.
    """
    fields = {field.name: field for field in dataclasses.fields(kind) if not settable or field.name in settable}  # type: ignore[arg-type]
    known_only(given, fields, name)
    for field in fields.values():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if not optional and field.name not in given:
            raise SettingError(f"{name}: the setting {field.name!r} is missing; add it in the suite.")
    return kind(**given)


def known_only(given: Any, known: Iterable[str], name: str) -> None:
    """Refuses what is no table, or has a key that there is not.

    Raises:
        SettingError: naming the key, those that there are, and the one that was probably meant.
    """
    if not isinstance(given, Mapping):
        raise SettingError(f"{name} is {shown(given)}, expected a table of settings; {IN_SUITE}")
    names = sorted(known)
    for key in given:
        if key not in names:
            raise SettingError(
                f"{name} has no setting {shown(key)}, expected one of {', '.join(names)}{meant(key, names)}; "
                f"{IN_SUITE}",
                (key,),
            )


def meant(given: object, known: Iterable[str]) -> str:
    """Such as " (did you mean 'epochs'?)"; empty where nothing is near."""
    return of_things.meant(given, known, ALIASES)


def shown(value: object, most: int = 80) -> str:
    """A value as a message names it, cut short where it is long."""
    if isinstance(value, dt.date | dt.time):
        return str(value)
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes out no whole number of more than 4,300 digits
        return f"a {type(value).__name__} too long to print"
    return text if len(text) <= most else f"{text[:most]}…"


def in_words(kind: Any) -> str:
    """What a type expects, in plain words."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        notes = [note for note in inner[1:] if isinstance(note, Meta)]
        own = next((note.description for note in notes if note.description), None)
        words = in_words(inner[0])
        return own or (
            words.replace("a list", "a list of one or more", 1) if any(n.min_length for n in notes) else words
        )
    if origin is Literal:
        return f"one of {', '.join(inner)}"
    if origin is tuple:
        return f"a list, each {in_words(inner[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(in_words(each) for each in inner if each is not type(None))
    plain = {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}
    return plain.get(kind, "a table of settings" if origin is not None else f"a {getattr(kind, '__name__', kind)}")
