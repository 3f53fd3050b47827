import hashlib
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks import sampling
from benchmarks.sampling import STEPS_PER_CHUNK
from benchmarks.specs.base import Parameter
from datasets.errors import InputError

IMPROBABLE = 1e-4  # the seeds are fixed, so a test fails always or never

checked = settings(derandomize=True, deadline=None, max_examples=60)
words = st.one_of(st.text(max_size=6).filter(lambda word: "\x1f" not in word), st.integers())
keys = st.lists(words, min_size=1, max_size=4).map(tuple)


def data(n_rows, n_users=50, n_items=40):
    """Training rows (r % n_users, r % n_items), each pair of which is there once if n_rows is below their lcm."""
    rows = np.arange(n_rows, dtype=np.int32)
    return SimpleNamespace(n_users=n_users, n_items=n_items, user=rows % n_users, item=rows % n_items)


def digest(arrays):
    hashed = hashlib.sha256()
    for name in sorted(arrays):
        hashed.update(f"{name}{arrays[name].dtype.str}{arrays[name].shape}".encode())
        hashed.update(np.ascontiguousarray(arrays[name]).data)
    return hashed.hexdigest()[:16]


def uniform_p(values, n):
    """P of the chi-square test that these integers are uniform on 0 … n - 1."""
    return scipy.stats.chisquare(np.bincount(values.ravel(), minlength=n)).pvalue


class TestKeys:
    @checked
    @given(key=keys)
    def test_a_key_gives_the_same_bytes_each_time(self, key):
        assert sampling.generator(*key).bytes(64) == sampling.generator(*key).bytes(64)

    @checked
    @given(key=keys, other=keys)
    def test_another_key_gives_other_bytes(self, key, other):
        same_words = [str(word) for word in key] == [str(word) for word in other]
        assert (sampling.generator(*key).bytes(64) == sampling.generator(*other).bytes(64)) == same_words

    def test_the_order_and_the_borders_of_words_matter(self):
        variants = [("a", "b"), ("b", "a"), ("ab",), ("a", "", "b"), ("a",), ("a", "b", 0), ("a", "b", 1)]
        assert len({sampling.generator(*key).bytes(16) for key in variants}) == len(variants)

    def test_other_draws_before_it_change_nothing(self):
        alone = sampling.generator("split", 0, "pairs", 3).random(5)
        for epoch in range(5):
            sampling.generator("split", 0, "pairs", epoch).random(1000)
        np.random.default_rng(0).random(10)
        assert np.array_equal(sampling.generator("split", 0, "pairs", 3).random(5), alone)

    def test_generators_of_two_keys_are_not_correlated(self):
        first, second = (sampling.generator("split", 0, "pairs", epoch).random(20_000) for epoch in (1, 2))
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


TABLE = (
    Parameter("user_factors", (300, 16), 0.25),
    Parameter("item_bias", (4000,), 2**0.5),
    Parameter("global_bias", (), 0.0),
    Parameter("zeros", (3, 4), 0.0),
)


class TestInitialParameters:
    def test_shapes_types_and_bounds(self):
        made = sampling.initial_parameters(TABLE, ("split", 0))
        assert list(made) == [row.name for row in TABLE]
        for row in TABLE:
            values = made[row.name]
            assert (values.shape, values.dtype) == (row.shape, np.float32)
            assert (values >= -np.float32(row.bound)).all()
            assert (values < np.float32(row.bound)).all() or row.bound == 0

    @given(seed=st.integers(0, 2**32), bound=st.floats(1e-6, 1e3))
    @checked
    def test_no_value_reaches_the_bound(self, seed, bound):
        row = Parameter("p", (2000,), bound)
        values = sampling.initial_parameters((row,), (seed,))["p"]
        assert values.min() >= -np.float32(bound)
        assert values.max() < np.float32(bound)

    def test_a_bound_of_zero_gives_zeros(self):
        made = sampling.initial_parameters(TABLE, ("split", 0))
        assert made["global_bias"] == 0
        assert not made["zeros"].any()

    @pytest.mark.parametrize("row", TABLE[:2], ids=lambda row: row.name)
    def test_the_values_are_uniform(self, row):
        values = sampling.initial_parameters(TABLE, ("split", 0))[row.name].ravel()
        uniform = scipy.stats.uniform(-row.bound, 2 * row.bound)
        assert scipy.stats.kstest(values, uniform.cdf).pvalue > IMPROBABLE

    def test_a_table_does_not_depend_on_its_neighbours(self):
        together = sampling.initial_parameters(TABLE, ("split", 0))
        reversed_table = sampling.initial_parameters(TABLE[::-1], ("split", 0))
        for row in TABLE:
            alone = sampling.initial_parameters((row,), ("split", 0))[row.name]
            assert np.array_equal(together[row.name], alone)
            assert np.array_equal(reversed_table[row.name], alone)

    def test_key_and_name_each_change_the_values(self):
        def first(name, *key):
            return float(sampling.initial_parameters((Parameter(name, (4,), 1.0),), key)[name][0])

        assert (
            len({first("a", "split", 0), first("b", "split", 0), first("a", "split", 1), first("a", "other", 0)}) == 4
        )


def pairs(training, batch_size, n_negatives, key=("pairs", 0)):
    return list(sampling.labelled_pairs(sampling.generator(*key), training, batch_size, n_negatives))


class TestLabelledPairs:
    @given(
        n_rows=st.integers(1, 400),
        batch_size=st.integers(1, 60),
        n_negatives=st.integers(0, 4),
        seed=st.integers(0, 2**20),
    )
    @checked
    def test_an_epoch_holds_every_training_row_once(self, n_rows, batch_size, n_negatives, seed):
        training = data(n_rows, n_users=7, n_items=11)
        chunks = pairs(training, batch_size, n_negatives, ("pairs", seed))
        positives = Counter()
        for chunk in chunks:
            n_steps, n_columns = chunk["label"].shape
            n_positives = n_columns // (1 + n_negatives)
            assert 1 <= n_steps <= STEPS_PER_CHUNK
            assert {name: (a.shape, a.dtype) for name, a in chunk.items()} == {
                "user": ((n_steps, n_columns), np.int32),
                "item": ((n_steps, n_columns), np.int32),
                "label": ((n_steps, n_columns), np.float32),
            }
            assert (chunk["label"] == ([1] * n_positives + [0] * (n_negatives * n_positives))).all()
            users, items = chunk["user"][:, :n_positives], chunk["item"][:, :n_positives]
            positives.update(zip(users.ravel().tolist(), items.ravel().tolist(), strict=True))
            assert ((chunk["user"] >= 0) & (chunk["user"] < 7)).all()
            assert ((chunk["item"] >= 0) & (chunk["item"] < 11)).all()
        assert positives == Counter(zip(training.user.tolist(), training.item.tolist(), strict=True))

        batches = [
            size for chunk in chunks for size in [chunk["label"].shape[1] // (1 + n_negatives)] * len(chunk["label"])
        ]
        n_full, rest = divmod(n_rows, batch_size)
        assert batches == [batch_size] * n_full + [rest] * bool(rest)

    def test_a_short_last_batch_is_a_chunk_of_its_own(self):
        shapes = [chunk["user"].shape for chunk in pairs(data(10 * (STEPS_PER_CHUNK + 2) + 3), 10, 2)]
        assert shapes == [(STEPS_PER_CHUNK, 30), (2, 30), (1, 9)]

    def test_a_last_batch_that_is_full_is_not_a_chunk_of_its_own(self):
        shapes = [chunk["user"].shape for chunk in pairs(data(10 * STEPS_PER_CHUNK), 10, 2)]
        assert shapes == [(STEPS_PER_CHUNK, 30)]

    def test_the_rows_are_shuffled(self):
        training = data(2000, n_users=2000)
        (chunk,) = pairs(training, 2000, 0)
        order = chunk["user"][0]
        assert abs(scipy.stats.spearmanr(order, np.arange(2000)).statistic) < 0.1
        assert np.sum(order == np.arange(2000)) < 10

    def test_negatives_are_uniform_over_users_and_items(self):
        # All training rows are those of user 0 and item 0, who must not be more frequent for that.
        training = SimpleNamespace(
            n_users=50, n_items=40, user=np.zeros(10_000, np.int32), item=np.zeros(10_000, np.int32)
        )
        (chunk,) = pairs(training, 10_000, 4)
        users, items = chunk["user"][:, 10_000:], chunk["item"][:, 10_000:]
        assert uniform_p(users, 50) > IMPROBABLE
        assert uniform_p(items, 40) > IMPROBABLE
        assert uniform_p(users * 40 + items, 2000) > IMPROBABLE  # and so independent of each other


def triples(training, n_steps, batch_size, key=("triples", 0)):
    """All steps together, each chunk held to its size."""
    chunks = list(sampling.bootstrapped_triples(sampling.generator(*key), training, n_steps, batch_size))
    assert all(list(chunk) == ["user", "positive", "negative"] for chunk in chunks)
    assert all(1 <= len(values) <= STEPS_PER_CHUNK for chunk in chunks for values in chunk.values())
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


class TestBootstrappedTriples:
    @pytest.mark.parametrize("n_steps", [1, STEPS_PER_CHUNK, STEPS_PER_CHUNK + 1, 3 * STEPS_PER_CHUNK])
    def test_there_are_as_many_steps_as_asked_for(self, n_steps):
        for values in triples(data(30), n_steps, 5).values():
            assert (values.shape, values.dtype) == ((n_steps, 5), np.int32)

    def test_positives_are_training_rows_each_as_likely(self):
        training = data(200, n_users=200, n_items=40)  # user r has row r only
        made = triples(training, 100, 500)
        assert (made["positive"] == made["user"] % 40).all()
        assert uniform_p(made["user"], 200) > IMPROBABLE

    def test_rows_are_drawn_as_they_were_for_what_is_published(self):
        made = triples(data(200, n_users=200, n_items=40), 2, 3)
        rows = sampling.generator("triples", 0).integers(0, 200, size=(2, 3), dtype=np.int32)
        assert np.array_equal(made["user"], rows)

    def test_a_row_that_is_there_twice_is_twice_as_likely(self):
        twice = np.array([0, 1, 1], np.int32)
        made = triples(SimpleNamespace(n_users=2, n_items=2, user=twice, item=twice), 30, 1000)
        assert scipy.stats.binomtest(int(made["user"].sum()), 30_000, 2 / 3).pvalue > IMPROBABLE

    def test_negatives_are_uniform_and_independent_of_the_positives(self):
        made = triples(data(200, n_items=20), 100, 1000)
        assert uniform_p(made["negative"], 20) > IMPROBABLE
        assert uniform_p(made["positive"] * 20 + made["negative"], 400) > IMPROBABLE

    def test_steps_differ(self):
        made = triples(data(200), 3 * STEPS_PER_CHUNK, 20)
        assert len({row.tobytes() for row in made["user"]}) == 3 * STEPS_PER_CHUNK


def training(sequences):
    """Training sequences of these items; every other one is of nobody known."""
    lengths = [len(items) for items in sequences]
    return SimpleNamespace(
        sequence_user=np.array([at if at % 2 else -1 for at in range(len(sequences))], np.int32),
        sequence_indptr=np.cumsum([0, *lengths], dtype=np.int64),
        sequence_items=np.array([item for items in sequences for item in items], np.int32),
    )


def own_items(lengths):
    """Sequences of such lengths in which no item is there twice, of one sequence or of two."""
    first = np.cumsum([0, *lengths]).tolist()
    return [list(range(a, a + n)) for a, n in zip(first, lengths, strict=False)]


def drawn(draw, data, *arguments, key=("sequences", 0), **settings):
    """All samples of an epoch, {name: [batch size][sample]} in one list, each chunk held to its shape."""
    chunks = list(draw(sampling.generator(*key), data, *arguments, **settings))
    assert len({chunk["user"].shape[1] for chunk in chunks}) == 1
    for chunk in chunks[:-1]:
        assert len(chunk["user"]) == STEPS_PER_CHUNK
    for chunk in chunks:
        assert 1 <= len(chunk["user"]) <= STEPS_PER_CHUNK
        assert {array.shape[:2] for array in chunk.values()} == {chunk["user"].shape}
        assert {array.dtype for array in chunk.values()} == {np.dtype(np.int32)}
        assert all(array.flags.c_contiguous for array in chunk.values())
    together = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    return {name: array.reshape(-1, *array.shape[2:]).tolist() for name, array in together.items()}


def n_drawn(n_samples, batch_size):
    return n_samples // batch_size * batch_size if n_samples >= batch_size else n_samples


some_lengths = st.lists(st.integers(1, 12), min_size=1, max_size=30)


class TestPadded:
    @checked
    @given(
        history=st.lists(st.integers(0, 50), max_size=12),
        stretches=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), max_size=6),
        length=st.integers(1, 14),
    )
    def test_the_last_items_of_each_stretch(self, history, stretches, length):
        stretches = [[min(place, len(history)) for place in stretch] for stretch in stretches]
        start, stop = np.array(stretches, np.int64).reshape(-1, 2).T
        items, lengths = sampling.padded(np.array(history, np.int32), start, stop, length)
        assert (items.dtype, lengths.dtype, items.shape) == (np.int32, np.int32, (len(stretches), length))
        expected = [[item + 1 for item in history[a:b]][-length:] for a, b in stretches]
        assert lengths.tolist() == [len(last) for last in expected]
        assert items.tolist() == [last + [0] * (length - len(last)) for last in expected]


class TestRandomCuts:
    @checked
    @given(
        lengths=some_lengths,
        batch_size=st.integers(1, 20),
        length=st.integers(1, 12),
        each=st.tuples(st.integers(1, 3), st.integers(1, 5)),
        seed=st.integers(0, 2**20),
    )
    def test_each_sample_is_a_sequence_up_to_a_place(self, lengths, batch_size, length, each, seed):
        (cuts_per_sequence, min_history), data = each, training(own_items(lengths))
        arguments = (sampling.random_cuts, data, batch_size, length, cuts_per_sequence)
        if max(lengths) <= min_history:
            with pytest.raises(
                InputError, match=rf"expected {min_history + 1} or more for a random cut; lower min_hist"
            ):
                drawn(*arguments, min_history=min_history)
            return
        made = drawn(*arguments, key=(seed,), min_history=min_history)
        whole = {
            item: (at, items[: items.index(item)]) for at, items in enumerate(own_items(lengths)) for item in items
        }
        times = Counter()
        for user, history, n, target in zip(*(made[k] for k in ("user", "history", "length", "target")), strict=True):
            sequence, before = whole[target]
            assert len(before) >= min_history
            assert user == data.sequence_user[sequence]
            assert n == min(len(before), length)
            assert history == [item + 1 for item in before[-length:]] + [0] * (length - n)
            times[sequence] += 1
        n_samples = cuts_per_sequence * sum(n > min_history for n in lengths)
        assert times.total() == n_drawn(n_samples, batch_size)
        assert max(times.values()) <= cuts_per_sequence

    def test_every_place_from_the_fifth_item_on_is_as_likely(self):
        data = training([list(range(12))] * 4000 + [list(range(100, 105))] * 10)
        targets = np.array(drawn(sampling.random_cuts, data, 10, 3, min_history=4)["target"])
        assert (np.sort(targets[targets >= 100]) == 104).all()
        assert uniform_p(targets[targets < 100] - 4, 8) > IMPROBABLE

    def test_samples_are_shuffled_and_cuts_of_one_sequence_differ(self):
        data = training(own_items([50] * 400))
        target = np.array(drawn(sampling.random_cuts, data, 100, 3, 2)["target"])
        assert abs(scipy.stats.spearmanr(target, np.arange(800)).statistic) < 0.15
        assert len(set(target.tolist())) > 700

    def test_samples_that_fill_no_batch_are_one(self):
        made = drawn(sampling.random_cuts, training(own_items([6, 1, 7])), 256, 3)
        assert len(made["target"]) == 2

    def test_an_epoch_of_another_key_is_another(self):
        data = training(own_items([30] * 10))
        epochs = [drawn(sampling.random_cuts, data, 10, 3, key=("epoch", epoch))["target"] for epoch in (1, 1, 2)]
        assert epochs[0] == epochs[1] != epochs[2]

    def test_sequences_that_are_all_too_short(self):
        with pytest.raises(InputError, match="the longest training sequence has 4 items, expected 5 or more"):
            drawn(sampling.random_cuts, training(own_items([4, 2])), 10, 3, min_history=4)


def plain_pieces(sequences, length):
    """(sequence, history, target) of every piece in which all positions train, with lists only."""
    made = []
    for at, items in enumerate(sequences):
        stop = len(items)
        while stop > 1:
            start = max(1, stop - length)
            rows = [[item + 1 for item in items[start - before : stop - before]] for before in (1, 0)]
            made.append((at, *(tuple(row + [0] * (length - len(row))) for row in rows)))
            stop = start
    return made


class TestEveryPosition:
    @checked
    @given(lengths=some_lengths, batch_size=st.integers(1, 30), length=st.integers(1, 8), seed=st.integers(0, 2**20))
    def test_every_piece_once(self, lengths, batch_size, length, seed):
        data = training(own_items(lengths))
        pieces = plain_pieces(own_items(lengths), length)
        expected = Counter((int(data.sequence_user[at]), history, target) for at, history, target in pieces)
        if not pieces:
            with pytest.raises(InputError, match="no training sequence has two items"):
                drawn(sampling.every_position, data, batch_size, length)
            return
        made = drawn(sampling.every_position, data, batch_size, length, key=(seed,))
        found = Counter(zip(made["user"], map(tuple, made["history"]), map(tuple, made["target"]), strict=True))
        assert found <= expected
        assert found.total() == n_drawn(len(pieces), batch_size)

    @checked
    @given(lengths=some_lengths.filter(lambda lengths: max(lengths) > 1), length=st.integers(1, 8))
    def test_every_item_but_the_first_is_a_target_once(self, lengths, length):
        target = np.array(drawn(sampling.every_position, training(own_items(lengths)), 1, length)["target"])
        later = [item + 1 for items in own_items(lengths) for item in items[1:]]
        assert sorted(target[target > 0].tolist()) == sorted(later)

    def test_by_hand(self):
        made = drawn(sampling.every_position, training([[7, 3, 7, 5], [2], [4, 9]]), 1, 2)
        pieces = sorted(zip(made["user"], made["history"], made["target"], strict=True))
        assert pieces == [(-1, [4, 8], [8, 6]), (-1, [5, 0], [10, 0]), (-1, [8, 0], [4, 0])]

    def test_they_are_shuffled(self):
        target = np.array(drawn(sampling.every_position, training(own_items([100] * 20)), 10, 2)["target"])[:, 0]
        assert abs(scipy.stats.spearmanr(target, np.arange(1000)).statistic) < 0.1


class TestKept:
    @checked
    @given(rate=st.integers(0, 230), seed=st.integers(0, 2**20))
    def test_as_many_are_dropped_as_the_rate_says(self, rate, seed):
        kept = sampling.kept(sampling.generator("kept", seed), rate, (3, 5, 400))
        assert (kept.dtype, kept.shape) == (np.bool_, (3, 5, 400))
        n_dropped = int((~kept).sum())
        assert scipy.stats.binomtest(n_dropped, kept.size, rate / 256).pvalue > IMPROBABLE if rate else not n_dropped

    def test_each_is_dropped_by_itself(self):
        kept = sampling.kept(sampling.generator("kept"), 64, (2, 40_000))
        assert abs(np.corrcoef(kept[0], kept[1])[0, 1]) < 0.02
        assert abs(np.corrcoef(kept[0, :-1], kept[0, 1:])[0, 1]) < 0.02


class TestPositives:
    @checked
    @given(n_rows=st.integers(1, 100), batch_size=st.integers(1, 30), seed=st.integers(0, 2**20))
    def test_every_training_row_once(self, n_rows, batch_size, seed):
        rows = data(n_rows)
        made = drawn(sampling.positives, rows, batch_size, key=(seed,))
        found = Counter(zip(made["user"], made["target"], strict=True))
        assert found <= Counter(zip(rows.user.tolist(), rows.item.tolist(), strict=True))
        assert found.total() == n_drawn(n_rows, batch_size)


class TestPrefixes:
    @checked
    @given(lengths=some_lengths, batch_size=st.integers(1, 30), length=st.integers(1, 8), seed=st.integers(0, 2**20))
    def test_every_item_but_the_first_with_what_came_before_it(self, lengths, batch_size, length, seed):
        made_of = training(own_items(lengths))
        expected = Counter(
            (int(made_of.sequence_user[at]), (*past, *[0] * (length - len(past))), len(past), items[place])
            for at, items in enumerate(own_items(lengths))
            for place in range(1, len(items))
            for past in [[item + 1 for item in items[max(0, place - length) : place]]]
        )
        if not expected:
            with pytest.raises(InputError, match="no training sequence has two items"):
                drawn(sampling.prefixes, made_of, batch_size, length, key=(seed,))
            return
        made = drawn(sampling.prefixes, made_of, batch_size, length, key=(seed,))
        found = Counter(zip(made["user"], map(tuple, made["history"]), made["length"], made["target"], strict=True))
        assert found <= expected
        assert found.total() == n_drawn(expected.total(), batch_size)

    @checked
    @given(lengths=some_lengths, most=st.integers(1, 12), seed=st.integers(0, 2**20))
    def test_at_most_so_many_of_each_sequence(self, lengths, most, seed):
        assume(max(lengths, default=0) > 1)
        made_of = training(own_items(lengths))
        whole, some = (drawn(sampling.prefixes, made_of, 1, 4, of_each, key=(seed,)) for of_each in (0, most))

        def samples(made):
            return Counter(zip(made["user"], map(tuple, made["history"]), made["length"], made["target"], strict=True))

        assert samples(some) <= samples(whole)
        sequence = {item: at for at, items in enumerate(own_items(lengths)) for item in items}
        found = Counter(sequence[target] for target in some["target"])
        assert found == {at: min(n - 1, most) for at, n in enumerate(lengths) if n > 1}

    def test_each_of_a_sequence_is_as_likely_and_another_epoch_has_others(self):
        sequences = own_items([11] * 3000)
        place = {item: at for items in sequences for at, item in enumerate(items)}
        one, other = (drawn(sampling.prefixes, training(sequences), 1, 2, 3, key=(key,))["target"] for key in (1, 2))
        n_of = Counter(place[target] for target in one)
        assert sorted(n_of) == list(range(1, 11))
        assert scipy.stats.chisquare(list(n_of.values())).pvalue > IMPROBABLE
        assert set(one) != set(other)

    def test_they_are_shuffled(self):
        target = np.array(drawn(sampling.prefixes, training(own_items([100] * 10)), 10, 2)["target"])
        assert abs(scipy.stats.spearmanr(target, np.arange(990)).statistic) < 0.1


def plain_windows(sequences, length):
    """(sequence, history, target) of every window, with lists only."""
    made = []
    for at, items in enumerate(sequences):
        row = [0] + [item + 1 for item in items]
        row += [0] * (length + 1 - len(row))
        made += [(at, tuple(row[a : a + length]), tuple(row[a + 1 : a + 1 + length])) for a in range(len(row) - length)]
    return made


class TestWindows:
    @checked
    @given(lengths=some_lengths, batch_size=st.integers(1, 30), length=st.integers(1, 8), seed=st.integers(0, 2**20))
    def test_every_window_once(self, lengths, batch_size, length, seed):
        data = training(own_items(lengths))
        made = drawn(sampling.windows, data, batch_size, length, key=(seed,))
        rows = zip(made["user"], map(tuple, made["history"]), map(tuple, made["target"]), strict=True)
        windows = plain_windows(own_items(lengths), length)
        expected = Counter((int(data.sequence_user[at]), history, target) for at, history, target in windows)
        found = Counter(rows)
        assert found <= expected
        assert found.total() == n_drawn(len(windows), batch_size)

    def test_by_hand(self):
        made = drawn(sampling.windows, training([[7, 3, 7, 5], [2]]), 1, 3)
        windows = sorted(zip(made["user"], made["history"], made["target"], strict=True))
        assert windows == [
            (-1, [0, 8, 4], [8, 4, 8]),
            (-1, [8, 4, 8], [4, 8, 6]),
            (1, [0, 3, 0], [3, 0, 0]),
        ]

    def test_windows_are_shuffled(self):
        target = np.array(drawn(sampling.windows, training(own_items([100] * 10)), 10, 2)["target"])[:, 0]
        assert abs(scipy.stats.spearmanr(target, np.arange(990)).statistic) < 0.1

    def test_windows_that_fill_no_batch_are_one(self):
        assert len(drawn(sampling.windows, training(own_items([6, 3])), 20, 5)["target"]) == 3


class TestMoreThanAShortIntegerCounts:
    """Rows, users, items and places beyond 32,767, each of which must come out as itself."""

    def test_training_rows(self):
        rows = data(70_000, n_users=70_000, n_items=70_000)  # row r is user r with item r
        assert sorted(drawn(sampling.positives, rows, 10_000)["target"]) == list(range(70_000))
        (chunk,) = pairs(rows, 70_000, 1)
        assert np.array_equal(np.sort(chunk["user"][0, :70_000]), np.arange(70_000))
        assert np.array_equal(chunk["item"][0, :70_000], chunk["user"][0, :70_000])
        made = triples(rows, 2, 50_000)
        assert np.array_equal(made["positive"], made["user"])
        for values in (chunk["user"][0, 70_000:], chunk["item"][0, 70_000:], made["user"], made["negative"]):
            assert uniform_p(values // 1_000, 70) > IMPROBABLE

    def test_sequences(self):
        sequences = training(own_items([40_000, 40_000]))
        made = drawn(sampling.prefixes, sequences, 2, 1)
        assert [[target] for target in made["target"]] == made["history"]  # the item before it, + 1
        assert sorted(made["target"]) == [*range(1, 40_000), *range(40_001, 80_000)]
        made = drawn(sampling.windows, sequences, 2, 1)
        assert sorted(made["target"]) == [[item + 1] for item in range(80_000)]
        made = drawn(sampling.random_cuts, sequences, 2, 1, 5_000)
        assert [[target] for target in made["target"]] == made["history"]
        assert uniform_p(np.array(made["target"]) // 10_000, 8) > IMPROBABLE

    def test_a_long_history(self):
        items, lengths = sampling.padded(np.arange(40_000, dtype=np.int32), np.array([0]), np.array([40_000]), 40_001)
        assert lengths.tolist() == [40_000]
        assert np.array_equal(items[0], [*range(1, 40_001), 0])


GOLDEN_ITEMS = [[302, 984, 607, 86, 923], [720, 112, 26, 814, 205]]
GOLDEN_PARAMETERS = "26c03136f6d0a226"
GOLDEN_PAIRS = ["e31a278e84d94d0d", "470dfaa8101aa968"]
GOLDEN_TRIPLES = "2b37dc3432496be9"

GOLDEN_TRIPLES_OF_SEVERAL_CHUNKS = "4a8a983d8a00fd3b"
GOLDEN_PAIRS_OF_SEVERAL_CHUNKS = ["a9967064f4802514", "d288df680b5b502e"]

GOLDEN_CUTS = "5fec16dc61e11aa0"
GOLDEN_WINDOWS = "cd3d552c538eb150"


class TestGolden:
    """A NumPy that changes its streams changes every result: these digests are of draws made once and for all."""

    def test_uniform_items(self):
        drawn = sampling.uniform_items(sampling.generator("golden", 0), 1000, (2, 5))
        assert drawn.dtype == np.int32
        assert drawn.tolist() == GOLDEN_ITEMS

    def test_initial_parameters(self):
        assert digest(sampling.initial_parameters(TABLE, ("golden", 0))) == GOLDEN_PARAMETERS

    def test_labelled_pairs(self):
        assert [digest(chunk) for chunk in pairs(data(103), 10, 2, ("golden", 0))] == GOLDEN_PAIRS

    def test_bootstrapped_triples(self):
        assert digest(triples(data(103), 3, 10, ("golden", 0))) == GOLDEN_TRIPLES

    def test_what_is_drawn_chunk_by_chunk(self):
        several = triples(data(103), 131, 10, ("golden", 0))
        assert digest(several) == GOLDEN_TRIPLES_OF_SEVERAL_CHUNKS
        assert [digest(chunk) for chunk in pairs(data(700), 10, 2, ("golden", 0))] == GOLDEN_PAIRS_OF_SEVERAL_CHUNKS

    def test_random_cuts(self):
        data = training(own_items([9, 30, 4, 12]))
        (chunk,) = sampling.random_cuts(sampling.generator("golden", 0), data, 2, 6, 5, min_history=4)
        assert digest(chunk) == GOLDEN_CUTS

    def test_windows(self):
        (chunk,) = sampling.windows(sampling.generator("golden", 0), training(own_items([9, 30, 4, 12])), 7, 5)
        assert digest(chunk) == GOLDEN_WINDOWS
