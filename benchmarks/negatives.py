"""Items that a model is told apart from: by which distribution they are drawn, and what logQ corrects for it.

A spec names a distribution, and draws from it with a generator of its own:

    sampler = negatives.Sampler.of("popularity", training, exclude_positives=True)
    item = sampler.draw(rng, user, 3)  # int32[*user.shape, 3]
    log_q = negatives.log_q(sampler.probabilities)  # float32[n_items]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from benchmarks import sampling
from datasets.errors import InputError

if TYPE_CHECKING:
    from benchmarks.specs.base import Training

Counts = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]
Items = npt.NDArray[np.int32]
Distribution: TypeAlias = Literal["uniform", "popularity", "log-popularity", "log-uniform", "two-bucket"]

POWER = 0.75
"""What word2vec raises counts to."""

FREQUENT, FREQUENT_SHARE = 5, 0.3
"""Two buckets, as published for MovieLens-1M: so many rows make an item frequent; so often a frequent one is drawn."""

REDRAWS = 32
"""How often a negative that is a positive is drawn anew before the user's other items are gone through one by one."""

BITMAP_BYTES = 2**27
"""What a table of all users and items may take, in which a look-up replaces a search: 100,000 by 10,000 fit."""


def uniform(counts: Counts) -> Probabilities:
    """All items alike, those without rows among them."""
    return np.ones(len(counts))


def popularity(counts: Counts) -> Probabilities:
    """As count^0.75 (Mikolov et al. 2013, Distributed Representations of Words and Phrases, section 2.2)."""
    return np.asarray(counts**POWER)


def log_popularity(counts: Counts) -> Probabilities:
    """As log(1 + count): an item without rows has probability 0. Torch-RecHub adds 1e-6 to every weight."""
    return np.log1p(counts)


def log_uniform(counts: Counts) -> Probabilities:
    """As log((r + 2) / (r + 1)), r = 0, 1, ... the rank of popularity; of equal counts the smaller item comes first.

    Items without rows come last, but have their share. Source: Liu et al. 2019, Real-time Attention Based Look-alike
    Model for Recommender System (Tencent's RALM); TensorFlow's `log_uniform_candidate_sampler` is the same.
    """
    weights = np.empty(len(counts))
    weights[np.argsort(-counts, kind="stable")] = np.log1p(1 / np.arange(1, len(counts) + 1))
    return weights


def two_buckets(counts: Counts) -> Probabilities:
    """With probability 0.3 a frequent item, as count^0.75, else a rare one, all alike.

    Frequent are items with five rows or more, rare are those with one to four; an item without rows is not drawn. So
    published with the weighted DSSM on MovieLens-1M. Where one bucket is empty, everything comes from the other.
    """
    frequent = np.where(counts >= FREQUENT, counts**POWER, 0)
    rare = ((counts > 0) & (counts < FREQUENT)).astype(np.float64)
    if not frequent.any() or not rare.any():
        return np.asarray(frequent + rare)
    return np.asarray(FREQUENT_SHARE * frequent / frequent.sum() + (1 - FREQUENT_SHARE) * rare / rare.sum())


DISTRIBUTIONS: Mapping[str, Callable[[Counts], Probabilities]] = {
    "uniform": uniform,
    "popularity": popularity,
    "log-popularity": log_popularity,
    "log-uniform": log_uniform,
    "two-bucket": two_buckets,
}
"""What a spec can name: from int64[n_items], the training rows of each item, to its weight, float64[n_items]."""


def check_name(name: str) -> None:
    """For a spec's settings.

    Raises:
        InputError: if there is no such distribution.
    """
    if name not in DISTRIBUTIONS:
        raise InputError(
            f"negatives are to be drawn by {name!r}, expected {', '.join(DISTRIBUTIONS)}; correct it in the suite."
        )


def probabilities(name: str, counts: Counts) -> Probabilities:
    """The probability with which each item is drawn: float64[n_items], with sum 1.

    Args:
        name: one of DISTRIBUTIONS.
        counts: int64[n_items], the training rows of each item.

    Raises:
        InputError: if there is no such distribution, or no item that it could give.
    """
    check_name(name)
    weights = DISTRIBUTIONS[name](counts)
    if not weights.any():
        raise InputError(
            f"none of the {len(counts)} items can be drawn as a {name} negative, expected items with training rows; "
            "train on more of the data."
        )
    return np.asarray(weights / weights.sum())


def log_q(p: Probabilities) -> npt.NDArray[np.float32]:
    """What a sampled softmax takes from each item's logit: the log of the probability that it is drawn as a negative.

    It belongs to the positive's logit as well as to the negatives'. Where a user's positives are excluded, the
    probabilities of all others grow by one factor; that moves all logits of a row alike, and no softmax.

    An item that is never drawn counts as half as probable as the least probable of the others, so that everything is
    finite. By the distributions of this file, every item with training rows can be drawn: no positive of training is
    corrected by that stand-in.

    Args:
        p: float64[n_items], with sum 1.

    Returns:
        float32[n_items], natural logarithms.

    Sources: Bengio and Senecal 2008, Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic
    Language Model; Yi et al. 2019, Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations.
    """
    return np.log(np.where(p > 0, p, p[p > 0].min() / 2)).astype(np.float32)


def in_batch_log_q(counts: Counts) -> npt.NDArray[np.float32]:
    """`log_q` of negatives that are the other rows' positives (Yi et al. 2019): an item's share of the training rows.

    Args:
        counts: int64[n_items], each item's rows among those that batches are drawn from, of which there must be some.
    """
    return log_q(counts / counts.sum())


class AliasTable(NamedTuple):
    """A distribution over items in columns of equal probability, each shared by two items at most.

    So a draw takes one random number and two look-ups, however many items there are (Walker 1977, An Efficient Method
    for Generating Discrete Random Variables with General Distributions).

    Attributes:
        keep: float64[m], the share of the column's first item, for the m items whose probability is not 0.
        items: int32[m, 2], the two items of each column.
    """

    keep: npt.NDArray[np.float64]
    items: Items

    @classmethod
    def of(cls, p: Probabilities) -> AliasTable:
        """The table of these probabilities: float64[n_items], with sum 1.

        Items of probability 0 get no column: rounding could leave them a share of it.
        """
        possible = np.flatnonzero(p).astype(np.int32)
        height = p[possible] * len(possible)
        low_first = np.argsort(height >= 1, kind="stable")
        keep, filler = _level(height, low_first, np.count_nonzero(height < 1))
        return cls(keep, np.stack([possible, possible[filler]], 1))

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Items:
        """Items with replacement, int32[shape]."""
        return np.asarray(_look_up(self, rng.random(shape).reshape(-1))).reshape(shape)


class Positives(NamedTuple):
    """What each user has.

    Attributes:
        indptr, items: int64[n_users + 1], int32[nnz], each user's items, ascending.
        n_items: the size of the catalogue.
        bitmap: uint8, a bit for each user and item, user by user; empty where it would not fit in BITMAP_BYTES.
    """

    indptr: npt.NDArray[np.int64]
    items: Items
    n_items: int
    bitmap: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, training: Training) -> Positives:
        n_bytes = (len(training.seen_indptr) - 1) * training.n_items // 8 + 1
        bitmap = np.zeros(n_bytes if n_bytes <= BITMAP_BYTES else 0, np.uint8)
        positives = cls(training.seen_indptr, training.seen_items, training.n_items, bitmap)
        if len(bitmap):
            _fill_bitmap(positives)
        return positives


@dataclass(frozen=True)
class Sampler:
    """Negatives for the users of one split.

    Attributes:
        name: one of DISTRIBUTIONS.
        probabilities: float64[n_items], with sum 1. Where positives are excluded, a user's other items are drawn with
            these over their sum.
        table: the same as a table.
        positives: what is never drawn for a user, if anything is excluded.
    """

    name: str
    probabilities: Probabilities
    table: AliasTable
    positives: Positives | None

    @classmethod
    def of(cls, name: str, training: Training, exclude_positives: bool = False) -> Sampler:
        """The sampler of a named distribution; made in milliseconds, so that each epoch may make its own.

        Args:
            name: one of DISTRIBUTIONS.
            training: what is counted, and what the users have.
            exclude_positives: whether a user's training items are kept from the user's negatives.

        Raises:
            InputError: if there is no such distribution, or no item that it could give.
        """
        p = probabilities(name, training.item_counts)
        return cls(name, p, AliasTable.of(p), Positives.of(training) if exclude_positives else None)

    def draw(self, rng: np.random.Generator, users: npt.NDArray[np.int32], n: int) -> Items:
        """Negatives with replacement.

        Args:
            rng: the generator; where positives are excluded, what it gives next depends on how many were hit.
            users: int32 of any shape; -1 is nobody, who has no positives.
            n: how many negatives each.

        Returns:
            int32[*users.shape, n].

        Raises:
            InputError: if positives are excluded and one of the users has all items that could be drawn.
        """
        shape = (*users.shape, n)
        if self.name == "uniform":
            items = sampling.uniform_items(rng, len(self.probabilities), shape)
        else:
            items = self.table.draw(rng, shape)
        if self.positives is not None:
            self._replace(rng, items.reshape(-1), np.repeat(users, n), self.positives)
        return items

    def _replace(
        self, rng: np.random.Generator, items: Items, users: npt.NDArray[np.int32], positives: Positives
    ) -> None:
        """Draws anew, in place, what is one of its user's positives: int32[k] items for int32[k] users."""
        hits = np.flatnonzero(_are_positive(positives, users, items))
        items[hits] = _draw_others(rng, self.table, self.probabilities, positives, users[hits])
        if len(hits) and items[hits].min() < 0:
            user = users[hits[np.argmin(items[hits])]]
            raise InputError(
                f"user {user} of the split has all {len(self.table.keep)} items that {self.name} negatives are drawn "
                "from, expected one left over; do not exclude positives, or leave such users out."
            )


@njit(cache=True)
def _level(height, columns, n_low):  # type: ignore[no-untyped-def]
    """Fills columns that are lower than 1 up, each from one higher one, until all are 1; in linear time.

    Source: Vose 1991, A Linear Algorithm for Generating Random Numbers with a Given Distribution.

    Args:
        height: float64[m], with mean 1; changed.
        columns: int64[m], all of them, the low ones first; their part is a stack, which grows into the other; changed.
        n_low: how many are low.

    Returns:
        float64[m], how much of each column is its own, and int64[m], from which the rest of it is.
    """
    own, filler = np.ones(len(height)), np.arange(len(height))
    for high in columns[n_low:]:
        while n_low > 0 and height[high] >= 1:  # low columns that are left over in the end are 1 but for rounding
            n_low -= 1
            low = columns[n_low]
            own[low], filler[low] = height[low], high
            height[high] -= 1 - height[low]
        if height[high] < 1:
            columns[n_low] = high
            n_low += 1
    return own, filler


@njit(cache=True)
def _item_at(table, uniform):  # type: ignore[no-untyped-def]
    """The item for a number in [0, 1), whose leading bits choose the column, and the others the item in it."""
    place = uniform * len(table.keep)
    column = int(place)
    return table.items[column, int(place - column >= table.keep[column])]


@njit(cache=True)
def _look_up(table, uniform):  # type: ignore[no-untyped-def]
    items = np.empty(len(uniform), np.int32)
    for row in range(len(uniform)):
        items[row] = _item_at(table, uniform[row])
    return items


@njit(cache=True)
def _fill_bitmap(positives):  # type: ignore[no-untyped-def]
    for user in range(len(positives.indptr) - 1):
        for item in positives.items[positives.indptr[user] : positives.indptr[user + 1]]:
            bit = user * positives.n_items + item
            positives.bitmap[bit >> 3] |= 1 << (bit & 7)


@njit(cache=True, inline="always")  # a call, which counts references to all arrays, would cost far more than the bitmap
def _is_positive(positives, user, item):  # type: ignore[no-untyped-def]
    if user < 0:
        return False
    if len(positives.bitmap) > 0:
        bit = user * positives.n_items + item
        return (positives.bitmap[bit >> 3] >> (bit & 7)) & 1 == 1
    own = positives.items[positives.indptr[user] : positives.indptr[user + 1]]
    place = np.searchsorted(own, item)
    return place < len(own) and own[place] == item


@njit(cache=True)
def _are_positive(positives, users, items):  # type: ignore[no-untyped-def]
    found = np.empty(len(items), np.bool_)
    for row in range(len(items)):
        found[row] = _is_positive(positives, users[row], items[row])
    return found


@njit(cache=True)
def _by_inversion(weights, uniform):  # type: ignore[no-untyped-def]
    """The item for a number in [0, 1) by the cumulative weights; -1 if all are 0."""
    cumulative = np.cumsum(weights)
    if cumulative[-1] == 0:
        return -1
    return np.searchsorted(cumulative, uniform * cumulative[-1], side="right")


@njit(cache=True)
def _draw_others(rng, table, p, positives, users):  # type: ignore[no-untyped-def]
    """int32[k], an item that user k has not; -1 where there is none.

    Draws are repeated until one is no positive, REDRAWS times at most. A user who is not served so has nearly
    everything, and gets an item by the cumulative probabilities of the others: the same distribution, without luck.
    """
    drawn = np.full(len(users), -1, np.int32)
    for row in range(len(users)):
        user = users[row]
        for _ in range(REDRAWS):
            item = _item_at(table, rng.random())
            if not _is_positive(positives, user, item):
                drawn[row] = item
                break
        if drawn[row] < 0:
            others = p.copy()
            others[positives.items[positives.indptr[user] : positives.indptr[user + 1]]] = 0
            drawn[row] = _by_inversion(others, rng.random())
    return drawn
