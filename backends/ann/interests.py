"""Retrieval for users who have several vectors: every interest retrieves k items, and their lists are merged by score.

Source: Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020, the aggregation module
without its diversity term: an item's score is its largest inner product over the user's interests. MIND (Li et al.,
CIKM 2019) serves the same way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numba import njit

from backends import stretches
from backends.ann.exact import Exclusions
from datasets.errors import InputError

Floats = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]


def search(users: Floats, items: Floats, k: int, find: Callable[[Floats], Items]) -> Items:
    """Find every user's k best items, best first, with one call of any index.

    The answer to one vector a user is the index's own. Of several interests, each item scores anew, as the largest
    inner product with an interest that found it, so that lists are merged alike whatever distances an index has. Equal
    scores are ordered by the smaller item number; an item whose score is NaN is never returned. Where `find` is exact,
    so is the merged list: an item of the first k by the largest product is among the first k of that interest.

    Args:
        users: float32[n, d], or float32[n, interests, d].
        items: float32[n_items, d], the vectors that `find` searches.
        k: items wanted a user; may exceed n_items.
        find: float32[m, d] -> int32[m, k], the k items of largest inner product; -1 is none, wherever it stands.

    Returns:
        int32[n, k]; -1 where fewer than k items were found.

    Raises:
        InputError: shapes that do not fit together, or `find` names an item that does not exist.
    """
    if users.ndim == 2:
        return find(users)
    if users.ndim != 3 or users.shape[1] == 0 or items.ndim != 2 or users.shape[2] != items.shape[1]:
        raise InputError(
            f"Users of shape {users.shape} and items of shape {items.shape} do not fit; give users of [n, d] or "
            "[n, interests, d] and a table of items of the same width d."
        )
    n_users, n_interests, dim = users.shape
    queries = np.ascontiguousarray(users).reshape(n_users * n_interests, dim)
    found = find(queries)
    if found.shape != (len(queries), k) or found.max(initial=-1) >= len(items):
        raise InputError(
            f"The index answered {len(queries)} queries with shape {found.shape} and items up to "
            f"{found.max(initial=-1)}; it must give k = {k} of the {len(items)} items each."
        )
    return found if n_interests == 1 else _merge(found, queries, items, n_interests)


def repeated(exclude: Exclusions, n_interests: int) -> Exclusions:
    """Give every interest its user's exclusions, in the order in which `search` asks for interests.

    Args:
        exclude: int64[n + 1] and int32[...]: those of user u are indices[indptr[u]:indptr[u + 1]].
        n_interests: interests of each user.

    Returns:
        int64[n * n_interests + 1] and int32[...], in the same form, as `exact.top_k` takes them.
    """
    indptr, indices = exclude
    return stretches.joined(indices, np.repeat(indptr[:-1], n_interests), np.repeat(indptr[1:], n_interests))


@njit(cache=True)
def _merge(found, queries, items, n_interests):  # type: ignore[no-untyped-def]
    k = found.shape[1]
    merged = np.full((len(found) // n_interests, k), np.int32(-1))
    slot = np.full(len(items), -1)  # where an item stands among the user's candidates; -1 between users
    candidates = np.empty(n_interests * k, dtype=np.int32)
    scores = np.empty(n_interests * k)
    for user in range(len(merged)):
        n = 0
        for row in range(user * n_interests, (user + 1) * n_interests):
            for item in found[row]:
                if item < 0:
                    continue
                score = _inner_product(queries[row], items[item])
                if np.isnan(score):
                    continue
                if slot[item] < 0:
                    slot[item] = n
                    candidates[n], scores[n] = item, score
                    n += 1
                else:
                    scores[slot[item]] = max(scores[slot[item]], score)
        by_item = np.argsort(candidates[:n])
        order = by_item[np.argsort(-scores[by_item], kind="mergesort")]  # stable: the smaller of equals stays first
        merged[user, : min(n, k)] = candidates[order[:k]]
        slot[candidates[:n]] = -1
    return merged


@njit(cache=True)
def _inner_product(a, b):  # type: ignore[no-untyped-def]
    # In float64, where a product of two float32 is exact: equal vectors tie, wherever in a list they stand.
    total = 0.0
    for at in range(len(a)):
        total += np.float64(a[at]) * np.float64(b[at])
    return total
