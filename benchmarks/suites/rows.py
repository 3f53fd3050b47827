"""What suites are made of: blocks, and the rows of their models and indexes, each setting typed and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta

from benchmarks.settings import Name, Seed, check, line, whole
from datasets import vectors as made_up

Mode: TypeAlias = Literal["eager", "compiled"]
Settings: TypeAlias = Mapping[str, Any]
Swept: TypeAlias = Annotated[tuple[Settings, ...], Meta(min_length=1, description="a list of one or more tables")]

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

    model: Name
    settings: Settings = field(default_factory=dict)
    modes: tuple[Mode, ...] = ()
    timed: bool = True

    def __post_init__(self) -> None:
        check(self, "a row of models")


@dataclass(frozen=True)
class IndexRow:
    """An index with the settings that are swept.

    Attributes:
        name: a name in `backends.ann.INDEXES`.
        build, query: settings, each combined with each; one build serves all queries.
    """

    name: Name
    build: Swept = ({},)
    query: Swept = ({},)

    def __post_init__(self) -> None:
        check(self, "a row of indexes")


@dataclass(frozen=True)
class Search:
    """What is asked of made-up vectors: the k items of largest inner product."""

    name: Literal["search"]
    k: Annotated[int, whole(1, 100_000)]

    def __post_init__(self) -> None:
        check(self, "the protocol of made-up vectors")


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

    dataset: Annotated[str, line(4_096)]
    protocol: Settings
    models: tuple[ModelRow, ...]
    indexes: tuple[IndexRow, ...] = ()
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1)] = (0,)
    backends: tuple[Name, ...] = ()
    modes: Annotated[tuple[Mode, ...], Meta(min_length=1)] = ("eager", "compiled")
    throughput: tuple[Mode, ...] = ()
    item_maps: bool = False
    vectors: made_up.Settings | None = None

    def __post_init__(self) -> None:
        check(self, "a block")


@dataclass(frozen=True)
class Suite:
    name: str
    title: Annotated[str, line(1_000)]
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        check(self, "a suite")
