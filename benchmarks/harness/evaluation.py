"""Scores a trained model: lists for every query, judged by the protocol's metrics. Adapters never score themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backends.ann import exact
from benchmarks.metrics import Evaluation, evaluate
from benchmarks.protocols.base import Queries, Split
from benchmarks.protocols.time_split import TimeSplit

Items = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Judge:
    """One split under one protocol, ready to judge any lists."""

    split: Split
    protocol: TimeSplit

    @property
    def k(self) -> int:
        return max(self.protocol.ks)

    def known_users(self, period: str) -> npt.NDArray[np.int32]:
        """int32[m]: the distinct users of a period's queries that training has seen, ascending."""
        users = np.unique(self.split.period(period).user)
        return users[users >= 0]

    def lists(self, adapter: Any, state: Any, spec: Any, period: str) -> Items:
        """int32[q, k]: what the model recommends for each query of a period; popular items where it has no user."""
        users = self.known_users(period)
        if spec.serves == "lists":
            queries = self.split.period(period)
            return np.asarray(adapter.recommend(state, {"user": queries.user, "best": queries.best}, self.k))
        vectors = adapter.embed_users(state, {"user": users})
        exclude = self.seen(users) if spec.filter_seen else None
        return self.spread(exact.top_k(vectors, adapter.embed_items(state), self.k, exclude), period)

    def spread(self, lists: Items, period: str) -> Items:
        """From one list a known user, int32[m, k] in the order of `known_users`, to one a query, int32[q, k]."""
        queries = self.split.period(period)
        popular = np.full(self.k, -1, np.int32)
        ranked = np.argsort(-self.split.item_counts, kind="stable")[: self.k]
        popular[: len(ranked)] = ranked
        spread = np.tile(popular, (len(queries), 1))
        known = queries.user >= 0
        spread[known] = lists[np.searchsorted(self.known_users(period), queries.user[known])]
        return spread

    def seen(self, users: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], Items]:
        """The training items of these users, in the form of `exact.top_k`'s exclusions."""
        indptr = self.split.seen_indptr
        lengths = indptr[users + 1] - indptr[users]
        starts = np.append(0, np.cumsum(lengths)).astype(np.int64)
        places = np.arange(starts[-1]) + np.repeat(indptr[users] - starts[:-1], lengths)
        return starts, self.split.seen_items[places]

    def judge(self, lists: Items, period: str) -> Evaluation:
        queries: Queries = self.split.period(period)
        # An item that training has never seen cannot be recommended; as a target it is a miss, not an error.
        n_items = max(self.split.n_items, int(queries.items.max(initial=0)) + 1)
        return evaluate(lists, queries.indptr, queries.items, n_items, self.protocol.ks)

    def both_periods(self, adapter: Any, state: Any, spec: Any) -> tuple[dict[str, float], Evaluation]:
        """All metrics, flat: the reported period's under their own names, the other's as "test.recall@20"."""
        reported = self.judge(self.lists(adapter, state, spec, self.protocol.period), self.protocol.period)
        other = "test" if self.protocol.period == "validation" else "validation"
        asked = len(self.split.period(other)) > 0  # perhaps no user of that period is known
        others = self.judge(self.lists(adapter, state, spec, other), other).metrics if asked else {}
        return {**reported.metrics, **{f"{other}.{name}": value for name, value in others.items()}}, reported
