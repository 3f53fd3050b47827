"""What cells read: the files of a split or of made-up vectors, written once and verified in every run."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import protocols
from benchmarks.harness import environment, few_asked, files, item_map, privacy
from benchmarks.harness.enough import Enough
from benchmarks.harness.plan import Prepared
from benchmarks.hashing import hash_arrays
from benchmarks.protocols import counts, sequences
from benchmarks.specs.base import digest
from benchmarks.suites import Block
from datasets import load, vectors
from datasets.errors import InputError, NotHereError, TooFewError
from datasets.interactions import Interactions

LAYOUT = 6
"""Raised with every change in the files of a split, so that those of an older results folder are not found."""


MANY_REPEATED = 0.05
"""Of training rows: where so many repeat an item of their user, what users have is what they may want again."""


def prepare_all(
    blocks: Iterable[Block],
    results: Path,
    data_dir: Path | None,
    *,
    keep_paths: bool = False,
    accept_download: bool = True,
) -> Iterator[tuple[Block, Prepared]]:
    """Each block with what its cells read.

    A protocol under which the data are too few is left out, with a sentence, where another block of theirs is not. Of
    data that are not on this machine, where nothing may be downloaded, only so much is known as lists their cells.

    Raises:
        InputError: as `prepare`, or for two files of one name with different data: on a page they would be one.
    """
    enough = Enough()
    versions: dict[str, str] = {}
    for block in blocks:
        with enough.of(block.dataset):
            try:
                made = prepare(block, results, data_dir, keep_paths=keep_paths, accept_download=accept_download)
            except NotHereError:
                made = unprepared(block)
            version = made.hashes.get("dataset", "")
            if versions.setdefault(made.dataset, version) != version:
                raise InputError(
                    f"two sets of data are called {made.dataset}, with the hashes {versions[made.dataset]} and "
                    f"{version}, expected one; rename a file, run each with --results of its own, or give --keep-paths."
                )
            yield block, made
    enough.conclude("run")


def prepare(
    block: Block, results: Path, data_dir: Path | None, *, keep_paths: bool = False, accept_download: bool = True
) -> Prepared:
    """What a block's cells read: the files of a split, or those of made-up vectors.

    Where data come from a file, what is said of them says its name alone, unless paths are to be kept.

    Raises:
        NotHereError: if the data would have to be downloaded, and may not be.
        InputError: if they are not what they should be, or nothing is left of them.
    """
    if block.vectors is not None:
        return prepare_vectors(block.vectors, block.protocol, results)
    protocol = protocols.make(block.protocol)
    made = prepare_split(block.dataset, protocol, results, data_dir, accept_download=accept_download)
    if block.filter_seen == "by data":
        made = _by_data(made)
    if keep_paths:
        return dataclasses.replace(made, notes=tuple(map(privacy.readable, made.notes)))
    notes = tuple(privacy.note(note, made.dataset) for note in made.notes)
    return dataclasses.replace(made, dataset=privacy.dataset(made.dataset), notes=notes)


def _by_data(prepared: Prepared) -> Prepared:
    """With the choice whether models leave out what users are known to have, by training rows alone."""
    repeated = float((prepared.folder / "repeated").read_text(encoding="ascii"))
    leave_out = repeated < MANY_REPEATED
    do = "leave out of their lists what a user already has" if leave_out else "may recommend what a user already has"
    note = f"{repeated:.1%} of the training rows repeat an item of the same user, so models {do}, unless it is set"
    choice = f"{note} (filter_seen={str(leave_out).lower()})"
    notes = (*prepared.notes, f"{prepared.place}: {choice}")
    return dataclasses.replace(prepared, notes=notes, filter_seen=leave_out, choice=choice)


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


def unprepared(block: Block) -> Prepared:
    """What is known of a block whose data are not on this machine: enough to list its cells, not to run them."""
    return Prepared(block.dataset, protocols.described(protocols.make(block.protocol)), Path(), {}, ())


def prepare_split(
    dataset: str, protocol: Any, results: Path, data_dir: Path | None, *, accept_download: bool = True
) -> Prepared:
    """Loads and cuts a data set; the split's files are written once, and complete or not at all."""
    start = time.perf_counter()
    whole = load(dataset, data_dir, accept_download=accept_download)
    data, disliked = protocol.taken(whole)
    described = protocols.described(protocol)
    folder = results / "splits" / digest([LAYOUT, data.content_hash, described])

    def cut(partial: Path) -> None:
        split = protocol.split(data)
        if not len(split.period(protocol.period)):
            raise TooFewError(
                f"{data.name}: no user of the {protocol.period} period has training rows, so there is nothing to ask; "
                "move the cuts of the protocol."
            )
        dataclasses.replace(split, counts=(*disliked, *split.counts)).save(partial)
        item_map.save_categories(data, partial)
        (partial / "hash").write_text(split.content_hash(), encoding="ascii")
        preparation = f"loaded, cut and written {_cost(time.perf_counter() - start)}"
        (partial / "preparation").write_text(preparation, encoding="utf-8")
        repeated = 1 - len(split.seen_items) / max(1, len(split.item))
        (partial / "repeated").write_text(repr(repeated), encoding="ascii")
        (partial / "warning").write_text(few_asked.warning(data, protocol, split), encoding="utf-8")
        (partial / "order").write_text(sequences.note_of_order(data, protocol), encoding="utf-8")

    healed = _kept_or_made(folder, cut, f"the split of {data.name} by {protocol.name}", "cut again")
    hashes = {"dataset": data.content_hash[:16], "split": (folder / "hash").read_text(encoding="ascii")}
    cut_by = f"{data.name}, {protocols.in_words(described)}"
    notes = (f"{cut_by}: {(folder / name).read_text(encoding='utf-8')}" for name in ("order", "preparation"))
    told = counts.decoded((folder / counts.FILE).read_bytes())
    warning = (folder / "warning").read_text(encoding="utf-8")
    return Prepared(data.name, described, folder, hashes, (*_notes(whole), *notes, *healed), told, warning)


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
    peak_rss_bytes = environment.peak_rss_bytes()
    return f"in {seconds:.1f} s, in at most {peak_rss_bytes / 2**30:.2f} GiB of memory"


def _notes(data: Interactions) -> tuple[str, ...]:
    return (f"{data.name}: {len(data):,} interactions, {data.n_users:,} users, {data.n_items:,} items", *data.notes)
