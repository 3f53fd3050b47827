"""What cells read: the files of a split or of made-up vectors, written once and verified in every run."""

from __future__ import annotations

import dataclasses
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import protocols
from benchmarks.harness import files, item_map, privacy
from benchmarks.harness.plan import Prepared
from benchmarks.hashing import hash_arrays
from benchmarks.protocols import sequences
from benchmarks.specs.base import digest
from benchmarks.suites import Block
from datasets import load, vectors
from datasets.errors import InputError
from datasets.interactions import Interactions

LAYOUT = 4
"""Raised with every change in the files of a split, so that those of an older results folder are not found."""


def prepare(block: Block, results: Path, data_dir: Path | None, *, keep_paths: bool = False) -> Prepared:
    """What a block's cells read: the files of a split, or those of made-up vectors.

    Where data come from a file, what is said of them says its name alone, unless paths are to be kept.
    """
    if block.vectors is not None:
        return prepare_vectors(block.vectors, block.protocol, results)
    made = prepare_split(block.dataset, protocols.make(block.protocol), results, data_dir)
    if keep_paths:
        return dataclasses.replace(made, notes=tuple(map(privacy.readable, made.notes)))
    notes = tuple(privacy.note(note, made.dataset) for note in made.notes)
    return dataclasses.replace(made, dataset=privacy.dataset(made.dataset), notes=notes)


def prepare_vectors(made_from: vectors.Settings, protocol: Mapping[str, Any], results: Path) -> Prepared:
    """Draws made-up vectors into the files that a training would leave, once, and completely or not at all."""
    folder = results / "vectors" / digest([vectors.VERSION, dataclasses.asdict(made_from)])

    def draw(partial: Path) -> None:
        start = time.perf_counter()
        partial.mkdir()
        shape = (made_from.n_items, made_from.dim)
        items = np.lib.format.open_memmap(partial / "items.npy", "w+", np.float32, shape)
        files.reserve(partial / "items.npy")
        vectors.items(made_from, out=items)
        items.flush()
        users = vectors.queries(made_from)
        np.save(partial / "users.npy", users)
        (partial / "hash").write_text(hash_arrays({"items": items, "users": users}), encoding="ascii")
        (partial / "preparation").write_text(f"drawn {_cost(time.perf_counter() - start)}", encoding="utf-8")

    healed = _kept_or_made(folder, draw, f"the vectors of {made_from.name}", "drawn again")
    what = f"{made_from.n_items:,} items and {made_from.n_queries:,} queries of {made_from.dim} columns"
    notes = (
        f"{made_from.name}: {what}, made up, seed {made_from.seed}",
        f"{made_from.name}: {(folder / 'preparation').read_text(encoding='utf-8')}",
        *healed,
    )
    hashes = {"dataset": (folder / "hash").read_text(encoding="ascii")}
    return Prepared(made_from.name, protocol, folder, hashes, notes)


def prepare_split(dataset: str, protocol: Any, results: Path, data_dir: Path | None) -> Prepared:
    """Loads and cuts a data set; the split's files are written once, and complete or not at all."""
    start = time.perf_counter()
    data = load(dataset, data_dir)
    described = protocols.described(protocol)
    folder = results / "splits" / digest([LAYOUT, data.content_hash, described])

    def cut(partial: Path) -> None:
        split = protocol.split(data)
        if not len(split.period(protocol.period)):
            raise InputError(
                f"{data.name}: no user of the {protocol.period} period has training rows, so there is nothing to ask; "
                "move the cuts of the protocol."
            )
        split.save(partial)
        item_map.save_categories(data, partial)
        (partial / "hash").write_text(split.content_hash(), encoding="ascii")
        preparation = f"loaded, cut and written {_cost(time.perf_counter() - start)}"
        (partial / "preparation").write_text(preparation, encoding="utf-8")
        (partial / "order").write_text(sequences.note_of_order(data, protocol), encoding="utf-8")

    healed = _kept_or_made(folder, cut, f"the split of {data.name} by {protocol.name}", "cut again")
    hashes = {"dataset": data.content_hash[:16], "split": (folder / "hash").read_text(encoding="ascii")}
    cut_by = f"{data.name}, {protocols.in_words(described)}"
    notes = (f"{cut_by}: {(folder / name).read_text(encoding='utf-8')}" for name in ("order", "preparation"))
    return Prepared(data.name, described, folder, hashes, (*_notes(data), *notes, *healed))


def _kept_or_made(folder: Path, write: Callable[[Path], None], what: str, again: str) -> tuple[str, ...]:
    """Makes a folder of files, unless it is there as it was sealed; where it was not, the sentence that says so."""
    if not folder.exists():
        files.fill(folder, write)
        return ()
    fault = files.fault(folder)
    if fault is None:
        return ()
    files.fill(folder, write)
    sentence = f"{what} in {folder.parent.name}/{folder.name} was not what its hashes say ({fault}); it was {again}"
    files.say(f"{sentence}.")
    return (sentence,)


def _cost(seconds: float) -> str:
    peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return f"in {seconds:.1f} s, in at most {peak_rss_bytes / 2**30:.2f} GiB of memory"


def _notes(data: Interactions) -> tuple[str, ...]:
    return (f"{data.name}: {len(data):,} interactions, {data.n_users:,} users, {data.n_items:,} items", *data.notes)
