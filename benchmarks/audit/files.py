"""The leakage audit of a split that somebody else has made: what its files say when they are laid side by side.

Nobody says which kind of split it is, so each finding says under which it is a leak. Two are leaks under every one: a
row that stands in two files, and a row to learn from that is later than what the same user is asked about.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.audit.report import CLEAN, LEAK, NOTHING, Finding, Report, moment, named
from benchmarks.protocols.base import timestamps
from datasets import FILE_PREFIX, load
from datasets.interactions import UNKNOWN_USER, Interactions

LEAK_IN_TIME = "leak if all users were cut at one moment"
LEAK_OF_TIES = "leak unless rows of one moment were kept in order"
NO_LEAK = "no leak"


@dataclass(frozen=True)
class Files:
    """The rows of all files, one file after the other.

    Attributes:
        paths: the files: training, validation (if there is one), test.
        data: their rows, users and items numbered alike.
        file: int64[n], the place in `paths` of each row's file.
    """

    paths: tuple[str, ...]
    data: Interactions
    file: npt.NDArray[np.int64]

    @property
    def time(self) -> npt.NDArray[np.int64]:
        return timestamps(self.data, "the audit")

    def share(self, rows: npt.NDArray[np.int64]) -> str:
        """So many of a file's rows, with an example; rows: int64[n] of one file, at least one."""
        file = self.file[rows[0]]
        n = int((self.file == file).sum())
        return (
            f"{len(rows):,} of {n:,} rows of {self.paths[file]} ({len(rows) / n:.2%}), "
            f"such as {named(self.data, int(rows[0]))},"
        )


def of_files(train: str, validation: str | None, test: str) -> Report:
    """Lays the files of one split side by side.

    Raises:
        InputError: if a file cannot be read, or has no timestamps.
    """
    files = read([train, validation, test] if validation else [train, test])
    found = [*_identical(files)]
    for asked in range(1, len(files.paths)):
        found += [*_in_time(files, asked), *_unheard_of(files, asked)]
    if _are_strangers(files):
        sentence = (
            f"no user and no item of {test} has a row in {train}, so no row of one says anything of the other; write "
            "the ids of all files in one way"
        )
        found.insert(0, Finding(NOTHING, int((files.file == len(files.paths) - 1).sum()), sentence))
    elif all(finding.verdict != LEAK for finding in found):
        sentence = (
            "no row stands in two files, and no user's training rows are later than what that user is asked about"
        )
        found.insert(0, Finding(CLEAN, len(files.data), sentence))
    sizes = {f"rows of {path}": int(n) for path, n in zip(files.paths, np.bincount(files.file), strict=True)}
    return Report("split files", sizes, tuple(found), notes=files.data.notes)


def read(paths: Sequence[str]) -> Files:
    """The files' rows as one data set.

    Raises:
        InputError: if a file cannot be read, or has no timestamps.
    """
    parts = [load(f"{FILE_PREFIX}{path}") for path in paths]
    user_ids, user = _numbered([part.user_ids for part in parts], [part.user for part in parts])
    item_ids, item = _numbered([part.item_ids for part in parts], [part.item for part in parts])
    data = Interactions(
        name=", ".join(paths),
        user=user,
        item=item,
        timestamp=np.concatenate([timestamps(part, "the audit") for part in parts]),
        session=None,
        rating=None,
        user_ids=user_ids,
        item_ids=item_ids,
        content_hash="",
        notes=tuple(f"{path}: {note}" for path, part in zip(paths, parts, strict=True) for note in part.notes),
    )
    return Files(tuple(paths), data, np.repeat(np.arange(len(parts)), [len(part) for part in parts]))


def _numbered(
    ids: Sequence[npt.NDArray[np.str_]], numbers: Sequence[npt.NDArray[np.int32]]
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int32]]:
    """The distinct ids of all files, and each row's place among them; `UNKNOWN_USER` (-1) stays what it is."""
    distinct, place = np.unique(np.concatenate(ids), return_inverse=True)
    place = np.append(place, UNKNOWN_USER)
    first = np.cumsum([0, *map(len, ids)])
    rows = [
        place[np.where(of_file == UNKNOWN_USER, -1, start + of_file)]
        for start, of_file in zip(first, numbers, strict=False)
    ]
    return distinct, np.concatenate(rows).astype(np.int32)


def _are_strangers(files: Files) -> bool:
    """Whether the first and the last file have nothing in common, neither a user nor an item."""
    train, test = files.file == 0, files.file == len(files.paths) - 1
    known = files.data.user != UNKNOWN_USER
    return not (
        np.isin(files.data.user[test & known], files.data.user[train]).any()
        or np.isin(files.data.item[test], files.data.item[train]).any()
    )


def _identical(files: Files) -> Iterator[Finding]:
    data = files.data
    order = np.lexsort((files.time, data.item, data.user))
    differs = np.zeros(len(order), np.bool_)
    for column in (data.user, data.item, files.time):
        differs[1:] |= np.diff(column[order]) != 0
    kind = np.empty(len(order), np.int64)  # equal for identical rows
    kind[order] = np.cumsum(differs)
    for one, other in itertools.combinations(range(len(files.paths)), 2):
        rows = np.flatnonzero((files.file == other) & np.isin(kind, kind[files.file == one]))
        if len(rows):
            sentence = f"{files.share(rows)} stand in {files.paths[one]} too, with the same user, item and timestamp"
            yield Finding(LEAK, len(rows), sentence)


def _in_time(files: Files, asked: int) -> Iterator[Finding]:
    """Training rows that are not before those of another file: of anybody's, and of the same user's."""
    user, time, name = files.data.user, files.time, files.paths[asked]
    train, is_asked = files.file == 0, files.file == asked
    first = time[is_asked].min()
    rows = np.flatnonzero(train & (time >= first))
    if len(rows):
        sentence = (
            f"{files.share(rows)} are not before the first of {name} at {moment(first)}; they are from "
            f"{moment(time[rows].min())} to {moment(time[rows].max())}"
        )
        yield Finding(LEAK_IN_TIME, len(rows), sentence)
    never = np.iinfo(np.int64).max
    own_first = np.full(files.data.n_users + 1, never)  # the last one is nobody's
    np.minimum.at(own_first, user[is_asked], time[is_asked])
    own_first[UNKNOWN_USER] = never
    for verdict, found, what in (
        (LEAK, time > own_first[user], "are later than the first that the same user has"),
        (LEAK_OF_TIES, time == own_first[user], "are of the same moment as the first that the same user has"),
    ):
        rows = np.flatnonzero(train & found)
        if len(rows):
            n_users = len(np.unique(user[rows]))
            yield Finding(
                verdict, len(rows), f"{files.share(rows)} {what} in {name}; users with such rows: {n_users:,}"
            )


def _unheard_of(files: Files, asked: int) -> Iterator[Finding]:
    """Users and items that training knows nothing of: no leak, but metrics with and without them differ."""
    for what, column, fate in (
        ("users", files.data.user, "models that know users by their id have no answer for them"),
        ("items", files.data.item, "no model that knows items by their id can find them"),
    ):
        rows = np.flatnonzero((files.file == asked) & (column >= 0) & ~np.isin(column, column[files.file == 0]))
        if len(rows):
            n = len(np.unique(column[rows]))
            sentence = f"{files.share(rows)} are of {what} without a row in {files.paths[0]} ({n:,} in all); {fate}"
            yield Finding(NO_LEAK, n, sentence)
