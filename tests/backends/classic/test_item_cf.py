"""Item-based neighbours against an oracle of dictionaries, and by hand."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from neighbour_cases import Case, asked, cases, fitted, lists, ranked, rarity, sets_of

from backends.classic import item_cf
from benchmarks.specs.item_cf import ItemCF

checked = settings(derandomize=True, deadline=None, max_examples=300)


def spec_of(case):
    return ItemCF(n_neighbours=case.n_neighbours, user_weighted=case.weighted, filter_seen=case.filter_seen)


def plainly(case):
    items_of, users_of = sets_of(case.rows)
    similar = {}
    for item, users in users_of.items():
        shared = {}
        for user in sorted(users):
            for other in items_of[user] - {item}:
                shared[other] = shared.get(other, 0.0) + (rarity(len(items_of[user])) if case.weighted else 1.0)
        table = {other: n / math.sqrt(len(users) * len(users_of[other])) for other, n in shared.items()}
        similar[item] = {other: table[other] for other in ranked(table)[: case.n_neighbours]}
    found = []
    for _, read in case.queries:
        score = {}
        for item in sorted(set(read)):
            for other, similarity in similar.get(item, {}).items():
                score[other] = score.get(other, 0.0) + similarity
        seen = set(read) if case.filter_seen else set()
        found.append(ranked({item: value for item, value in score.items() if item not in seen})[: case.k])
    return found


@checked
@given(cases())
def test_lists_are_the_oracles(case):
    assert lists("item-cf", spec_of(case), case) == plainly(case)


@checked
@given(cases())
def test_order_and_repeats_of_rows_and_histories_change_nothing(case):
    queries = tuple((user, [*read[::-1], *read]) for user, read in case.queries)
    again = dataclasses.replace(case, rows=(*case.rows[::-1], *case.rows), queries=queries)
    assert lists("item-cf", spec_of(case), again) == lists("item-cf", spec_of(case), case)


# Items 0 and 1 share users 0, 1 and 2; 2 shares user 0 with both, 3 shares user 2, who has it twice, with both.
ROWS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 3), (2, 3), (2, 1), (3, 2), (4, 4))


class TestByHand:
    def test_similarities(self):
        _, state = fitted("item-cf", ItemCF(), ROWS)
        similarity = state.similarity.toarray()
        assert similarity[0].tolist() == [0, 3 / math.sqrt(9), 1 / math.sqrt(6), 1 / math.sqrt(3), 0]
        assert similarity[3].tolist() == [1 / math.sqrt(3), 1 / math.sqrt(3), 0, 0, 0]
        assert not similarity[4].any()
        assert np.array_equal(similarity, similarity.T)

    def test_similarities_weighted_by_user(self):
        _, state = fitted("item-cf", ItemCF(user_weighted=True), ROWS)
        by_three, by_two = 1 / math.log(4), 1 / math.log(3)
        assert state.similarity.toarray()[0].tolist() == pytest.approx(
            [0, (2 * by_three + by_two) / 3, by_three / math.sqrt(6), by_three / math.sqrt(3), 0]
        )

    def test_more_neighbours_than_items_are_all_items(self):
        _, every = fitted("item-cf", ItemCF(n_neighbours=5), ROWS)
        _, most = fitted("item-cf", ItemCF(n_neighbours=2**31 - 1), ROWS)  # not to be made room for
        assert (every.similarity != most.similarity).nnz == 0

    def test_neighbours_are_cut_for_each_item_by_itself(self):
        """3 has 0 among its neighbours, ahead of 1, which ties; 0 does not have 3."""
        _, state = fitted("item-cf", ItemCF(n_neighbours=1), ROWS)
        assert [np.flatnonzero(row).tolist() for row in state.similarity.toarray()] == [[1], [0], [0], [0], []]

    @pytest.mark.parametrize(
        ("read", "filter_seen", "expected"),
        [
            ([0], True, [1, 3, 2]),
            ([0, 1], True, [3, 2]),
            ([0, 1], False, [3, 0, 1, 2]),  # 2 / sqrt(3), 1, 1 and 2 / sqrt(6)
            ([3], True, [0, 1]),
            ([4], True, []),
            ([9], True, []),
            ([], True, []),
        ],
    )
    def test_lists(self, read, filter_seen, expected):
        case = Case(ROWS, ((-1, read),), filter_seen=filter_seen)
        assert lists("item-cf", spec_of(case), case) == [expected]

    def test_the_user_who_asks_is_of_no_interest(self):
        known, unknown = (Case(ROWS, ((user, [0]),)) for user in (0, -1))
        assert lists("item-cf", ItemCF(), known) == lists("item-cf", ItemCF(), unknown)

    def test_before_training_nothing_is_recommended(self):
        state = item_cf.init(ItemCF(), {}, "cpu", "eager")
        assert item_cf.recommend(state, asked([(0, [1]), (1, [])]), 2).tolist() == [[-1, -1], [-1, -1]]

    def test_what_is_handed_over_is_not_written_to(self):
        adapter, state = fitted("item-cf", ItemCF(), ROWS)
        inputs = asked([(0, [1, 1, 0]), (1, [])])
        before = {name: values.copy() for name, values in inputs.items()}
        first = adapter.recommend(state, inputs, 3)
        assert all(np.array_equal(inputs[name], values) for name, values in before.items())
        assert np.array_equal(adapter.recommend(state, inputs, 3), first)
