"""Files that are there whole or not at all, whatever ends the process or the machine."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".recallbench-unfinished-"


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path beside the target to write to; what lies there at the end becomes the target in one step.

    It is on the disk before it counts. If the block raises, the target stays as it was, and nothing else is left; a
    process that is killed leaves a folder that the next one to write there, or to `sweep`, removes.

    Raises:
        OSError: from making, writing or renaming files.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    with _locked_folder(target.parent) as folder:
        unfinished = folder / target.name
        yield unfinished
        flush(unfinished)
        unfinished.replace(target)
        flush(target.parent)


def sweep(parent: Path) -> None:
    """Removes what killed processes have left unfinished in a folder; what a living one works at stays."""
    with suppress(OSError):  # sweeping may fail: there is no such folder, or it may not be read
        for folder in list(parent.glob(f"{PREFIX}*/")):  # only folders: a pipe would be waited for
            with suppress(OSError), _opened(folder) as descriptor:  # it is locked, or another process was quicker
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked_folder(parent: Path) -> Iterator[Path]:
    """A new folder that goes at the end; its lock says that we live, and the system drops it when we do not."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX))
        with _opened(folder) as descriptor:
            with suppress(OSError):  # a file system without locks: there, nobody sweeps either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not folder.exists():  # swept between its making and its lock
                continue
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk.

    Raises:
        OSError: from opening it, or from the disk.
    """
    with _opened(path) as descriptor:
        os.fsync(descriptor)
