"""The ladder's own data: small ones to train on, wide ones for what only size shows, and the odd questions of both."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmarks import sampling
from benchmarks.protocols import features
from benchmarks.protocols.base import training_rows
from benchmarks.specs.base import Arrays

Size: TypeAlias = Literal["small", "wide"]
Int32s: TypeAlias = npt.NDArray[np.int32]
Int64s: TypeAlias = npt.NDArray[np.int64]

N_GROUPS = 4
N_ASKED = 500
"""Questions of users drawn at random, out of order and with repeats."""
N_NOBODYS = 3
OF_NOBODY = 303
"""Items of a history that is nobody's: more than a number of 8 bits can count."""
STRIDE = 20
"""Of everybody's histories one in so many is asked about."""
N_ODD = 20
"""Users who are asked about with a history that is not theirs, and again as users that nobody knows."""


@dataclass(frozen=True)
class Amounts:
    """How much there is; sequences have five items at least, histories may be empty."""

    n_users: int
    n_items: int
    n_rows: int
    n_sequences: int
    longest_sequence: int
    longest_history: int


SIZES: dict[Size, Amounts] = {
    "small": Amounts(300, 200, 1500, 120, 14, 10),
    "wide": Amounts(70_001, 70_003, 140_000, 2_000, 60, 50),
}
"""The small data have more users and items than a batch touches, so that untouched rows matter; the wide ones have
more than any number of 16 bits can count, a short tile behind whole ones of any size, since both numbers are prime, and
histories of many lengths."""


@dataclass(frozen=True)
class Problem:
    """A learnable data set, drawn from groups of users who prefer groups of items; see `Training`.

    It asks one question a user, and is so its own `Questions`.

    Attributes:
        sequence_user, sequence_indptr, sequence_items: sequences of items of a user's group.
        history, start, stop: what is known of each user, items of the group. Behind all users' stand three that are
            nobody's and longer than any model reads: the last item again and again, the first and the last in turn, and
            items of all kinds.
        user_features, item_features: of users their region, one of few, their zip code, where nearly everybody is
            alone, and two numbers, age and activity; of items in the same way group, zip code, price and popularity.
        held_out: int32[n_users], one more item of each user's preferred group, for the metric.
    """

    n_users: int
    n_items: int
    user: Int32s
    item: Int32s
    item_counts: Int64s
    seen_indptr: Int64s
    seen_items: Int32s
    user_features: Arrays
    item_features: Arrays
    sequence_user: Int32s
    sequence_indptr: Int64s
    sequence_items: Int32s
    history: Int32s
    start: Int64s
    stop: Int64s
    held_out: Int32s


@dataclass(frozen=True)
class Asked:
    """Questions about a problem's users, in any order, with what is known of each; see `Questions`."""

    user: Int32s
    history: Int32s
    start: Int64s
    stop: Int64s

    def part(self, rows: slice) -> Asked:
        """The questions in these places."""
        return Asked(self.user[rows], self.history, self.start[rows], self.stop[rows])


@functools.cache
def problem(seed: int = 0, size: Size = "small") -> Problem:
    """The data of a seed."""
    n = SIZES[size]
    rng = sampling.generator(*key(seed, size), "interactions")
    user = rng.integers(0, n.n_users, n.n_rows, dtype=np.int32)
    preferred = (rng.integers(0, n.n_items // N_GROUPS, (2, max(n.n_rows, n.n_users))) * N_GROUPS).astype(np.int32)
    item = preferred[0][: n.n_rows] + user % N_GROUPS
    everybody = np.arange(n.n_users, dtype=np.int32)
    held_out = preferred[1][: n.n_users] + everybody % N_GROUPS
    rng = sampling.generator(*key(seed, size), "sequences")
    sequence_user = rng.integers(0, n.n_users, n.n_sequences, dtype=np.int32)
    lengths = rng.integers(5, n.longest_sequence + 1, n.n_sequences)
    sequence_indptr, sequence_items = _of_their_group(rng, n, sequence_user, lengths)
    item_counts = np.bincount(item, minlength=n.n_items)
    *_, seen_indptr, seen_items = training_rows(user, item, n.n_users)
    everything = np.arange(n.n_items, dtype=np.int32)
    columns_of_users = {"region": everybody % (N_GROUPS - 1), "zip_code": everybody, "age": everybody**0.5}
    columns_of_items = {"group": everything % N_GROUPS, "zip_code": everything, "price": everything**0.5}
    indptr, history = _of_their_group(rng, n, everybody, rng.integers(0, n.longest_history + 1, n.n_users))
    return Problem(
        n_users=n.n_users,
        n_items=n.n_items,
        user=user,
        item=item,
        item_counts=item_counts,
        seen_indptr=seen_indptr,
        seen_items=seen_items,
        user_features=_encoded(columns_of_users, np.bincount(user, minlength=n.n_users), "activity"),
        item_features=_encoded(columns_of_items, item_counts, "popularity"),
        sequence_user=sequence_user,
        sequence_indptr=sequence_indptr,
        sequence_items=sequence_items,
        history=np.concatenate([history, _nobodys(n)]),
        start=indptr[:-1],
        stop=indptr[1:],
        held_out=held_out.astype(np.int32),
    )


def _encoded(columns: features.Columns, n_rows: Int64s, own: str) -> features.Columns:
    """The columns; of the last user or item, who is in the first batch, no category is known."""
    encoded = features.encoded(columns, n_rows, own)
    for column in filter(features.n_categories, encoded.values()):
        column[-1] = 0
    return encoded


def key(seed: int, size: Size = "small") -> tuple[object, ...]:
    """What all draws for the ladder are keyed by."""
    return ("ladder", *([seed] if seed else []), *([size] if size != "small" else []))


def _of_their_group(rng: np.random.Generator, n: Amounts, user: Int32s, length: Int64s) -> tuple[Int64s, Int32s]:
    """Items of each user's preferred group: int64[n + 1] offsets and int32 items."""
    indptr = np.append(0, np.cumsum(length)).astype(np.int64)
    group = np.repeat(user % N_GROUPS, length)
    return indptr, (rng.integers(0, n.n_items // N_GROUPS, indptr[-1]) * N_GROUPS + group).astype(np.int32)


def _nobodys(n: Amounts) -> Int32s:
    """int32[N_NOBODYS * OF_NOBODY]: see `Problem.history`."""
    last, place = n.n_items - 1, np.arange(OF_NOBODY)
    return np.concatenate([np.full(len(place), last), place % 2 * last, place * place % n.n_items]).astype(np.int32)


def asked(data: Problem, users: Int32s) -> Asked:
    """The questions of these users: int32[n], in any order and with repeats."""
    return Asked(users, data.history, data.start[users], data.stop[users])


def questions(data: Problem, *, everybody: bool, by_history: bool) -> Asked:
    """What a climb asks: some users or all of them, and of who is asked by history everything odd that may be asked.

    That is somebody with another's history, a user that nobody knows (-1), one session at its steps from an empty
    history on, and items that come again and again, the first and the last among them, in lengths up to some that no
    model reads whole. Of histories a run hands over 1,024 at a time, so that some thousands stand for everybody's.
    """
    rng = sampling.generator("ladder", "asked users")
    some = rng.integers(0, data.n_users, N_ASKED, dtype=np.int32)
    if not by_history:
        return asked(data, np.arange(data.n_users, dtype=np.int32) if everybody else some)
    users = np.arange(0, data.n_users, STRIDE, dtype=np.int32) if everybody else some
    odd = some[:N_ODD]
    longest = np.argsort(data.start - data.stop, kind="stable")[:2].astype(np.int32)
    opened = np.append(data.start[longest], data.stop[-1] + OF_NOBODY * np.arange(N_NOBODYS))
    lengths = np.append((data.stop - data.start)[longest], [OF_NOBODY] * N_NOBODYS)
    steps = [_asked_steps(n) for n in lengths]
    n_steps, step = [len(of_session) for of_session in steps], np.concatenate(steps)
    session = np.repeat(opened, n_steps)
    return Asked(
        np.concatenate([users, odd, np.full(N_ODD, -1), np.repeat([*longest, -1, 0, -1], n_steps)]).astype(np.int32),
        data.history,
        np.concatenate([data.start[users], data.start[odd[::-1]], data.start[odd], session]),
        np.concatenate([data.stop[users], data.stop[odd[::-1]], data.stop[odd], session + step]),
    )


def _asked_steps(n: int) -> Int64s:
    """Of a session of n items: how many are known, each of the first 40 and of the last 4 numbers and some between."""
    step = np.arange(n + 1)
    return np.flatnonzero((step <= 40) | (step % 11 == 0) | (step > n - 4))


def with_the_rare(batch: Arrays, data: Problem) -> dict[str, npt.NDArray[Any]]:
    """A batch {name: array[batch, ...]} in which the first and the last row of every table are looked up.

    Its first two rows hold the first and the last user and item, the third a user that nobody knows and the fourth a
    history that is as long as the model reads, where it reads histories; of wide data with the item that is 0 in 16
    bits, and so padding. Three rows have the same positive, and of one a negative is the positive.
    """
    made = {name: values.copy() for name, values in batch.items()}
    if "user" in made:
        made["user"][:2] = 0, data.n_users - 1
        if "history" in made:
            made["user"][2] = -1
    if "history" in made:
        _read_the_rare(made, data)
    _want_the_rare(made, data.n_items - 1)
    return made


def _read_the_rare(made: dict[str, npt.NDArray[Any]], data: Problem) -> None:
    last = data.n_items - 1
    made["history"][:2, :2] = [[last + 1, last + 1], [last + 1, 1]]
    width = made["history"].shape[1]
    if "length" in made:
        made["length"][:2] = np.maximum(made["length"][:2], 2)
        made["length"][3] = width
    if "target" not in made or made["target"].shape != made["history"].shape:  # else each place has its own
        made["history"][3] = 1 + np.arange(width) ** 2 % data.n_items
        made["history"][3, 0] = 1 << 16 if data.n_items > 1 << 16 else 1


def _want_the_rare(made: dict[str, npt.NDArray[Any]], last: int) -> None:
    if "positive" in made:
        made["positive"][:2], made["negative"][:3] = (0, last), (last, 0, made["positive"][2])
    elif "item" in made and made["item"].ndim == 1:
        made["item"][:2] = 0, last
    elif "item" in made:
        made["item"][:5, 0] = 0, last, *[made["item"][2, 0]] * 3
        made["item"][2, 1:] = made["item"][2, :1]
    elif "target" in made and made["target"].ndim == 1:
        made["target"][:2] = 0, last
    elif "target" in made:  # several a row, numbered as histories are
        made["target"][:2, :2] = [[last + 1, 1], [1, last + 1]]
    if "negatives" in made:
        of_batch = made["negatives"]
        of_batch[:1], of_batch[1:2] = 0, last  # two that all rows share, or all of two rows'
