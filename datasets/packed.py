"""The bytes of a file as they were before it was compressed; how it was is told by its content, not by its name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from datasets.boundary import parsing, unreadable
from datasets.errors import InputError

CHUNK_BYTES = 2**20
FREE_BYTES = 2**30  # that any file may unpack to
LARGEST_RATIO = 40  # beyond that: tables of interactions shrink to a quarter or a tenth, bombs to a thousandth

PACKINGS: dict[str, tuple[bytes, Any]] = {
    "gzip": (rb"\x1f\x8b\x08", gzip.open),
    "bzip2": (rb"BZh[1-9]1AY&SY", bz2.open),
    "xz": (rb"\xfd7zXZ\x00", lzma.open),
    "zstd": (rb"\x28\xb5\x2f\xfd", lambda path: pa.input_stream(str(path), compression="zstd")),
}


def packing(start: bytes) -> str | None:
    """The name in `PACKINGS` of how a file with these first bytes is compressed; None where it is not."""
    return next((name for name, (magic, _) in PACKINGS.items() if re.match(magic, start)), None)


def read(path: Path) -> bytes:
    """A file's bytes, unpacked if it is compressed with gzip, bzip2, xz or zstd.

    Raises:
        InputError: it is damaged, another kind of archive, or unpacks to more than `limit`.
        MachineError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
            if start.startswith(b"PK\x03\x04"):
                raise InputError(f"{path} is a zip archive or a workbook: unpack it, or save its sheet as CSV")
            name = packing(start)
            if name is None:
                return start + file.read()
    except OSError as error:
        raise unreadable(path, error) from error
    chunks: list[bytes] = []
    size, largest = 0, limit(path)
    with (
        parsing(f"{path} is not a whole {name} file", "compress it again, or give the file itself"),
        PACKINGS[name][1](path) as stream,
    ):
        while chunk := stream.read(CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > largest:
                raise InputError(too_large(path))
        return b"".join(chunks)


def limit(path: Path) -> int:
    """How many bytes a file may unpack to."""
    return max(FREE_BYTES, LARGEST_RATIO * path.stat().st_size)


def too_large(path: Path) -> str:
    """The sentence for a file that would unpack to more."""
    return f"{path} unpacks to more than {limit(path):,} bytes: if that is right, give the unpacked file"
