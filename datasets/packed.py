"""The bytes of a file as they were before it was compressed; how it was is told by its content, not by its name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from datasets.boundary import parsing, unreadable
from datasets.errors import InputError

CHUNK_BYTES = 2**20
READ_BYTES = 2**16  # at a time, of what is compressed
FREE_BYTES = 2**30  # that any file may unpack to
LARGEST_RATIO = 40  # beyond that: tables of interactions shrink to a quarter or a tenth, bombs to a thousandth


def _pieces(path: Path, stream: Callable[[Path], Any]) -> Iterator[bytes]:
    """A file unpacked piece by piece, by a stream that reads on where one compressed part follows another."""
    with stream(path) as file:
        yield from iter(partial(file.read, CHUNK_BYTES), b"")


def _all_pieces(path: Path, begin: Callable[[], Any]) -> Iterator[bytes]:
    """The same, one decompressor a part: the standard library's streams pass over all that follows a damaged part."""
    part = begin()
    with path.open("rb") as file:
        while content := file.read(READ_BYTES):
            while content:
                if part.eof:
                    content = content.lstrip(b"\0")  # parts may be padded
                    if not content:
                        break
                    part = begin()
                yield part.decompress(content, CHUNK_BYTES)
                while not (part.eof or part.needs_input):
                    yield part.decompress(b"", CHUNK_BYTES)
                content = part.unused_data
    if not part.eof:
        raise EOFError("it ends in the middle")


PACKINGS: dict[str, tuple[bytes, Callable[[Path], Iterator[bytes]]]] = {
    "gzip": (rb"\x1f\x8b\x08", partial(_pieces, stream=gzip.open)),
    "bzip2": (rb"BZh[1-9]1AY&SY", partial(_all_pieces, begin=bz2.BZ2Decompressor)),
    "xz": (rb"\xfd7zXZ\x00", partial(_all_pieces, begin=partial(lzma.LZMADecompressor, lzma.FORMAT_XZ))),
    "zstd": (
        rb"\x28\xb5\x2f\xfd",
        partial(_pieces, stream=lambda path: pa.input_stream(str(path), compression="zstd")),
    ),
}


def packing(start: bytes) -> str | None:
    """The name in `PACKINGS` of how a file with these first bytes is compressed; None where it is not."""
    return next((name for name, (magic, _) in PACKINGS.items() if re.match(magic, start)), None)


def read(path: Path) -> bytes:
    """A file's bytes, unpacked if it is compressed with gzip, bzip2, xz or zstd; errors are those of `pieces`."""
    if _packing_of(path) is not None:
        return b"".join(pieces(path))
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def pieces(path: Path) -> Iterator[bytes]:
    """The same, piece by piece.

    Raises:
        InputError: it is damaged, another kind of archive, or unpacks to more than `limit`.
        MachineError: it cannot be read.
    """
    name = _packing_of(path)
    if name is None:
        try:
            yield from _pieces(path, lambda path: path.open("rb"))
        except OSError as error:
            raise unreadable(path, error) from error
        return
    size, largest = 0, limit(path)
    with parsing(f"{path} is not a whole {name} file", "compress it again, or give the file itself"):
        for chunk in PACKINGS[name][1](path):
            size += len(chunk)
            if size > largest:
                raise InputError(too_large(path))
            yield chunk


def _packing_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise unreadable(path, error) from error
    if start.startswith(b"PK\x03\x04"):
        raise InputError(f"{path} is a zip archive or a workbook: unpack it, or save its sheet as CSV")
    return packing(start)


def limit(path: Path) -> int:
    """How many bytes a file may unpack to."""
    return max(FREE_BYTES, LARGEST_RATIO * path.stat().st_size)


def too_large(path: Path) -> str:
    """The sentence for a file that would unpack to more."""
    return f"{path} unpacks to more than {limit(path):,} bytes: if that is right, give the unpacked file"
