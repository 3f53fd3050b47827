import hashlib
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import sampling
from benchmarks.sampling import STEPS_PER_CHUNK
from benchmarks.specs.base import Parameter

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


GOLDEN_ITEMS = [[302, 984, 607, 86, 923], [720, 112, 26, 814, 205]]
GOLDEN_PARAMETERS = "26c03136f6d0a226"
GOLDEN_PAIRS = ["e31a278e84d94d0d", "470dfaa8101aa968"]
GOLDEN_TRIPLES = "2b37dc3432496be9"


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
