"""A Parquet cache of parsed data sets, found again by the content of the file they came from."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from datasets import durable
from datasets.boundary import expanded, reason, regular, unreadable
from datasets.errors import InputError, MachineError
from datasets.hashing import ARRAYS, FEATURES, arrays_of, content_hash
from datasets.interactions import Interactions

FACTS = "facts"  # the column for what is no array
LAYOUT = 3  # of the Parquet file; raising it makes every older cache file invisible


def folder() -> Path:
    """The folder for caches, downloads and markers: `RECALLBENCH_CACHE`, else the user's cache folder.

    Raises:
        InputError: `RECALLBENCH_CACHE` begins with a `~` that stands for nobody's home.
    """
    chosen = os.environ.get("RECALLBENCH_CACHE")
    if chosen:
        return expanded(Path(chosen))
    import platformdirs

    return Path(platformdirs.user_cache_dir("recallbench"))


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes.

    Hashed anew on every load: 25 MB take 20 to 100 ms, less than any bookkeeping about unchanged
    files is worth.

    Raises:
        InputError: if the file is missing, or is a folder, a pipe or a device.
        MachineError: if it may not be read.
    """
    regular(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def remember(source: Path, loader: str, build: Callable[[Path, str], Interactions]) -> Interactions:
    """The data set in `source`, from the cache where it is there, else built and cached.

    A cache file that is damaged is built anew, and one that cannot be written only costs time. What is built is held
    to the source's hash once more when it is done, so that nothing is cached, or returned, under another's hash.

    Args:
        source: the file that is read.
        loader: name and version of the code that reads it, such as "file-1".
        build: reads the file; given its path and SHA-256.

    Raises:
        InputError: if the source is missing, or changed while it was read; or whatever `build` raises.
        MachineError: if the source may not be read, or memory runs out; or whatever `build` raises.
    """
    before = _state(source)
    path = folder() / "interactions" / f"{loader}-layout{LAYOUT}-{before.sha256}.parquet"
    durable.sweep(path.parent)
    cached = _read(path)
    if cached is not None:
        return cached
    try:
        built = build(source, before.sha256)
    except InputError as error:
        _require_unchanged(source, before, error)  # else what it complains of may never have stood there
        raise
    except MemoryError as error:
        raise MachineError(f"memory ran out while {source} was read: free some, or give a smaller file") from error
    except OSError as error:
        raise unreadable(source, error) from error
    _require_unchanged(source, before)
    try:
        _write(path, built)
    except (OSError, MemoryError) as error:
        warnings.warn(f"{built.name} is not cached: {reason(error)}; set RECALLBENCH_CACHE to a folder", stacklevel=2)
    return built


class _State(NamedTuple):
    """What a file is at a moment: the bytes, and the marks that change with every writing."""

    sha256: str
    marks: tuple[int, ...]


def _state(path: Path) -> _State:
    status = regular(path)
    marks = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return _State(sha256_of(path), marks)


def _require_unchanged(source: Path, before: _State, cause: Exception | None = None) -> None:
    if _state(source) != before:
        raise InputError(
            f"{source} changed while it was read, and nothing of it is kept: try again when nobody writes to it"
        ) from cause


def _write(path: Path, data: Interactions) -> None:
    """One row, one list column an array: arrays of different lengths in one file that is replaced as a whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: _list(array) for name, array in arrays_of(data).items()}
    facts = json.dumps(
        {
            "source": path.stem,
            "name": data.name,
            "content_hash": data.content_hash,
            "notes": data.notes,
            "item_feature_names": dict(data.item_feature_names),
        }
    )
    # The facts are a column too: Parquet checksums its pages, but not its metadata.
    table = pa.table(columns | {FACTS: pa.array([facts])})
    with durable.replacing(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd", write_page_checksum=True)


def _read(path: Path) -> Interactions | None:
    """What `_write` wrote; None where the file is missing, damaged or another's under this name."""
    import pyarrow.parquet as pq

    try:
        regular(path)  # a pipe would be waited for
        # One file, read whole: `ParquetFile` skips the data set machinery that costs more than the reading.
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)
        facts = json.loads(table[FACTS][0].as_py())
        arrays = {name: _values(table[name]) for name in table.column_names if name != FACTS}
        features: dict[str, dict[str, npt.NDArray[np.int32]]] = {kind: {} for kind in FEATURES}
        for column in set(arrays) - set(ARRAYS):
            kind, name = column.split("/", 1)
            features[kind][name] = arrays.pop(column)
        fields: dict[str, Any] = {name: arrays.get(name) for name in ARRAYS} | features
        data = Interactions(
            name=facts["name"],
            content_hash=facts["content_hash"],
            notes=tuple(facts["notes"]),
            item_feature_names={name: tuple(names) for name, names in facts["item_feature_names"].items()},
            **fields,
        )
        is_it = facts["source"] == path.stem and content_hash(data) == data.content_hash
        return data if is_it else None
    except Exception:  # a flipped bit can end in any error, and all of them mean the same: build it anew
        return None


def _list(array: npt.NDArray[Any]) -> Any:
    """An array as the one list of a one-row column."""
    import pyarrow as pa

    values = pa.array(array.tolist(), pa.string()) if array.dtype.kind == "U" else pa.array(array)
    return pa.ListArray.from_arrays(pa.array([0, len(array)], pa.int32()), values)


def _values(column: Any) -> npt.NDArray[Any]:
    """The list in a one-row column as an array that may be written to, as a freshly built one may."""
    import pyarrow as pa

    values = column.combine_chunks().flatten()
    if pa.types.is_string(values.type):
        return np.array(values.to_pylist(), dtype=np.str_)
    return np.array(values.to_numpy(zero_copy_only=False))
