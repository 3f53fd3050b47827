"""What arrays hold, as one short hash: what was trained on, and what came of it."""

from __future__ import annotations

import hashlib

import numpy as np

from benchmarks.specs.base import Arrays


class ArraysHash:
    """BLAKE2b over the names and the bytes of arrays as they come; dtypes and shapes do not enter."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=8)

    def update(self, arrays: Arrays) -> None:
        """Takes the arrays in, in the order of their names."""
        for name in sorted(arrays):
            self._digest.update(name.encode())
            self._digest.update(np.ascontiguousarray(arrays[name]).data)

    def hexdigest(self) -> str:
        """16 hex digits."""
        return self._digest.hexdigest()


def hash_arrays(*tables: Arrays) -> str:
    """The hash of the arrays of several tables, one after the other: 16 hex digits."""
    digest = ArraysHash()
    for arrays in tables:
        digest.update(arrays)
    return digest.hexdigest()
