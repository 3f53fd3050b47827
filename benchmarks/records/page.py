"""The field list that docs/records.md holds, made of the types."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from benchmarks.records.kinds import (
    KINDS,
    LARGEST,
    Axis,
    Bug,
    IndexSettings,
    ItemMap,
    Machine,
    Mutant,
    Point,
    Record,
    Rows,
    Rung,
    Scores,
)

PARTS = (Machine, Rows, Scores, Point, IndexSettings, ItemMap, Rung, Bug, Mutant, Axis)
_BEGINNING = """# Records

<!-- Made by `python -m benchmarks.records`; the definition is benchmarks/records/kinds.py. -->

A results folder holds one line of JSON per cell in `records.jsonl`, or in `records.jsonl.gz` where it is published; of
a cell that has several lines, the last counts. Each line has the fields of [every record](#every-record) and those of
its kind, and no others. Numbers are finite and at most 1e18; whole ones fit in 64 bits. Older lines, of version 1, have
the fields of all kinds, empty where they do not apply; they are read as well.

`benchmarks.harness.store.read(folder)` gives the records as objects with these fields as attributes.
"""


def page() -> str:
    """The page as Markdown."""
    kind = f"| `kind` | {', '.join(f'[`{name}`](#{name})' for name in KINDS)} | what was measured |"
    shared = _section("Every record", "", [kind, *_rows(Record)])
    own = [_section(name, _doc(made), _rows(made, Record)) for name, made in KINDS.items()]
    parts = [_section(part.__name__, _doc(part), _rows(part)) for part in PARTS]
    return "\n".join([_BEGINNING, shared, *own, *parts])


def _section(title: str, sentence: str, rows: list[str]) -> str:
    head = ["| field | type | meaning |", "|---|---|---|"]
    lead = [sentence, ""] if sentence else []
    return "\n".join([f"## {title}", "", *lead, *head, *rows, ""])


def _doc(made: type[msgspec.Struct]) -> str:
    return " ".join((made.__doc__ or "").split())


def _rows(made: type[msgspec.Struct], shared: type[msgspec.Struct] | None = None) -> list[str]:
    hints = get_type_hints(made, include_extras=True)
    left_out = shared.__struct_fields__ if shared else ()
    names = [name for name in made.__struct_fields__ if name not in left_out]
    return [f"| `{name}` | {_in_words(hints[name])} | {_meaning(hints[name])} |" for name in names]


def _meaning(hint: Any) -> str:
    return next(meta.description for meta in hint.__metadata__ if meta.description)


_SCALARS: dict[Any, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null", Any: "any",
}  # fmt: skip


def _in_words(hint: Any) -> str:
    """A type as a reader of JSON knows it."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _in_words(inner[0]) + "".join(_bounds(hint.__metadata__))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    return _of_several(origin, [_in_words(one) for one in inner])


def _of_several(origin: Any, words: list[str]) -> str:
    """A type that is made of others."""
    if origin in {Union, types.UnionType}:
        told = [word for word in dict.fromkeys(words) if word != "whole number" or "number" not in words]
        return ", or ".join(told) if "(" in words[0] else " or ".join(told)
    if origin is tuple:
        return f"[{', '.join(words)}]"
    if origin is list:
        return f"list of ({words[0]})" if " or " in words[0] else f"list of {words[0]}"
    return f"object, name → {words[-1]}"


def _bounds(metadata: tuple[msgspec.Meta, ...]) -> Iterator[str]:
    for meta in metadata:
        if meta.pattern:
            yield f", `{meta.pattern}`"
        if meta.ge is not None and meta.ge > -LARGEST:
            yield f" ≥ {meta.ge:g}"
        if meta.le is not None and meta.le < LARGEST:
            yield f" and ≤ {meta.le:g}"
        if meta.min_length:
            yield ", not empty"
