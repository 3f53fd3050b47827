"""Every metric of a ranked list, from one pass over the queries, with bootstrap intervals.

Relevance of an item to a query is the number of its target rows, so an item on two lines of one
invoice counts twice. A recommendation of -1 is none and never a hit; an item recommended twice to a
query is a hit at its first rank only. Queries without targets are left out of every mean.

With H(K) the target rows of the first K recommendations, n the target rows, rel(r) the relevance of
the recommendation at rank r = 1, 2, …, hit(p) whether the target row at place p = 1, 2, … is among the
first K recommendations, and [·] 1 where true and 0 elsewhere, for each query:

| metric | value | source |
|---|---|---|
| precision@K | H(K) / K; above 1 only where items repeat among the targets | Manning et al., Introduction to Information Retrieval, 8.4 |
| recall@K | H(K) / n | the same |
| hit_rate@K | [H(K) > 0] | Deshpande and Karypis, TOIS 2004 |
| mrr@K | 1 / (rank of the first hit), 0 if that is beyond K | Voorhees, TREC-8 1999 |
| map@K | Σ_{r ≤ K, hit} (hits up to r) / r, over min(K, distinct targets); hits are binary | Manning et al., 8.4, cut at K |
| ndcg@K | Σ_{r ≤ K} rel(r) / log2(r + 1), over the same sum of the best ordering of the targets | Järvelin and Kekäläinen, TOIS 2002, with linear gain |
| ndcg_by_target@K | Σ_p [hit(p)] / log2(p + 1), over Σ_{p ≤ H(K)} 1 / log2(p + 1), 0 without a hit; *an error*: the discount is of the target's place in the user's history, not of its rank, and the ideal holds the hits alone; values above ndcg are normal | the evaluation that Cen et al., KDD 2020, first released; kept to reproduce published figures |

These are averaged over queries. Two are not averages of queries:

| metric | value |
|---|---|
| recall_micro@K | ΣH(K) / Σn, pooled over queries |
| coverage@K | distinct items in the first K recommendations of all queries, over the catalogue's items |
"""  # noqa: E501 -- a table's row is a line

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numba import njit

from benchmarks.resampling import interval, resampled
from datasets.errors import InputError

Items = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PER_QUERY = ("precision", "recall", "recall_micro", "hit_rate", "mrr", "map", "ndcg", "ndcg_by_target")
POOLED = "recall_micro"  # its per-query value is H(K), and its weight n
QUERIES_AT_ONCE = 256  # their items' vectors are in memory together


@dataclass(frozen=True)
class Evaluation:
    """What one ranked list a query is worth.

    Attributes:
        queries: int64[q], the queries that have targets, as positions in what was evaluated; two
            models evaluated on the same targets can be compared query by query.
        per_query: "ndcg@10" -> float64[q], the query's value; for recall_micro, its hit rows.
        n_rows: float64[q], the query's target rows.
        coverage: "coverage@10" -> share of the catalogue.
    """

    queries: Offsets
    per_query: dict[str, Floats]
    n_rows: Floats
    coverage: dict[str, float]

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric, flat: {"precision@5": 0.1552, …}."""
        totals = {name: float(values.sum() / self._weights(name).sum()) for name, values in self.per_query.items()}
        return totals | self.coverage

    def intervals(self, seed: int, n_resamples: int = 1000) -> dict[str, tuple[float, float]]:
        """Draw queries with replacement and return each metric's percentile 95 % interval.

        A pooled metric's numerator and denominator are drawn together. Coverage has no interval: a
        resample holds fewer distinct queries, so its coverage is biased downwards. Evaluations of
        the same queries see the same draws for the same seed.

        Args:
            seed: seed of the draws, >= 0.
            n_resamples: bootstrap samples, >= 1.

        Returns:
            {"ndcg@10": (low, high), …}.
        """
        values = np.column_stack(list(self.per_query.values()))
        weights = np.column_stack([self._weights(name) for name in self.per_query])
        low, high = interval(resampled(values, weights, seed, n_resamples))
        return {name: (float(low[at]), float(high[at])) for at, name in enumerate(self.per_query)}

    def scores(self, name: str) -> dict[str, list[float]]:
        """A metric query by query, to six digits: what another model's scores on the same queries are paired with.

        Returns:
            {"values": float[q], "weights": float[q]}; the metric is the sum of the values over that of the weights.
        """
        pairs = {"values": self.per_query[name], "weights": self._weights(name)}
        return {what: np.round(numbers, 6).tolist() for what, numbers in pairs.items()}

    def _weights(self, name: str) -> Floats:
        return self.n_rows if name.startswith(POOLED) else np.ones_like(self.n_rows)


def evaluate(
    recommended: Items,
    indptr: Offsets,
    items: Items,
    n_items: int,
    ks: Sequence[int] = (5, 10, 20, 50),
    *,
    catalogue: int | None = None,
) -> Evaluation:
    """Judge ranked lists against held-out targets.

    Args:
        recommended: int32[q, k] item numbers, best first; -1 is no recommendation.
        indptr: int64[q + 1]; the targets of query u are items[indptr[u]:indptr[u + 1]].
        items: int32[n_rows] item numbers, one a held-out row; an item may repeat.
        n_items: items are numbered below it.
        ks: cut-offs, rising, none above k.
        catalogue: how many items can be recommended, which coverage is a share of (default: n_items).

    Raises:
        InputError: the arrays do not fit together, an item number is outside the catalogue, a
            cut-off is outside 1…k, or no query has a target.
    """
    recommended, indptr, items = _checked(recommended, indptr, items, n_items)
    _check_cuts(ks, recommended.shape[1])
    queries = np.flatnonzero(np.diff(indptr))
    if not len(queries):
        raise InputError(f"None of the {len(recommended)} queries has a target; hold out at least one row.")
    cuts = np.array(ks, dtype=np.int64)
    values = _score(recommended, indptr, items, n_items, cuts)[:, :, queries]
    names = [f"{metric}@{k}" for metric in PER_QUERY for k in ks]
    return Evaluation(
        queries=queries,
        per_query=dict(zip(names, values.reshape(len(names), len(queries)), strict=True)),
        n_rows=np.diff(indptr)[queries].astype(np.float64),
        coverage={f"coverage@{k}": _coverage(recommended[:, :k], catalogue or n_items) for k in ks},
    )


def retrieved_recall(
    found: Items, exact: Items, queries: npt.NDArray[np.float32], vectors: npt.NDArray[np.float32]
) -> float:
    """Share of an exact search's answers that an approximate one found, ties counting as found.

    An item is right if its score, computed anew, is at least that of the last exact answer of its
    query, within 1e-5 of the scores' size; an item returned twice counts once. The score is the
    inner product, for a query of several interests the largest of them.

    Args:
        found: int32[q, k]; -1 is no answer.
        exact: int32[q, k], the exact search's answers.
        queries: float32[q, d], or float32[q, interests, d].
        vectors: float32[n, d].

    Raises:
        InputError: the answers differ in shape, or the exact search found nothing.

    Source: Aumüller et al., ANN-Benchmarks, Information Systems 2020, section 2.
    """
    if found.shape != exact.shape or not (exact >= 0).any():
        raise InputError(
            f"Answers of shape {found.shape} cannot be held to exact ones of shape {exact.shape}; "
            "ask both for the same k, of an index that is not empty."
        )
    right, asked = 0, 0
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        chunk = slice(start, start + QUERIES_AT_ONCE)
        truth = _scores(exact[chunk], queries[chunk], vectors)
        answers = exact[chunk] >= 0
        worst = np.min(truth, axis=1, initial=np.inf, where=answers)
        size = np.max(np.abs(truth), axis=1, initial=0, where=answers)
        answered = np.sort(found[chunk], axis=1)
        answered[:, 1:][answered[:, 1:] == answered[:, :-1]] = -1
        reached = _scores(answered, queries[chunk], vectors) >= (worst - 1e-5 * size)[:, None]
        right += int(np.minimum(reached.sum(1), answers.sum(1)).sum())
        asked += int(answers.sum())
    return right / asked


def _scores(items: Items, queries: npt.NDArray[np.float32], vectors: npt.NDArray[np.float32]) -> Floats:
    """Largest inner product of each query's interests with its items, float64[q, k]; NaN where the item is -1."""
    interests = queries[:, None] if queries.ndim == 2 else queries
    products = np.einsum("qkd,qid->iqk", vectors[items], interests)  # of the last vector where the item is -1
    scores = np.fmax.reduce(products).astype(np.float64)  # an interest whose product is NaN does not count
    scores[items < 0] = np.nan
    return scores


def _checked(recommended: Items, indptr: Offsets, items: Items, n_items: int) -> tuple[Items, Offsets, Items]:
    recommended = np.ascontiguousarray(recommended, dtype=np.int32)
    indptr = np.ascontiguousarray(indptr, dtype=np.int64)
    items = np.ascontiguousarray(items, dtype=np.int32)
    if recommended.ndim != 2 or len(indptr) != len(recommended) + 1:
        raise InputError(
            f"Recommendations of shape {recommended.shape} do not fit an indptr of length {len(indptr)}; "
            "give one row a query and one offset more than queries."
        )
    if indptr[0] != 0 or indptr[-1] != len(items) or (np.diff(indptr) < 0).any():
        raise InputError(f"indptr runs from {indptr[0]} to {indptr[-1]}; it must rise from 0 to {len(items)} targets.")
    for what, numbers, lowest in (("recommended", recommended, -1), ("target", items, 0)):
        if numbers.size and (numbers.min() < lowest or numbers.max() >= n_items):
            bad = numbers.min() if numbers.min() < lowest else numbers.max()
            raise InputError(f"A {what} item is {bad}; give item numbers from {lowest} to {n_items - 1}.")
    return recommended, indptr, items


def _check_cuts(ks: Sequence[int], k: int) -> None:
    if not ks or ks[0] < 1 or ks[-1] > k or any(a >= b for a, b in pairwise(ks)):
        raise InputError(f"The cut-offs are {tuple(ks)}; give rising ones from 1 to the {k} recommendations at hand.")


def _coverage(recommended: Items, n_items: int) -> float:
    ever = np.zeros(n_items + 1, dtype=np.bool_)
    ever[recommended] = True  # -1 lands in the extra place at the end
    return float(ever[:-1].sum() / n_items)


@njit(cache=True)
def _score(recommended, indptr, items, n_items, cuts):  # type: ignore[no-untyped-def]
    # float64[metric in the order of PER_QUERY, cut-off, query]; zero for a query without targets
    values = np.zeros((8, len(cuts), len(recommended)))
    discounts = 1.0 / np.log2(np.arange(max(cuts[-1], np.diff(indptr).max())) + 2.0)
    relevance = np.zeros(n_items, dtype=np.int64)  # of the query at hand; zero between queries
    placed = np.zeros(n_items)  # the discounts of an item's places among the targets, added up; zero likewise
    for query in range(len(recommended)):
        targets = items[indptr[query] : indptr[query + 1]]
        if len(targets) == 0:
            continue
        ideal = _count(targets, discounts, relevance, placed)
        hits, hit_rows, first, precisions, dcg, best, by_target = 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0
        cut = 0
        for rank in range(1, cuts[-1] + 1):
            item = recommended[query, rank - 1]
            if item >= 0 and relevance[item] > 0:
                hits += 1
                hit_rows += relevance[item]
                dcg += relevance[item] * discounts[rank - 1]
                by_target += placed[item]
                precisions += hits / rank
                relevance[item] = 0  # a second recommendation of it is no hit
                if hits == 1:
                    first = 1.0 / rank
            if rank <= len(ideal):
                best += ideal[rank - 1] * discounts[rank - 1]
            if rank == cuts[cut]:
                values[0, cut, query] = hit_rows / rank
                values[1, cut, query] = hit_rows / len(targets)
                values[2, cut, query] = hit_rows
                values[3, cut, query] = 1.0 if hits else 0.0
                values[4, cut, query] = first
                values[5, cut, query] = precisions / min(rank, len(ideal))
                values[6, cut, query] = dcg / best
                values[7, cut, query] = by_target / discounts[: max(hit_rows, 1)].sum()
                cut += 1
        relevance[targets] = 0
        placed[targets] = 0.0
    return values


@njit(cache=True)
def _count(targets, discounts, relevance, placed):  # type: ignore[no-untyped-def]
    # Adds the targets up in `relevance` and `placed`; returns the distinct items' relevances, largest first.
    distinct = np.empty(len(targets), dtype=np.int64)
    n = 0
    for place, item in enumerate(targets):
        if relevance[item] == 0:
            distinct[n] = item
            n += 1
        relevance[item] += 1
        placed[item] += discounts[place]
    return np.sort(relevance[distinct[:n]])[::-1]
