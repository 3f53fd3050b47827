"""The samples of the cloze task: pieces of sequences, some of whose items are masked."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import masks, sampling
from datasets.errors import InputError

MASK = -1
IMPROBABLE = 1e-4  # the seeds are fixed, so a test fails always or never
checked = settings(derandomize=True, deadline=None, max_examples=60)
some_lengths = st.lists(st.integers(1, 12), min_size=1, max_size=30)


def training(lengths):
    """Training sequences of so many items, none of which is there twice; every other one is of nobody known."""
    return SimpleNamespace(
        sequence_user=np.array([at if at % 2 else -1 for at in range(len(lengths))], np.int32),
        sequence_indptr=np.cumsum([0, *lengths], dtype=np.int64),
        sequence_items=np.arange(sum(lengths), dtype=np.int32),
    )


def drawn(data, batch_size, length, *, seed=0, share=0.3, last=0.2):
    """All samples of an epoch: user, history, place and target of each."""
    rng = sampling.generator("masked", seed)
    chunks = list(masks.pieces(rng, data, batch_size, length, share=share, last=last, mask=MASK))
    for chunk in chunks:
        assert {array.dtype for array in chunk.values()} == {np.dtype(np.int32)}
        assert {array.shape[:2] for array in chunk.values()} == {chunk["user"].shape}
        assert chunk["history"].shape[2] == length
        assert chunk["place"].shape[2] == chunk["target"].shape[2] == masks.n_masked(length, share)
    names = ("user", "history", "place", "target")
    whole = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}
    flat = (of.reshape(-1, *of.shape[2:]).tolist() for of in whole.values())
    return list(zip(*flat, strict=True))


def plain_pieces(data, length):
    """(user, items + 1) of every piece, with lists only."""
    pieces = []
    for user, start, end in zip(data.sequence_user, data.sequence_indptr, data.sequence_indptr[1:], strict=False):
        stop = int(end)
        while end - start > 1 and stop > start:
            first = max(int(start), stop - length)
            last = max(stop, int(min(end, start + length)))
            pieces.append((int(user), tuple(item + 1 for item in range(first, last))))
            stop = first
    return pieces


def unmasked(history, place, target):
    """The items of a piece, its masks lifted, and the places of these."""
    items, places = list(history), []
    for at, item in zip(place, target, strict=True):
        if item:
            assert items[at] == MASK
            items[at] = item
            places.append(at)
        else:
            assert at == 0
    n = next((at for at, item in enumerate(items) if item == 0), len(items))
    assert not any(items[n:])
    assert MASK not in items
    assert places == sorted(places)
    return tuple(items[:n]), places


@checked
@given(
    lengths=some_lengths,
    batch_size=st.integers(1, 20),
    length=st.integers(1, 8),
    how=st.tuples(st.floats(0.01, 0.99), st.sampled_from([0.0, 0.4, 1.0])),
    seed=st.integers(0, 2**20),
)
def test_every_piece_once_with_as_many_masks_as_the_share_says(lengths, batch_size, length, how, seed):
    (share, last), data = how, training(lengths)
    expected = Counter(plain_pieces(data, length))
    if not expected:
        with pytest.raises(InputError, match="no training sequence has two items"):
            drawn(data, batch_size, length)
        return
    found = Counter()
    for user, history, place, target in drawn(data, batch_size, length, seed=seed, share=share, last=last):
        items, places = unmasked(history, place, target)
        found[user, items] += 1
        wanted = max(1, round(share * len(items)))
        assert len(places) in ({wanted} if not last else {1} if last == 1 else {1, wanted})
        if last == 1:
            assert places == [len(items) - 1]
    assert found <= expected
    n = expected.total()
    assert found.total() == (n // batch_size * batch_size if n >= batch_size else n)


def test_by_hand():
    made = drawn(training([5, 1]), 1, 3, last=1.0)
    assert sorted(made, key=str) == [(-1, [1, 2, MASK], [2], [3]), (-1, [3, 4, MASK], [2], [5])]


def test_every_place_is_as_likely_to_be_masked_and_by_itself():
    made = drawn(training([8] * 4000), 10, 8, share=0.25, last=0.0)
    places = np.array([place for _, _, place, _ in made])
    assert scipy.stats.chisquare(np.bincount(places.ravel(), minlength=8)).pvalue > IMPROBABLE
    pairs = np.bincount(places[:, 0] * 8 + places[:, 1], minlength=64).reshape(8, 8)[np.triu_indices(8, 1)]
    assert scipy.stats.chisquare(pairs).pvalue > IMPROBABLE


def test_so_many_pieces_have_the_last_alone():
    made = drawn(training([10] * 4000), 10, 10, share=0.3, last=0.25)
    alone = [place[0] for _, _, place, target in made if sum(map(bool, target)) == 1]
    assert set(alone) == {9}
    assert scipy.stats.binomtest(len(alone), len(made), 0.25).pvalue > IMPROBABLE


def test_where_one_is_masked_anyway_the_last_is_so_as_often_as_is_said():
    made = drawn(training([4] * 4000), 10, 4, share=0.25, last=0.5)
    n_last = sum(place == [3] for _, _, place, _ in made)
    assert scipy.stats.binomtest(n_last, len(made), 0.5 + 0.5 / 4).pvalue > IMPROBABLE


def test_they_are_shuffled_and_an_epoch_of_another_key_is_another():
    data = training([100] * 20)
    first = [min(item for item in history if item > 0) for _, history, _, _ in drawn(data, 10, 2, last=0.0, share=0.5)]
    assert abs(scipy.stats.spearmanr(first, np.arange(1000)).statistic) < 0.1
    assert drawn(data, 10, 2) == drawn(data, 10, 2) != drawn(data, 10, 2, seed=1)


@pytest.mark.parametrize(
    ("n_items", "share", "n"), [(1, 0.2, 1), (2, 0.2, 1), (8, 0.2, 2), (200, 0.2, 40), (5, 0.9, 4)]
)
def test_how_many_are_masked(n_items, share, n):
    assert masks.n_masked(n_items, share) == n
    assert masks.n_masked(np.array([n_items, 1]), share).tolist() == [n, 1]
