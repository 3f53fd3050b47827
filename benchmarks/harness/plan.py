"""From a matrix of what is asked for to cells, each a complete description of one measurement."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backends.registry import BACKENDS, FAMILIES, Unsupported
from benchmarks import protocols, specs
from benchmarks.harness import environment, item_map, privacy
from benchmarks.protocols import counts as counting
from benchmarks.protocols.counts import Counts
from benchmarks.records import SCHEMA_VERSION, TIMED
from benchmarks.specs.base import digest, settings
from benchmarks.suites import Block, ModelRow
from benchmarks.suites.rows import SEEN
from datasets import vectors
from datasets.errors import InputError

MADE_UP = "made-up-vectors"
"""The model of index cells that search vectors which nothing was trained for."""


@dataclass(frozen=True)
class Prepared:
    """A data set cut by a protocol, or made-up vectors, as files that workers read.

    Attributes:
        hashes: of the data set and of the split, or of the vectors.
        notes: sentences on the data and on how they were prepared.
        counts: what became of each row of the data.
        warning: a sentence where few of them are asked for, else "".
        filter_seen: whether models that leave it to the data leave out what users have; None where none do.
        choice: the sentence that says so, and why.
    """

    dataset: str
    protocol: Mapping[str, Any]
    folder: Path
    hashes: Mapping[str, str]
    notes: tuple[str, ...]
    counts: Counts = ()
    warning: str = ""
    filter_seen: bool | None = None
    choice: str = ""

    @property
    def said(self) -> tuple[str, ...]:
        """What becomes of the data's rows, a line a period, and what the data decide."""
        choice = (self.choice,) if self.choice else ()
        return tuple(f"{self.place}: {sentence}" for sentence in (*counting.sentences(self.counts), *choice))

    @property
    def place(self) -> str:
        """The data set and the protocol."""
        return f"{self.dataset}, {self.protocol['name']}"


@dataclass(frozen=True)
class Cell:
    """One measurement: everything that its result depends on, and so everything that its key is made of."""

    kind: str
    model: str
    settings: Mapping[str, Any]
    backend: str
    mode: str
    device: str
    threads: int
    seed: int
    dataset: str
    protocol: Mapping[str, Any]
    inputs: Mapping[str, Any]  # hashes of the data, versions, the key of the cell whose vectors are taken; the machine
    index: Mapping[str, Any] | None = None
    refusal: str | None = field(default=None, compare=False)  # why it cannot be run, if that is known beforehand
    trial: Mapping[str, Any] = field(default_factory=dict, compare=False)  # of which search, and what was drawn

    @functools.cached_property
    def key(self) -> str:
        """16 hex digits; cells of equal inputs have equal keys, wherever the file lies that they come from."""
        described = {name: getattr(self, name) for name in _compared()}
        return digest({**described, "dataset": privacy.dataset(self.dataset)})

    @property
    def variant(self) -> str:
        return str(self.settings["variant"])

    @property
    def adapter(self) -> str:
        """The module that is to be run; only for cells of a model, and without a refusal."""
        adapter = FAMILIES[self.model].adapters[self.backend]
        assert isinstance(adapter, str)  # noqa: S101 - a refused cell is never run
        return adapter

    def asked(self) -> dict[str, Any]:
        """What every worker is told of its cell."""
        same = ("kind", "model", "settings", "backend", "mode", "device", "threads", "seed", "protocol")
        return {name: getattr(self, name) for name in same}

    def described(self) -> dict[str, Any]:
        """The fields of its record that say which cell it is."""
        same = ("kind", "model", "variant", "backend", "mode", "device", "threads", "dataset", "seed")
        index = {"index": self.index} if self.kind == "index" else {}
        place = {"cell": self.key, "protocol": self.protocol["name"]} | {name: getattr(self, name) for name in same}
        climb = {"climb": self.protocol["climb"]} if self.kind == "agreement" else {}
        return {"schema_version": SCHEMA_VERSION, **place, **index, **climb, **self.trial}

    def describe(self, *, briefly: bool = False) -> str:
        """A line that no other cell of a run has, see `refuse_alike`; briefly with the protocol's name alone."""
        return f"{self.what} · {self.where(briefly=briefly)}"

    @property
    def what(self) -> str:
        """What of a line tells the cells of one data set, protocol and seed apart."""
        words = [self.kind, f"{self.model} ({self.variant})", self.backend, self.mode]
        if self.index is not None:
            options = {**self.index["build"], **self.index["query"]}
            words.append(" ".join([self.index["name"], *(f"{name}={value}" for name, value in options.items())]))
        if self.trial:
            words.append(f"trial {self.trial['number']}")
        return " · ".join(words)

    def where(self, *, briefly: bool = False) -> str:
        """The rest of the line: data set, protocol and seed."""
        protocol = str(self.protocol["name"]) if briefly else protocols.in_words(self.protocol)
        return f"{self.dataset} · {protocol} · seed {self.seed}"


@functools.cache
def _compared() -> tuple[str, ...]:
    """The fields of a cell that its key is made of."""
    return tuple(field.name for field in dataclasses.fields(Cell) if field.compare)


@dataclass(frozen=True)
class Options:
    """What the command line adds to a suite.

    Attributes:
        models, backends, indexes: names to keep; empty keeps all.
        seeds: seeds to run; empty leaves each block its own.
        modes: "eager", "compiled" or both; empty leaves each block its own.
        keep_paths: whether records name the folders in which files of data lie.
        machine: id of the machine that whatever is timed is timed on; empty for this one.
    """

    models: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    modes: tuple[str, ...] = ()
    device: str = "cpu"
    threads: int = 1
    keep_paths: bool = False
    machine: str = ""

    @property
    def timed_on(self) -> str:
        return self.machine or environment.machine().id


def cells(block: Block, prepared: Prepared, options: Options) -> list[Cell]:
    """All cells of one block of a suite, each once: training, then throughput, then indexes, then maps."""
    seeds = tuple(dict.fromkeys(options.seeds or block.seeds))
    if block.vectors is not None:
        made_up = [] if options.models else [_made_up(block.vectors, prepared, options, seed) for seed in seeds[:1]]
        return [cell for source in made_up for cell in _index_cells(block, options, source, prepared.folder.name)]
    rows = [
        (row, specs.make(row.model, given(block, row, prepared)))
        for row in block.models
        if not options.models or row.model in options.models
    ]
    train = [cell for seed in seeds for cell in _model_cells("train", block, rows, prepared, options, seed=seed)]
    timed = [(row, spec) for row, spec in rows if row.timed]
    throughput = list(_model_cells("throughput", block, timed, prepared, options, seed=seeds[0]))
    sources = _sources(cell for cell in train if cell.seed == seeds[0])
    index = [cell for source in sources for cell in _index_cells(block, options, source, source.key)]
    maps = [_map_cell(source) for source in sources] if block.item_maps else []
    return list({cell.key: cell for cell in (*train, *throughput, *index, *maps)}.values())


def refuse_alike(planned: Iterable[Cell]) -> None:
    """Refuses cells of several blocks that nobody could tell apart, neither here nor in a leaderboard.

    Raises:
        InputError: if cells that differ are described by the same line.
    """
    planned = list(planned)
    words = _protocols_in_words(planned)
    known: dict[tuple[object, ...], Cell] = {}
    for cell in planned:
        other = known.setdefault((cell.what, cell.dataset, words[id(cell.protocol)], cell.seed), cell)
        if other.key != cell.key:
            differing = [name for name in cell.settings if cell.settings[name] != other.settings.get(name)]
            raise InputError(
                f"two rows of the suite are both {cell.model} ({cell.variant}) on {cell.dataset} under "
                f"{cell.protocol['name']}, but differ in {', '.join(differing) or 'what they read'}; give each a "
                "variant of its own."
            )


def _protocols_in_words(planned: Iterable[Cell]) -> dict[int, str]:
    """The protocol of each cell, which many cells share, by the number of the object that it is."""
    every = {id(cell.protocol): cell.protocol for cell in planned}
    return {number: protocols.in_words(protocol) for number, protocol in every.items()}


def lines(planned: Iterable[Cell]) -> dict[str, str]:
    """Each cell's line, by its key: a protocol is told by its settings only where its name alone does not tell it."""
    planned = list(planned)
    words = _protocols_in_words(planned)
    named: dict[tuple[str, str], set[str]] = {}
    for cell in planned:
        named.setdefault((cell.dataset, cell.protocol["name"]), set()).add(words[id(cell.protocol)])
    return {cell.key: cell.describe(briefly=len(named[cell.dataset, cell.protocol["name"]]) == 1) for cell in planned}


def _model_cells(
    kind: str, block: Block, rows: Iterable[tuple[ModelRow, Any]], prepared: Prepared, options: Options, *, seed: int
) -> Iterator[Cell]:
    """The cells of one kind of rows with their specs."""
    for row, spec in rows:
        timed = tuple(mode for mode in block.throughput if mode in options.modes or not options.modes)
        modes = timed if kind == "throughput" else options.modes or row.modes or block.modes
        for mode, backend in itertools.product(("eager", "compiled"), FAMILIES[row.model].adapters):
            if not _is_asked(kind, mode, backend, modes, options.backends or block.backends):
                continue
            yield model_cell(kind, spec, prepared, options, backend=backend, mode=mode, seed=seed)


def given(block: Block, row: ModelRow, prepared: Prepared) -> dict[str, Any]:
    """The settings of a row, with what the data decide where it leaves that to them."""
    by_data = {SEEN: prepared.filter_seen} if block.is_by_data(row) and prepared.filter_seen is not None else {}
    return {**row.settings, **by_data}


def model_cell(
    kind: str, spec: Any, prepared: Prepared, options: Options, *, backend: str, mode: str, seed: int
) -> Cell:
    """What a model does on prepared data, refused where the backend cannot do it."""
    adapter = FAMILIES[spec.model].adapters[backend]
    return Cell(
        kind=kind,
        model=spec.model,
        settings=settings(spec),
        backend=backend,
        mode=mode,
        device=options.device if options.device in BACKENDS[backend].devices else "cpu",
        threads=options.threads,
        seed=seed,
        dataset=prepared.dataset,
        protocol=prepared.protocol,
        inputs=_inputs(kind, backend, prepared, options),
        refusal=adapter.reason if isinstance(adapter, Unsupported) else None,
    )


def _is_asked(kind: str, mode: str, backend: str, modes: Sequence[str], backends: Sequence[str]) -> bool:
    """Classic models train in their one mode, whatever modes and backends are asked for; they have no throughput."""
    if mode not in BACKENDS[backend].modes:
        return False
    if not BACKENDS[backend].trains:
        return kind == "train"
    return mode in modes and (not backends or backend in backends)


def _sources(train: Iterable[Cell]) -> list[Cell]:
    """The first cell of each model and variant that serves vectors: its vectors are searched and mapped."""
    first: dict[tuple[str, str], Cell] = {}
    for cell in train:
        if cell.refusal is None and specs.make(cell.model, cell.settings).serves == "vectors":
            first.setdefault((cell.model, cell.variant), cell)
    return list(first.values())


def _made_up(made_from: vectors.Settings, prepared: Prepared, options: Options, seed: int) -> Cell:
    """What the index cells over made-up vectors have in common; as a training it is never run."""
    return Cell(
        kind="index",
        model=MADE_UP,
        settings={"variant": made_from.variant, **dataclasses.asdict(made_from)},
        backend="classic",
        mode="eager",
        device="cpu",
        threads=options.threads,
        seed=seed,
        dataset=prepared.dataset,
        protocol=prepared.protocol,
        inputs=_inputs("index", "classic", prepared, options),
    )


def _inputs(kind: str, backend: str, prepared: Prepared, options: Options) -> dict[str, Any]:
    """What a cell is given. Only what is timed is of one machine: a model learns the same wherever it is trained."""
    here = {"machine": options.timed_on} if kind in TIMED else {}
    return {**prepared.hashes, "versions": environment.versions(backend), **here}


def _index_cells(block: Block, options: Options, source: Cell, vectors_of: str) -> Iterator[Cell]:
    """Every setting of every index over the vectors in the folder of that name."""
    for row in block.indexes:
        if options.indexes and row.name not in options.indexes:
            continue
        for build, query in itertools.product(row.build, row.query):
            yield dataclasses.replace(
                source,
                kind="index",
                index={"name": row.name, "build": build, "query": query},
                inputs={
                    **source.inputs,
                    "source": vectors_of,
                    "indexes": environment.index_versions(),
                    "machine": options.timed_on,
                },
            )


def _map_cell(source: Cell) -> Cell:
    return dataclasses.replace(
        source, kind="map", inputs={**source.inputs, "source": source.key, "maps": item_map.versions()}
    )
