"""The records of a results folder: one JSON line a cell, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import io
import json
import math
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema

from benchmarks.harness import files
from datasets.errors import InputError, MachineError

Record: TypeAlias = dict[str, Any]

SCHEMA_VERSION = 1
FILE_NAME = "records.jsonl"
MOST_BYTES = 1 << 25
"""Of one line: the largest record of a real run takes a thirtieth of it."""
MOST_LEVELS = 16
"""Of objects and arrays inside each other."""
WIDEST = 2**63 - 1
"""No whole number is larger: tables hold them in 64 bits."""
NO_FOLDER = {errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
"""What the system answers where a path, and not the machine, is to blame."""
LONGEST_TEXT = 300
"""Characters of a sentence on what is wrong, and of what stands for a value that cannot be recorded."""


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(Path(__file__).with_name("record.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)


class _BreaksOffError(ValueError):
    """Bytes that are no JSON, as those of a record that was not written to its end."""


def read(results: Path) -> list[Record]:
    """The records of a folder, the last of each cell, in the order of the file: what was recorded last comes last.

    A last line that breaks off is what a killed run leaves behind: it is not a record and is passed over. One that
    only lacks its end is whole.

    Raises:
        InputError: if there are no records, or a line is not a valid record.
    """
    path = results / FILE_NAME
    if not path.exists():
        raise InputError(f"there are no records at {path}; run `python -m benchmarks run --results {results}` first.")
    latest: dict[str, Record] = {}
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
        latest.pop(record["cell"], None)  # so that it stands where its last record stands
        latest[record["cell"]] = record
    return list(latest.values())


def _lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends, of one that is too long its beginning."""
    try:
        if not path.is_file():
            raise InputError(f"{path} is no file, expected the records of a run; move it away.")
        with path.open("rb") as file:
            while line := file.readline(MOST_BYTES + 1):
                yield line
                if len(line) > MOST_BYTES:
                    return
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); make it readable, or name another folder.") from (
            error
        )


def _parsed(line: bytes) -> Record:
    """The record of a line.

    Raises:
        ValueError: it is none, and why.
    """
    if len(line) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES:,} bytes")
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_object)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _BreaksOffError(_shortened(str(error))) from error
    except RecursionError as error:
        raise ValueError(f"it holds more than {MOST_LEVELS} levels of objects and arrays") from error
    check(record)
    return record


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return made


def folders(folder: Path) -> list[Path]:
    """The results folders that a folder stands for: itself, or those in it where it has no records of its own."""
    inside = sorted(path.parent for path in folder.glob(f"*/{FILE_NAME}"))
    return [folder] if (folder / FILE_NAME).exists() or not inside else inside


def check(record: Record) -> None:
    """Holds a record against the JSON schema beside this file, and against what JSON and tables can hold.

    Raises:
        ValueError: naming a field that does not fit, its value and what was expected.
    """
    odd = _odd(record)
    if odd is not None:
        raise ValueError(odd)
    error = jsonschema.exceptions.best_match(_validator().iter_errors(record))
    if error is not None:
        where = ".".join(map(str, error.absolute_path))
        raise ValueError(_shortened(f"{where}: {error.message}" if where else error.message))


def _odd(value: Any, where: str = "", level: int = 0) -> str | None:
    """What in a value JSON, or a table, cannot hold; None where all fits."""
    if not isinstance(value, dict | list | tuple):
        odd = _odd_single(value)
        return odd and f"{where} {odd}"
    if level == MOST_LEVELS:
        return f"{where} is deeper than {MOST_LEVELS} levels of objects and arrays"
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str) or not _is_text(name):
                return f"{where} has the name {_shortened(ascii(name))}, expected text"
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found = (_odd(inner, f"{where}.{name}" if where else str(name), level + 1) for name, inner in inside)
    return next((odd for odd in found if odd is not None), None)


def _odd_single(value: Any) -> str | None:
    if isinstance(value, str):
        return None if _is_text(value) else "holds half a character, expected text"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"is {value}, expected a finite number"
    if isinstance(value, int):
        return None if -WIDEST <= value <= WIDEST else f"is {_bits(value)}, expected one of 64 bits"
    return None if value is None else f"is a {type(value).__name__}, expected what JSON can hold"


def _is_text(value: str) -> bool:
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _bits(number: int) -> str:
    return f"a number of {number.bit_length()} bits"


def _shortened(text: str) -> str:
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]} … {text[-half:]}"


def plain(value: Any, level: int = 0) -> Any:
    """A value with text in place of whatever a record cannot hold, so that a refusal can at least be recorded."""
    if isinstance(value, dict | list | tuple) and level == MOST_LEVELS:
        return "…"
    if isinstance(value, dict):
        return {plain(str(name)): plain(inner, level + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, level + 1) for inner in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, int) and not -WIDEST <= value <= WIDEST:
        return _bits(value)
    return value if _odd_single(value) is None else str(value)


def recordable(record: Record) -> Record:
    """A failed cell's record with what cannot be recorded of the cell itself put in words, or in the nearest number."""
    made: Record = plain(record)
    made["seed"] = min(max(0, record["seed"]), WIDEST)
    if record["index"] is not None:
        for part in ("build", "query"):
            given = made["index"][part]
            made["index"][part] = {n: v if type(v) in (int, float, str) else str(v) for n, v in given.items()}
    return made


def as_line(record: Record) -> bytes:
    """The line that a record is written as.

    Raises:
        ValueError: it does not fit, and why.
    """
    check(record)
    line = json.dumps(record, sort_keys=True, allow_nan=False).encode() + b"\n"
    if len(line) > MOST_BYTES:
        raise ValueError(f"it takes {len(line):,} bytes, expected at most {MOST_BYTES:,}")
    return line


def append(results: Path, records: Sequence[Record]) -> None:
    """Adds records in one write, on disk when this returns.

    Raises:
        ValueError: one of them does not fit, and none is written.
        MachineError: they cannot be written; the records that were there are as they were.
    """
    append_lines(results, [as_line(record) for record in records])


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


def restore(results: Path, records: Iterable[Record]) -> None:
    """Writes again those of a run's records that were taken out of the file while it was at it, and says so."""
    there = _cells(results / FILE_NAME)
    lost = [record for record in records if record["cell"] not in there]
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
        files.sweep(results)
        stack.callback(files.drop_empty, results)
        yield
