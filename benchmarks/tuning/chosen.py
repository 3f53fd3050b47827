"""What a search has chosen, as a suite that `run` takes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import tomli_w

from benchmarks.records import Trial
from benchmarks.specs.base import digest
from benchmarks.suites import Block, ModelRow
from benchmarks.suites.overriding import as_name
from benchmarks.tuning.search import Searched
from datasets import durable
from datasets.errors import InputError

TUNED = "tuned"
Place: TypeAlias = tuple[str, str, str, str]
"""A row: its data set, its protocol as text, its model and its variant."""
_SEAL = "# Written by `tune`; the hash of all that follows is "


def suite(title: str, blocks: Sequence[Block], searches: Iterable[Searched], remarks: Sequence[str]) -> str:
    """The blocks as TOML, each searched row with the settings of its best trial; other rows stay as they are.

    Blocks of made-up vectors, in which nothing is trained, are left out.

    Args:
        title: of the suite.
        blocks: as they were before the search.
        searches: those of their rows.
        remarks: lines above it, on what made it.

    Returns:
        The text, whose first line has the hash of all others.
    """
    best = {_place(one.block, one.row): found for one in searches if (found := one.study.best) is not None}
    kept = [block for block in blocks if block.vectors is None]
    names = _names(kept, best)
    content = {"title": title, "block": [_block(block, best, names) for block in kept]}
    above = "".join(f"# {remark}\n" for remark in remarks)
    text = f"{above}\n{tomli_w.dumps(content)}"
    return f"{_SEAL}{digest(text)}\n{text}"


def write(path: Path, text: str) -> None:
    """Writes it whole or not at all.

    Raises:
        InputError: as `refuse_edited`.
        OSError: it cannot be written.
    """
    refuse_edited(path)
    with durable.replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def refuse_edited(path: Path) -> None:
    """Refuses to write over a file that no search has written, or that was changed since.

    Raises:
        InputError: it is one.
    """
    if not os.path.lexists(path):
        return
    seal, _, rest = path.read_text(encoding="utf-8", errors="replace").partition("\n") if path.is_file() else ("",) * 3
    if seal != f"{_SEAL}{digest(rest)}":
        raise InputError(f"{path} was not written by `tune`, or changed since; move it away, and run the same again.")


def _place(block: Block, row: ModelRow) -> Place:
    return (block.dataset, repr(sorted(block.protocol.items())), row.model, row.variant)


def _names(blocks: Sequence[Block], best: Mapping[Place, Trial]) -> dict[Place, str]:
    """What the searched rows are called: "tuned", or, where others are called so, that after their own variant.

    Blocks of the same data and protocol are one on a page, so that their rows are told apart together.
    """
    rows = dict.fromkeys(_place(block, row) for block in blocks for row in block.models)
    taken = {place for place in rows if place not in best}
    names: dict[Place, str] = {}
    for place in (place for place in rows if place in best):
        *table, variant = place
        wanted = (TUNED, as_name(f"{variant}, {TUNED}"), f"{TUNED} {digest(place)[:8]}")
        names[place] = next(name for name in wanted if (*table, name) not in taken)
        taken.add((table[0], table[1], table[2], names[place]))
    return names


def _block(block: Block, best: Mapping[Place, Trial], names: Mapping[Place, str]) -> dict[str, Any]:
    rows = [_row(row, best.get(place), names.get(place, "")) for row in block.models for place in [_place(block, row)]]
    indexes = {"indexes": [_without_defaults(index) for index in block.indexes]} if block.indexes else {}
    return {**_without_defaults(block), "protocol": dict(block.protocol), "models": rows, **indexes}


def _row(row: ModelRow, trial: Trial | None, name: str) -> dict[str, Any]:
    kept = {name: value for name, value in _without_defaults(row).items() if name != "search"}
    if trial is None:
        return kept
    # One that was ended early is worth what it was when it ended: nobody has seen what becomes of it after that.
    as_long = {"epochs": trial.curve[-1].epoch} if trial.ended != "complete" and trial.curve else {}
    return {**kept, "settings": {**row.settings, **trial.drawn, **as_long, "variant": name}}


def _without_defaults(made: Any) -> dict[str, Any]:
    """The fields of a block or row that are not what they are where they are left out."""
    found = {}
    for field in dataclasses.fields(made):
        value = getattr(made, field.name)
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        if value != default:
            found[field.name] = value
    return found
