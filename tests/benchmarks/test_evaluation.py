from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.classic import item_cf, oracle, popularity, user_cf
from backends.contract import UnavailableError
from benchmarks.harness.evaluation import DivergedError, Judge, answers, exact_lists
from benchmarks.protocols.base import Queries, Split, training_rows
from benchmarks.protocols.time_split import TimeSplit
from benchmarks.specs import questions
from benchmarks.specs.item_cf import ItemCF
from benchmarks.specs.oracle import Oracle
from benchmarks.specs.popularity import Popularity
from benchmarks.specs.user_cf import UserCF
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=80)


def queries(asked, training, best=None):
    """Queries of (user or -1, [targets], [history]); a history that is left out is the user's training rows."""
    histories = [one[2] if len(one) == 3 else [item for user, item in training if user == one[0]] for one in asked]
    lengths, ends = [len(one[1]) for one in asked], np.cumsum([len(known) for known in histories], dtype=np.int64)
    return Queries(
        user=np.array([one[0] for one in asked], np.int32),
        indptr=np.append(0, np.cumsum(lengths)).astype(np.int64),
        items=np.array([item for one in asked for item in one[1]], np.int32),
        history=np.array([item for known in histories for item in known], np.int32),
        start=np.append(0, ends[:-1])[: len(asked)],
        stop=ends,
        best=np.empty((len(asked), 0), np.int32) if best is None else np.array(best, np.int32),
    )


def judge(training, validation, *, test=None, ks=(1, 3), period="validation", best=None, **others):
    """A judge of training pairs (user, item) and of queries as above; `others` are the questions of further periods."""
    user, item = (np.array(column, np.int32) for column in zip(*training, strict=True))
    n_users = int(user.max()) + 1
    n_items = int(item.max()) + 1
    asked = {"validation": validation, "test": validation if test is None else test, **others}
    *_, seen_indptr, seen_items = training_rows(user, item, n_users)
    split = Split(
        n_users=n_users,
        n_items=n_items,
        user=user,
        item=item,
        item_counts=np.bincount(item, minlength=n_items),
        seen_indptr=seen_indptr,
        seen_items=seen_items,
        sequence_user=np.zeros(1, np.int32),
        sequence_indptr=np.array([0, len(item)]),
        sequence_items=item,
        periods={name: queries(rows, training, best if name == "validation" else None) for name, rows in asked.items()},
        n_rows=(len(user), 1, 1),
    )
    protocol = TimeSplit(
        train_until=0.5,
        validation_until=0.75,
        per="session",
        unknown_users="popular",
        period=period,
        ks=ks,
        primary_metric=f"recall@{ks[0]}",
    )
    return Judge(split, protocol)


class Vectors:
    """An adapter whose state is (user vectors, item vectors)."""

    @staticmethod
    def embed_users(state, inputs):
        assert list(inputs) == ["user"]
        return state[0][inputs["user"]]

    @staticmethod
    def embed_items(state):
        return state[1]


class Readers:
    """An adapter whose state is (vectors of what was read, item vectors): a query's vectors are sums over its history.

    Vectors of what was read are float32[n_items + 1, dim], or float32[n_items + 1, interests, dim]; padding is zeros.
    """

    @staticmethod
    def embed_users(state, inputs):
        return state[0][inputs["history"]].sum(1)

    @staticmethod
    def embed_items(state):
        return state[1]


def serving(*, filter_seen=False):
    return SimpleNamespace(asks="users", serves="vectors", filter_seen=filter_seen)


def reading(*, filter_seen=False, answers_empty=False, length=4):
    return SimpleNamespace(
        asks="histories",
        answers_empty=answers_empty,
        serves="vectors",
        filter_seen=filter_seen,
        inputs=lambda asked: questions.last_items(asked, length),
    )


TRAINING = [(0, 2), (0, 2), (0, 1), (1, 3), (1, 2), (2, 0), (2, 1), (2, 3), (2, 2), (2, 4)]
# counts: item 0: 1, 1: 2, 2: 4, 3: 2, 4: 1, so the popular list is 2, 1, 3, 0, 4
VALIDATION = [(1, [0]), (-1, [2]), (0, [4, 4]), (1, [3, 1]), (2, [2])]


class TestByHand:
    def test_k_is_the_longest_list_that_is_judged(self):
        assert judge(TRAINING, VALIDATION, ks=(1, 2, 4)).k == 4

    def test_known_users_are_asked_about_once_and_in_order(self):
        asked = judge(TRAINING, VALIDATION).asked(serving(), "validation")
        assert (asked.user.tolist(), asked.place.tolist()) == ([0, 1, 2], [1, -1, 0, 1, 2])
        asked = judge(TRAINING, [(1, [0]), (-1, [0]), (1, [2])]).asked(serving(), "validation")
        assert (asked.user.tolist(), asked.place.tolist()) == ([1], [0, -1, 0])

    def test_what_users_with_several_queries_have_are_their_distinct_training_items(self):
        asked = [(2, [0]), (0, [1]), (2, [1], [3, 4])]
        indptr, items = judge(TRAINING, asked).asked(serving(), "validation").seen
        assert (indptr.tolist(), items.tolist()) == ([0, 2, 7], [1, 2, 0, 1, 2, 3, 4])

    def test_to_what_others_have_their_only_query_adds_its_history(self):
        asked = [(2, [0], [3, 1, 3, 6]), (-1, [0], [4]), (0, [1], [])]
        indptr, items = judge(TRAINING, asked).asked(serving(), "validation").seen
        assert (indptr.tolist(), items.tolist()) == ([0, 2, 8], [1, 2, 0, 1, 2, 3, 4, 6])

    def test_coverage_is_of_the_catalogue_whatever_is_asked_for(self):
        lists = np.array([[0, 1, 2]], np.int32)
        for target in (0, 400):  # the second is no item of the training
            assert judge(TRAINING, [(2, [target])]).judge(lists, "validation").metrics["coverage@3"] == 3 / 5

    def test_nobody_is_known(self):
        asked = judge(TRAINING, [(-1, [0])]).asked(serving(), "validation")
        assert [part.tolist() for part in (asked.user, asked.place, *asked.seen)] == [[], [-1], [0], []]

    def test_a_list_a_known_user_becomes_one_a_query(self):
        made = judge(TRAINING, VALIDATION)
        lists = np.array([[10, 11, 12], [20, 21, 22], [30, 31, 32]], np.int32)
        spread = made.spread(lists, made.asked(serving(), "validation"))
        assert spread.tolist() == [[20, 21, 22], [2, 1, 3], [10, 11, 12], [20, 21, 22], [30, 31, 32]]

    def test_a_catalogue_smaller_than_k_ends_in_minus_one(self):
        made = judge([(0, 1), (0, 1), (0, 0)], [(-1, [0])], ks=(1, 4))
        asked = made.asked(serving(), "validation")
        assert made.spread(np.empty((0, 4), np.int32), asked).tolist() == [[1, 0, -1, -1]]

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
        metrics, reported = made.all_periods(Vectors, state, serving(filter_seen=False))
        expected = {"validation": 1.0, "test": 0.0}
        assert metrics["hit_rate@1"] == reported.metrics["hit_rate@1"] == expected[period]
        assert metrics[f"{other}.hit_rate@1"] == expected[other]
        assert len(metrics) == 2 * len(reported.metrics)

    def test_a_period_that_asks_nothing_has_no_metrics_and_spoils_nothing(self):
        made = judge(TRAINING, [(0, [2])], test=[], period="validation")
        state = (np.ones((3, 1), np.float32), np.array([[0], [1], [3], [2], [0]], np.float32))
        metrics, reported = made.all_periods(Vectors, state, serving(filter_seen=False))
        assert metrics == reported.metrics


class TestHistories:
    ASKED = ((1, [0], [3, 2]), (-1, [2], []), (0, [4], [2, 2, 1, 0, 3]), (-1, [1], [4]))

    @pytest.mark.parametrize(("answers_empty", "place"), [(False, [0, -1, 2, 3]), (True, [0, 1, 2, 3])])
    def test_each_query_is_a_question_of_its_own(self, answers_empty, place):
        made = judge(TRAINING, self.ASKED)
        asked = made.asked(reading(answers_empty=answers_empty), "validation")
        assert asked.place.tolist() == place
        assert asked.user.tolist() == [1, -1, 0, -1]
        found = [asked.history[a:b].tolist() for a, b in zip(asked.start, asked.stop, strict=True)]
        assert found == [known for *_, known in self.ASKED]

    def test_what_was_seen_is_the_history_and_not_the_training_rows(self):
        indptr, items = judge(TRAINING, self.ASKED).asked(reading(), "validation").seen
        found = [items[a:b].tolist() for a, b in pairwise(indptr)]
        assert found == [known for *_, known in self.ASKED]

    def test_stretches_that_overlap_and_stand_in_any_order(self):
        made = judge(TRAINING, self.ASKED)
        period = made.split.period("validation")
        period.start[:], period.stop[:] = [5, 0, 1, 2], [8, 0, 3, 3]
        asked = made.asked(reading(), "validation")
        indptr, items = asked.seen
        found = [items[a:b].tolist() for a, b in pairwise(indptr)]
        history = period.history.tolist()
        assert found == [history[5:8], [], history[1:3], history[2:3]]
        assert asked.place.tolist() == [0, -1, 2, 3]

    @pytest.mark.parametrize("filter_seen", [False, True])
    def test_an_empty_history_gets_the_popular_items_from_who_has_no_answer(self, filter_seen):
        made = judge(TRAINING, self.ASKED)
        state = (np.zeros((6, 1), np.float32), np.array([[0], [1], [2], [3], [4]], np.float32))
        state[0][1:] = 1
        lists = made.lists(Readers, state, reading(filter_seen=filter_seen), "validation")
        assert lists[1].tolist() == [2, 1, 3]
        answering = reading(filter_seen=filter_seen, answers_empty=True)
        assert made.lists(Readers, state, answering, "validation")[1].tolist() == [0, 1, 2]  # all score 0

    def test_seen_items_are_left_out(self):
        made = judge(TRAINING, self.ASKED)
        state = (np.ones((6, 1), np.float32), np.array([[0], [1], [2], [3], [4]], np.float32))
        lists = made.lists(Readers, state, reading(filter_seen=True), "validation")
        assert lists.tolist() == [[4, 1, 0], [2, 1, 3], [4, -1, -1], [3, 2, 1]]

    def test_several_interests_are_merged(self):
        """One interest likes low numbers, the other high ones, twice as much."""
        made = judge(TRAINING, [(0, [1], [2])])
        interests = np.zeros((6, 2, 2), np.float32)
        interests[3] = [[1, 0], [0, 2]]
        items = np.array([[8, 0], [4, 1], [0, 0], [0, 3], [0, 5]], np.float32)
        lists = made.lists(Readers, (interests, items), reading(), "validation")
        assert lists.tolist() == [[4, 0, 3]]  # 10, 8, 6

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_vectors_that_are_not_finite_are_no_answer(self, value):
        made = judge(TRAINING, self.ASKED)
        users, items = np.ones((6, 1), np.float32), np.array([[0], [1], [2], [3], [4]], np.float32)
        spoilt = items.copy()
        spoilt[2] = value
        with pytest.raises(DivergedError, match="the vector of an item is not finite"):
            made.lists(Readers, (users, spoilt), reading(), "validation")
        with pytest.raises(DivergedError, match="the vector of a user is not finite"):
            made.lists(Readers, (users * value, items), reading(), "validation")

    def test_popularity_leaves_out_what_the_query_says_and_answers_the_empty_one(self):
        made = judge(TRAINING, self.ASKED)
        spec = Popularity(filter_seen=True)
        (chunk,) = spec.batches(made.split, (), 1)
        state, _ = popularity.train(popularity.init(spec, {}, "cpu", "eager"), chunk)
        lists = made.lists(popularity, state, spec, "validation")
        assert lists.tolist() == [[1, 0, 4], [2, 1, 3], [4, -1, -1], [2, 1, 3]]

    @pytest.mark.parametrize("period", ["validation", "test"])
    def test_every_other_period_carries_its_name_the_leaked_one_too(self, period):
        asked = {"validation": [(0, [2], [2])], "test": [(0, [2], [3])], "leaked": [(0, [2], [3, 4])]}
        made = judge(TRAINING, period=period, **asked)
        # What was read last is what is liked: item i where i was read, and 2 where 4 was.
        state = (np.vstack([np.zeros(5), np.eye(5)]).astype(np.float32), np.eye(5, dtype=np.float32))
        state[0][5] = [0, 0, 9, 0, 0]
        metrics, reported = made.all_periods(Readers, state, reading())
        expected = {"validation": 1.0, "test": 0.0, "leaked": 1.0}
        assert metrics["recall@1"] == reported.metrics["recall@1"] == expected.pop(period)
        assert {name: metrics[f"{name}.recall@1"] for name in expected} == expected
        assert len(metrics) == 3 * len(reported.metrics)


class Listing:
    """An adapter without vectors, whose state is what it is told; it answers with the user's number and some more."""

    @staticmethod
    def recommend(state, inputs, k):
        state.append(inputs)
        return np.stack([inputs["user"]] + [np.full_like(inputs["user"], 90 + at) for at in range(1, k)], 1)


class TestLists:
    """Models that answer with lists are asked as all others are, and their answers spread."""

    def test_a_model_of_users_is_asked_once_for_each_and_told_nothing_else(self):
        made, told = judge(TRAINING, VALIDATION), []
        spec = SimpleNamespace(asks="users", serves="lists", filter_seen=True)
        lists = made.lists(Listing, told, spec, "validation")
        assert lists.dtype == np.int32
        assert lists.tolist() == [[1, 91, 92], [2, 1, 3], [0, 91, 92], [1, 91, 92], [2, 91, 92]]
        assert [{name: values.tolist() for name, values in inputs.items()} for inputs in told] == [{"user": [0, 1, 2]}]

    @pytest.mark.parametrize("answers_empty", [False, True])
    def test_a_model_of_histories_is_asked_in_its_portions(self, answers_empty):
        made, told = judge(TRAINING, TestHistories.ASKED), []
        spec = SimpleNamespace(
            asks="histories",
            answers_empty=answers_empty,
            serves="lists",
            filter_seen=True,
            inputs=lambda asked: (({"user": asked.user[[row]]}, np.array([row])) for row in (3, 0, 1, 2)),
        )
        lists = made.lists(Listing, told, spec, "validation")
        second = [-1, 91, 92] if answers_empty else [2, 1, 3]  # its history is empty
        assert lists.tolist() == [[1, 91, 92], second, [0, 91, 92], [-1, 91, 92]]
        assert len(told) == 4

    @pytest.mark.parametrize("asks", ["users", "histories"])
    def test_a_period_that_asks_nothing_of_it(self, asks):
        made, told = judge(TRAINING, [(-1, [2])] if asks == "users" else []), []
        spec = SimpleNamespace(asks=asks, answers_empty=False, serves="lists", filter_seen=False)
        assert made.lists(Listing, told, spec, "validation").tolist() == ([[2, 1, 3]] if asks == "users" else [])
        assert told == []

    def test_neighbours_answer_what_they_know(self):
        made = judge(TRAINING, TestHistories.ASKED)
        for spec in (ItemCF(), UserCF()):
            adapter = {"item-cf": item_cf, "user-cf": user_cf}[spec.model]
            (chunk,) = spec.batches(made.split, (), 1)
            state, _ = adapter.train(adapter.init(spec, {}, "cpu", "eager"), chunk)
            lists = made.lists(adapter, state, spec, "validation")
            assert lists[1].tolist() == [2, 1, 3]  # an empty history gets the popular items
            for (_, _, read), found in zip(TestHistories.ASKED, lists.tolist(), strict=True):
                assert not set(read) & set(found)
            assert lists[3].tolist() == [[0, 1, 3], [0, 1, 2]][spec.model == "user-cf"]


class TestAnswers:
    asked = SimpleNamespace(
        user=np.array([7, 3, 5], np.int32),
        history=np.array([4, 1, 2], np.int32),
        start=np.array([0, 2, 3]),
        stop=np.array([2, 3, 3]),
    )

    def test_a_spec_that_asks_for_users_is_told_nothing_else(self):
        told = []
        found = answers(serving(), lambda inputs: told.append(inputs) or inputs["user"][:, None], self.asked)
        assert found.tolist() == [[7], [3], [5]]
        assert [list(inputs) for inputs in told] == [["user"]]

    @pytest.mark.parametrize("shape", [(2,), (3, 2)])
    def test_portions_in_any_order_and_with_repeats_fall_into_place(self, shape):
        portions = [({"n": np.array([2, 0, 2])}, np.array([2, 0, 2])), ({"n": np.array([1])}, np.array([1]))]
        spec = SimpleNamespace(asks="histories", inputs=lambda asked: portions if asked is self.asked else [])
        found = answers(
            spec,
            lambda inputs: np.full((len(inputs["n"]), *shape), 1, np.float32) * _as_column(inputs["n"], shape),
            self.asked,
        )
        assert found.dtype == np.float32
        assert found.shape == (3, *shape)
        assert [np.unique(row).tolist() for row in found] == [[0], [1], [2]]


def _as_column(numbers, shape):
    return numbers.reshape(-1, *(1 for _ in shape)).astype(np.float32)


def plain_lists(training, asked, state, k, *, filter_seen):
    """One list a query by sorting all items, equal scores by number."""
    users, items = state
    counts = np.bincount([item for _, item in training], minlength=len(items))
    lists = []
    for user, _ in asked:
        scores = counts if user < 0 else items @ users[user]
        seen = {item for u, item in training if u == user} if filter_seen else set()
        lists.append(best_first(scores, seen, k))
    return lists


def best_first(scores, seen, k):
    ranked = sorted((i for i in range(len(scores)) if i not in seen), key=lambda i: (-scores[i], i))
    return (ranked + [-1] * k)[:k]


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


history = st.lists(st.integers(0, 6), max_size=6)


@pytest.mark.parametrize("n_interests", [0, 1, 3])
@checked
@given(
    training=st.lists(pair, min_size=1, max_size=25),
    asked=st.lists(st.tuples(st.integers(-1, 4), st.just([0]), history), min_size=1, max_size=12),
    spec=st.builds(reading, filter_seen=st.booleans(), answers_empty=st.booleans(), length=st.just(3)),
    k=st.integers(1, 9),
)
def test_lists_of_histories_are_those_of_sorting_everything(n_interests, training, asked, spec, k):
    training = [*training, (4, 6)]
    made = judge(training, asked, ks=(k,))
    rng = np.random.default_rng(len(training) + 100 * len(asked) + k)
    dims = (n_interests, 3) if n_interests else (3,)
    read, items = (rng.integers(-2, 3, shape).astype(np.float32) for shape in ((8, *dims), (7, 3)))
    read[0] = 0
    expected = []
    for _, _, known in asked:
        vectors = sum((read[item + 1] for item in known[-3:]), np.zeros(dims)).reshape(-1, 3)
        scores = (vectors @ items.T).max(0)
        seen = set(known) if spec.filter_seen else set()
        if not known and not spec.answers_empty:
            scores = np.bincount([item for _, item in training], minlength=7)
        expected.append(best_first(scores, seen, k))
    lists = made.lists(Readers, (read, items), spec, "validation")
    assert (lists.dtype, lists.shape) == (np.int32, (len(asked), k))
    assert lists.tolist() == expected


@checked
@given(
    seed=st.integers(0, 2**20),
    n_interests=st.integers(1, 4),
    k=st.integers(1, 9),
    seen=st.lists(st.lists(st.integers(0, 6), max_size=5), min_size=1, max_size=6),
    filter_seen=st.booleans(),
)
def test_exact_lists_of_interests_are_brute_force(seed, n_interests, k, seen, filter_seen):
    rng = np.random.default_rng(seed)
    users = rng.integers(-2, 3, (len(seen), n_interests, 3)).astype(np.float32)
    items = rng.integers(-2, 3, (7, 3)).astype(np.float32)
    indptr = np.append(0, np.cumsum([len(own) for own in seen])).astype(np.int64)
    exclude = indptr, np.array([item for own in seen for item in own], np.int32)
    found = exact_lists(users, items, k, exclude if filter_seen else None)
    expected = [
        best_first((own @ items.T).max(0), set(banned) if filter_seen else set(), k)
        for own, banned in zip(users, seen, strict=True)
    ]
    assert found.tolist() == expected
    if n_interests == 1:
        assert exact_lists(users[:, 0], items, k, exclude if filter_seen else None).tolist() == expected


@checked
@given(training=st.lists(pair, min_size=1, max_size=25), users=st.lists(st.integers(-1, 4), min_size=1, max_size=8))
def test_seen_items_are_each_users_own(training, users):
    training = [*training, (4, 6)]
    asked = judge(training, [(user, [0]) for user in users]).asked(serving(), "validation")
    indptr, items = asked.seen
    found = [items[start:stop].tolist() for start, stop in pairwise(indptr)]
    assert asked.user.tolist() == sorted(set(users) - {-1})
    assert found == [sorted({i for v, i in training if v == u}) for u in asked.user]
