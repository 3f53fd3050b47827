"""The files of a results folder: they are what their hashes say, and no others are touched.

A folder of files that a later step reads is filled under a partial name, sealed with a manifest of its files' hashes,
and given its name when all of it is on the disk. Whoever reads it asks first whether it still is what it was sealed as.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from datasets.durable import flush
from datasets.errors import InputError, MachineError

MANIFEST = "manifest.json"
"""Beside the files: {"of": name of the folder, "files": {name: [bytes, SHA-256 in hex]}}, of every one but itself.

A folder that was sealed under another name holds what belongs to another key, however whole it is.
"""
FOLDERS = ("splits", "vectors", "checkpoints", "work", "logs", "mutants")
"""What a run makes in its results folder, beside its records."""
KEY = re.compile(r"[0-9a-f]{16}")
NAME = re.compile(r"\w[\w.-]*", re.ASCII)
"""Of a file that a run writes."""
PARTIAL = re.compile(r"[0-9a-f]{16}\.partial-[0-9]+")
MOST_MANIFEST_BYTES = 1 << 20
LONGEST_TEMPORARY = 70
"""Characters of a temporary folder's path: sockets that libraries make in it have paths of at most 107."""
SETTLED_NS = 50_000_000
"""A file that was touched less than so long ago may change again without its times showing it."""

_Stamps = tuple[tuple[object, ...], ...]
_verified: dict[Path, _Stamps] = {}


def say(sentence: str) -> None:
    """Tells whoever started the run of something that was not as it should be, quiet or not."""
    sys.stderr.write(f"note: {sentence}\n")
    sys.stderr.flush()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex: with processors that have it in hardware the fastest of the library's own."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fault(folder: Path) -> str | None:
    """What of a sealed folder is not as it was sealed, as a clause; None where all is.

    Files are read once a process; as long as their inodes, sizes and times stay, they are taken to be the same.
    """
    try:
        stamps = _stamps(folder)
        if _verified.get(folder) == stamps:
            return None
        newest = max((int(str(stamp[-1])) for stamp in stamps), default=0)
        settled = time.time_ns() - newest > SETTLED_NS
        found = _fault(folder)
    except OSError as error:
        return f"{error.filename or folder} cannot be read ({error.strerror or error})"
    if found is None and settled:
        _verified[folder] = stamps
    return found


def _fault(folder: Path) -> str | None:
    sealed = _manifest(folder)
    if sealed is None:
        return f"it has no {MANIFEST}" if not (folder / MANIFEST).exists() else f"its {MANIFEST} is damaged"
    of, manifest = sealed
    if of != folder.name:
        return f"it is {of} under another name"
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    for name in sorted(there ^ set(manifest)):
        return f"{name} is missing" if name in manifest else f"{name} does not belong there"
    for name, described in manifest.items():
        path = folder / name
        if not stat.S_ISREG(path.lstat().st_mode):
            return f"{name} is no file"
        if [path.stat().st_size, hash_file(path)] != described:
            return f"{name} has changed"
    return None


def seal(folder: Path) -> str | None:
    """What tells the files of a sealed folder from any others: 16 hex digits, the same for the same files."""
    try:
        return hash_file(folder / MANIFEST)[:16]
    except OSError:
        return None


def sizes(folder: Path) -> dict[str, int] | None:
    """Bytes of each file of a sealed folder, by its manifest; None where that is damaged."""
    sealed = _manifest(folder)
    return None if sealed is None else {name: int(described[0]) for name, described in sealed[1].items()}


def _manifest(folder: Path) -> tuple[str, dict[str, Any]] | None:
    """The name that a folder was sealed under, and what its files were then."""
    path = folder / MANIFEST
    try:
        if not stat.S_ISREG(path.lstat().st_mode) or path.stat().st_size > MOST_MANIFEST_BYTES:
            return None
        manifest = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    match manifest:
        case {"of": str(of), "files": dict(listed)} if KEY.fullmatch(of) and all(map(NAME.fullmatch, listed)):
            return of, listed
    return None


def _stamps(folder: Path) -> _Stamps:
    """What changes when a file is written to, replaced, added or removed, the time of the last change last."""
    return tuple(
        (path.name, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        for path in sorted(folder.iterdir())
        for found in [path.lstat()]
    )


def fill(folder: Path, write: Callable[[Path], None]) -> None:
    """Puts a sealed folder in the place of whatever has its name: all of it, on the disk, or nothing.

    Args:
        folder: where it is to be.
        write: is given the path of a folder that does not exist yet, makes it and puts the files in.

    Raises:
        MachineError: it cannot be written; what was there before is as it was.
    """
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    remove(partial)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        _seal(partial, folder.name)
        _make_way(folder, {path.name for path in partial.iterdir()})
        partial.rename(folder)
        flush(folder.parent)
    except OSError as error:
        raise MachineError(
            f"{folder} cannot be written ({error.strerror or error}); make room, or name another folder with --results."
        ) from error
    finally:
        remove(partial)


def _seal(folder: Path, of: str) -> None:
    manifest = {}
    for path in sorted(folder.iterdir()):
        flush(path)
        manifest[path.name] = [path.stat().st_size, hash_file(path)]
    (folder / MANIFEST).write_text(json.dumps({"of": of, "files": manifest}, indent=0), encoding="utf-8")
    flush(folder / MANIFEST)
    flush(folder)


def _make_way(folder: Path, names: set[str]) -> None:
    """Takes an older folder away, files that we did not write excepted: those are set aside, and that is said."""
    if not folder.is_symlink() and not folder.exists():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise InputError(f"{folder} is no folder of ours, expected one that a run has made; move it away.")
    for name in names:  # and nothing that only a manifest calls ours: anybody may have written that
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            (folder / name).unlink()
    try:
        folder.rmdir()
    except OSError:
        n = 1
        while (aside := folder.with_name(f"{folder.name}.not-ours-{n}")).exists():
            n += 1
        folder.rename(aside)
        say(f"files in {folder} that no run had written are now in {aside}.")


def reserve(path: Path) -> None:
    """Takes up the space of a sparse file: written to through memory on a full disk, it would end the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def remove(folder: Path) -> None:
    """Deletes a folder that a run made for itself; a link is left alone, with what it points to."""
    if folder.is_symlink():
        return
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # a worker may have put a file in its place
        folder.unlink()


def temporary(work: Path) -> Path:
    """Where the worker of a work folder has its temporary files: in it, or, where that path would be too long, outside.

    Both can be found again from the work folder alone, so that what a killed run has left is swept.
    """
    inside = work / "tmp"
    if len(str(inside)) <= LONGEST_TEMPORARY:
        return inside
    return Path(tempfile.gettempdir()) / f"recallbench-{hashlib.sha256(os.fsencode(work)).hexdigest()[:16]}"


def check_layout(results: Path, records: str) -> None:
    """Holds that what a run writes into stands in the results folder itself, so that nobody else's is written to.

    Raises:
        InputError: one of its folders or its records is a link, or no folder and no file.
    """
    for name, is_one, expected in (
        *((name, stat.S_ISDIR, "a folder") for name in FOLDERS),
        (records, stat.S_ISREG, "a file"),
    ):
        path = results / name
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if not is_one(mode):
            what = "a symbolic link" if stat.S_ISLNK(mode) else "something else"
            raise InputError(
                f"{path} is {what}, expected {expected} that a run has made; move it away, or name another folder "
                "with --results."
            )


def sweep(results: Path) -> None:
    """Deletes what killed runs have left behind; whoever calls holds the folder's lock, so nobody is at work there."""
    for name in ("splits", "vectors"):
        for path in _inside(results / name):
            if PARTIAL.fullmatch(path.name):
                remove(path)
    for path in _inside(results / "checkpoints"):
        if PARTIAL.fullmatch(path.name) and not path.is_dir():
            path.unlink()
    for path in _inside(results / "work"):
        if KEY.fullmatch(path.name):
            remove(temporary(path.resolve()))
            remove(path)
    drop_empty(results)


def drop_empty(results: Path) -> None:
    """Deletes those of a run's folders that hold nothing."""
    for name in FOLDERS:
        with contextlib.suppress(OSError):
            (results / name).rmdir()


def _inside(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        yield from list(folder.iterdir())


def append_line(path: Path, line: bytes) -> None:
    """Adds a line to a file; after one that breaks off it begins a new one."""
    with path.open("ab+") as file:
        torn = file.tell() > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
        file.write(b"\n" * torn + line + b"\n")
