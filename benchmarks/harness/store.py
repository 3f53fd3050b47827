"""The records of a results folder: one JSON line a cell, written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema

from datasets.errors import InputError

Record: TypeAlias = dict[str, Any]

SCHEMA_VERSION = 1
FILE_NAME = "records.jsonl"


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(Path(__file__).with_name("record.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)


def read(results: Path) -> list[Record]:
    """The records of a folder, the last of each cell, in the order of the file.

    A last line without its end is what a killed run leaves behind: it is not a record and is passed over.

    Raises:
        InputError: if there are no records, or a line is not a valid record.
    """
    path = results / FILE_NAME
    if not path.exists():
        raise InputError(f"there are no records at {path}; run `python -m benchmarks run --results {results}` first.")
    latest: dict[str, Record] = {}
    for number, line in enumerate(_whole_lines(path.read_bytes()), 1):
        try:
            record = json.loads(line, parse_constant=_refuse)
            check(record)
        except (ValueError, jsonschema.ValidationError) as error:
            reason = error.message if isinstance(error, jsonschema.ValidationError) else str(error)
            raise InputError(
                f"{path}, line {number} is not a record of this version ({reason}); "
                "move the file away, or mend or delete the line."
            ) from error
        latest.pop(record["cell"], None)  # so that it stands where its last record stands
        latest[record["cell"]] = record
    return list(latest.values())


def folders(folder: Path) -> list[Path]:
    """The results folders that a folder stands for: itself, or those in it where it has no records of its own."""
    inside = sorted(path.parent for path in folder.glob(f"*/{FILE_NAME}"))
    return [folder] if (folder / FILE_NAME).exists() or not inside else inside


def check(record: Record) -> None:
    """Holds a record against the JSON schema beside this file.

    Raises:
        jsonschema.ValidationError: naming the first field that does not fit.
    """
    error = jsonschema.exceptions.best_match(_validator().iter_errors(record))
    if error is not None:
        raise error


def append(results: Path, records: Sequence[Record]) -> None:
    """Adds records in one write, on disk when this returns."""
    for record in records:
        check(record)
    lines = "".join(json.dumps(record, sort_keys=True, allow_nan=False) + "\n" for record in records)
    path = results / FILE_NAME
    with path.open("ab") as file:
        torn = _torn_bytes(path)
        if torn:
            file.truncate(path.stat().st_size - torn)
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def locked(results: Path) -> Iterator[None]:
    """Keeps a second run out of the folder; the kernel lets go of the lock when the process ends, however it ends.

    Raises:
        InputError: if another run holds the folder, or it cannot be made.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{results} cannot be a folder of results ({error.strerror}); name another one with --results."
        ) from error
    with (results / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"another run is writing to {results}; wait for it, or give this one a folder with --results."
            ) from error
        yield


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _whole_lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")[:-1]


def _torn_bytes(path: Path) -> int:
    return len(path.read_bytes().rpartition(b"\n")[2])
