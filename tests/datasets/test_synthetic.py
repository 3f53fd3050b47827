import dataclasses
import hashlib
import itertools
import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from datasets.errors import InputError
from datasets.hashing import content_hash
from datasets.synthetic import BEGIN_S, PERIOD_S, SIZES, Model, Settings, draw_items, generate, load, make_model

MINUTE = Settings(
    n_users=4,
    n_items=5,
    n_interactions=40,
    n_tastes=3,
    popularity_exponent=0.7,
    n_successors=2,
    category_affinity=1.5,
)
# What the leaderboards were measured on: a change of the generator must not pass unseen.
PUBLISHED = {
    "tiny": "7c65761a9273",
    "small": "eddcbeb71282",
}
# The same rows with their times in seconds, as older records know them: the draws are the same.
IN_SECONDS = {
    "tiny": "bb1695ad1e7b",
    "small": "40bc01a9c1e2",
}


@pytest.fixture(scope="module")
def tiny():
    return load("tiny")


@pytest.fixture(scope="module")
def small():
    return load("small")


@pytest.fixture(scope="module")
def minute():
    return make_model(MINUTE)[0]


@dataclasses.dataclass(frozen=True)
class Split:
    """The last tenth of the rows, in time, as the test rows of the users who have rows in the first eight."""

    users: np.ndarray
    first: np.ndarray  # rows of each user before the test period
    n: np.ndarray  # and in it
    train: np.ndarray  # counts [n_users, n_items]
    test: np.ndarray  # counts [len(users), n_items]


@pytest.fixture(scope="module")
def split(small):
    train_end, test_begin = np.quantile(small.timestamp, [0.8, 0.9])

    def counts(rows):
        pairs = small.user[rows].astype(np.int64) * small.n_items + small.item[rows]
        return np.bincount(pairs, minlength=small.n_users * small.n_items).reshape(small.n_users, small.n_items)

    train, test = counts(small.timestamp < train_end), counts(small.timestamp >= test_begin)
    first = np.bincount(small.user[small.timestamp < test_begin], minlength=small.n_users)
    users = np.flatnonzero((train.sum(axis=1) > 0) & (test.sum(axis=1) > 0)).astype(np.int32)
    return Split(users, first[users], test.sum(axis=1)[users], train, test[users])


def probabilities(settings: Settings, model: Model, user: int, row: int, previous: int | None) -> np.ndarray:
    """P(. | u, t, p) as the module's docstring states it, in plain NumPy; `row` counts from the user's first."""
    s = settings
    t = model.rows.seconds[model.rows.offsets[user] + row] / PERIOD_S
    position = model.parameters.phase[user] + s.n_drifts * t
    j, f = int(position), position % 1
    theta = np.zeros(s.n_tastes + 1)
    home, *anchors = model.parameters.tastes[user]
    np.add.at(theta, [s.n_tastes, home], [s.background_share, s.home_share])
    drifting = 1 - s.background_share - s.home_share
    np.add.at(theta, [anchors[j], anchors[j + 1]], [drifting * (1 - f), drifting * f])
    if previous is None:
        return theta @ model.parameters.phi
    transition = np.zeros(s.n_items)
    np.add.at(transition, model.parameters.successors[previous], model.parameters.successor_p)
    return (1 - s.transition_share) * theta @ model.parameters.phi + s.transition_share * transition


def recall(scores: np.ndarray, split: Split, k: int = 20) -> float:
    top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(split.test, top, axis=1).sum() / split.n.sum()


def mutual_information(x: np.ndarray, y: np.ndarray) -> float:
    joint = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(joint, (x, y), 1 / len(x))
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())


class TestRows:
    @pytest.mark.parametrize("size", ["tiny", "small"])
    def test_the_sizes_are_kept(self, size, request):
        data, settings = request.getfixturevalue(size), SIZES[size]
        assert data.name == f"synthetic-{size}"
        assert (data.n_users, data.n_items, len(data)) == (settings.n_users, settings.n_items, settings.n_interactions)
        assert (data.user.dtype, data.item.dtype, data.timestamp.dtype) == (np.int32, np.int32, np.int64)
        assert list(data.user_ids) == sorted(data.user_ids)
        assert list(data.item_ids) == sorted(data.item_ids)
        assert data.user_features["segment"].shape == (data.n_users,)
        assert data.item_features["category"].shape == (data.n_items,)
        assert data.item.min() >= 0
        assert data.item.max() < data.n_items

    def test_large_is_as_large_as_promised(self):
        large = SIZES["large"]
        assert large.n_interactions == 20_000_000
        assert large.n_users == 138_000
        assert large.n_items >= 15_000

    @pytest.mark.parametrize("size", ["tiny", "small"])
    def test_the_same_seed_gives_the_same_bytes(self, size, request):
        data, again = request.getfixturevalue(size), load(size)
        assert again.content_hash == data.content_hash
        for name in ("user", "item", "timestamp"):
            assert getattr(again, name).tobytes() == getattr(data, name).tobytes()
        assert data.content_hash.startswith(PUBLISHED[size])
        in_seconds = dataclasses.replace(data, timestamp=data.timestamp // 1_000_000)
        assert content_hash(in_seconds).startswith(IN_SECONDS[size])

    def test_another_seed_gives_other_rows(self, tiny):
        other = generate(tiny.name, dataclasses.replace(SIZES["tiny"], seed=1))
        assert other.content_hash != tiny.content_hash
        assert np.mean(other.item == tiny.item) < 0.5

    def test_the_size_of_the_blocks_changes_nothing(self, tiny, monkeypatch):
        monkeypatch.setattr("datasets.synthetic.BLOCK_ROWS", 100)
        assert load("tiny").content_hash == tiny.content_hash

    def test_rows_are_sorted_by_time_within_the_period(self, small):
        assert (np.diff(small.timestamp) >= 0).all()
        assert small.timestamp[0] >= BEGIN_S * 1_000_000
        assert small.timestamp[-1] < (BEGIN_S + PERIOD_S) * 1_000_000

    def test_the_truth_holds_each_users_rows_in_their_order(self, small):
        by_user = np.argsort(small.user, kind="stable")
        np.testing.assert_array_equal(small.item[by_user], small.truth.rows.items)
        microseconds = (small.truth.rows.seconds.astype(np.int64) + BEGIN_S) * 1_000_000
        np.testing.assert_array_equal(small.timestamp[by_user], microseconds)

    def test_every_user_has_a_history_and_most_test_users_one_in_training(self, small, split):
        assert np.bincount(small.user, minlength=small.n_users).min() >= 5
        assert len(split.users) > small.n_users / 2
        assert split.n.sum() > 0.95 * 0.1 * len(small)

    def test_an_unknown_size_is_refused_with_the_known_ones(self):
        with pytest.raises(InputError, match=r"'huge'.*tiny, small, medium, large"):
            load("huge")


class TestModel:
    def test_popularity_is_a_power_law(self, small):
        frequency = np.sort(np.bincount(small.item, minlength=small.n_items))[::-1]
        ranks = np.arange(10, small.n_items // 2)
        x, y = np.log(ranks), np.log(frequency[ranks - 1])
        slope, _ = np.polyfit(x, y, 1)
        assert -slope == pytest.approx(SIZES["small"].popularity_exponent, abs=0.15)
        assert np.corrcoef(x, y)[0, 1] ** 2 > 0.97

    def test_segments_and_categories_tell_about_tastes(self, small):
        """More than the same codes do when they are dealt out to other users and other items."""
        generator = np.random.default_rng(0)
        segment, category = small.user_features["segment"], small.item_features["category"]
        told = mutual_information(segment[small.user], category[small.item])
        assert told > 1.5 * mutual_information(generator.permutation(segment)[small.user], category[small.item])
        assert told > 3 * mutual_information(segment[small.user], generator.permutation(category)[small.item])

    def test_successors_are_few_weighted_and_mostly_of_the_same_category(self, small):
        model, category = small.truth.parameters, small.item_features["category"]
        np.testing.assert_allclose(model.successor_p[:-1] / model.successor_p[1:], 2)
        assert np.mean(category[model.successors] == category[:, None]) > 0.9

    def test_distributions_sum_to_one(self, tiny):
        np.testing.assert_allclose(tiny.truth.parameters.phi.sum(axis=1), 1)
        assert tiny.truth.parameters.successor_p.sum() == pytest.approx(1)
        assert tiny.truth.parameters.tastes.max() < SIZES["tiny"].n_tastes

    def test_tastes_drift(self, small):
        """Categories of a user's rows are more alike the nearer they are in time."""
        model = small.truth
        category = small.item_features["category"][model.rows.items]
        user = np.repeat(np.arange(small.n_users), np.diff(model.rows.offsets))

        def alike(lag):
            return np.mean((category[:-lag] == category[lag:])[user[:-lag] == user[lag:]])

        assert alike(3) > 1.2 * alike(20)
        assert alike(20) > 1.3 * alike(60)


class TestExpectedCounts:
    @pytest.mark.parametrize("first", [0, 1, 4])
    def test_equals_the_sum_over_all_paths(self, minute, first):
        n = 4
        for user in range(MINUTE.n_users):
            previous = None if first == 0 else minute.rows.items[minute.rows.offsets[user] + first - 1]
            exact = np.zeros(MINUTE.n_items)
            for path in itertools.product(range(MINUTE.n_items), repeat=n):
                p, last = 1.0, previous
                for step, item in enumerate(path):
                    p *= probabilities(MINUTE, minute, user, first + step, last)[item]
                    last = item
                np.add.at(exact, list(path), p)
            counts = minute.expected_counts(np.array([user], np.int32), np.array([first]), np.array([n]))
            np.testing.assert_allclose(counts[0], exact, rtol=1e-6)

    def test_equals_the_mean_of_fresh_draws(self, tiny):
        """The generator itself, drawn again and again from the same parameters."""
        model, n_draws = tiny.truth, 500
        user = np.repeat(np.arange(tiny.n_users), np.diff(model.rows.offsets))
        sums, squares = np.zeros((2, tiny.n_users * tiny.n_items))
        redrawn = model.rows._replace(items=np.empty_like(model.rows.items))
        for draw in range(n_draws):
            draw_items(model.parameters, redrawn, np.random.Generator(np.random.Philox(draw)))
            counts = np.bincount(user * tiny.n_items + redrawn.items, minlength=len(sums))
            sums += counts
            squares += counts**2
        everyone = np.arange(tiny.n_users, dtype=np.int32)
        n = np.diff(model.rows.offsets)
        expected = model.expected_counts(everyone, np.zeros_like(n), n).ravel()
        mean = sums / n_draws
        error = np.sqrt((squares / n_draws - mean**2) / n_draws)
        drawn = expected > 0.3  # rarer ones are far from normal
        z = (mean - expected)[drawn] / error[drawn]
        assert drawn.sum() > 4_000
        assert abs(z.mean()) < 0.1
        assert z.std() == pytest.approx(1, abs=0.1)

    def test_equals_the_mean_of_fresh_draws_after_a_known_item(self, tiny):
        """Draws are continued from the recorded rows by the equation of the docstring."""
        user, first, n, n_draws = 7, 3, 4, 4_000
        generator = np.random.default_rng(0)
        model = tiny.truth
        rows = [
            [probabilities(SIZES["tiny"], model, user, first + step, item) for item in range(tiny.n_items)]
            for step in range(n)
        ]
        sums = np.cumsum(rows, axis=2)
        total = np.zeros(tiny.n_items)
        last = np.full(n_draws, model.rows.items[model.rows.offsets[user] + first - 1])
        for step in range(n):
            uniform = generator.random((n_draws, 1))
            last = np.minimum((uniform >= sums[step, last]).sum(axis=1), tiny.n_items - 1)
            total += np.bincount(last, minlength=tiny.n_items)
        counts = model.expected_counts(np.array([user], np.int32), np.array([first]), np.array([n]))[0]
        # Counts of an item at successive steps are nearly independent: Poisson errors, five of them.
        assert (np.abs(total / n_draws - counts) < 5 * np.sqrt(counts / n_draws) + 1e-3).all()

    def test_each_row_sums_to_its_n(self, small, split):
        counts = small.truth.expected_counts(split.users, split.first, split.n)
        assert counts.shape == (len(split.users), small.n_items)
        assert counts.dtype == np.float32
        assert counts.min() >= 0
        np.testing.assert_allclose(counts.sum(axis=1), split.n, rtol=1e-5)

    def test_the_number_of_threads_changes_no_bit(self, tiny):
        users, first, n = np.arange(200, dtype=np.int32), np.full(200, 2), np.full(200, 3)
        digests = set()
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            digests.add(hashlib.sha256(tiny.truth.expected_counts(users, first, n).tobytes()).hexdigest())
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        assert len(digests) == 1

    def test_models_are_far_apart_and_the_oracle_gets_what_it_expects(self, small, split):
        popularity = np.tile(split.train.sum(axis=0), (len(split.users), 1))
        seen = (split.train > 0).astype(float)
        together = seen.T @ seen
        np.fill_diagonal(together, 0)
        norms = np.sqrt(np.maximum(seen.sum(axis=0), 1))
        item_cf = seen[split.users] @ (together / np.outer(norms, norms))
        oracle = small.truth.expected_counts(split.users, split.first, split.n)
        found = [recall(scores, split) for scores in (popularity, item_cf, oracle)]
        assert 1.3 * found[0] < found[1]
        assert 1.8 * found[1] < found[2]
        expected = -np.sort(-oracle, axis=1)[:, :20].sum() / split.n.sum()
        assert found[2] == pytest.approx(expected, abs=0.02)

    @pytest.mark.parametrize(("user", "first", "n"), [(0, 0, 1000), (0, -1, 1), (0, 0, 0), (200, 0, 1), (-1, 0, 1)])
    def test_rows_that_were_never_drawn_are_refused(self, tiny, user, first, n):
        with pytest.raises(ValueError, match="user"):
            tiny.truth.expected_counts(np.array([user], np.int32), np.array([first]), np.array([n]))


@pytest.mark.skipif(
    not os.environ.get("RECALLBENCH_SLOW"),
    reason="draws 20 million rows: ten seconds or more and 1 GB; set RECALLBENCH_SLOW=1 to run it",
)
def test_large_is_made_in_a_minute_and_three_gigabytes():
    script = """
import resource, time
begin = time.perf_counter()
from datasets.synthetic import load
data = load("large")
print(len(data), time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    n, wall_s, peak_rss_bytes = map(float, done.stdout.split())
    assert n == 20_000_000
    assert wall_s < 60
    assert peak_rss_bytes < 3e9
