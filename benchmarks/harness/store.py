"""The records of a results folder: one JSON line a cell, written whole or not at all.

A run adds to `records.jsonl`. A folder that is published may hold `records.jsonl.gz` (`gzip -9n`) in its place, which
is read like it and never written to.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import io
import json
import os
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import collecting, records
from benchmarks.harness import files
from benchmarks.records import AnyRecord, Record
from benchmarks.records.values import MOST_LEVELS, shortened
from datasets.errors import InputError, MachineError

FILE_NAME = "records.jsonl"
COMPRESSED = f"{FILE_NAME}.gz"
MOST_BYTES = 1 << 25
"""Of one line: the largest record of a real run takes a thirtieth of it."""
NO_FOLDER = {errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
"""What the system answers where a path, and not the machine, is to blame."""


class _BreaksOffError(ValueError):
    """Bytes that are no JSON, as those of a record that was not written to its end."""


@collecting.paused()
def read(results: Path) -> list[AnyRecord]:
    """The records of a folder, the last of each cell, in the order of the file: what was recorded last comes last.

    A last line that breaks off is what a killed run leaves behind: it is not a record and is passed over. One that
    only lacks its end is whole.

    Raises:
        InputError: if there are no records, or a line is not a valid record.
    """
    path = file_of(results)
    if path is None:
        raise InputError(
            f"there are no records at {results / FILE_NAME}; run `python -m benchmarks run --results {results}` first."
        )
    latest: dict[str, AnyRecord] = {}
    for number, line in enumerate(_lines(path), 1):
        try:
            record = _parsed(line)
        except ValueError as error:
            if isinstance(error, _BreaksOffError) and not line.endswith(b"\n"):
                break
            raise InputError(
                f"{path}, line {number} is not a record of this version ({error}); "
                "move the file away, or mend or delete the line."
            ) from error
        latest.pop(record.cell, None)  # so that it stands where its last record stands
        latest[record.cell] = record
    return list(latest.values())


def file_of(results: Path) -> Path | None:
    """The file that a folder's records lie in; None where it has none.

    Raises:
        InputError: there are two.
    """
    there = [path for name in (FILE_NAME, COMPRESSED) if (path := results / name).exists()]
    if len(there) > 1:
        raise InputError(
            f"{results} holds {FILE_NAME} and {COMPRESSED}, expected one of them; move the one away that does not "
            "count."
        )
    return there[0] if there else None


def folders(folder: Path) -> list[Path]:
    """The results folders that a folder stands for: itself, or those in it where it has no records of its own."""
    inside = sorted({path.parent for name in (FILE_NAME, COMPRESSED) for path in folder.glob(f"*/{name}")})
    return [folder] if not inside or file_of(folder) is not None else inside


def _lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends, of one that is too long its beginning."""
    try:
        if not path.is_file():
            raise InputError(f"{path} is no file, expected the records of a run; move it away.")
        with gzip.open(path) if path.name == COMPRESSED else path.open("rb") as file:
            while line := file.readline(MOST_BYTES + 1):
                yield line
                if len(line) > MOST_BYTES:
                    return
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path} is no whole file of gzip ({error}); fetch or make it again.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); make it readable, or name another folder.") from (
            error
        )


def _parsed(line: bytes) -> AnyRecord:
    """The record of a line.

    Raises:
        ValueError: it is none, and why.
    """
    if len(line) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES:,} bytes")
    try:
        return _quickly_parsed(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # what is wrong is said by who looks closely
        return _closely_parsed(line)


def _quickly_parsed(line: bytes) -> AnyRecord:
    """The record of a line in which all is well, as in every line but a damaged one, several times as fast."""
    value = msgspec.json.decode(line)
    # Of a name that stands twice the last counts, and its quotation marks are gone when it is written again.
    if b"\\" in line or msgspec.json.encode(value).count(b'"') != line.count(b'"'):
        raise ValueError("it has to be looked at closely")
    return records.converted(value)


def _closely_parsed(line: bytes) -> AnyRecord:
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_object)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _BreaksOffError(shortened(str(error))) from error
    except RecursionError as error:
        raise ValueError(f"it holds more than {MOST_LEVELS} levels of objects and arrays") from error
    return records.of(value)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return made


def as_line(record: Record) -> bytes:
    """The line that a record is written as.

    Raises:
        ValueError: it does not fit, and why.
    """
    records.check(record)
    line = msgspec.json.encode(record, order="sorted") + b"\n"
    if len(line) > MOST_BYTES:
        raise ValueError(f"it takes {len(line):,} bytes, expected at most {MOST_BYTES:,}")
    return line


def append(results: Path, added: Sequence[Record]) -> None:
    """Adds records in one write, on disk when this returns.

    Raises:
        ValueError: one of them does not fit, and none is written.
        MachineError: they cannot be written; the records that were there are as they were.
    """
    append_lines(results, [as_line(record) for record in added])


def append_lines(results: Path, lines: Sequence[bytes]) -> None:
    """The same with lines that `as_line` has made."""
    path = results / FILE_NAME
    try:
        with _opened(path, os.O_RDWR | os.O_APPEND) as file:
            _add(file, b"".join(lines))
    except OSError as error:
        raise MachineError(
            f"{path} cannot be written ({error.strerror or error}), so {len(lines)} new records are not kept; make "
            "room, and give the same command again, which goes on where it stopped."
        ) from error


def _add(file: io.FileIO, lines: bytes) -> None:
    end = _whole_bytes(file)
    file.truncate(end)
    file.seek(max(0, end - 1))
    rest = memoryview(lines if end == 0 or file.read(1) == b"\n" else b"\n" + lines)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            file.truncate(end)
        raise


def _whole_bytes(file: io.FileIO) -> int:
    """Length of the file without a last line that breaks off."""
    size = start = file.seek(0, os.SEEK_END)
    while start:
        block = min(start, 1 << 16)
        file.seek(start - block)
        at = file.read(block).rfind(b"\n")
        start -= block
        if at >= 0:
            start += at + 1
            break
    file.seek(start)
    try:
        _parsed(file.read(MOST_BYTES + 1))
    except _BreaksOffError:
        return start
    except ValueError:
        return size
    return size


def restore(results: Path, recorded: Iterable[Record]) -> None:
    """Writes again those of a run's records that were taken out of the file while it was at it, and says so."""
    there = _cells(results / FILE_NAME)
    lost = [record for record in recorded if record.cell not in there]
    if lost:
        append(results, lost)
        files.say(f"{len(lost):,} of {FILE_NAME} were deleted during the run, and are written there again.")


def _cells(path: Path) -> set[str]:
    """The cells of all lines, without a look at what else stands in them."""
    found = set()
    for line in _lines(path) if path.exists() else ():
        with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):
            found.add(json.loads(line)["cell"])
    return found


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[io.FileIO]:
    """A file of a results folder, made where there is none, its content kept; never through a link, and no pipe."""
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
            raise
        raise InputError(f"{path} is a link or no file, expected one that a run has made; move it away.") from error
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"{path} is no file, expected one that a run has made; move it away.")
        yield file


@contextlib.contextmanager
def locked(results: Path) -> Iterator[None]:
    """Keeps a second run out of the folder, and tidies it up.

    The kernel lets go of the lock when the process ends, however it ends.

    Raises:
        InputError: if another run holds the folder, it cannot be made, or what should be ours in it is not.
        MachineError: if it cannot be written to.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        kind = InputError if error.errno in NO_FOLDER else MachineError
        raise kind(
            f"{results} cannot be a folder of results ({error.strerror}); name another one with --results."
        ) from error
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_opened(results / ".lock", os.O_RDWR))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another run is writing to {results}; wait for it, or give this one a folder with --results."
            ) from error
        except OSError as error:
            raise MachineError(
                f"{results} cannot be locked ({error.strerror}); give the run a folder that it may write to with "
                "--results."
            ) from error
        files.check_layout(results, FILE_NAME)
        if (results / COMPRESSED).exists():
            raise InputError(
                f"{results} has its records in {COMPRESSED}, to which a run does not add; unpack them with "
                f"`gunzip {results / COMPRESSED}`, or name another folder with --results."
            )
        files.sweep(results)
        stack.callback(files.drop_empty, results)
        yield
