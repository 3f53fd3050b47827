"""Every random draw of the project: parameters, shuffles, cuts and negatives, from NumPy's counter-based generator.

A draw is keyed by what it is for (data set, protocol, seed, model, purpose, epoch), never by the order of calls, so all
backends see the same numbers and a difference between them is a bug or rounding, never luck.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import njit

from datasets.errors import TooFewError

if TYPE_CHECKING:
    from benchmarks.specs.base import Arrays, Parameter, Training

STEPS_PER_CHUNK = 64
"""At most so many steps are handed to an adapter at once: enough to amortise a call, few enough to fit in memory."""

MOST_DRAWN = 1 << 26
"""Bytes of what is drawn beside the samples themselves, such as what dropout keeps, that a chunk holds at most, unless
those of a single step are more."""

NO_USER = "no training row has a user; give data with user_id, or choose a model of sessions."
NOTHING_LEFT = "every user with training rows has every item, so that no negative is left; take data with more items."
NO_PAST = "no training sequence has two items, so that none has a past; take data with longer ones."


def generator(*key: object) -> np.random.Generator:
    """A Philox generator for this key alone: its 128-bit key is the head of the SHA-256 of the words."""
    words = "\x1f".join(str(word) for word in key)
    return np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(words.encode()).digest()[:16])))


def initial_parameters(table: tuple[Parameter, ...], key: tuple[object, ...]) -> dict[str, npt.NDArray[Any]]:
    """The arrays from which every backend starts: as given, or uniform in [-bound, bound) from a generator each."""
    return {row.name: _initial(generator(*key, "parameter", row.name), row) for row in table}


def _initial(rng: np.random.Generator, row: Parameter) -> npt.NDArray[Any]:
    if row.values is not None:
        return row.values.copy()
    if row.bound == 0:
        return np.zeros(row.shape, np.float32)
    return np.asarray(np.float32(row.bound) * (2 * rng.random(row.shape, dtype=np.float32) - 1), np.float32)


def uniform_items(rng: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    """Uniform items with replacement, int32[shape]; a user's own items are not excluded."""
    return rng.integers(0, n_items, size=shape, dtype=np.int32)


def kept(rng: np.random.Generator, rate: int, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Which elements dropout keeps, bool[shape]: each is dropped by itself, with probability rate / 256."""
    return np.frombuffer(rng.bytes(math.prod(shape)), np.uint8).reshape(shape) >= rate


def in_portions(chunk: Arrays, n_bytes: int) -> Iterator[Arrays]:
    """The chunk in parts of so few steps that what is drawn for them, so many bytes a step, fits in memory."""
    portion = max(1, MOST_DRAWN // n_bytes)
    for first in range(0, len(chunk["history"]), portion):
        yield {name: values[first : first + portion] for name, values in chunk.items()}


def bootstrapped_triples(
    rng: np.random.Generator, training: Training, n_steps: int, batch_size: int
) -> Iterator[dict[str, npt.NDArray[np.int32]]]:
    """Training rows drawn with replacement, each with a uniform negative (Rendle et al. 2009, LearnBPR).

    Yields:
        Chunks of user, positive, negative: int32[steps, batch_size].
    """
    for first in range(0, n_steps, STEPS_PER_CHUNK):
        shape = (min(STEPS_PER_CHUNK, n_steps - first), batch_size)
        row = rng.integers(0, len(training.user), size=shape, dtype=np.int32)
        yield {
            "user": training.user[row],
            "positive": training.item[row],
            "negative": uniform_items(rng, training.n_items, shape),
        }


def labelled_pairs(
    rng: np.random.Generator, training: Training, batch_size: int, n_negatives: int
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """One shuffled pass over the training rows, with pairs of a uniform user and a uniform item as negatives.

    Yields:
        Chunks of user, item: int32[steps, rows] and label: float32[steps, rows] with rows = batch * (1 + n_negatives),
        a step's positives first. A last, short batch comes as a chunk of its own.
    """
    order = rng.permutation(len(training.user)).astype(np.int32)
    n_full = len(order) // batch_size
    for first in range(0, n_full, STEPS_PER_CHUNK):
        last = min(first + STEPS_PER_CHUNK, n_full)
        rows = order[first * batch_size : last * batch_size].reshape(last - first, batch_size)
        yield _with_uniform_negatives(rng, training, rows, n_negatives)
    if n_full * batch_size < len(order):
        yield _with_uniform_negatives(rng, training, order[None, n_full * batch_size :], n_negatives)


def _with_uniform_negatives(
    rng: np.random.Generator, training: Training, rows: npt.NDArray[np.int32], n_negatives: int
) -> dict[str, npt.NDArray[Any]]:
    n_steps, batch_size = rows.shape
    shape = (n_steps, batch_size * n_negatives)
    label = np.zeros((n_steps, batch_size * (1 + n_negatives)), np.float32)
    label[:, :batch_size] = 1
    negative_user = rng.integers(0, training.n_users, size=shape, dtype=np.int32)
    return {
        "user": np.concatenate([training.user[rows], negative_user], 1),
        "item": np.concatenate([training.item[rows], uniform_items(rng, training.n_items, shape)], 1),
        "label": label,
    }


def positives(
    rng: np.random.Generator, training: Training, batch_size: int
) -> Iterator[dict[str, npt.NDArray[np.int32]]]:
    """One shuffled pass over the training rows; a last, short batch is dropped, unless it is the only one.

    Yields:
        Chunks of user and target: int32[steps, batch_size].
    """
    for rows in shuffled(rng, len(training.user), batch_size):
        yield {"user": training.user[rows], "target": training.item[rows]}


def positives_by_user(
    rng: np.random.Generator, training: Training, batch_size: int
) -> Iterator[dict[str, npt.NDArray[np.int32]]]:
    """Users who have something, and not everything, uniformly with replacement, each with one of the user's items.

    At least as many as there are pairs of a user and an item, however often these come in the training rows.

    Yields:
        Chunks of user and positive: int32[steps, batch_size].

    Raises:
        TooFewError: if no training row has a user, or every user who has rows has every item.
    """
    n_items = np.diff(training.seen_indptr)
    somebody = np.flatnonzero((n_items > 0) & (n_items < training.n_items)).astype(np.int32)
    if not len(somebody):
        raise TooFewError(NOTHING_LEFT if n_items.any() else NO_USER)
    n_steps = math.ceil(len(training.seen_items) / batch_size)
    for first in range(0, n_steps, STEPS_PER_CHUNK):
        shape = (min(STEPS_PER_CHUNK, n_steps - first), batch_size)
        user = somebody[rng.integers(0, len(somebody), shape)]
        place = training.seen_indptr[user] + (rng.random(shape) * n_items[user]).astype(np.int64)
        yield {"user": user, "positive": training.seen_items[place]}


def sets(
    rng: np.random.Generator, training: Training, batch_size: int, length: int
) -> Iterator[dict[str, npt.NDArray[np.int32]]]:
    """One shuffled pass over the users with training rows, each as the set of items that they have there.

    Of a user with more than `length` items so many are drawn, each set of so many as likely as the others. A last,
    short batch is dropped, unless it is the only one.

    Yields:
        Chunks of user: int32[steps, batch_size] and history: int32[steps, batch_size, length], item + 1, padded on the
        right with 0.

    Raises:
        TooFewError: if no training row has a user.
    """
    users = np.flatnonzero(np.diff(training.seen_indptr)).astype(np.int32)
    if not len(users):
        raise TooFewError(NO_USER)
    for order in shuffled(rng, len(users), batch_size):
        user = users[order]
        history = [
            _some(training.seen_items, training.seen_indptr[of_step], training.seen_indptr[of_step + 1],
                  rng.random((len(of_step), length)))
            for of_step in user
        ]  # fmt: skip
        yield {"user": user, "history": np.stack(history)}


@njit(cache=True)
def _some(items, start, stop, chances):  # type: ignore[no-untyped-def]
    # int32[n, length] of items[start[i]:stop[i]] + 1: all, or as many as a shuffle (Durstenfeld 1964) puts in front
    chosen = np.zeros(chances.shape, np.int32)
    for row in range(len(start)):
        left = items[start[row] : stop[row]].copy()
        for place in range(min(len(left), chances.shape[1])):
            other = place
            if len(left) > chances.shape[1]:
                other += int(chances[row, place] * (len(left) - place))
            chosen[row, place] = left[other] + 1
            left[other] = left[place]
    return chosen


def prefixes(
    rng: np.random.Generator, training: Training, batch_size: int, length: int, most: int = 0
) -> Iterator[dict[str, npt.NDArray[np.int32]]]:
    """One shuffled pass over all items of the training sequences but their first, each with what came before it.

    Of a sequence with more than `most` of them, where that is not 0, so many are drawn, each as likely as the others.
    A last, short batch is dropped, unless it is the only one.

    Yields:
        Chunks of user, length, target: int32[steps, batch_size] (user as in `sequence_user`) and history:
        int32[steps, batch_size, length], the last items before the target, + 1, padded on the right with 0.

    Raises:
        TooFewError: if no sequence has two items.
    """
    n_targets = np.maximum(np.diff(training.sequence_indptr) - 1, 0)
    first_target = np.append(0, np.cumsum(n_targets))
    if not first_target[-1]:
        raise TooFewError(NO_PAST)
    chosen = _some_of_each(rng, n_targets, most) if most else np.arange(first_target[-1])
    for order in shuffled(rng, len(chosen), batch_size):
        samples = chosen[order]
        sequence = np.searchsorted(first_target, samples, side="right") - 1
        place = training.sequence_indptr[sequence] + 1 + samples - first_target[sequence]
        yield _items_with_their_past(training, sequence, place, length)


def _some_of_each(rng: np.random.Generator, n: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Of groups of n[i] things each, numbered one group after the other, at most so many of each, ascending: int64."""
    group = np.repeat(np.arange(len(n)), n)
    by_chance = np.lexsort((rng.random(len(group)), group))  # within its group
    rank = np.arange(len(group)) - np.repeat(np.cumsum(n) - n, n)
    return np.sort(by_chance[rank < most])


def random_cuts(
    rng: np.random.Generator,
    training: Training,
    batch_size: int,
    length: int,
    cuts_per_sequence: int = 1,
    *,
    min_history: int = 1,
) -> Iterator[dict[str, npt.NDArray[np.int32]]]:
    """One epoch of training sequences cut at random places, as published with GRU4Rec on MovieLens-20M.

    A sequence of n > min_history items is cut `cuts_per_sequence` times, at a place k uniform in [min_history, n - 1]:
    the last `length` items before it are the history, item k is the target. Shorter sequences are left out. The samples
    are shuffled; a last, short batch is dropped, unless it is the only one.

    Yields:
        Chunks of user, length, target: int32[steps, batch_size] (user as in `sequence_user`) and history:
        int32[steps, batch_size, length], item + 1, padded on the right with 0.

    Raises:
        TooFewError: if no sequence is long enough.
    """
    n_items = np.diff(training.sequence_indptr)
    long_enough = np.flatnonzero(n_items > min_history)
    if not len(long_enough):
        raise TooFewError(
            f"the longest training sequence has {n_items.max(initial=0)} items, expected {min_history + 1} or more for "
            "a random cut; lower min_history, take data with longer sequences, or a protocol that trains on more of "
            "them."
        )
    sequence = np.repeat(long_enough, cuts_per_sequence)
    cut = training.sequence_indptr[sequence] + rng.integers(min_history, n_items[sequence])
    for samples in shuffled(rng, len(sequence), batch_size):
        yield _items_with_their_past(training, sequence[samples], cut[samples], length)


def every_position(
    rng: np.random.Generator, training: Training, batch_size: int, length: int
) -> Iterator[dict[str, npt.NDArray[np.int32]]]:
    """One epoch in which every item but the first of its sequence is a target once, told from those before it.

    A sequence is cut into pieces of `length` targets, from its end on, so that the piece with its beginning is the one
    that may be shorter. A piece's history begins one item before its first target: what lies further back is not read.
    The pieces are shuffled; a last, short batch is dropped, unless it is the only one.

    Yields:
        Chunks of user: int32[steps, batch_size] (as in `sequence_user`), history and target: int32[steps, batch_size,
        length], item + 1, padded on the right with 0; the target of each place is the item after it.

    Raises:
        TooFewError: if no sequence has two items.
    """
    n_targets = np.maximum(np.diff(training.sequence_indptr) - 1, 0)
    first_piece = np.append(0, np.cumsum(-(-n_targets // length)))
    if not first_piece[-1]:
        raise TooFewError(NO_PAST)
    for samples in shuffled(rng, int(first_piece[-1]), batch_size):
        sequence = np.searchsorted(first_piece, samples, side="right") - 1
        n_after = (first_piece[sequence + 1] - 1 - samples) * length  # targets that later pieces hold
        stop = training.sequence_indptr[sequence + 1] - n_after
        start = np.maximum(training.sequence_indptr[sequence] + 1, stop - length)
        history, target = (
            padded(training.sequence_items, (start - before).ravel(), (stop - before).ravel(), length)[0]
            for before in (1, 0)
        )
        shape = (*samples.shape, length)
        yield {
            "user": training.sequence_user[sequence],
            "history": history.reshape(shape),
            "target": target.reshape(shape),
        }


def _items_with_their_past(
    training: Training, sequence: npt.NDArray[np.int64], place: npt.NDArray[np.int64], length: int
) -> dict[str, npt.NDArray[np.int32]]:
    """The items at these places of `sequence_items`, int64[steps, batch], each with the last ones of its sequence."""
    start = training.sequence_indptr[sequence]
    history, lengths = padded(training.sequence_items, start.ravel(), place.ravel(), length)
    return {
        "user": training.sequence_user[sequence],
        "history": history.reshape(*place.shape, length),
        "length": lengths.reshape(place.shape),
        "target": training.sequence_items[place],
    }


def windows(
    rng: np.random.Generator, training: Training, batch_size: int, length: int
) -> Iterator[dict[str, npt.NDArray[np.int32]]]:
    """One epoch of the windows published with the LSTM on Online Retail: each item is to be told from those before it.

    A training sequence becomes 0 ("nothing yet") and its items + 1, padded on the right with 0 to at least length + 1.
    Every stretch of length + 1 of that is a window: its first `length` are the history, its last `length` the targets.
    The windows are shuffled; a last, short batch is dropped, unless it is the only one.

    Yields:
        Chunks of user: int32[steps, batch_size] (as in `sequence_user`), history and target: int32[steps, batch_size,
        length]. Targets are shifted like histories, item + 1: among them, too, 0 is padding.
    """
    n_items = np.diff(training.sequence_indptr)
    first_window = np.append(0, np.cumsum(np.maximum(n_items + 1 - length, 1)))
    for samples in shuffled(rng, int(first_window[-1]), batch_size):
        sequence = np.searchsorted(first_window, samples, side="right") - 1
        offset, start = samples - first_window[sequence], training.sequence_indptr[sequence]
        window = _cut_windows(
            training.sequence_items, start.ravel(), n_items[sequence].ravel(), offset.ravel(), length + 1
        ).reshape(*samples.shape, length + 1)
        history, target = (np.ascontiguousarray(part) for part in (window[..., :-1], window[..., 1:]))
        yield {"user": training.sequence_user[sequence], "history": history, "target": target}


def shuffled(rng: np.random.Generator, n: int, batch_size: int) -> Iterator[npt.NDArray[np.int32]]:
    """The numbers 0 to n - 1 in random order, as chunks int32[steps, batch]; all in one batch if they fill none."""
    order = rng.permutation(n).astype(np.int32)
    batch_size = min(batch_size, n)
    n_steps = n // batch_size
    for first in range(0, n_steps, STEPS_PER_CHUNK):
        last = min(first + STEPS_PER_CHUNK, n_steps)
        yield order[first * batch_size : last * batch_size].reshape(last - first, batch_size)


@njit(cache=True)
def padded(history, start, stop, length):  # type: ignore[no-untyped-def]
    """The last items of stretches, as models read them.

    Args:
        history: int32[m], items.
        start: int64[q].
        stop: int64[q], stretch i is history[start[i]:stop[i]].
        length: how many items are taken at most.

    Returns:
        int32[q, length], item + 1, padded on the right with 0, and int32[q], how many there are.
    """
    items = np.zeros((len(start), length), np.int32)
    lengths = np.empty(len(start), np.int32)
    for query in range(len(start)):
        first = max(start[query], stop[query] - length)
        lengths[query] = stop[query] - first
        for place in range(lengths[query]):
            items[query, place] = history[first + place] + 1
    return items, lengths


@njit(cache=True)
def _cut_windows(items, start, n_items, offset, width):  # type: ignore[no-untyped-def]
    # int32[w, width]; place 0 of sequence i is "nothing yet", its items begin at items[start[i]]
    cut = np.zeros((len(start), width), np.int32)
    for window in range(len(start)):
        for place in range(width):
            item = offset[window] + place - 1
            if 0 <= item < n_items[window]:
                cut[window, place] = items[start[window] + item] + 1
    return cut
