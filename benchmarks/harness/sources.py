"""Which sources a cell ran: a hash of all that its worker can import of this repository, or read settings from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.environment import ROOT

PACKAGES = ("backends", "benchmarks", "datasets")
SUFFIXES = (".py", ".toml", ".json")


def tree_hash(root: Path = ROOT, within: Sequence[str] = PACKAGES) -> str:
    """SHA-256 (hex, 16 digits) of the names and contents of all sources, in the order of their paths.

    Args:
        root: the folder that the names are relative to.
        within: the folders and files that count, relative to it.
    """
    digest = hashlib.sha256()
    for path in sorted({*files(root, within)}):
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError:  # it went away since the folder was listed, so the sources have moved
            content = b""
        digest.update(f"{os.path.relpath(path, root)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def files(root: Path, within: Sequence[str]) -> list[str]:
    """Paths of all sources; see `tree_hash`."""
    return [str(root / name) for name in within if name.endswith(SUFFIXES)] + [
        os.path.join(folder, name)  # noqa: PTH118 - a Path a file takes as long as reading it
        for package in within
        for folder, _, names in os.walk(root / package)
        for name in names
        if name.endswith(SUFFIXES) and not name.startswith(".")
    ]
