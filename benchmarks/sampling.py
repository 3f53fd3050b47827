"""Every random draw of the project: initial parameters, shuffles and negatives, from NumPy's counter-based generator.

A draw is keyed by what it is for (data set, protocol, seed, model, purpose, epoch), never by the order of calls, so all
backends see the same numbers and a difference between them is a bug or rounding, never luck.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from benchmarks.specs.base import Parameter, Training

STEPS_PER_CHUNK = 64
"""At most so many steps are handed to an adapter at once: enough to amortise a call, few enough to fit in memory."""


def generator(*key: object) -> np.random.Generator:
    """A Philox generator for this key alone: its 128-bit key is the head of the SHA-256 of the words."""
    words = "\x1f".join(str(word) for word in key)
    return np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(words.encode()).digest()[:16])))


def initial_parameters(table: tuple[Parameter, ...], key: tuple[object, ...]) -> dict[str, npt.NDArray[np.float32]]:
    """The arrays from which every backend starts: uniform in [-bound, bound), each with a generator of its own."""
    return {row.name: _uniform(generator(*key, "parameter", row.name), row) for row in table}


def _uniform(rng: np.random.Generator, row: Parameter) -> npt.NDArray[np.float32]:
    if row.bound == 0:
        return np.zeros(row.shape, np.float32)
    return np.asarray(np.float32(row.bound) * (2 * rng.random(row.shape, dtype=np.float32) - 1), np.float32)


def uniform_items(rng: np.random.Generator, n_items: int, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    """Uniform items with replacement, int32[shape]; a user's own items are not excluded."""
    return rng.integers(0, n_items, size=shape, dtype=np.int32)


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
