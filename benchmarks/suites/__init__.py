"""Named matrices of what is run: one TOML file a suite.

A suite is a list of blocks; a block is one data set under one protocol, with the models, modes, seeds and indexes that
are run on it. To add a model to a suite, add a `[[block.models]]` row. Settings that rows have in common stand once, in
a table `[settings.NAME]` that the rows name as their `base`.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backends.ann import INDEXES
from backends.ann import settings as index_settings
from benchmarks.settings import with_tuples
from datasets.errors import InputError

FOLDER = Path(__file__).parent
DEFAULT = "quick"
OWN_DATA = "own-data"
MODES = ("eager", "compiled")


@dataclass(frozen=True)
class ModelRow:
    """A model with its settings.

    Attributes:
        model: a name in the registry.
        settings: fields of its spec in place of the defaults.
        modes: modes that are trained, for this row alone; empty leaves the block's.
        timed: whether its throughput is measured, in a block that measures it.
    """

    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    modes: tuple[str, ...] = ()
    timed: bool = True


@dataclass(frozen=True)
class IndexRow:
    """An index with the settings that are swept.

    Attributes:
        name: a name in `backends.ann.INDEXES`.
        build, query: settings, each combined with each; one build serves all queries.
    """

    name: str
    build: tuple[Mapping[str, Any], ...] = ({},)
    query: tuple[Mapping[str, Any], ...] = ({},)


@dataclass(frozen=True)
class Block:
    """One data set under one protocol, and what is run on it.

    Attributes:
        protocol: its name and its settings (benchmarks/protocols).
        modes: modes that are trained.
        throughput: modes whose training throughput is measured, by turns; empty measures none.
        item_maps: whether each model's item vectors are drawn, as a map of the most popular items.
    """

    dataset: str
    protocol: Mapping[str, Any]
    models: tuple[ModelRow, ...]
    indexes: tuple[IndexRow, ...] = ()
    seeds: tuple[int, ...] = (0,)
    modes: tuple[str, ...] = ("eager", "compiled")
    throughput: tuple[str, ...] = ()
    item_maps: bool = False


@dataclass(frozen=True)
class Suite:
    name: str
    title: str
    blocks: tuple[Block, ...]


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Suite:
    """The suite of that name, or of a TOML file of one's own.

    Raises:
        InputError: if there is none, or its file is not a suite.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise InputError(f"unknown suite {name!r}, expected one of {', '.join(names())} or a .toml file{hint}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        bases = content.get("settings", {})
        blocks = tuple(_block(block, bases) for block in content["block"])
        return Suite(path.stem, str(content.get("title", path.stem)), blocks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a suite ({type(error).__name__}: {error}); compare it with quick.toml."
        ) from error


def for_datasets(datasets: tuple[str, ...], suite: str | None) -> list[Block]:
    """The blocks that a run is made of.

    With a suite, its blocks, of which `datasets` keeps some. Without one, each data set's own suite, the one of its
    name; synthetic data of any size get the default suite, and one's own data the suite made for them.

    Raises:
        InputError: if the suite has no block for a data set that was asked for.
    """
    if suite is not None or not datasets:
        chosen = load(suite or DEFAULT)
        known = {block.dataset for block in chosen.blocks}
        for dataset in datasets:
            if dataset not in known:
                raise InputError(
                    f"the suite {chosen.name!r} has no block for {dataset!r}, only for {', '.join(sorted(known))}; "
                    "leave --suite out to run the data set's own suite."
                )
        return [block for block in chosen.blocks if not datasets or block.dataset in datasets]
    return [block for dataset in datasets for block in _own_blocks(dataset)]


def _own_blocks(dataset: str) -> list[Block]:
    own = [block for block in load(dataset).blocks if block.dataset == dataset] if dataset in names() else []
    if own:
        return own
    blocks = load(DEFAULT if dataset.startswith("synthetic-") else OWN_DATA).blocks
    return [dataclasses.replace(block, dataset=dataset) for block in blocks]


def _block(content: Mapping[str, Any], bases: Mapping[str, Any]) -> Block:
    rest = dict(content)
    models = tuple(_model_row(row, bases) for row in rest.pop("models"))
    indexes = tuple(IndexRow(**with_tuples(row)) for row in rest.pop("indexes", ()))
    block = Block(models=models, indexes=indexes, **with_tuples(rest))
    _check(block)
    return block


def _model_row(content: Mapping[str, Any], bases: Mapping[str, Any]) -> ModelRow:
    rest = dict(content)
    base = rest.pop("base", None)
    if base is None:
        return ModelRow(**with_tuples(rest))
    if base not in bases:
        raise InputError(f"unknown base {base!r}, expected one of {', '.join(bases)}; correct it in the suite.")
    return ModelRow(**with_tuples({**rest, "settings": {**bases[base], **rest.get("settings", {})}}))


def _check(block: Block) -> None:
    """Refuses what would otherwise end as no cell, or as a failure of every cell.

    Raises:
        InputError: for an unknown mode, seed or index setting, and for rows that nobody could tell apart.
    """
    for mode in (*block.modes, *block.throughput, *(mode for row in block.models for mode in row.modes)):
        if mode not in MODES:
            raise InputError(f"unknown mode {mode!r}, expected one of {', '.join(MODES)}; correct it in the suite.")
    for seed in block.seeds:
        if not isinstance(seed, int) or seed < 0:
            raise InputError(f"{seed!r} is no seed, expected a whole number from 0; correct it in the suite.")
    if not isinstance(block.item_maps, bool):
        raise InputError(f"item_maps is {block.item_maps!r}, expected true or false; correct it in the suite.")
    variants = Counter((row.model, row.settings.get("variant")) for row in block.models)
    for (model, variant), n in variants.items():
        if n > 1:
            raise InputError(f"{n} rows of {model} have the variant {variant!r}; give each its own in the suite.")
    for row in block.indexes:
        _check_index(row)


def _check_index(row: IndexRow) -> None:
    if row.name not in INDEXES:
        known = ", ".join(INDEXES)
        raise InputError(f"unknown index {row.name!r}, expected one of {known}; correct it in the suite.")
    for kind, given in (("build", row.build), ("query", row.query)):
        for settings in given:
            index_settings(getattr(INDEXES[row.name], kind), settings)
