"""Named matrices of what is run: one TOML file a suite.

A suite is a list of blocks; a block is one data set under one protocol, with the models, modes, seeds and indexes that
are run on it. To add a model to a suite, add a `[[block.models]]` row. Settings that rows have in common stand once, in
a table `[settings.NAME]` that the rows name as their `base`; indexes that blocks have in common stand once, as
`[sweeps] NAME = [...]`, and a block names them, `indexes = "NAME"`.

A block with `vectors = { n_items = 100_000, dim = 64 }` (datasets/vectors.py) in place of a data set, a protocol and
models trains nothing: its indexes search made-up vectors, for 50 items or `protocol = { name = "search", k = 10 }`.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from backends.ann import INDEXES
from backends.ann import settings as index_settings
from backends.registry import FRAMEWORKS
from benchmarks.settings import with_tuples
from datasets import vectors
from datasets.errors import InputError

FOLDER = Path(__file__).parent
DEFAULT = "quick"
OWN_DATA = "own-data"
MODES = ("eager", "compiled")
SEARCH = {"name": "search", "k": 50}
"""What is asked of made-up vectors, unless a block says otherwise: the items of largest inner product."""


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
        backends: frameworks that train; empty leaves all.
        modes: modes that are trained.
        throughput: modes whose training throughput is measured, by turns; empty measures none.
        item_maps: whether each model's item vectors are drawn, as a map of the most popular items.
        vectors: what is searched where nothing is trained; `dataset` is its name then, and there are no models.
    """

    dataset: str
    protocol: Mapping[str, Any]
    models: tuple[ModelRow, ...]
    indexes: tuple[IndexRow, ...] = ()
    seeds: tuple[int, ...] = (0,)
    backends: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("eager", "compiled")
    throughput: tuple[str, ...] = ()
    item_maps: bool = False
    vectors: vectors.Settings | None = None


@dataclass(frozen=True)
class Suite:
    name: str
    title: str
    blocks: tuple[Block, ...]


class Shared(NamedTuple):
    """What a suite writes once and names where it is wanted: settings of models, and rows of indexes."""

    settings: Mapping[str, Mapping[str, Any]]
    sweeps: Mapping[str, Sequence[Mapping[str, Any]]]


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
        shared = Shared(content.get("settings", {}), content.get("sweeps", {}))
        blocks = tuple(_block(block, shared) for block in content["block"])
        return Suite(path.stem, str(content.get("title", path.stem)), blocks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a suite ({type(error).__name__}: {error}); compare it with quick.toml."
        ) from error


def for_datasets(datasets: tuple[str, ...], suite: str | None) -> list[Block]:
    """The blocks that a run is made of.

    With a suite, its blocks, of which `datasets` keeps some. Without one, each data set's own suite, the one of its
    name; synthetic data of any size get the default suite, made-up vectors the suites that search them, and one's own
    data the suite made for them.

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
    if dataset.startswith(vectors.PREFIX):
        return _searching(dataset)
    own = [block for block in load(dataset).blocks if block.dataset == dataset] if dataset in names() else []
    if own:
        return own
    blocks = load(DEFAULT if dataset.startswith("synthetic-") else OWN_DATA).blocks
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


def _block(content: Mapping[str, Any], shared: Shared) -> Block:
    rest = dict(content)
    indexes = tuple(IndexRow(**with_tuples(row)) for row in _swept(rest.pop("indexes", ()), shared.sweeps))
    if "vectors" in rest:
        block = _block_of_vectors(rest, indexes)
    else:
        models = tuple(_model_row(row, shared.settings) for row in rest.pop("models"))
        block = Block(models=models, indexes=indexes, **with_tuples(rest))
    _check(block)
    return block


def _swept(named: Any, sweeps: Mapping[str, Any]) -> Any:
    if not isinstance(named, str):
        return named
    if named not in sweeps:
        raise InputError(f"unknown sweep {named!r}, expected one of {', '.join(sweeps)}; correct it in the suite.")
    return sweeps[named]


def _block_of_vectors(content: Mapping[str, Any], indexes: tuple[IndexRow, ...]) -> Block:
    rest = dict(content)
    made_from = vectors.Settings(**rest.pop("vectors"))
    protocol = {**SEARCH, **rest.pop("protocol", {})}
    seeds = tuple(rest.pop("seeds", (0,)))
    if rest:
        raise InputError(
            f"a block of made-up vectors has {', '.join(rest)}, expected protocol, seeds and indexes beside vectors; "
            "correct it in the suite."
        )
    k = protocol["k"]
    if set(protocol) != set(SEARCH) or protocol["name"] != SEARCH["name"] or not isinstance(k, int) or k < 1:
        raise InputError(
            f"the protocol of made-up vectors is {protocol}, expected {SEARCH} or another k from 1; "
            "correct it in the suite."
        )
    protocol["primary_metric"] = f"index_recall@{k}"
    return Block(made_from.name, protocol, models=(), indexes=indexes, seeds=seeds, vectors=made_from)


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
        InputError: for an unknown mode, backend, seed or index setting, and for rows that nobody could tell apart.
    """
    modes = (*block.modes, *block.throughput, *(mode for row in block.models for mode in row.modes))
    for what, given, known in (("mode", modes, MODES), ("backend", block.backends, FRAMEWORKS)):
        for word in given:
            if word not in known:
                raise InputError(
                    f"unknown {what} {word!r}, expected one of {', '.join(known)}; correct it in the suite."
                )
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
