"""From what JSON gives to records, with a sentence on what does not fit; and back to plain dictionaries."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import msgspec

from benchmarks.records import kinds
from benchmarks.records.kinds import KINDS, SCHEMA_VERSION, AnyRecord, Record
from benchmarks.records.values import WIDEST, odd, plain, shortened

_CHOICES = {"kind": kinds.Kind, "mode": kinds.Mode, "device": kinds.Device, "status": kinds.Status,
            "method": kinds.Method, "use": kinds.Use, "fate": kinds.Fate, "how": kinds.How,
            "ended": kinds.Ended}  # fmt: skip
_NOTHING: Mapping[str, Any] = {
    "index": None, "intervals": {}, "scores": None, "curve": [], "rungs": [], "divergence": None, "bugs": [],
    "map": None, "group": None, "climb": "", "mutants": [], "search": "", "number": 0, "drawn": {}, "space": {},
    "cap_s": None, "ended": None,
}  # fmt: skip
"""What stands for the fields that not every kind has; all lines of version 1 have most of them."""
_WORDS = {
    "int | float | str": "a number or text",
    "int | float": "a number",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
"""How a sentence calls the types that msgspec names."""
_TYPE = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in _WORDS))
FOUND = (
    "metrics",
    "timings",
    "memory",
    "intervals",
    "scores",
    "curve",
    "rungs",
    "divergence",
    "bugs",
    "map",
    "mutants",
    "ended",
)
"""What a cell has found out; a failed one has none of it."""


def of(value: Any) -> AnyRecord:
    """A record from the dictionary that JSON gives, of this version of the schema or of version 1.

    Version 1 let pass what no table can hold, numbers beyond 1e18 or parts that do not fit each other: the record is
    then that of a failed cell, which says so.

    Raises:
        ValueError: it is none: the field, its value and what was expected.
    """
    found = odd(value)
    if found is not None:
        raise ValueError(found)
    return converted(value)


def converted(value: Any) -> AnyRecord:
    """The same of a value in which JSON cannot have put anything odd, but for its settings."""
    version = value.get("schema_version") if isinstance(value, dict) else SCHEMA_VERSION
    if version == 1 and type(version) is int:
        return _of_version_1(value)
    if version != SCHEMA_VERSION:
        raise ValueError(f"schema_version is {shortened(repr(version))}, expected 1 or {SCHEMA_VERSION}")
    try:
        return _convert(value)
    except msgspec.ValidationError as error:
        raise ValueError(_sentence(value, str(error))) from error


def check(record: Record) -> None:
    """Holds a record that was put together, and not read, against its own definition.

    Raises:
        ValueError: a field does not fit: its name, its value and what was expected.
    """
    of(msgspec.to_builtins(record))


def _convert(value: Any) -> AnyRecord:
    record: AnyRecord = msgspec.convert(value, AnyRecord)
    return record


def _of_version_1(value: dict[str, Any]) -> AnyRecord:
    """A line of version 1 has the fields of all kinds, and bugs among its settings."""
    value = {**value, "schema_version": SCHEMA_VERSION}
    kind = value.get("kind")
    known = KINDS[kind].__struct_fields__ if isinstance(kind, str) and kind in KINDS else ()
    value = {name: held for name, held in value.items() if name in known or held or name not in _NOTHING}
    if isinstance(value.get("settings"), dict) and "bugs" in value["settings"] and "bugs" in known:
        value["settings"] = dict(value["settings"])
        value["bugs"] = value["settings"].pop("bugs")
    try:
        return _convert(value)
    except msgspec.ValidationError as error:
        return _failed(value, _sentence(value, str(error)))


def _failed(value: dict[str, Any], fault: str) -> AnyRecord:
    """The failed cell of a record whose findings cannot be read.

    Raises:
        ValueError: nor can what it says of the cell itself.
    """
    reason = f"its record cannot be read: {fault}; run that cell again"
    place: dict[str, Any] = {name: held for name, held in value.items() if name not in FOUND}
    for settings in (place.get("settings"), dict[str, Any]()):
        with contextlib.suppress(msgspec.ValidationError):
            record = _convert({**place, "settings": settings})
            return msgspec.structs.replace(record, status="failed", reason=reason)
    raise ValueError(fault)


def _sentence(value: Any, said: str) -> str:
    """The field, its value and what was expected, of what msgspec says of it."""
    message, _, path = said.replace("`", "").partition(" - at $")
    message = message.replace("Object missing required field", "it lacks the field")
    message = message.replace("Object contains unknown field", "it has the unknown field")
    if "Expected" in message:
        message = _TYPE.sub(lambda found: _WORDS[found[0]], message).replace("Expected", "expected")
    where, held = _walked(value, path, said)
    if message.startswith(("Invalid", "expected", "Integer", "Number")):
        choices = ", ".join(get_args(_CHOICES.get(where[-1] if where else "", ())))
        message = f"expected one of {choices}" if choices else f"{message[0].lower()}{message[1:]}"
        return f"{'.'.join(where) or 'it'} is {shortened(repr(held))}, {shortened(message)}"
    return shortened(f"{'.'.join(where)}: {message}" if where else message)


def _walked(value: Any, path: str, said: str) -> tuple[list[str], Any]:
    """The names on a path such as `.curve[3].metrics[...]`, and what stands there; for `...` the first at fault."""
    where: list[str | int] = []
    held = value
    for step in re.findall(r"\[[^\]]*\]|[^.\[]+", path):
        if step == "[...]":
            where.append(next((name for name in held if _is_at_fault(value, where, name, said)), next(iter(held))))
        else:
            where.append(int(step[1:-1]) if step.startswith("[") else step)
        held = held[where[-1]]
    return [str(name) for name in where], held


def _is_at_fault(value: Any, where: list[str | int], name: str, said: str) -> bool:
    """Whether the dictionary there is refused with the same words where that name stands in it alone."""
    try:
        _convert(_with_one(value, where, name))
    except msgspec.ValidationError as error:
        return str(error) == said
    return False


def _with_one(value: Any, where: list[str | int], name: str) -> Any:
    if not where:
        return {name: value[name]}
    copy = value.copy()
    copy[where[0]] = _with_one(value[where[0]], where[1:], name)
    return copy


def recordable(value: dict[str, Any]) -> AnyRecord:
    """A failed cell's record with what cannot be recorded of the cell itself put in words, or in the nearest number."""
    made: dict[str, Any] = plain(value)
    made["seed"] = min(max(0, value["seed"]), WIDEST)
    for part in ("build", "query") if made.get("index") else ():
        given = made["index"][part]
        made["index"][part] = {n: v if type(v) in (int, float, str) else str(v) for n, v in given.items()}
    return of(made)


def fields(record: Record) -> dict[str, Any]:
    """A record as a plain dictionary, with the fields of all kinds: what its own does not have is None or empty.

    `kind` is a field among the others, and nested parts are dictionaries. Lists and dictionaries that the record holds
    are its own, and no copies: a hundred thousand records would be there twice.
    """
    held = msgspec.structs.asdict(record)
    parts = {name: msgspec.to_builtins(held[name]) for name in _of_parts(type(record))}
    return {**_NOTHING, "kind": record.kind, **held, **parts}


@functools.cache
def _of_parts(kind: type[Record]) -> tuple[str, ...]:
    """The fields of a kind whose values are parts of a record, or hold some."""
    hints = get_type_hints(kind)
    return tuple(name for name in kind.__struct_fields__ if _has_part(hints[name]))


def _has_part(hint: Any) -> bool:
    is_part = isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    return is_part or any(map(_has_part, get_args(hint)))
