"""User-based neighbours against an oracle of dictionaries, and by hand."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from neighbour_cases import Case, asked, cases, fitted, lists, ranked, rarity, sets_of

from backends.classic import user_cf
from benchmarks.specs.user_cf import UserCF

checked = settings(derandomize=True, deadline=None, max_examples=300)


def spec_of(case):
    return UserCF(n_neighbours=case.n_neighbours, item_weighted=case.weighted, filter_seen=case.filter_seen)


def plainly(case):
    items_of, users_of = sets_of(case.rows)
    n_items = max(users_of) + 1
    found = []
    for asks, read in case.queries:
        shared = {}
        for item in sorted(set(read)):
            for user in users_of.get(item, set()) - {asks}:
                shared[user] = shared.get(user, 0.0) + (rarity(len(users_of[item])) if case.weighted else 1.0)
        n_read = sum(item < n_items for item in set(read))
        similar = {user: n / math.sqrt(n_read * len(items_of[user])) for user, n in shared.items()}
        score = {}
        for user in sorted(ranked(similar)[: case.n_neighbours], key=lambda user: (-similar[user], user)):
            for item in items_of[user]:
                score[item] = score.get(item, 0.0) + similar[user]
        seen = set(read) if case.filter_seen else set()
        found.append(ranked({item: value for item, value in score.items() if item not in seen})[: case.k])
    return found


@checked
@given(cases())
def test_lists_are_the_oracles(case):
    assert lists("user-cf", spec_of(case), case) == plainly(case)


@checked
@given(cases())
def test_order_and_repeats_of_rows_and_histories_change_nothing(case):
    queries = tuple((user, [*read[::-1], *read]) for user, read in case.queries)
    again = dataclasses.replace(case, rows=(*case.rows[::-1], *case.rows), queries=queries)
    assert lists("user-cf", spec_of(case), again) == lists("user-cf", spec_of(case), case)


# Two who are like [0, 1]: user 0 with 2 / sqrt(2 * 3), user 1 with 1 / sqrt(2 * 2); user 3 has nothing in common.
ROWS = ((0, 0), (0, 1), (0, 2), (0, 2), (1, 1), (1, 3), (2, 0), (2, 1), (3, 4))


class TestByHand:
    def lists(self, queries, **changes):
        case = Case(ROWS, queries, **changes)
        return lists("user-cf", spec_of(case), case)

    def test_what_neighbours_have_scores(self):
        assert self.lists(((-1, [0, 1]),)) == [[2, 3]]  # 0.82 against 0.5
        assert self.lists(((-1, [1]),)) == [[0, 3, 2]]  # 2 of them, then 1 / sqrt(2) against 1 / sqrt(3)

    def test_more_neighbours_than_users_are_all_users(self):
        asked = ((-1, [0, 1]), (-1, [1]))
        assert self.lists(asked, n_neighbours=2**31 - 1) == self.lists(asked)

    def test_seen_items_can_be_kept(self):
        assert self.lists(((-1, [1]),), filter_seen=False) == [[1, 0, 3, 2]]  # 0 by users 0 and 2, 3 by user 1

    def test_a_user_is_not_the_own_neighbour(self):
        assert self.lists(((0, [0, 1, 2]), (-1, [0, 1, 2])), filter_seen=False) == [[1, 0, 3], [1, 0, 2, 3]]
        assert self.lists(((3, [4]), (-1, [4])), filter_seen=False) == [[], [4]]

    def test_of_equal_neighbours_the_smaller_number_counts(self):
        """Users 0 and 1 have one item each in common with [2, 3]; 1 has fewer items and is more similar."""
        assert self.lists(((-1, [2, 3]),), n_neighbours=1) == [[1]]
        rows = ((0, 5), (0, 6), (1, 5), (1, 7))
        case = Case(rows, ((-1, [5]),), n_neighbours=1)
        assert lists("user-cf", spec_of(case), case) == [[6]]

    def test_weights_of_items(self):
        """3 is rarer than 1, so that the user who shares it comes first, although another shares as many."""
        rows = ((0, 1), (0, 5), (1, 3), (1, 6), (2, 1))
        case = Case(rows, ((-1, [1, 3]),), n_neighbours=1)
        assert lists("user-cf", spec_of(dataclasses.replace(case, weighted=True)), case) == [[6]]
        rows = ((0, 1), (0, 5), (1, 3), (1, 6))
        case = Case(rows, ((-1, [1, 3]),), n_neighbours=1, weighted=True)
        assert lists("user-cf", spec_of(case), case) == [[5]]

    def test_before_training_nothing_is_recommended(self):
        state = user_cf.init(UserCF(), {}, "cpu", "eager")
        assert user_cf.recommend(state, asked([(0, [1]), (-1, [])]), 2).tolist() == [[-1, -1], [-1, -1]]

    def test_a_user_without_training_rows_beyond_all_others(self):
        assert self.lists(((9, [1]),)) == self.lists(((-1, [1]),))

    def test_what_is_handed_over_is_not_written_to(self):
        adapter, state = fitted("user-cf", UserCF(), ROWS)
        inputs = asked([(0, [1, 1, 0]), (1, [])])
        before = {name: values.copy() for name, values in inputs.items()}
        first = adapter.recommend(state, inputs, 3)
        assert all(np.array_equal(inputs[name], values) for name, values in before.items())
        assert np.array_equal(adapter.recommend(state, inputs, 3), first)


@pytest.mark.parametrize("n_neighbours", [1, 2])
def test_only_the_neighbours_count(n_neighbours):
    case = Case(((0, 0), (0, 1), (1, 0), (1, 2), (1, 3)), ((-1, [0]),), n_neighbours=n_neighbours)
    assert lists("user-cf", spec_of(case), case) == [[1], [1, 2, 3]][n_neighbours - 1 :][:1]
