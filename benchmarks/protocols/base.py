"""What a protocol makes of interactions: training rows, and questions about what came after them."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Queries:
    """What is asked of a model about one period: one list of recommendations a query.

    Attributes:
        user: int32[q], index into the split's users; -1 for a user without training rows.
        indptr, items: int64[q + 1] and int32[nnz], the held-out rows of each query; an item may stand there twice.
        best: int32[q, k], the lists of the generating probabilities (synthetic data only), else int32[q, 0].
    """

    user: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    best: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Split:
    """Training rows and the queries of two later periods.

    Users are numbered anew, 0 to n_users - 1, in the order of the data set's indices: those with training rows. Items
    keep their indices; the catalogue of n_items ends at the last item of the training rows.

    Attributes:
        user, item: int32[n], the training rows of known users in the data set's order.
        item_counts: int64[n_items], rows of each item in all training rows, those of unknown users among them.
        seen_indptr, seen_items: int64[n_users + 1], int32[nnz]: each user's distinct training items, ascending.
        validation, test: the questions.
        n_rows: rows of the periods: train, validation, test.
    """

    n_users: int
    n_items: int
    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    item_counts: npt.NDArray[np.int64]
    seen_indptr: npt.NDArray[np.int64]
    seen_items: npt.NDArray[np.int32]
    validation: Queries
    test: Queries
    n_rows: tuple[int, int, int]

    def content_hash(self) -> str:
        """SHA-256 (hex, 16 digits) of all arrays: equal hashes mean the same questions to the same training rows."""
        digest = hashlib.sha256(repr((self.n_users, self.n_items, self.n_rows)).encode())
        for name, array in self._arrays().items():
            digest.update(f"{name}{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Writes one .npy file an array, so that workers map what they need and read nothing twice."""
        folder.mkdir(parents=True)
        for name, array in self._arrays().items():
            np.save(folder / f"{name}.npy", array)
        np.save(folder / "sizes.npy", np.array([self.n_users, self.n_items, *self.n_rows], np.int64))

    @classmethod
    def load(cls, folder: Path) -> Split:
        def array(name: str) -> npt.NDArray[Any]:
            return np.load(folder / f"{name}.npy")

        def queries(period: str) -> Queries:
            return Queries(*(array(f"{period}.{field.name}") for field in dataclasses.fields(Queries)))

        n_users, n_items, *n_rows = (int(value) for value in array("sizes"))
        arrays: dict[str, Any] = {name: array(name) for name in _ARRAYS}
        arrays |= {period: queries(period) for period in PERIODS}
        return cls(n_users=n_users, n_items=n_items, n_rows=(n_rows[0], n_rows[1], n_rows[2]), **arrays)

    def period(self, name: str) -> Queries:
        return {"validation": self.validation, "test": self.test}[name]

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        for period in PERIODS:
            queries = self.period(period)
            arrays |= {f"{period}.{f.name}": getattr(queries, f.name) for f in dataclasses.fields(Queries)}
        return arrays


PERIODS = ("validation", "test")
_ARRAYS = ("user", "item", "item_counts", "seen_indptr", "seen_items")


def distinct_per_user(
    user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], n_users: int, n_items: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Each user's distinct items, ascending, as int64[n_users + 1] and int32[nnz]."""
    pairs = np.unique(user.astype(np.int64) * n_items + item)
    indptr = np.searchsorted(pairs, np.arange(n_users + 1, dtype=np.int64) * n_items)
    return indptr.astype(np.int64), (pairs % n_items).astype(np.int32)
