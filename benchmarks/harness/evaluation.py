"""Scores a trained model: lists for every query, judged by the protocol's metrics. Adapters never score themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from backends import stretches
from backends.ann import exact, interests
from benchmarks.metrics import Evaluation, evaluate
from benchmarks.protocols.base import Protocol, Queries, Split
from benchmarks.specs.base import Arrays, Questions

Items = npt.NDArray[np.int32]
Exclusions = tuple[npt.NDArray[np.int64], Items]


class DivergedError(Exception):
    """A loss or a vector is not finite any more."""


def answers(spec: Any, ask: Callable[[Arrays], npt.NDArray[Any]], questions: Questions) -> npt.NDArray[Any]:
    """The answers to all questions, asked in the portions and the form that the spec wants.

    Args:
        spec: the model's spec.
        ask: `embed_users` or `recommend` of an adapter with its state, or a spec's reference.
        questions: whatever users or histories are asked about.

    Returns:
        float[q, dim] or float[q, interests, dim], the vectors; or int32[q, k], the lists.
    """
    if spec.asks == "users":
        return ask({"user": questions.user})
    answered: npt.NDArray[Any] | None = None
    for inputs, rows in spec.inputs(questions):
        portion = ask(inputs)
        if answered is None:
            answered = np.empty((len(questions.user), *portion.shape[1:]), portion.dtype)
        answered[rows] = portion
    assert answered is not None  # noqa: S101 - a period has queries
    return answered


@dataclass(frozen=True)
class Asked:
    """The distinct questions of a period, as one kind of model sees them.

    Attributes:
        user, history, start, stop: see `Questions`; of a user model the history is `known_to_have`.
        best: see `Queries`; of a user model int32[n, 0].
        place: int64[q], the question that answers each query; -1 where only the popular items are left.
    """

    user: npt.NDArray[np.int32]
    history: Items
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    best: Items
    place: npt.NDArray[np.int64]

    @property
    def seen(self) -> Exclusions:
        """What may be left out of the answers: the histories, in the form of `exact.top_k`'s exclusions."""
        return stretches.joined(self.history, self.start, self.stop)


@dataclass(frozen=True)
class Judge:
    """One split under one protocol, ready to judge any lists."""

    split: Split
    protocol: Protocol

    @property
    def k(self) -> int:
        return max(self.protocol.ks)

    def asked(self, spec: Any, period: str) -> Asked:
        """One question a known user, ascending, or one a query, as the spec asks."""
        queries = self.split.period(period)
        if spec.asks == "users":
            known = np.flatnonzero(queries.user >= 0)
            users, first = np.unique(queries.user[known], return_index=True)
            place = np.full(len(queries), -1)
            place[known] = np.searchsorted(users, queries.user[known])
            history, indptr = self.known_to_have(users, queries, known[first] if len(users) == len(known) else None)
            return Asked(users, history, indptr[:-1], indptr[1:], np.empty((len(users), 0), np.int32), place)
        place = np.arange(len(queries))
        if not spec.answers_empty:
            place[queries.start == queries.stop] = -1
        return Asked(queries.user, queries.history, queries.start, queries.stop, queries.best, place)

    def known_to_have(
        self, users: npt.NDArray[np.int32], queries: Queries, only: npt.NDArray[np.int64] | None
    ) -> tuple[Items, npt.NDArray[np.int64]]:
        """The distinct items of users' training rows and of the history of their only query, ascending.

        So that a user model leaves out of its lists what other models do: in a test, the validation's items, too.

        Args:
            users: int32[u].
            queries: those that ask about them.
            only: int64[u], the query of each; None where somebody has several.

        Returns:
            int32[nnz], and int64[u + 1], where the items of each begin.
        """
        seen = stretches.joined(self.split.seen_items, self.split.seen_indptr[users], self.split.seen_indptr[users + 1])
        if only is None:
            return seen[1], seen[0]
        told = stretches.joined(queries.history, queries.start[only], queries.stop[only])
        width = max(self.split.n_items, int(queries.history.max(initial=0)) + 1)
        numbers = [np.repeat(np.arange(len(users)), np.diff(indptr)) * width + items for indptr, items in (seen, told)]
        pairs = np.unique(np.concatenate(numbers))
        indptr = np.searchsorted(pairs, np.arange(len(users) + 1) * width)
        return (pairs % width).astype(np.int32), indptr

    def lists(self, adapter: Any, state: Any, spec: Any, period: str) -> Items:
        """int32[q, k]: what the model recommends for each query of a period; popular items where it has no answer.

        Raises:
            DivergedError: if a vector is not finite: its items would be left out of every list without a word.
        """
        asked = self.asked(spec, period)
        if not len(asked.user):
            return self.spread(np.empty((0, self.k), np.int32), asked)
        if spec.serves == "lists":
            return self.spread(answers(spec, partial(adapter.recommend, state, k=self.k), asked), asked)
        items = adapter.embed_items(state)
        users = answers(spec, partial(adapter.embed_users, state), asked)
        for whose, vectors in (("an item", items), ("a user", users[np.unique(asked.place[asked.place >= 0])])):
            if not np.isfinite(vectors).all():
                raise DivergedError(f"the vector of {whose} is not finite")
        exclude = asked.seen if spec.filter_seen else None
        return self.spread(exact_lists(users, items, self.k, exclude), asked)

    def spread(self, lists: Items, asked: Asked) -> Items:
        """From one list a question to one a query, int32[q, k]; the popular items where no question answers."""
        popular = np.full(self.k, -1, np.int32)
        ranked = np.argsort(-self.split.item_counts, kind="stable")[: self.k]
        popular[: len(ranked)] = ranked
        return np.concatenate([lists, popular[None]])[asked.place]  # -1 is the last

    def judge(self, lists: Items, period: str) -> Evaluation:
        queries: Queries = self.split.period(period)
        # An item that training has never seen cannot be recommended; as a target it is a miss, not an error.
        n_known = max(self.split.n_items, int(queries.items.max(initial=0)) + 1)
        return evaluate(lists, queries.indptr, queries.items, n_known, self.protocol.ks, catalogue=self.split.n_items)

    def all_periods(self, adapter: Any, state: Any, spec: Any) -> tuple[dict[str, float], Evaluation]:
        """All metrics, flat: the reported period's under their own names, others' as "validation.recall@20"."""
        reported = self.judge(self.lists(adapter, state, spec, self.protocol.period), self.protocol.period)
        metrics = reported.metrics
        for period, queries in self.split.periods.items():
            if period != self.protocol.period and len(queries):  # perhaps no user of that period is known
                found = self.judge(self.lists(adapter, state, spec, period), period).metrics
                metrics |= {f"{period}.{name}": value for name, value in found.items()}
        return metrics, reported


def exact_lists(
    users: npt.NDArray[np.float32],
    items: npt.NDArray[np.float32],
    k: int,
    exclude: Exclusions | None,
    threads: int = 1,
) -> Items:
    """int32[q, k] by exact search, for float32[q, dim] or, merged, float32[q, interests, dim]."""
    if exclude is not None and users.ndim == 3:
        exclude = interests.repeated(exclude, users.shape[1])
    return interests.search(users, items, k, lambda vectors: exact.top_k(vectors, items, k, exclude, threads))
