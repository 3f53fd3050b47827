"""Writes the files of pages and keeps count of them, so that nothing is overwritten or removed that is not ours.

Each folder of pages has a manifest, `.written.json`: the SHA-256 of every file as it was written. A file that it does
not list, or whose content is another since, is somebody else's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from datasets.durable import flush
from datasets.errors import InputError, MachineError

MANIFEST = ".written.json"
_PARTIAL = ".partial-"  # before the process that writes a file, which is renamed once it is whole
_MARKS = {  # what pages began with, or had in them, before there was a manifest
    ".html": (b"<!doctype html>\n", b"Made from records alone by <code>python -m benchmarks report</code>"),
    ".md": (b"# recallbench leaderboards\n", b"**Models:**"),
    ".csv": (b"kind,model,variant,backend,mode,device,threads,dataset,protocol,seed,", b",cell\n"),
    ".parquet": (b"PAR1", b"primary_metric"),
    ".svg": (b"<svg ", b"<title"),
}
_LONGEST = 250  # characters of a page's path
_SVG_MARKS = (b'aria-labelledby="c', b'<clipPath id="round">')


@dataclass(frozen=True)
class Folder:
    """A folder of pages, and what it is to hold: relative path -> content.

    `inside` is the folder that the user named: below it no symbolic link is followed.
    """

    path: Path
    inside: Path
    files: Mapping[str, bytes]


def write(folders: list[Folder]) -> list[Path]:
    """Brings the folders up to date and returns the paths of their files and manifests.

    Everything is checked before anything is written, and every page is whole at any moment, old or new.

    Raises:
        InputError: a file would have to be written over that is not ours, or was changed since.
        MachineError: a file cannot be written.
    """
    known = [_known(folder) for folder in folders]
    for folder, of_folder in zip(folders, known, strict=True):
        _refuse_foreign(folder, of_folder)
    try:
        for folder, of_folder in zip(folders, known, strict=True):
            _bring_up_to_date(folder, of_folder)
    except OSError as error:
        raise MachineError(
            f"{error.filename} cannot be written ({error.strerror}); make room or give permission there, and run "
            "`report` again: the pages that were there are whole."
        ) from error
    return [folder.path / name for folder in folders for name in (*folder.files, MANIFEST)]


def _known(folder: Folder) -> dict[str, set[str]]:
    """Of each file that is ours the hashes that it may have; of a write that was interrupted both old and new."""
    manifest = folder.path / MANIFEST
    _refuse_links(folder, manifest)
    try:
        content = manifest.read_bytes()
    except FileNotFoundError:
        return _from_before(folder)
    try:
        parts = json.loads(content)
        listed = [parts["files"], parts.get("writing", {})]
        known: dict[str, set[str]] = {}
        for name, value in (pair for part in listed for pair in part.items()):
            known.setdefault(_inside(name), set()).add(str(value))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{manifest} is no list of the pages that were written; move it away, and what of the pages is not to be "
            "written over."
        ) from error
    return known


def _inside(name: str) -> str:
    """The name of a page, as it stands in a manifest; those of other files, however they came there, are nobody's."""
    is_path = name.isprintable() and not Path(name).is_absolute() and os.path.normpath(name) == name
    if not is_path or name.startswith("..") or len(name) > _LONGEST or Path(name).suffix not in _MARKS:
        raise ValueError(name)
    return name


def _from_before(folder: Folder) -> dict[str, set[str]]:
    """What was written before there were manifests: files of our names that say that they are ours."""
    places = [*folder.files, *(found.relative_to(folder.path).as_posix() for pattern in
              ("*.html", "charts/*.svg", "badges/*.svg") for found in folder.path.glob(pattern))]  # fmt: skip
    return {
        name: {_hash(content)} for name in places if (content := _content(folder, name)) and _is_marked(name, content)
    }


def _is_marked(name: str, content: bytes) -> bool:
    beginning, inside = _MARKS[Path(name).suffix]
    marked = content.startswith(beginning) and inside in content
    return marked and (not name.endswith(".svg") or any(mark in content[:2000] for mark in _SVG_MARKS))


def _refuse_foreign(folder: Folder, known: Mapping[str, set[str]]) -> None:
    for name, content in folder.files.items():
        path = folder.path / name
        _refuse_links(folder, path)
        found = _content(folder, name)
        if found is None or found == content or _hash(found) in known.get(name, ()):
            continue
        what = "was changed since it was written" if name in known else "was not written by `report`"
        raise InputError(f"{path} {what} and would be written over; move it away, or report to another folder.")


def _refuse_links(folder: Folder, path: Path) -> None:
    """A way out of the folder that was named, or a place where no file can be."""
    steps = path.relative_to(folder.inside).parts
    for n in range(1, len(steps) + 1):
        step = folder.inside.joinpath(*steps[:n])
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            mode = os.lstat(step).st_mode
            if stat.S_ISLNK(mode):
                raise InputError(f"{step} is a symbolic link, and pages are not written through one; move it away.")
            if n < len(steps) and not stat.S_ISDIR(mode):
                raise InputError(f"{step} is a file, and a folder of pages has to be there; move it away.")
            if n == len(steps) and not stat.S_ISREG(mode):
                raise InputError(f"{step} is no regular file, and a page has to be there; move it away.")


def _is_ours(name: str, content: bytes, known: Mapping[str, set[str]]) -> bool:
    """Whether a file is to be removed: one that a manifest names, which anybody may edit, and that itself says so."""
    return _hash(content) in known[name] and _is_marked(name, content)


def _content(folder: Folder, name: str) -> bytes | None:
    """Of a file in the folder itself: what a link leads to is nobody's page."""
    path = folder.path / name
    try:
        if any((folder.path / above).is_symlink() for above in Path(name).parents if above.name):
            return None
        return path.read_bytes() if stat.S_ISREG(os.lstat(path).st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _bring_up_to_date(folder: Folder, known: Mapping[str, set[str]]) -> None:
    wanted = {name: _hash(content) for name, content in sorted(folder.files.items())}
    there = {name: found for name in {*known, *wanted} if (found := _content(folder, name)) is not None}
    changed = {name: content for name, content in folder.files.items() if there.get(name) != content}
    stale = [name for name in known if name not in wanted and name in there and _is_ours(name, there[name], known)]
    old = {name: _hash(there[name]) for name in sorted(known) if name in there and _hash(there[name]) in known[name]}
    _remove_partial(folder, {*known, *wanted})
    if changed or stale:
        # Were it killed from here on, the next one would know both what there was and what there was to be.
        _replace(folder.path, {MANIFEST: _manifest({"files": old, "writing": wanted})})
    _replace(folder.path, changed)
    for name in stale:
        (folder.path / name).unlink()
    if _content(folder, MANIFEST) != (manifest := _manifest({"files": wanted})):
        _replace(folder.path, {MANIFEST: manifest})


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """All files, or on a full disk none, are replaced by what has first been written beside them and flushed."""
    partial: dict[Path, Path] = {}
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            partial[path] = path.with_name(f".{path.name}{_PARTIAL}{os.getpid()}")
            partial[path].unlink(missing_ok=True)
            with partial[path].open("xb") as file:  # a new file, and nothing that a link leads to
                file.write(content)
        # Flushed one after the other once all are written, most have long been on their way.
        for one in partial.values():
            flush(one)
        for path, one in partial.items():
            one.replace(path)
    finally:
        for one in partial.values():
            one.unlink(missing_ok=True)


def _remove_partial(folder: Folder, names: set[str]) -> None:
    """What a killed process left beside its pages."""
    for parent in {(folder.path / name).parent for name in names} | {folder.path}:
        if parent != folder.path and parent.is_symlink():
            continue
        for found in parent.glob(f".*{_PARTIAL}*"):
            of, _, pid = found.name[1:].partition(_PARTIAL)
            page = (parent / of).relative_to(folder.path).as_posix()
            if (page in names or of == MANIFEST) and pid.isdigit() and not psutil.pid_exists(int(pid)):
                found.unlink(missing_ok=True)


def _manifest(parts: Mapping[str, Mapping[str, str]]) -> bytes:
    what = {"about": "the pages that `python -m benchmarks report` wrote here, with their SHA-256"}
    return (json.dumps(what | dict(parts), indent=1) + "\n").encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
