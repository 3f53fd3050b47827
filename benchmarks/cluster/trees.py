"""Sources of another revision, as they travel to the nodes: one file in a sealed folder, unpacked once a node."""

from __future__ import annotations

import functools
import os
import tarfile
from pathlib import Path

from benchmarks.harness import files, sources
from datasets.errors import MachineError

FILE = "sources.tar"
FOLDER = Path("gate", "trees")
"""In the results folder."""
WITHIN = (*sources.PACKAGES, "pyproject.toml")


@functools.cache
def packed(root: Path, results: Path) -> Path:
    """The sealed folder of a tree that does not change any more; one that is there already is taken as it is."""
    folder = results / FOLDER / sources.tree_hash(root, WITHIN)
    if files.fault(folder) is not None:
        files.fill(folder, functools.partial(_pack, root))
    return folder


def _pack(root: Path, folder: Path) -> None:
    folder.mkdir()
    with tarfile.open(folder / FILE, "w") as tar:
        for path in filter(os.path.isfile, sorted(sources.files(root, WITHIN))):
            tar.add(path, os.path.relpath(path, root), recursive=False)


def unpacked(folder: Path) -> Path:
    """The tree of a folder that has arrived on a node; whoever calls holds the lock on it.

    Raises:
        MachineError: it cannot be written.
    """
    root = folder.with_name("tree")
    if not root.exists():
        partial = folder.with_name("tree.partial")
        files.remove(partial)
        try:
            with tarfile.open(folder / FILE) as tar:
                tar.extractall(partial, filter="data")
            partial.rename(root)
        except (OSError, tarfile.TarError) as error:
            raise MachineError(f"{folder.name} cannot be unpacked on its node ({error}); make room there.") from error
    return root
