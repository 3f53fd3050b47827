"""The one shape in which every data set reaches the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

UNKNOWN_USER = -1


class Truth(Protocol):
    """What a generated data set knows about itself: the probabilities that it was drawn from."""

    def expected_counts(
        self, users: npt.NDArray[np.int32], first: npt.NDArray[np.int64], n: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Expected number of times that each item occurs among a user's next interactions.

        Args:
            users: int32[q], indices into `Interactions.user_ids`.
            first: int64[q], how many interactions of that user lie before the asked ones.
            n: int64[q], how many interactions are asked about (>= 1).

        Returns:
            float32[q, n_items]; each row sums to its `n`. Ranking by it maximises the expected
            number of hits, so its metric is the best that any model can expect.
        """
        ...


@dataclass(frozen=True)
class Interactions:
    """Interactions in the publisher's row order, ids encoded as dense integers.

    Attributes:
        name: the data set's name, as given on the command line.
        user: int32[n], index into `user_ids`; `UNKNOWN_USER` (-1) where the row has no user.
        item: int32[n], index into `item_ids`.
        timestamp: int64[n], microseconds since 1970-01-01 UTC, or None where the data has none.
        session: int32[n], dense number of the session or invoice, in sorted order of their ids, or None. Where ids
            start anew for each user, a session is one user's.
        rating: float32[n], NaN where the row has none, or None.
        user_ids, item_ids: the publisher's ids as str[n_users], str[n_items], sorted; the
            position is the index.
        user_features, item_features: name -> int32[n_users] or int32[n_items] (category codes).
        item_feature_names: name -> what its codes 0, 1, … are called, for those features whose codes have names.
        content_hash: SHA-256 (hex) of what the arrays hold; equal hashes mean equal data.
        notes: facts that travel with every result, e.g. a checksum that is not the publisher's, or what is missing.
        truth: the generating probabilities, for synthetic data only.
    """

    name: str
    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    timestamp: npt.NDArray[np.int64] | None
    session: npt.NDArray[np.int32] | None
    rating: npt.NDArray[np.float32] | None
    user_ids: npt.NDArray[np.str_]
    item_ids: npt.NDArray[np.str_]
    content_hash: str
    user_features: Mapping[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    item_features: Mapping[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    item_feature_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    truth: Truth | None = None

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    def __len__(self) -> int:
        return len(self.user)

    def rows(self, chosen: npt.NDArray[np.bool_ | np.int64]) -> Interactions:
        """Some of the rows, bool[n] or, in an order of their own, int64[m].

        Users, items and sessions keep their numbers, the data their name. The content hash stays that of all rows.
        """
        columns = ("user", "item", "timestamp", "session", "rating")
        held = {name: column[chosen] for name in columns if (column := getattr(self, name)) is not None}
        return dataclasses.replace(self, **held)
