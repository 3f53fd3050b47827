from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_checks import (
    N_ITEMS,
    N_USERS,
    Probabilities,
    check_types,
    described,
    grouped_by,
    interactions,
    items_of,
    long_tables,
    of_sequences,
    oldest_first,
    parts,
    questions,
)

from benchmarks import protocols, sampling
from benchmarks.protocols import sequences
from benchmarks.protocols.user_split import UserSplit
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=60)


def user_split(**changes):
    return UserSplit(**{"period": "test", "ks": (1, 2), "primary_metric": "recall@2", **changes})


def plainly(rows, shares, input_share, min_items):
    """The protocol with lists and dictionaries only; None where there are too few users."""
    sequences = [items_of(oldest_first(mine)) for mine in grouped_by(rows, 0).values() if len(mine) >= min_items]
    n = len(sequences)
    order = sampling.generator("user-split", "users").permutation(n).tolist()
    first, second = round(shares[0] * n), round((shares[0] + shares[1]) * n)
    training, *others = (
        [sequences[at] for at in sorted(order[a:b])] for a, b in ((0, first), (first, second), (second, n))
    )
    asked = [[(-1, s[: int(input_share * len(s))], s[int(input_share * len(s)) :]) for s in part] for part in others]
    return of_sequences(training, *asked) if training and all(asked) else None


class TestAgainstThePlainForm:
    @checked
    @given(
        rows=long_tables,
        shares=st.sampled_from([(0.5, 0.25, 0.25), (0.34, 0.33, 0.33), (0.2, 0.6, 0.2)]),
        input_share=st.sampled_from([0.5, 0.8, 0.9]),
        min_items=st.integers(2, 5),
    )
    def test_every_array_is_the_plain_forms(self, rows, shares, input_share, min_items):
        protocol = user_split(shares=shares, input_share=input_share, min_items=min_items)
        expected = plainly(rows, shares, input_share, min_items)
        if expected is None:
            with pytest.raises(InputError, match=r"made: user-split leaves .*lower min_items"):
                protocol.split(interactions(rows))
            return
        split = protocol.split(interactions(rows))
        assert described(split) == expected
        check_types(split)


def many(n_users, n_rows):
    """So many users, each with so many rows: items 0, 1, … of days 0, 1, …"""
    rows = [(user, at % N_ITEMS, at, "s") for at in range(n_rows) for user in range(n_users)]
    return interactions(rows, user_ids=np.array([f"u{user:04}" for user in range(n_users)]))


class TestShares:
    def test_the_published_ones_are_the_default(self):
        split = user_split().split(many(40, 10))
        assert (split.n_users, split.n_items) == (32, N_ITEMS)
        for name in ("validation", "test"):
            queries = questions(split.period(name))
            assert [(user, len(history), len(targets)) for user, history, targets in queries] == [(-1, 8, 2)] * 4
        assert split.n_rows == (320, 8, 8)
        assert {tuple(items) for items in parts(split.sequence_indptr, split.sequence_items)} == {
            (0, 1, 2, 3, 4, 5, 6, 0, 1, 2)
        }

    def test_the_draw_is_always_the_same_and_no_block_of_users(self):
        part = [user_split()._part(1000) for _ in range(2)]
        assert part[0].tolist() == part[1].tolist()
        assert Counter(part[0].tolist()) == {0: 800, 1: 100, 2: 100}
        for number in range(3):
            assert abs(np.flatnonzero(part[0] == number).mean() - 499.5) < 100

    def test_users_with_few_rows_are_counted_in_nothing(self):
        rows = [(user, 0, at, "s") for user in range(3) for at in range(5)] + [(3, 6, 0, "s"), (-1, 5, 0, "s")] * 4
        split = user_split(shares=(0.34, 0.33, 0.33)).split(interactions(rows))
        assert split.n_rows == (5, 1, 1)
        assert split.item_counts.tolist() == [5, 0, 0, 0, 0, 0, 0]


class TestTruth:
    def test_asked_users_are_asked_about_with_all_of_their_history(self):
        truth = Probabilities()
        rows = [(user, user, at, "s") for at in range(5 + 2 * 4) for user in range(N_USERS) if at < 5 + 2 * user]
        split = user_split(shares=(0.2, 0.4, 0.4), input_share=0.5).split(interactions(rows, truth=truth))
        # Items are users, so that a query's first target says whom it is about.
        asked = [
            (targets[0], len(history), len(targets))
            for name in ("validation", "test")
            for _, history, targets in questions(split.period(name))
        ]
        assert truth.asked == asked
        assert {(first, n) for _, first, n in asked} <= {(2, 3), (3, 4), (4, 5), (5, 6), (6, 7)}
        user, first, _ = asked[0]
        best = split.period("validation").best
        assert best[0, :3].tolist() == [(user + first + more) % N_ITEMS for more in range(3)]
        assert (best[:, N_ITEMS:] == -1).all()


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"shares": (0.8, 0.2)}, "shares is .*, expected three numbers above 0 that add up to 1"),
            ({"shares": (0.8, 0.2, 0.0)}, "shares is"),
            ({"shares": (0.8, 0.3, -0.1)}, "shares is"),
            ({"shares": (0.8, 0.1, 0.2)}, "shares is"),
            ({"shares": ("0.8", 0.1, 0.1)}, "shares is"),
            ({"shares": 0.8}, "shares is"),
            ({"input_share": 1.0}, "input_share is 1.0, expected a number between 0 and 1"),
            ({"input_share": 0.0}, "input_share is"),
            ({"input_share": "half"}, "input_share is"),
            ({"min_items": 1}, r"min_items is 1, expected a whole number n with int\(0.8 \* n\) of at least 1"),
            ({"min_items": 5.0}, "min_items is 5.0"),
            ({"period": "train"}, "user-split: period is 'train', expected one of validation, test"),
            ({"ks": (2, 1)}, "user-split: ks is"),
        ],
    )
    def test_a_setting_that_cannot_be(self, changes, message):
        with pytest.raises(InputError, match=message):
            user_split(**changes)

    def test_without_timestamps_the_order_of_the_file_is_that_of_time(self):
        rows = [(row % 5, row % 7, row, "s") for row in range(60)]
        data = interactions(rows, timestamp=None)
        assert described(user_split(shares=(0.4, 0.3, 0.3)).split(data)) == described(
            user_split(shares=(0.4, 0.3, 0.3)).split(interactions(rows))
        )
        assert sequences.note_of_order(data, user_split(shares=(0.4, 0.3, 0.3))).startswith(
            "there are no timestamps, so the order of the file"
        )

    def test_nobody_is_left(self):
        message = "made: user-split leaves 0 training rows, 0 validation and 0 test queries, expected some of each"
        with pytest.raises(InputError, match=message):
            user_split().split(many(9, 4))

    def test_a_suite_writes_it_with_a_list(self):
        settings = {"name": "user-split", "period": "test", "ks": [5], "primary_metric": "recall@5"}
        made = protocols.make({**settings, "shares": [0.6, 0.2, 0.2]})
        assert made == user_split(ks=(5,), primary_metric="recall@5", shares=(0.6, 0.2, 0.2))
