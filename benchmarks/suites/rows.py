"""What suites are made of: blocks, and the rows of their models and indexes, each setting typed and bounded."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta

from backends import ann
from backends.registry import FAMILIES, FRAMEWORKS
from benchmarks import protocols, specs
from benchmarks.settings import DataSet, Name, Seed, SettingError, check, line, meant, require_distinct, shown, whole
from benchmarks.suites import spaces
from datasets import vectors as made_up
from datasets.errors import InputError

Mode: TypeAlias = Literal["eager", "compiled"]
Settings: TypeAlias = Mapping[str, Any]
Swept: TypeAlias = Annotated[tuple[Settings, ...], Meta(min_length=1, description="a list of one or more tables")]

SEEN = "filter_seen"
SEARCH = {"name": "search", "k": 50}
"""What is asked of made-up vectors, unless a block says otherwise: the items of largest inner product."""


@contextlib.contextmanager
def at(*place: str | int) -> Iterator[None]:
    """Adds to what is refused within where it stands."""
    try:
        yield
    except SettingError as error:
        if error.at_root:
            raise
        raise SettingError(str(error), (*place, *error.place)) from error
    except InputError as error:
        raise SettingError(str(error), place) from error


@dataclass(frozen=True)
class ModelRow:
    """A model with its settings.

    Attributes:
        model: a name in the registry.
        settings: fields of its spec in place of the defaults.
        modes: modes that are trained, for this row alone; empty leaves the block's.
        timed: whether its throughput is measured, in a block that measures it.
        search: what `tune` draws settings from (benchmarks/suites/spaces.py); empty for a row that is left as it is.
    """

    model: Name
    settings: Settings = field(default_factory=dict)
    modes: tuple[Mode, ...] = ()
    timed: bool = True
    search: Settings = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self, "a row of models")
        require_distinct("a row of models", self, "modes")
        with at("model" if self.model not in FAMILIES else "settings"):
            specs.make(self.model, self.settings)
        with at("search"):
            spaces.axes(self.model, self.settings, self.search)

    @property
    def variant(self) -> str:
        return str(specs.make(self.model, self.settings).variant)


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
        """Holds its index to be known, and each of its settings to bounds, alone and with each of the others."""
        check(self, "a row of indexes")
        if self.name not in ann.INDEXES:
            known = f"{', '.join(ann.INDEXES)}{meant(self.name, ann.INDEXES)}"
            raise SettingError(
                f"unknown index {shown(self.name)}, expected one of {known}; correct it in the suite.", ("name",)
            )
        index = ann.INDEXES[self.name]
        for kind, known_settings in (("build", index.build), ("query", index.query)):
            given = getattr(self, kind)
            for i, settings in enumerate(given):
                for key, value in settings.items():
                    with at(kind, i, key):
                        ann.settings(known_settings, {key: value})
            object.__setattr__(self, kind, tuple({key: int(value) for key, value in one.items()} for one in given))
        for build, (i, query) in itertools.product(self.build, enumerate(self.query)):
            with at("query", i):
                ann.check_together(self.name, build, query)


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
        filter_seen: "by data": rows that do not say whether users' known items are left out of their lists leave them
            out where few training rows repeat an item of their user; "as set": such a row has its model's default.
        item_maps: whether each model's item vectors are drawn, as a map of the most popular items.
        vectors: what is searched where nothing is trained; `dataset` is its name then, and there are no models.
    """

    dataset: DataSet
    protocol: Settings
    models: tuple[ModelRow, ...]
    indexes: tuple[IndexRow, ...] = ()
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1)] = (0,)
    backends: tuple[Name, ...] = ()
    modes: Annotated[tuple[Mode, ...], Meta(min_length=1)] = ("eager", "compiled")
    throughput: tuple[Mode, ...] = ()
    filter_seen: Literal["as set", "by data"] = "as set"
    item_maps: bool = False
    vectors: made_up.Settings | None = None

    def __post_init__(self) -> None:
        check(self, "a block")
        require_distinct("a block", self, "seeds", "modes", "throughput", "backends")
        for i, name in enumerate(self.backends):
            if name not in FRAMEWORKS:
                known = f"{', '.join(FRAMEWORKS)}{meant(name, FRAMEWORKS)}"
                raise SettingError(
                    f"unknown backend {shown(name)}, expected one of {known}; correct it in the suite.", ("backends", i)
                )
        variants: set[tuple[str, str]] = set()
        for i, row in enumerate(self.models):
            if (row.model, row.variant) in variants:
                raise SettingError(
                    f"two rows of {row.model} have the variant {row.variant!r}; give each its own in the suite.",
                    ("models", i),
                )
            variants.add((row.model, row.variant))
        if self.vectors is None:
            with at("protocol"):
                protocols.make(self.protocol)
            if not self.models:
                raise SettingError("a block has no models, so that nothing is run; add some to the suite.", ("models",))

    def is_by_data(self, row: ModelRow) -> bool:
        """Whether the data decide if a row's lists are without what users are known to have."""
        undecided = SEEN not in row.settings and SEEN in specs.settable(row.model)
        return self.filter_seen == "by data" and undecided


@dataclass(frozen=True)
class Suite:
    name: str
    title: Annotated[str, line(1_000)]
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        check(self, "a suite")
