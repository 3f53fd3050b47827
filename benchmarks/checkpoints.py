"""Trained parameters as plain .npz files of canonical names: what one framework wrote, any other can go on with."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.specs.base import Arrays, Parameter
from datasets.errors import InputError


def save(path: Path, parameters: Arrays) -> None:
    """Writes {canonical name: float32 array}, as an adapter's `export` gives it, whole or not at all.

    The optimizer's moments are not part of it: what goes on from a checkpoint starts them anew.
    """
    partial = path.with_suffix(".partial.npz")
    arrays: dict[str, Any] = dict(parameters)
    np.savez(partial, **arrays)
    partial.replace(path)


def load(path: Path, table: tuple[Parameter, ...]) -> dict[str, npt.NDArray[np.float32]]:
    """The parameters of a checkpoint, for any adapter's `init`.

    Args:
        path: an .npz file.
        table: the parameters that the spec has for the sizes of the data, `spec.parameters(sizes)`.

    Raises:
        InputError: if the file is no checkpoint, or is one of another model or of other data.
    """
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with file:
            found = {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no checkpoint ({error}); give an .npz file that a run has left.") from error
    described = {name: (value.dtype, value.shape) for name, value in found.items()}
    for row in table:
        given = described.pop(row.name, None)
        if given != (np.dtype(np.float32), row.shape):
            what = f"{given[0]}{list(given[1])}" if given else "missing"
            raise InputError(
                f"{path}: {row.name} is {what}, expected float32{list(row.shape)}; "
                "the checkpoint is of another model, other settings or other data."
            )
    if described:
        raise InputError(
            f"{path} holds {', '.join(sorted(described))}, which this model does not have; it is another model's."
        )
    return found
