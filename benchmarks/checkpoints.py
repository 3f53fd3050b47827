"""Trained parameters as plain .npz files of canonical names: what one framework wrote, any other can go on with."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from benchmarks.specs.base import Arrays, Parameter
from datasets import durable
from datasets.errors import InputError

Floats = npt.NDArray[np.float32]

MOST_HEADER_BYTES = 10_000
"""Of the text in which an .npy file says what it holds; NumPy's own bound."""
READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def save(path: Path, parameters: Arrays) -> None:
    """Writes {canonical name: float32 array}, as an adapter's `export` gives it, whole or not at all.

    What is of the data (`Parameter.is_data`) may be left out.

    The optimizer's moments are not part of it: what goes on from a checkpoint starts them anew.
    """
    partial = path.with_suffix(".partial.npz")
    arrays: dict[str, Any] = dict(parameters)
    try:
        np.savez(partial, **arrays)
        durable.flush(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, table: tuple[Parameter, ...]) -> dict[str, npt.NDArray[Any]]:
    """The parameters of a checkpoint, for any adapter's `init`.

    Nothing is read before it is known to be what the table expects, so no file takes more memory than that.

    Args:
        path: an .npz file.
        table: the parameters that the spec has for the sizes of the data, `spec.parameters(sizes)`.

    Raises:
        InputError: if the file is no checkpoint, or is one of another model or of other data.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            _refuse_strangers(path, archive, members, table)
            return {row.name: _taken(archive, members, row) for row in table}
    except InputError:
        raise
    except Exception as error:  # a damaged archive fails in more ways than the libraries name
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path} is no checkpoint ({reason}); give an .npz file that a run has left.") from error


def _taken(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], row: Parameter) -> npt.NDArray[Any]:
    """What is of the data comes with the table, whether the file holds it or not."""
    if row.is_data and row.values is not None:
        return row.values.copy()
    return _read(archive, members[row.name], row)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name == member.filename or name in members:
            raise ValueError(f"{member.filename[:80]!a} is no array, or stands in it twice")
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or member.flag_bits & 1:
            raise ValueError(f"{name} is encrypted or packed in a way that NumPy does not write")
        members[name] = member
    return members


def _refuse_strangers(
    path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], table: tuple[Parameter, ...]
) -> None:
    for row in (row for row in table if not row.is_data):
        what = "missing"
        if row.name in members:
            with archive.open(members[row.name]) as file:
                shape, _, dtype, _ = _header(file, row.name)
            if (dtype, shape) == (np.dtype(np.float32), row.shape):
                continue
            what = f"{dtype}{list(shape)}"[:200]
        raise InputError(
            f"{path}: {row.name} is {what}, expected float32{list(row.shape)}; "
            "the checkpoint is of another model, other settings or other data."
        )
    others = sorted(ascii(name)[1:-1] for name in set(members) - {row.name for row in table})
    if others:
        named = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        raise InputError(f"{path} holds {named[:400]}, which this model does not have; it is another model's.")


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns come first, dtype, and the place of the first value of an .npy file."""
    start = io.BytesIO(file.read(MOST_HEADER_BYTES))  # a header may say that it is as long as it likes
    version = np.lib.format.read_magic(start)
    if version not in READ_HEADER:
        raise ValueError(f"{name} is written in version {version} of the .npy format, expected 1.0 or 2.0")
    shape, columns_first, dtype = READ_HEADER[version](start, max_header_size=MOST_HEADER_BYTES)
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    return shape, columns_first, dtype, start.tell()


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, row: Parameter) -> Floats:
    """The array of a member whose header fits; at its end the archive's own checksum is compared."""
    with archive.open(member) as file:
        shape, columns_first, dtype, start = _header(file, row.name)
    with archive.open(member) as file:
        file.read(start)
        n_bytes = math.prod(shape) * dtype.itemsize
        content = file.read(n_bytes)
        if len(content) != n_bytes or file.read(1):
            raise ValueError(f"{row.name} has not the length that it says")
    values = np.frombuffer(bytearray(content), dtype)
    return values.reshape(shape, order="F" if columns_first else "C")
