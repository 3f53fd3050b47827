"""Distributions, alias tables and samplers of negatives, held to plain arithmetic and to chi-square tests."""

import dataclasses
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks import negatives, sampling
from benchmarks.agreement import ladder_data
from benchmarks.negatives import DISTRIBUTIONS, AliasTable, Sampler
from datasets.errors import InputError

IMPROBABLE = 1e-4  # the seeds are fixed, so a test fails always or never
N_DRAWS = 200_000

checked = settings(derandomize=True, deadline=None, max_examples=100)
names = st.sampled_from(sorted(DISTRIBUTIONS))
some_counts = st.lists(st.one_of(st.integers(0, 8), st.integers(0, 10**9)), min_size=1, max_size=40)

COUNTS = [0, 1, 700, 4, 5, 90, 0, 30, 30, 2, 9000, 12, 3, 45, 6, 1, 250, 18, 0, 5]
NOTHING, A_FEW, MANY, NEARLY_ALL = range(4)
SEEN = [
    [],
    [0, 2, 9, 18],
    [1, 2, 5, 8, 10, 16],
    [item for item in range(20) if item not in {0, 1, 9}],  # popularity has 4e-4 left: redraws do not suffice
]


def training(counts, seen=()):
    lengths = [len(items) for items in seen]
    return SimpleNamespace(
        n_items=len(counts),
        item_counts=np.array(counts, np.int64),
        seen_indptr=np.cumsum([0, *lengths], dtype=np.int64),
        seen_items=np.array([item for items in seen for item in items], np.int32),
    )


def plain(name, counts):
    """The probabilities by the book, one item after the other."""
    ranked = sorted(range(len(counts)), key=lambda item: (-counts[item], item))
    weights = {
        "uniform": [1] * len(counts),
        "popularity": [count**0.75 for count in counts],
        "log-popularity": [math.log(1 + count) for count in counts],
        "log-uniform": [math.log((ranked.index(item) + 2) / (ranked.index(item) + 1)) for item in range(len(counts))],
    }
    if name in weights:
        return [weight / sum(weights[name]) for weight in weights[name]]
    frequent = sum(count**0.75 for count in counts if count >= 5)
    rare = sum(1 for count in counts if 1 <= count < 5)
    share = 0.3 if frequent and rare else float(bool(frequent))
    return [
        share * count**0.75 / frequent if count >= 5 else (1 - share) / rare if count >= 1 else 0.0 for count in counts
    ]


def fit(drawn, p):
    """P of the chi-square test that items are drawn by p; 0 if an impossible one is there.

    Items that are expected fewer than five times are one cell, with the next rarest if that is still too few.
    """
    observed, expected = np.bincount(drawn.ravel(), minlength=len(p)), np.asarray(p) * drawn.size
    if observed[expected == 0].any():
        return 0.0
    rare = expected < 5
    if 0 < expected[rare].sum() < 5:
        rare[np.argmin(np.where(rare, np.inf, expected))] = True
    observed, expected = (np.append(values[~rare], values[rare].sum()) for values in (observed, expected))
    return scipy.stats.chisquare(observed[expected > 0], expected[expected > 0]).pvalue


def without(p, items):
    """The distribution over all other items."""
    rest = np.array(p)
    rest[items] = 0
    return rest / rest.sum()


def searching(sampler):
    """The same sampler, as if there were too many users and items for a bitmap."""
    return dataclasses.replace(sampler, positives=sampler.positives._replace(bitmap=np.zeros(0, np.uint8)))


class TestDistributions:
    @checked
    @given(name=names, counts=some_counts)
    def test_closed_forms(self, name, counts):
        assume(any(counts))
        p = negatives.probabilities(name, np.array(counts))
        assert (p.dtype, p.shape) == (np.float64, (len(counts),))
        assert p.sum() == pytest.approx(1, abs=1e-12)
        assert p == pytest.approx(plain(name, counts), rel=1e-12, abs=0)

    def test_by_hand(self):
        def of(name, *counts):
            return negatives.probabilities(name, np.array(counts)).tolist()

        assert of("uniform", 7, 0, 1, 3) == [1 / 4] * 4
        assert of("popularity", 16, 0, 1, 81) == pytest.approx([8 / 36, 0, 1 / 36, 27 / 36])
        assert of("log-popularity", 1, 0, 3, 7) == pytest.approx([1 / 6, 0, 2 / 6, 3 / 6])
        assert of("two-bucket", 16, 4, 0, 81, 1) == pytest.approx([0.3 * 8 / 35, 0.35, 0, 0.3 * 27 / 35, 0.35])

    @pytest.mark.parametrize("counts", [COUNTS, [16, 0, 81], [4, 0, 1, 2], [0, 0, 3]])
    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_no_weight_is_negative(self, name, counts):
        weights = DISTRIBUTIONS[name](np.array(counts))
        assert (weights >= 0).all()
        assert weights.any()

    def test_equal_counts_are_ranked_by_item(self):
        p = negatives.probabilities("log-uniform", np.array([5, 9, 5, 0, 0]))
        assert p * math.log(6) == pytest.approx([math.log((r + 2) / (r + 1)) for r in (1, 0, 2, 3, 4)])

    @pytest.mark.parametrize(
        ("counts", "expected"),
        [([16, 0, 81], [8 / 35, 0, 27 / 35]), ([4, 0, 1, 2], [1 / 3, 0, 1 / 3, 1 / 3])],
        ids=["no rare item", "no frequent item"],
    )
    def test_one_bucket_alone(self, counts, expected):
        assert negatives.probabilities("two-bucket", np.array(counts)) == pytest.approx(expected)

    @pytest.mark.parametrize("name", ["", "Popularity", "in-batch"])
    def test_a_name_that_is_none(self, name):
        for ask in (
            lambda: negatives.check_name(name),
            lambda: negatives.probabilities(name, np.array([1])),
            lambda: Sampler.of(name, training([1])),
        ):
            with pytest.raises(InputError, match="expected uniform, popularity, log-popularity, log-uniform, two-buck"):
                ask()

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_every_name_is_one(self, name):
        negatives.check_name(name)

    @pytest.mark.parametrize("name", ["popularity", "log-popularity", "two-bucket"])
    def test_no_item_has_rows(self, name):
        with pytest.raises(InputError, match=f"none of the 3 items can be drawn as a {name} negative"):
            Sampler.of(name, training([0, 0, 0]))

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_no_item_at_all(self, name):
        with pytest.raises(InputError, match="none of the 0 items"):
            Sampler.of(name, training([]))


class TestLogQ:
    @checked
    @given(name=names, counts=some_counts)
    def test_the_log_of_each_probability(self, name, counts):
        assume(any(counts))
        p = plain(name, counts)
        log_q = negatives.log_q(negatives.probabilities(name, np.array(counts)))
        least = min(share for share in p if share)
        assert (log_q.dtype, log_q.shape) == (np.float32, (len(counts),))
        assert log_q == pytest.approx([math.log(share or least / 2) for share in p], rel=1e-6, abs=1e-6)

    def test_in_batch(self):
        log_q = negatives.in_batch_log_q(np.array([6, 0, 1, 3]))
        assert log_q.dtype == np.float32
        assert log_q == pytest.approx([math.log(share) for share in (0.6, 0.05, 0.1, 0.3)])

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_every_item_that_can_be_a_positive_has_its_own_probability(self, name):
        p = negatives.probabilities(name, np.array(COUNTS))
        assert (p[np.array(COUNTS) > 0] > 0).all()

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_corrected_draws_stand_for_the_whole_catalogue(self, name):
        """The mean of exp(logit - log q) over draws estimates the sum of exp(logit) over the items."""
        sampler = Sampler.of(name, training(COUNTS))
        drawn = sampler.draw(sampling.generator("log q"), np.zeros(N_DRAWS, np.int32), 1)
        logit = np.linspace(-1, 1, len(COUNTS))
        estimate = np.exp(logit - negatives.log_q(sampler.probabilities))[drawn].mean()
        assert estimate == pytest.approx(np.exp(logit[sampler.probabilities > 0]).sum(), rel=0.03)


def table_sums(table, n_items):
    """The probability of each item, added up over the table's columns."""
    weights = np.stack([table.keep, 1 - table.keep], 1) / len(table.keep)
    return np.bincount(table.items.ravel(), weights.ravel(), n_items)


class TestAliasTable:
    @checked
    @given(name=names, counts=some_counts)
    def test_it_adds_up_to_the_probabilities(self, name, counts):
        assume(any(counts))
        p = negatives.probabilities(name, np.array(counts))
        table = AliasTable.of(p)
        assert table_sums(table, len(p)) == pytest.approx(p, abs=1e-12)
        assert ((table.keep >= 0) & (table.keep <= 1)).all()

    @checked
    @given(weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
    def test_an_impossible_item_has_no_column(self, weights):
        assume(sum(weights) > 1e-6)
        p = np.array(weights) / sum(weights)
        table = AliasTable.of(p)
        assert set(table.items.ravel()) == set(np.flatnonzero(p))
        assert table_sums(table, len(p)) == pytest.approx(p, abs=1e-12)

    def test_a_large_and_skewed_catalogue(self):
        p = negatives.probabilities("popularity", np.append(10**9, np.arange(50_000) % 7))
        assert table_sums(AliasTable.of(p), len(p)) == pytest.approx(p, abs=1e-12)

    @pytest.mark.parametrize("weights", [[1], [1, 1, 1], [3, 1], [0, 2, 0, 5, 1]])
    def test_the_ends_of_the_unit_interval(self, weights):
        class Ends:
            def random(self, shape):
                return np.resize([0.0, np.nextafter(1.0, 0.0)], shape)

        p = np.array(weights) / sum(weights)
        drawn = AliasTable.of(p).draw(Ends(), (2,))
        assert (p[drawn] > 0).all()


class TestDraws:
    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_they_follow_the_distribution(self, name):
        drawn = Sampler.of(name, training(COUNTS)).draw(sampling.generator("fit"), np.zeros(N_DRAWS, np.int32), 3)
        assert fit(drawn, plain(name, COUNTS)) > IMPROBABLE
        for n in range(3):
            assert fit(drawn[:, n], plain(name, COUNTS)) > IMPROBABLE

    @pytest.mark.parametrize(("name", "other"), list(itertools.permutations(DISTRIBUTIONS, 2)))
    def test_they_do_not_follow_another(self, name, other):
        drawn = Sampler.of(name, training(COUNTS)).draw(sampling.generator("fit"), np.zeros(N_DRAWS, np.int32), 1)
        assert fit(drawn, plain(other, COUNTS)) < IMPROBABLE

    def test_a_small_difference_is_seen(self):
        drawn = Sampler.of("popularity", training(COUNTS)).draw(
            sampling.generator("fit"), np.zeros(N_DRAWS, np.int32), 1
        )
        nearly = np.array(plain("popularity", COUNTS))
        nearly[[2, 5]] += [0.004, -0.004]
        assert fit(drawn, nearly) < IMPROBABLE

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_they_are_independent(self, name):
        drawn = Sampler.of(name, training(COUNTS)).draw(sampling.generator("pairs"), np.zeros(N_DRAWS, np.int32), 2)
        p = np.array(plain(name, COUNTS))
        assert fit(drawn[:, 0] * 20 + drawn[:, 1], np.outer(p, p).ravel()) > IMPROBABLE

    def test_uniform_ones_are_those_of_the_rest_of_the_project(self):
        drawn = Sampler.of("uniform", training(COUNTS)).draw(sampling.generator("u"), np.zeros((3, 5), np.int32), 4)
        assert np.array_equal(drawn, sampling.uniform_items(sampling.generator("u"), 20, (3, 5, 4)))

    @pytest.mark.parametrize("exclude", [False, True])
    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    @pytest.mark.parametrize("shape", [(), (0,), (4,), (3, 5), (2, 0, 3)])
    def test_shape_and_type(self, name, exclude, shape):
        sampler = Sampler.of(name, training(COUNTS, SEEN), exclude)
        for n in (0, 1, 3):
            drawn = sampler.draw(sampling.generator("shape"), np.full(shape, MANY, np.int32), n)
            assert (drawn.shape, drawn.dtype, drawn.flags.c_contiguous) == ((*shape, n), np.int32, True)

    @pytest.mark.parametrize("exclude", [False, True])
    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_the_same_generator_draws_the_same(self, name, exclude):
        users = np.arange(3000, dtype=np.int32) % 4
        rngs = [sampling.generator("same", epoch) for epoch in (1, 1, 2)]
        drawn = [Sampler.of(name, training(COUNTS, SEEN), exclude).draw(rng, users, 3) for rng in rngs]
        assert np.array_equal(drawn[0], drawn[1])
        assert not np.array_equal(drawn[0], drawn[2])
        assert rngs[0].random() == rngs[1].random()


class TestExclusion:
    @pytest.mark.parametrize("user", [NOTHING, A_FEW, MANY, NEARLY_ALL])
    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_other_items_follow_the_distribution(self, name, user):
        sampler, users = Sampler.of(name, training(COUNTS, SEEN), True), np.full(N_DRAWS, user, np.int32)
        drawn = sampler.draw(sampling.generator("fit", user), users, 1)
        assert fit(drawn, without(plain(name, COUNTS), SEEN[user])) > IMPROBABLE

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_the_chi_square_test_would_see_another_distribution(self, name):
        sampler, users = Sampler.of(name, training(COUNTS, SEEN), True), np.full(N_DRAWS, A_FEW, np.int32)
        drawn = sampler.draw(sampling.generator("fit"), users, 1)
        assert fit(drawn, plain(name, COUNTS)) < IMPROBABLE
        assert fit(drawn, without(plain(name, COUNTS), SEEN[MANY])) < IMPROBABLE
        for other in set(DISTRIBUTIONS) - {name}:
            assert fit(drawn, without(plain(other, COUNTS), SEEN[A_FEW])) < IMPROBABLE

    def test_what_redraws_do_not_reach_is_drawn_from_the_rest(self):
        share_left = 1 - np.array(plain("popularity", COUNTS))[SEEN[NEARLY_ALL]].sum()
        assert (1 - share_left) ** (1 + negatives.REDRAWS) > 0.9

    def test_users_do_not_mix(self):
        users = np.tile(np.array([A_FEW, -1, NEARLY_ALL, NOTHING, MANY], np.int32), (N_DRAWS // 10, 1))
        drawn = Sampler.of("log-popularity", training(COUNTS, SEEN), True).draw(sampling.generator("mix"), users, 2)
        p = plain("log-popularity", COUNTS)
        for place, own in enumerate([SEEN[A_FEW], [], SEEN[NEARLY_ALL], [], SEEN[MANY]]):
            assert fit(drawn[:, place], without(p, own)) > IMPROBABLE

    @checked
    @given(
        name=names,
        counts=some_counts,
        seen=st.lists(st.sets(st.integers(0, 39)), min_size=1, max_size=6),
        users=st.lists(st.integers(-1, 5), min_size=1, max_size=20),
        seed=st.integers(0, 2**32),
    )
    def test_never_a_positive_nor_what_cannot_be(self, name, counts, seen, users, seed):
        assume(any(counts))
        seen = [sorted(item for item in items if item < len(counts)) for items in seen]
        users = [min(user, len(seen) - 1) for user in users]
        possible = {item for item, p in enumerate(plain(name, counts)) if p}
        data, asked = training(counts, seen), np.array(users, np.int32)
        for sampler in (Sampler.of(name, data, True), searching(Sampler.of(name, data, True))):
            rng = sampling.generator(seed)
            if any(possible <= set(seen[user]) for user in users if user >= 0):
                with pytest.raises(InputError, match=f"has all {len(possible)} items"):
                    sampler.draw(rng, asked, 3)
                continue
            for user, items in zip(users, sampler.draw(rng, asked, 3).tolist(), strict=True):
                assert set(items) <= possible - set(seen[user] if user >= 0 else ())
        drawn = Sampler.of(name, data).draw(sampling.generator(seed), asked, 3)
        assert set(drawn.ravel().tolist()) <= possible

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_without_a_bitmap_the_same_is_drawn(self, name, monkeypatch):
        users = np.arange(5000, dtype=np.int32) % 4
        drawn = Sampler.of(name, training(COUNTS, SEEN), True).draw(sampling.generator("b"), users, 3)
        monkeypatch.setattr(negatives, "BITMAP_BYTES", 10)
        small = Sampler.of(name, training(COUNTS, SEEN), True)
        assert len(small.positives.bitmap) == 0
        assert np.array_equal(small.draw(sampling.generator("b"), users, 3), drawn)

    def test_a_bitmap_of_just_the_size_is_made(self, monkeypatch):
        monkeypatch.setattr(negatives, "BITMAP_BYTES", 11)
        bitmap = Sampler.of("uniform", training(COUNTS, SEEN), True).positives.bitmap
        bits = np.unpackbits(bitmap, bitorder="little")[:80].reshape(4, 20)
        assert [np.flatnonzero(row).tolist() for row in bits] == SEEN

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_a_user_who_has_everything_that_can_be_drawn(self, name):
        possible = [item for item, p in enumerate(plain(name, COUNTS)) if p]
        sampler = Sampler.of(name, training(COUNTS, [[10, 15], possible, []]), True)
        users = np.array([[0, 2], [1, 0]], np.int32)
        with pytest.raises(
            InputError, match=rf"user 1 of the split has all {len(possible)} items that {name} negatives are drawn from"
        ):
            sampler.draw(sampling.generator("stuck"), users, 50)
        assert sampler.draw(sampling.generator("not asked"), users[:1], 5).shape == (1, 2, 5)

    def test_on_the_ladder_no_negative_is_a_training_row(self):
        data = ladder_data.problem()
        drawn = Sampler.of("popularity", data, True).draw(sampling.generator("ladder"), data.user, 20)
        rows = set(zip(data.user.tolist(), data.item.tolist(), strict=True))
        assert rows.isdisjoint(zip(np.repeat(data.user, 20).tolist(), drawn.ravel().tolist(), strict=True))

    @checked
    @given(weights=st.lists(st.sampled_from([0.0, 1e-9, 0.1, 3.0]), min_size=1, max_size=8))
    def test_inversion_at_the_ends_of_the_unit_interval(self, weights):
        possible = [item for item, weight in enumerate(weights) if weight] or [-1]
        ends = [negatives._by_inversion(np.array(weights), at) for at in (0.0, np.nextafter(1.0, 0.0))]
        assert ends == [possible[0], possible[-1]]

    def test_a_user_with_one_item_left_gets_it(self):
        counts = [10**12, 10**12, 1, 10**12, 0]
        sampler = Sampler.of("popularity", training(counts, [[0, 1, 3]]), True)
        assert (sampler.draw(sampling.generator("one"), np.zeros(500, np.int32), 2) == 2).all()

    def test_the_first_item_of_the_next_user_may_be_the_one_that_is_left(self):
        counts = [10**12, 10**12, 10**12, 1]
        sampler = Sampler.of("popularity", training(counts, [[0, 1, 2], [3]]), True)
        assert (sampler.draw(sampling.generator("next"), np.zeros(50, np.int32), 2) == 3).all()


class TestMoreItemsThanAShortIntegerCounts:
    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_all_of_them_are_drawn(self, name):
        sampler = Sampler.of(name, training([5] * 70_000, [[]]), True)
        drawn = sampler.draw(sampling.generator("large"), np.zeros(100_000, np.int32), 1)
        assert (drawn >= 0).all()
        if name != "log-uniform":
            assert scipy.stats.chisquare(np.bincount(drawn.ravel() // 1_000, minlength=70)).pvalue > IMPROBABLE

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_what_is_left_of_them_is_found(self, name):
        sampler = Sampler.of(name, training([5] * 70_000, [list(range(69_998))]), True)
        for same in (sampler, searching(sampler)):
            drawn = same.draw(sampling.generator("few left"), np.zeros(50, np.int32), 1)
            assert set(drawn.ravel().tolist()) == {69_998, 69_999}


GOLDEN = {
    "uniform": [[[6, 19, 12, 1, 18, 14], [2, 0, 16, 4, 9, 14]], [[6, 19, 12, 1, 18, 14], [9, 0, 18, 4, 9, 14]]],
    "popularity": [[[2, 2, 10, 10, 10, 10], [10, 10, 10, 2, 17, 10]], [[2, 2, 10, 10, 10, 10], [7, 3, 13, 17, 17, 13]]],
    "log-popularity": [
        [[2, 2, 14, 13, 4, 14], [10, 10, 17, 19, 17, 4]],
        [[2, 2, 14, 13, 4, 14], [12, 7, 17, 19, 17, 4]],
    ],
    "log-uniform": [
        [[2, 10, 14, 16, 4, 5], [10, 10, 18, 19, 17, 10]],
        [[2, 10, 14, 16, 4, 5], [12, 3, 18, 19, 17, 13]],
    ],
    "two-bucket": [[[1, 2, 3, 3, 12, 3], [10, 10, 1, 1, 1, 12]], [[1, 2, 3, 3, 12, 3], [15, 9, 9, 9, 15, 12]]],
}


class TestGolden:
    """A NumPy or Numba that changes its streams changes every result: these are draws made once and for all."""

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_draws(self, name):
        users = np.array([NOTHING, MANY], np.int32)
        free, others = (
            Sampler.of(name, training(COUNTS, SEEN), exclude).draw(sampling.generator("golden", 0), users, 6)
            for exclude in (False, True)
        )
        assert [free.tolist(), others.tolist()] == GOLDEN[name]
