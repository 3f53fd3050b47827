"""From the text of a suite to its blocks: every table and value is checked here, before any data are read."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.settings import SettingError, known_only, make, meant, shown
from benchmarks.suites.lines import line_of
from benchmarks.suites.rows import SEARCH, Block, IndexRow, ModelRow, Search, Suite, at
from datasets import vectors
from datasets.errors import InputError

MOST_BYTES = 1 << 20
"""A suite that people write has some kilobytes."""

PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
DEEP_KEY = re.compile(rf"(?<![\w.-]){PART}(?:[ \t]*+\.[ \t]*+{PART}){{32}}")
"""Such as a.b.c, of 33 parts or more: the time that `tomllib` takes for one grows with their square."""

TOP = ("title", "settings", "sweeps", "searches", "block")
OF_VECTORS = ("vectors", "protocol", "seeds", "indexes")


class Shared(NamedTuple):
    """What a suite writes once and names where it is wanted: settings of models, what they are drawn from, indexes."""

    settings: Mapping[str, Mapping[str, Any]]
    searches: Mapping[str, Mapping[str, Any]]
    sweeps: Mapping[str, tuple[IndexRow, ...]]


def read(path: Path) -> Suite:
    """The suite of a file.

    Raises:
        InputError: if the file is no suite; the message names file, line, value and what was expected.
    """
    text = _text(path)
    try:
        if DEEP_KEY.search(text):
            raise RecursionError
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        what = "its tables are nested too deeply" if isinstance(error, RecursionError) else _said(error)
        raise InputError(f"{path} is not a suite: {what}; compare it with quick.toml.") from error
    try:
        return _suite(path.stem, content)
    except SettingError as error:
        line = line_of(text, error.place)
        where = f"{path}, line {line}" if line else str(path)
        raise InputError(f"{where}: {error}") from error


def _said(error: ValueError) -> str:
    if not isinstance(error, tomllib.TOMLDecodeError):  # Python reads no whole number of more than 4,300 digits
        return "one of its numbers is too long"
    return " ".join(str(error).split())[:200]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(
                f"{path} is not a suite: it has more than {MOST_BYTES:,} bytes; compare it with quick.toml."
            )
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"the suite {path} cannot be read ({error.strerror}); check the file and its rights."
        ) from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path} is not a suite: line {line} is not UTF-8; save it as UTF-8 and compare it with quick.toml."
        ) from error


def _suite(name: str, content: Mapping[str, Any]) -> Suite:
    known_only(content, TOP, "a suite")
    shared = Shared(_tables(content, "settings"), _tables(content, "searches"), _sweeps(content.get("sweeps", {})))
    blocks = _list(content.get("block"), "block", "one or more tables [[block]]")
    if not blocks:
        raise SettingError("the suite is empty, expected one or more tables [[block]]; compare it with quick.toml.")
    made = []
    for i, block in enumerate(blocks):
        with at("block", i):
            made.append(_block(block, shared))
    with at():
        return Suite(name, content.get("title", name), tuple(made))


def _list(given: Any, name: str, expected: str) -> Sequence[Any]:
    if not isinstance(given, list):
        what = "is missing" if given is None else f"is {shown(given)}"
        raise SettingError(f"{name} {what}, expected {expected}; correct it in the suite.", (name,))
    return given


def _tables(content: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    """The tables in a table of a suite, such as `[settings.NAME]`."""
    tables = content.get(name, {})
    with at(name):
        for own, table in _table(tables, name).items():
            with at(own):
                _table(table, f"{name}.{own}")
    return tables


def _table(given: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise SettingError(f"{name} is {shown(given)}, expected a table; correct it in the suite.")
    return given


def _sweeps(given: Any) -> Mapping[str, tuple[IndexRow, ...]]:
    with at("sweeps"):
        return {name: _index_rows(rows, name) for name, rows in _table(given, "sweeps").items()}


def _block(content: Any, shared: Shared) -> Block:
    rest = dict(_table(content, "a block"))
    indexes = _indexes(rest.pop("indexes", []), shared)
    return _of_vectors(rest, indexes) if "vectors" in rest else _of_models(rest, indexes, shared)


def _indexes(given: Any, shared: Shared) -> tuple[IndexRow, ...]:
    if not isinstance(given, str):
        return _index_rows(given, "indexes")
    if given in shared.sweeps:
        return shared.sweeps[given]
    sweeps = shared.sweeps
    known = (
        f"one of {', '.join(sweeps)}{meant(given, sweeps)}" if sweeps else "a list, since there is no table [sweeps]"
    )
    raise SettingError(f"unknown sweep {shown(given)}, expected {known}; correct it in the suite.", ("indexes",))


def _index_rows(given: Any, name: str) -> tuple[IndexRow, ...]:
    made = []
    for i, row in enumerate(_list(given, name, "a list of tables, or the name of a sweep")):
        with at(name, i):
            made.append(make(IndexRow, row, "a row of indexes"))
    return tuple(made)


def _of_vectors(rest: dict[str, Any], indexes: tuple[IndexRow, ...]) -> Block:
    known_only(rest, OF_VECTORS, "a block of made-up vectors")
    with at("vectors"):
        made_from = make(vectors.Settings, rest["vectors"], "vectors")
    with at("protocol"):
        search = make(
            Search, {**SEARCH, **_table(rest.get("protocol", {}), "protocol")}, "the protocol of made-up vectors"
        )
        if search.k > made_from.n_items:
            raise SettingError(
                f"k is {search.k}, but there are only {made_from.n_items} vectors to find; set protocol = "
                f'{{ name = "search", k = … }} to {made_from.n_items} at most.'
            )
    for build in (build for row in indexes for build in row.build):
        if build.get("nlist", 0) > made_from.n_items:
            raise SettingError(
                f"nlist is {build['nlist']}, but there are only {made_from.n_items} vectors; give an nlist of at most "
                f"{made_from.n_items}.",
                ("indexes",),
            )
    if not indexes:
        raise SettingError("a block of made-up vectors has no indexes, so that nothing is run; add some to the suite.")
    protocol = {**dataclasses.asdict(search), "primary_metric": f"index_recall@{search.k}"}
    seeds = {"seeds": rest["seeds"]} if "seeds" in rest else {}
    return Block(made_from.name, protocol, models=(), indexes=indexes, vectors=made_from, **seeds)


def _of_models(rest: dict[str, Any], indexes: tuple[IndexRow, ...], shared: Shared) -> Block:
    rows = []
    for i, content in enumerate(_list(rest.pop("models", None), "models", "a list of tables")):
        with at("models", i):
            rows.append(_model_row(content, shared))
    return make(Block, {**rest, "models": tuple(rows), "indexes": indexes}, "a block")


def _model_row(content: Any, shared: Shared) -> ModelRow:
    """The row, with the settings of its base beneath its own, and its search where it names one."""
    rest = dict(_table(content, "a row of models"))
    bases = shared.settings
    base = _named("base", rest.pop("base", None), bases, "settings")
    if isinstance(rest.get("search"), str):
        rest["search"] = shared.searches[_named("search", rest["search"], shared.searches, "searches") or ""]
    with at("settings"):
        own = _table(rest.get("settings", {}), "settings")
    beneath = {} if base is None else bases[base]
    try:
        return make(ModelRow, {**rest, "settings": {**beneath, **own}}, "a row of models")
    except SettingError as error:
        _, *names = error.place if error.place[:1] == ("settings",) else ("", "")
        if base is not None and names and names[0] in beneath and names[0] not in own:
            raise SettingError(str(error), ("settings", base, *names), at_root=True) from error
        raise


def _named(what: str, name: Any, tables: Mapping[str, Any], of: str) -> str | None:
    """The name that a row gives to one of the suite's tables, if it gives one."""
    if name is None or (isinstance(name, str) and name in tables):
        return name
    known = f"one of {', '.join(tables)}{meant(name, tables)}" if tables else f"none, since there is no table [{of}.…]"
    raise SettingError(f"unknown {what} {shown(name)}, expected {known}; correct it in the suite.", (what,))
