from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.classic import oracle, popularity
from backends.contract import UnavailableError
from benchmarks.harness.evaluation import Judge
from benchmarks.protocols.base import Queries, Split, distinct_per_user
from benchmarks.protocols.time_split import TimeSplit
from benchmarks.specs.oracle import Oracle
from benchmarks.specs.popularity import Popularity
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=80)


def queries(users_and_items, best=None):
    lengths = [len(items) for _, items in users_and_items]
    return Queries(
        user=np.array([user for user, _ in users_and_items], np.int32),
        indptr=np.append(0, np.cumsum(lengths)).astype(np.int64),
        items=np.array([item for _, items in users_and_items for item in items], np.int32),
        best=np.empty((len(lengths), 0), np.int32) if best is None else np.array(best, np.int32),
    )


def judge(training, validation, *, test=None, ks=(1, 3), period="validation", best=None):
    """A judge of training pairs (user, item) and of queries (user or -1, [items])."""
    user, item = (np.array(column, np.int32) for column in zip(*training, strict=True))
    n_users = int(user.max()) + 1
    n_items = int(item.max()) + 1
    split = Split(
        n_users=n_users,
        n_items=n_items,
        user=user,
        item=item,
        item_counts=np.bincount(item, minlength=n_items),
        seen_indptr=distinct_per_user(user, item, n_users, n_items)[0],
        seen_items=distinct_per_user(user, item, n_users, n_items)[1],
        validation=queries(validation, best),
        test=queries(validation if test is None else test),
        n_rows=(len(user), 1, 1),
    )
    protocol = TimeSplit(0.5, 0.75, "session", "popular", period, ks, f"recall@{ks[0]}")
    return Judge(split, protocol)


class Vectors:
    """An adapter whose state is (user vectors, item vectors)."""

    @staticmethod
    def embed_users(state, inputs):
        return state[0][inputs["user"]]

    @staticmethod
    def embed_items(state):
        return state[1]


def serving(*, filter_seen):
    return SimpleNamespace(serves="vectors", filter_seen=filter_seen)


TRAINING = [(0, 2), (0, 2), (0, 1), (1, 3), (1, 2), (2, 0), (2, 1), (2, 3), (2, 2), (2, 4)]
# counts: item 0: 1, 1: 2, 2: 4, 3: 2, 4: 1, so the popular list is 2, 1, 3, 0, 4
VALIDATION = [(1, [0]), (-1, [2]), (0, [4, 4]), (1, [3, 1]), (2, [2])]


class TestByHand:
    def test_k_is_the_longest_list_that_is_judged(self):
        assert judge(TRAINING, VALIDATION, ks=(1, 2, 4)).k == 4

    def test_known_users_stand_once_and_in_order(self):
        assert judge(TRAINING, VALIDATION).known_users("validation").tolist() == [0, 1, 2]
        assert judge(TRAINING, [(1, [0]), (-1, [0]), (1, [2])]).known_users("validation").tolist() == [1]

    def test_a_list_a_known_user_becomes_one_a_query(self):
        lists = np.array([[10, 11, 12], [20, 21, 22], [30, 31, 32]], np.int32)
        spread = judge(TRAINING, VALIDATION).spread(lists, "validation")
        assert spread.tolist() == [[20, 21, 22], [2, 1, 3], [10, 11, 12], [20, 21, 22], [30, 31, 32]]

    def test_a_catalogue_smaller_than_k_ends_in_minus_one(self):
        made = judge([(0, 1), (0, 1), (0, 0)], [(-1, [0])], ks=(1, 4))
        assert made.spread(np.empty((0, 4), np.int32), "validation").tolist() == [[1, 0, -1, -1]]

    def test_seen_items_of_some_users(self):
        indptr, items = judge(TRAINING, VALIDATION).seen(np.array([2, 0], np.int32))
        assert (indptr.tolist(), items.tolist()) == ([0, 5, 7], [0, 1, 2, 3, 4, 1, 2])

    def test_seen_items_of_nobody(self):
        indptr, items = judge(TRAINING, VALIDATION).seen(np.zeros(0, np.int32))
        assert (indptr.tolist(), items.tolist()) == ([0], [])

    def test_metrics(self):
        lists = np.array([[0, 3, 1], [2, 1, 3], [1, 4, 2], [2, 3, 1], [-1, -1, -1]], np.int32)
        metrics = judge(TRAINING, VALIDATION).judge(lists, "validation").metrics
        assert metrics["hit_rate@1"] == pytest.approx(2 / 5)
        assert metrics["hit_rate@3"] == pytest.approx(4 / 5)
        assert metrics["recall_micro@3"] == pytest.approx(6 / 7)  # item 4 is on two lines
        assert metrics["precision@3"] == pytest.approx((1 + 1 + 2 + 2) / 15)
        assert metrics["mrr@3"] == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 5)

    def test_a_target_that_training_never_saw_is_a_miss(self):
        with_unseen = judge(TRAINING, [(0, [2, 99])])
        lists = np.array([[2, 1, 3]], np.int32)
        metrics = with_unseen.judge(lists, "validation").metrics
        assert metrics["recall@1"] == 0.5
        assert metrics["hit_rate@1"] == 1

    def test_lists_of_another_period_are_refused(self):
        made = judge(TRAINING, VALIDATION, test=[(0, [1])])
        with pytest.raises(InputError):
            made.judge(np.zeros((5, 3), np.int32), "test")

    def test_unknown_users_get_the_popular_list_from_every_model(self):
        made = judge(TRAINING, VALIDATION)
        rng = np.random.default_rng(0)
        state = (rng.standard_normal((3, 4), np.float32), rng.standard_normal((5, 4), np.float32))
        for filter_seen in (False, True):
            lists = made.lists(Vectors, state, serving(filter_seen=filter_seen), "validation")
            assert lists[1].tolist() == [2, 1, 3]

    def test_a_period_of_unknown_users_only(self):
        made = judge(TRAINING, [(-1, [2]), (-1, [0])])
        state = (np.ones((3, 2), np.float32), np.ones((5, 2), np.float32))
        assert made.lists(Vectors, state, serving(filter_seen=True), "validation").tolist() == [[2, 1, 3], [2, 1, 3]]

    def test_popularity_is_the_popular_list_for_everybody(self):
        made = judge(TRAINING, VALIDATION)
        spec = Popularity()
        (chunk,) = spec.batches(made.split, (), 1)
        state, losses = popularity.train(popularity.init(spec, {}, "cpu", "eager"), chunk)
        assert losses.tolist() == []
        assert made.lists(popularity, state, spec, "validation").tolist() == [[2, 1, 3]] * 5

    def test_popularity_without_seen_items(self):
        made = judge(TRAINING, VALIDATION)
        spec = Popularity(filter_seen=True)
        (chunk,) = spec.batches(made.split, (), 1)
        state, _ = popularity.train(popularity.init(spec, {}, "cpu", "eager"), chunk)
        lists = made.lists(popularity, state, spec, "validation")
        assert lists.tolist() == [[1, 0, 4], [2, 1, 3], [3, 0, 4], [1, 0, 4], [-1, -1, -1]]

    def test_the_oracle_gives_the_lists_of_the_split(self):
        made = judge(TRAINING, VALIDATION, best=[[q, 0, 1, 2] for q in range(5)])
        lists = made.lists(oracle, oracle.init(Oracle(), {}, "cpu", "eager"), Oracle(), "validation")
        assert lists.tolist() == [[q, 0, 1] for q in range(5)]

    def test_the_oracle_says_where_it_knows_nothing(self):
        with pytest.raises(UnavailableError, match="without true lists of 3 items"):
            judge(TRAINING, VALIDATION).lists(oracle, None, Oracle(), "validation")

    @pytest.mark.parametrize(("period", "other"), [("validation", "test"), ("test", "validation")])
    def test_the_period_that_is_not_reported_carries_its_name(self, period, other):
        made = judge(TRAINING, [(0, [2])], test=[(0, [1])], period=period)
        state = (np.ones((3, 1), np.float32), np.array([[0], [1], [3], [2], [0]], np.float32))  # 2, 3, 1 for all
        metrics, reported = made.both_periods(Vectors, state, serving(filter_seen=False))
        expected = {"validation": 1.0, "test": 0.0}
        assert metrics["hit_rate@1"] == reported.metrics["hit_rate@1"] == expected[period]
        assert metrics[f"{other}.hit_rate@1"] == expected[other]
        assert len(metrics) == 2 * len(reported.metrics)

    def test_a_period_that_asks_nothing_has_no_metrics_and_spoils_nothing(self):
        made = judge(TRAINING, [(0, [2])], test=[], period="validation")
        state = (np.ones((3, 1), np.float32), np.array([[0], [1], [3], [2], [0]], np.float32))
        metrics, reported = made.both_periods(Vectors, state, serving(filter_seen=False))
        assert metrics == reported.metrics


def plain_lists(training, asked, state, k, *, filter_seen):
    """One list a query by sorting all items, equal scores by number."""
    users, items = state
    counts = np.bincount([item for _, item in training], minlength=len(items))
    lists = []
    for user, _ in asked:
        scores = counts if user < 0 else items @ users[user]
        seen = {item for u, item in training if u == user} if filter_seen else set()
        ranked = sorted((i for i in range(len(items)) if i not in seen), key=lambda i: (-scores[i], i))
        lists.append((ranked + [-1] * k)[:k])
    return lists


pair = st.tuples(st.integers(0, 4), st.integers(0, 6))
query = st.tuples(st.integers(-1, 4), st.lists(st.integers(0, 9), min_size=1, max_size=4))


@pytest.mark.parametrize("filter_seen", [False, True])
@checked
@given(
    training=st.lists(pair, min_size=1, max_size=25),
    asked=st.lists(query, min_size=1, max_size=12),
    seed=st.integers(0, 2**20),
    k=st.integers(1, 9),
)
def test_lists_are_those_of_sorting_everything(filter_seen, training, asked, seed, k):
    training = [*training, (4, 6)]
    made = judge(training, asked, ks=(k,))
    rng = np.random.default_rng(seed)
    # Small whole numbers: equal scores are common, and every sum is exact.
    state = tuple(rng.integers(-2, 3, (n, 3)).astype(np.float32) for n in (5, 7))
    lists = made.lists(Vectors, state, serving(filter_seen=filter_seen), "validation")
    assert (lists.dtype, lists.shape) == (np.int32, (len(asked), k))
    assert lists.tolist() == plain_lists(training, asked, state, k, filter_seen=filter_seen)
    if filter_seen:
        seen = set(training)
        assert not any(
            (user, item) in seen for (user, _), row in zip(asked, lists.tolist(), strict=True) for item in row
        )


@checked
@given(training=st.lists(pair, min_size=1, max_size=25), users=st.lists(st.integers(0, 4), max_size=8))
def test_seen_items_are_each_users_own(training, users):
    made = judge([*training, (4, 6)], [(0, [0])])
    indptr, items = made.seen(np.array(users, np.int32))
    found = [items[start:stop].tolist() for start, stop in pairwise(indptr)]
    assert found == [sorted({i for v, i in [*training, (4, 6)] if v == u}) for u in users]
