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
    long_tables,
    of_sequences,
    oldest_first,
    questions,
)

from benchmarks import protocols
from benchmarks.protocols import sequences
from benchmarks.protocols.leave_k_out import LeaveKOut
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=60)


def leave_k_out(**changes):
    return LeaveKOut(**{"k": 1, "period": "test", "ks": (1, 2), "primary_metric": "recall@2", **changes})


def plainly(rows, k, min_items):
    """The protocol with lists and dictionaries only; None where nobody is left."""
    sequences = [items_of(oldest_first(mine)) for mine in grouped_by(rows, 0).values() if len(mine) >= min_items]
    training = [items[: -2 * k] for items in sequences]
    validation = [(user, items[: -2 * k], items[-2 * k : -k]) for user, items in enumerate(sequences)]
    test = [(user, items[:-k], items[-k:]) for user, items in enumerate(sequences)]
    return of_sequences(training, validation, test) if training else None


class TestAgainstThePlainForm:
    @checked
    @given(rows=long_tables, k=st.integers(1, 3), more=st.integers(1, 3))
    def test_every_array_is_the_plain_forms(self, rows, k, more):
        protocol = leave_k_out(k=k, min_items=2 * k + more)
        expected = plainly(rows, k, 2 * k + more)
        if expected is None:
            with pytest.raises(InputError, match=r"made: leave-k-out leaves 0 training rows.*lower min_items"):
                protocol.split(interactions(rows))
            return
        split = protocol.split(interactions(rows))
        assert described(split) == expected
        check_types(split)


class TestByHand:
    def test_leave_one_out(self):
        rows = [(2, at, at, "s") for at in range(6)] + [(0, 6, at, "s") for at in range(4)] + [(-1, 5, 0, "s")] * 6
        split = leave_k_out().split(interactions(rows[::-1]))
        assert questions(split.period("validation")) == [(0, [0, 1, 2, 3], [4])]
        assert questions(split.period("test")) == [(0, [0, 1, 2, 3, 4], [5])]
        assert split.item_counts.tolist() == [1, 1, 1, 1, 0, 0, 0]
        assert (split.n_users, split.n_items, split.n_rows) == (1, N_ITEMS, (4, 1, 1))

    def test_the_truth_is_asked_about_what_follows_on_the_history(self):
        truth = Probabilities()
        rows = [(user, 0, at, "s") for at in range(6) for user in range(2 + at % 2)]
        split = leave_k_out(k=2).split(interactions(rows, truth=truth))
        assert truth.asked == [(0, 2, 2), (1, 2, 2), (0, 4, 2), (1, 4, 2)]
        assert split.period("test").best[:, :2].tolist() == [[4, 5], [5, 6]]


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"k": 0}, "leave-k-out: k is 0, expected a whole number from 1"),
            ({"k": 1.0}, "k is 1.0"),
            ({"k": "1"}, "k is '1'"),
            ({"k": 3}, "min_items is 5, expected a whole number above 6, which is 2 k"),
            ({"k": 2, "min_items": 4}, "min_items is 4, expected a whole number above 4"),
            ({"min_items": 5.5}, "min_items is 5.5"),
        ],
    )
    def test_a_setting_that_cannot_be(self, changes, message):
        with pytest.raises(InputError, match=message):
            leave_k_out(**changes)

    def test_without_timestamps_the_order_of_the_file_is_that_of_time(self):
        rows = [(row % 3, row % 7, row, "s") for row in range(40)]
        data = interactions(rows, timestamp=None)
        assert described(leave_k_out().split(data)) == described(leave_k_out().split(interactions(rows)))
        assert sequences.note_of_order(data, leave_k_out()).startswith(
            "there are no timestamps, so the order of the file"
        )

    def test_a_suite_must_say_how_many(self):
        settings = {"name": "leave-k-out", "period": "test", "ks": [1, 2], "primary_metric": "recall@2"}
        assert protocols.make({**settings, "k": 1}) == leave_k_out()
        with pytest.raises(InputError, match=r"protocol leave-k-out: .*'k'"):
            protocols.make(settings)
