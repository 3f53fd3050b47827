"""Records without the folders of the machine that ran them: older ones name a file of data by its path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

import msgspec

from benchmarks.records import Record
from benchmarks.specs.base import digest

_FOLDERS = re.compile(r"(?<![\w/.<~])~?/(?:[^/\s'\"]+/)+(?=[^/\s'\"])")
Kept = TypeVar("Kept", bound=Record)


def without_folders(records: Sequence[Kept]) -> list[Kept]:
    """The records with names in place of paths, in what they say and in what their data are called."""
    names = _short_names([record.dataset for record in records])
    return [_without_folders(record, names) for record in records]


def _short_names(datasets: Sequence[str]) -> dict[str, str]:
    """A file's name in place of its path; files of one name in several folders are told apart by a hash."""
    of_path = {name: _short(name) for name in datasets}
    several = {short for short in of_path.values() if len({n for n, s in of_path.items() if s == short}) > 1}
    return {n: f"{short} ({digest(n)[:6]})" if short in several and short != n else short
            for n, short in of_path.items()}  # fmt: skip


def _short(dataset: str) -> str:
    kind, path = ("file:", dataset[5:]) if dataset.startswith("file:") else ("", dataset)
    return kind + PurePosixPath(path).name if "/" in path and (kind or path[0] in "/~") else dataset


def _without_folders(record: Kept, names: Mapping[str, str]) -> Kept:
    dataset = record.dataset

    def short(text: str) -> str:
        return _FOLDERS.sub("", text.replace(dataset, names[dataset]) if names[dataset] != dataset else text)

    written = {
        "dataset": names[dataset],
        "reason": record.reason and short(record.reason),
        "notes": [short(note) for note in record.notes],
        "versions": {name: short(version) for name, version in record.versions.items()},
    }
    # Most stay as they are, and to make a record anew is to check it anew.
    changed = {name: value for name, value in written.items() if value != getattr(record, name)}
    return msgspec.structs.replace(record, **changed) if changed else record
