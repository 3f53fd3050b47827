from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_checks import (
    N_ITEMS,
    Probabilities,
    check_types,
    described,
    grouped_by,
    interactions,
    items_of,
    oldest_first,
    parts,
    questions,
    tables,
)

import datasets
from benchmarks import protocols, sampling
from benchmarks.protocols.next_item import NextItem
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=150)
SETTINGS = {
    "train_until": "1970-01-04",
    "validation_until": "1970-01-06",
    "per": "session",
    "period": "validation",
    "ks": (1, 2),
    "primary_metric": "recall@2",
}


def next_item(**changes):
    return NextItem(**{**SETTINGS, **changes})


ROWS = [
    # user, item, day, session
    (3, 4, 0, "a"),
    (1, 2, 1, "b"),
    (3, 5, 1, "a"),
    (-1, 6, 2, "c"),
    (3, 0, 2, "d"),
    (1, 5, 3, "e"),
    (3, 2, 3, "d"),
    (1, 1, 4, "e"),
    (0, 1, 4, "g"),
    (3, 3, 4, "d"),
    (1, 6, 5, "e"),
    (-1, 0, 6, "c"),
    (3, 3, 7, "d"),
    (3, 1, 7, "d"),
]


class TestByHand:
    def test_sessions_of_the_training_period(self):
        split = next_item().split(interactions(ROWS))
        assert split.sequence_user.tolist() == [1, 0, -1, 1]
        assert parts(split.sequence_indptr, split.sequence_items) == [[4, 5], [2], [6], [0]]
        assert split.user.tolist() == [0, 1, 1, 1]
        assert split.item.tolist() == [2, 0, 4, 5]
        assert split.item_counts.tolist() == [1, 0, 1, 0, 1, 1, 1]
        assert (split.n_users, split.n_items, split.n_rows) == (2, N_ITEMS, (5, 5, 4))

    def test_each_row_of_a_session_is_asked_for(self):
        split = next_item().split(interactions(ROWS))
        assert questions(split.period("validation")) == [
            *[(1, [], [2]), (1, [2], [3])],  # of session d, whose training row is no history here
            *[(0, [], [5]), (0, [5], [1])],
            (-1, [], [1]),  # user 0 has no training row
        ]
        assert questions(split.period("test")) == [(-1, [], [0]), (1, [], [3]), (1, [3], [1]), (0, [], [6])]
        assert list(split.periods) == ["validation", "test"]

    def test_first_rows_may_be_left_out(self):
        split = next_item(ask_first=False).split(interactions(ROWS))
        assert questions(split.period("validation")) == [(1, [2], [3]), (0, [5], [1])]
        assert questions(split.period("test")) == [(1, [3], [1])]

    def test_each_row_of_a_user_is_asked_for(self):
        split = next_item(per="user").split(interactions(ROWS, session=None))
        assert split.sequence_user.tolist() == [0, 1]
        assert parts(split.sequence_indptr, split.sequence_items) == [[2], [4, 5, 0]]
        assert questions(split.period("test")) == [(0, [], [6]), (1, [], [3]), (1, [3], [1])]

    def test_the_leak_shows_the_item_that_is_asked_for(self):
        split = next_item(leaked=True, period="test").split(interactions(ROWS))
        assert questions(split.period("leaked")) == [(-1, [0], [0]), (1, [3], [3]), (1, [3, 1], [1]), (0, [6], [6])]
        assert questions(split.period("test")) == questions(next_item().split(interactions(ROWS)).period("test"))

    def test_there_are_no_best_lists(self):
        truth = Probabilities()
        rows = [row for row in ROWS if row[0] >= 0]
        split = next_item(per="user").split(interactions(rows, truth=truth))
        assert split.period("test").best.shape == (3, 0)
        assert truth.asked == []

    def test_without_any_user_sessions_are_enough(self):
        data = interactions([(-1, *row[1:]) for row in ROWS])
        split = next_item().split(data)
        assert (split.n_users, len(split.user), split.seen_indptr.tolist()) == (0, 0, [0])
        assert split.sequence_user.tolist() == [-1, -1, -1, -1]
        check_types(split)
        with pytest.raises(InputError, match=r"made: next-item leaves 0 training rows, 0 validation.*user_id"):
            next_item(per="user").split(data)


def plainly(rows, cuts, per, leaked):
    """The protocol with lists and dictionaries only; None where nothing is left to learn or to ask."""
    periods = {
        "train": [row for row in rows if row[2] < cuts[0]],
        "validation": [row for row in rows if cuts[0] <= row[2] < cuts[1]],
        "test": [row for row in rows if row[2] >= max(cuts)],
    }
    known = sorted({user for user, *_ in periods["train"] if user >= 0})
    number = {user: at for at, user in enumerate(known)}
    if per == "session":
        of = {name: grouped_by(period, 3) for name, period in periods.items()}
    else:
        of = {name: grouped_by(period, 0) for name, period in periods.items()}
    sequences = {name: [oldest_first(group) for group in groups.values()] for name, groups in of.items()}
    wanted = periods if cuts[0] < cuts[1] else ("train", "test")
    if not all(periods[name] and sequences[name] for name in wanted):
        return None

    def asked(sequence, more=0):
        items = items_of(sequence)
        return [(number.get(row[0], -1), items[: at + more], [row[1]]) for at, row in enumerate(sequence)]

    counts = Counter(items_of(periods["train"]))
    training = sorted((number[user], item) for user, item, *_ in periods["train"] if user >= 0)
    return {
        "n_items": N_ITEMS,
        "training": training,
        "item_counts": [counts[item] for item in range(N_ITEMS)],
        "seen": [sorted({item for u, item in training if u == user}) for user in range(len(known))],
        "sequences": [(number.get(sequence[0][0], -1), items_of(sequence)) for sequence in sequences["train"]],
        "n_rows": tuple(map(len, periods.values())),
        "validation": [query for sequence in sequences["validation"] for query in asked(sequence)],
        "test": [query for sequence in sequences["test"] for query in asked(sequence)],
        **({"leaked": [query for sequence in sequences["test"] for query in asked(sequence, 1)]} if leaked else {}),
    }


days = st.integers(1, 8)


class TestAgainstThePlainForm:
    @checked
    @given(rows=tables, cuts=st.tuples(days, days).map(sorted), leaked=st.booleans())
    @pytest.mark.parametrize("per", ["session", "user"])
    def test_every_array_is_the_plain_forms(self, per, rows, cuts, leaked):
        first, second = (f"1970-01-{day + 1:02}" for day in cuts)
        protocol = next_item(train_until=first, validation_until=second, per=per, leaked=leaked, period="test")
        expected = plainly(rows, cuts, per, leaked)
        if expected is None:
            with pytest.raises(InputError, match="made: "):
                protocol.split(interactions(rows))
            return
        split = protocol.split(interactions(rows))
        assert described(split) == expected
        check_types(split)

    @checked
    @given(rows=tables)
    def test_queries_of_a_session_follow_each_other_and_share_their_start(self, rows):
        if plainly(rows, (3, 5), "session", leaked=False) is None:
            return
        split = next_item().split(interactions(rows))
        for queries in split.periods.values():
            step = queries.stop - queries.start
            begins = step == 0
            assert begins[0]
            assert (step[1:] == np.where(begins[1:], 0, step[:-1] + 1)).all()
            assert (np.diff(queries.start)[~begins[1:]] == 0).all()
            assert len(np.unique(queries.start)) == begins.sum()


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"per": "week"}, "next-item: per is 'week', expected one of session, user"),
            ({"leaked": "yes"}, "next-item: leaked is 'yes', expected true or false"),
            ({"train_until": None}, "next-item: train_until is None, expected a date in quotes"),
        ],
    )
    def test_a_setting_that_cannot_be(self, changes, message):
        with pytest.raises(InputError, match=message):
            next_item(**changes)

    def test_a_cut_that_cannot_be(self):
        with pytest.raises(InputError, match="next-item: train_until is 'noon', expected a date in quotes"):
            next_item(train_until="noon").split(interactions(ROWS))
        with pytest.raises(
            InputError, match=r"next-item: train_until is 80.0, expected a date in quotes.* or a fraction"
        ):
            next_item(train_until=80).split(interactions(ROWS))

    def test_what_the_data_lack(self):
        with pytest.raises(InputError, match=r"made has no timestamps.*add a column timestamp"):
            next_item().split(interactions(ROWS, timestamp=None))
        with pytest.raises(InputError, match=r"made has no sessions.*session_id"):
            next_item().split(interactions(ROWS, session=None))

    def test_an_empty_period(self):
        with pytest.raises(InputError, match="0 validation"):
            next_item(train_until="1970-01-05T00:00:01").split(interactions(ROWS))

    def test_a_suite_can_name_it(self):
        assert protocols.make({**SETTINGS, "name": "next-item", "ks": [1, 2]}) == next_item()


class TestOnlineRetail:
    """What was counted independently of this code."""

    def test_queries_and_sessions(self, real_data_dir):
        data = datasets.load("online-retail", real_data_dir, accept_download=False, progress=False)
        split = next_item(train_until="2011-10-09", validation_until="2011-11-09").split(data)
        assert (split.n_items, split.n_rows) == (4_059, (378_470, 64_460, 89_691))
        queries = split.period("validation")
        assert len(queries) == 64_460
        assert len(np.unique(queries.start)) == (queries.start == queries.stop).sum() == 2_435
        assert (split.n_users, len(split.user), len(split.sequence_items)) == (3_706, 278_511, 378_470)
        batches = sampling.windows(sampling.generator("windows"), split, 20, 5)
        assert sum(len(chunk["user"]) for chunk in batches) == 16_376  # as published
