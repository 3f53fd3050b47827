"""Named matrices of what is run: one TOML file a suite.

A suite is a list of blocks; a block is one data set under one protocol, with the models, modes, seeds and indexes that
are run on it. To add a model to a suite, add a `[[block.models]]` row. Settings that rows have in common stand once, in
a table `[settings.NAME]` that the rows name as their `base`; indexes that blocks have in common stand once, as
`[sweeps] NAME = [...]`, and a block names them, `indexes = "NAME"`. What `tune` may draw a row's settings from stands
in its `search`, a list of values or a table `{ low = …, high = …, log = … }` for each setting, or in a table
`[searches.NAME]` that it names, `search = "NAME"`.

A block with `vectors = { n_items = 100_000, dim = 64 }` (datasets/vectors.py) in place of a data set, a protocol and
models trains nothing: its indexes search made-up vectors, for 50 items or `protocol = { name = "search", k = 10 }`.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from benchmarks import protocols
from benchmarks.settings import meant, shown
from benchmarks.suites.asked import Asked, option_named
from benchmarks.suites.overriding import Overridden, complete, override
from benchmarks.suites.reading import read
from benchmarks.suites.rows import Block, IndexRow, ModelRow, Suite
from datasets import FILE_PREFIX, described, vectors
from datasets.errors import InputError

__all__ = [
    "DEFAULT",
    "FOLDER",
    "OWN_DATA",
    "Asked",
    "Block",
    "IndexRow",
    "ModelRow",
    "Overridden",
    "Suite",
    "chosen",
    "for_datasets",
    "load",
    "names",
    "suite_of",
]

FOLDER = Path(__file__).parent
DEFAULT = "quick"
OWN_DATA, OWN_SESSIONS = "own-data", "own-sessions"
UNTIMED = "no column timestamp, so the order of the file is taken for that of time, and there is no split by time"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Suite:
    """The suite of that name, or of a TOML file of one's own.

    Raises:
        InputError: if there is none, or its file is not a suite, or says what cannot be.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not _is_file(path):
        raise InputError(
            f"unknown suite {shown(name, 200)}{meant(name, names())}, expected one of {', '.join(names())} or a .toml "
            "file."
        )
    return read(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def for_datasets(datasets: tuple[str, ...], suite: str | None) -> list[Block]:
    """The blocks that a run is made of.

    With a suite, its blocks, of which `datasets` keeps some. Without one, each data set's own suite, the one of its
    name; synthetic data of any size get the default suite, made-up vectors the suites that search them, and one's own
    data the suite made for them: one for users, and one for sessions. Of a file without timestamps only the blocks are
    run whose protocols need none.

    Raises:
        InputError: if the suite has no block for a data set that was asked for.
    """
    if suite is not None or not datasets:
        chosen = load(DEFAULT if suite is None else suite)
        known = {block.dataset for block in chosen.blocks}
        for dataset in datasets:
            if dataset not in known:
                raise InputError(
                    f"the suite {chosen.name!r} has no block for {dataset!r}, only for {', '.join(sorted(known))}"
                    f"{meant(dataset, sorted(known))}; leave --suite out to run the data set's own suite."
                )
        return [block for block in chosen.blocks if not datasets or block.dataset in datasets]
    blocks: list[Block] = []
    for dataset in datasets:
        with option_named("--datasets"):
            blocks += _own_blocks(dataset)
    return blocks


def chosen(datasets: tuple[str, ...], suite: str | None, asked: Asked) -> Overridden:
    """The blocks that a run is made of, with what was asked for in the place of what the suites say.

    A model or an index that is asked for by name and that a suite lacks is added: where data sets are named, to each of
    them that lacks it; else where the whole suite does.

    Raises:
        InputError: as `for_datasets`, or if an option changes nothing or leads to what cannot be.
    """
    blocks = for_datasets(datasets, suite)
    whose = {name: suite or suite_of(name) for name in datasets} or {"": suite or DEFAULT}
    whole = complete(blocks, asked, whose, _published)
    made = override(whole.blocks, asked)
    untimed = (f"{name}: {UNTIMED}" for name in datasets if suite is None and has_no_times(name))
    return Overridden(made.blocks, (*untimed, *whole.said, *made.said))


@functools.cache
def _published() -> dict[str, tuple[Block, ...]]:
    return {name: load(name).blocks for name in names()}


def suite_of(dataset: str) -> str:
    """The suite from which a data set's blocks are taken, where none is named."""
    if dataset in names() and any(block.dataset == dataset for block in load(dataset).blocks):
        return dataset
    if dataset.startswith("synthetic-"):
        return DEFAULT
    # Of sessions without users, as GRU4Rec's are, nobody comes back; without times they are taken for users.
    columns = _columns(dataset)
    return OWN_SESSIONS if {"session_id", "timestamp"} <= columns and "user_id" not in columns else OWN_DATA


def has_no_times(dataset: str) -> bool:
    """Whether a data set lacks timestamps."""
    return bool(columns := _columns(dataset)) and "timestamp" not in columns


@functools.cache  # a packed file is unpacked for it
def _columns(dataset: str) -> frozenset[str]:
    """The columns of a data set; none of a file that is refused with a sentence when it is read."""
    row = described(dataset)
    if row is not None and row.origin != "local":
        return row.columns
    from datasets import file  # here, because it brings pyarrow with it

    try:
        return file.columns(Path(dataset.removeprefix(FILE_PREFIX)))
    except (InputError, OSError, ValueError):
        return frozenset()


def _own_blocks(dataset: str) -> list[Block]:
    if dataset.startswith(vectors.PREFIX):
        return _searching(dataset)
    blocks = load(suite_of(dataset)).blocks
    if own := [block for block in blocks if block.dataset == dataset]:
        return own
    if has_no_times(dataset):
        blocks = tuple(block for block in blocks if not protocols.make(block.protocol).needs_time)
    return [dataclasses.replace(block, dataset=dataset) for block in blocks]


def _searching(dataset: str) -> list[Block]:
    made_up = [block for name in names() for block in load(name).blocks if block.vectors is not None]
    found = [block for block in made_up if block.dataset == dataset]
    if not found:
        known = ", ".join(dict.fromkeys(block.dataset for block in made_up))
        raise InputError(
            f"no suite searches {dataset!r}, only {known}; write one of your own, with vectors = {{ n_items = … }}."
        )
    return found
