"""The samples of the cloze task, in which some items of a sequence are hidden and guessed from the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks import sampling
from datasets.errors import TooFewError

if TYPE_CHECKING:
    from benchmarks.specs.base import Training


def pieces(
    rng: np.random.Generator,
    training: Training,
    batch_size: int,
    length: int,
    *,
    share: float,
    last: float,
    mask: int,
) -> Iterator[dict[str, npt.NDArray[np.int32]]]:
    """One epoch of pieces of the training sequences in which some items are masked (Sun et al. 2019, section 3.6).

    A sequence of two items or more is cut into pieces of `length` items, from its end on; the piece with its beginning,
    where that would be shorter, overlaps the next one, if there is one. In a piece of n items `n_masked(n, share)` are
    masked, each set of so many as likely as the others; in some pieces, each with probability `last`, only the last is.
    The pieces are shuffled; a last, short batch is dropped, unless it is the only one.

    Yields:
        Chunks of user: int32[steps, batch_size] (as in `sequence_user`); history: int32[steps, batch_size, length],
        item + 1, `mask` in place of what is masked, padded on the right with 0; place and target: int32[steps,
        batch_size, n_masked(length, share)], where masks are, rising, and item + 1 of what they hide, or 0 and 0 in
        place of those that a piece has fewer.

    Raises:
        TooFewError: if no sequence has two items.
    """
    n_items = np.where(np.diff(training.sequence_indptr) > 1, np.diff(training.sequence_indptr), 0)
    first_piece = np.append(0, np.cumsum(-(-n_items // length)))
    if not first_piece[-1]:
        raise TooFewError(sampling.NO_PAST)
    most = n_masked(length, share)
    for samples in sampling.shuffled(rng, int(first_piece[-1]), batch_size):
        sequence = np.searchsorted(first_piece, samples, side="right") - 1
        start = training.sequence_indptr[sequence]
        stop = training.sequence_indptr[sequence + 1] - (first_piece[sequence + 1] - 1 - samples) * length
        stop = np.maximum(stop, start + np.minimum(length, n_items[sequence]))
        items, lengths = sampling.padded(training.sequence_items, start.ravel(), stop.ravel(), length)
        is_last = rng.random(len(items)) < last
        n_of_each = np.where(is_last, 1, n_masked(lengths, share))
        order = rng.random(items.shape)
        order[items == 0] = 2  # behind all items
        order[is_last, lengths[is_last] - 1] = -1  # before them
        is_masked = order.argsort(1).argsort(1) < n_of_each[:, None]
        yield _masked(training.sequence_user[sequence], items, is_masked, most, mask)


def n_masked(n_items: Any, share: float) -> Any:
    """How many items of a piece are masked: of one number, or int64 of many."""
    found = np.maximum(1, np.rint(share * np.asarray(n_items))).astype(np.int64)
    return found if found.ndim else int(found)


def _masked(
    user: npt.NDArray[np.int32], items: npt.NDArray[np.int32], is_masked: npt.NDArray[np.bool_], most: int, mask: int
) -> dict[str, npt.NDArray[np.int32]]:
    """The chunk of users int32[steps, batch] whose items, int32[steps * batch, length], are masked where it is said."""
    place = np.argsort(~is_masked, axis=1, kind="stable")[:, :most]  # the masked ones first, rising
    is_one = np.take_along_axis(is_masked, place, 1)
    made = {
        "history": np.where(is_masked, mask, items),
        "place": np.where(is_one, place, 0),
        "target": np.where(is_one, np.take_along_axis(items, place, 1), 0),
    }
    return {"user": user} | {name: of.astype(np.int32).reshape(*user.shape, -1) for name, of in made.items()}
