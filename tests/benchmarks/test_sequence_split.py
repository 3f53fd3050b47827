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
    parts,
    questions,
)

from benchmarks import protocols
from benchmarks.protocols import sequences
from benchmarks.protocols.sequence_split import SequenceSplit
from datasets.errors import InputError

checked = settings(derandomize=True, deadline=None, max_examples=60)


def sequence_split(**changes):
    return SequenceSplit(**{"period": "test", "ks": (1, 2), "primary_metric": "recall@2", **changes})


def plainly(rows, input_share, min_items):
    """The protocol with lists and dictionaries only; None where nobody is left."""
    training, validation, test = [], [], []
    for mine in grouped_by(rows, 0).values():
        if len(mine) >= min_items:
            items = items_of(oldest_first(mine))
            past = items[: int(input_share * len(items))]
            train = past[: int(input_share * len(past))]
            validation.append((len(training), train, past[len(train) :]))
            test.append((len(training), past, items[len(past) :]))
            training.append(train)
    return of_sequences(training, validation, test) if training else None


class TestAgainstThePlainForm:
    @checked
    @given(rows=long_tables, input_share=st.sampled_from([0.5, 0.65, 0.8, 0.9]), min_items=st.integers(4, 7))
    def test_every_array_is_the_plain_forms(self, rows, input_share, min_items):
        protocol = sequence_split(input_share=input_share, min_items=min_items)
        expected = plainly(rows, input_share, min_items)
        if expected is None:
            with pytest.raises(InputError, match=r"made: sequence-split leaves 0 training rows.*lower min_items"):
                protocol.split(interactions(rows))
            return
        split = protocol.split(interactions(rows))
        assert described(split) == expected
        check_types(split)


class TestByHand:
    def test_the_last_fifth_of_what_is_left_each_time(self):
        rows = [(2, at % N_ITEMS, at, "s") for at in range(10)] + [(4, 3, 0, "s")] * 4
        split = sequence_split().split(interactions(rows[::-1]))
        assert parts(split.sequence_indptr, split.sequence_items) == [[0, 1, 2, 3, 4, 5]]
        assert questions(split.period("validation")) == [(0, [0, 1, 2, 3, 4, 5], [6, 0])]
        assert questions(split.period("test")) == [(0, [0, 1, 2, 3, 4, 5, 6, 0], [1, 2])]
        assert split.item_counts.tolist() == [1, 1, 1, 1, 1, 1, 0]
        assert (split.n_users, split.n_items, split.n_rows) == (1, N_ITEMS, (6, 2, 2))

    def test_no_array_of_histories_holds_a_target(self):
        rows = [(user, user, at, "s") for at in range(9) for user in range(5)]
        split = sequence_split().split(interactions(rows))
        for queries, n_before in ((split.period("validation"), 5), (split.period("test"), 7)):
            assert len(queries.history) == 5 * n_before

    def test_the_truth_is_asked_about_what_follows_on_the_history(self):
        truth = Probabilities()
        rows = [(user, 0, at, "s") for at in range(10) for user in (1, 3)]
        split = sequence_split().split(interactions(rows, truth=truth))
        assert truth.asked == [(1, 6, 2), (3, 6, 2), (1, 8, 2), (3, 8, 2)]
        assert split.period("validation").best[:, :3].tolist() == [[0, 1, 2], [2, 3, 4]]


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"input_share": 1.5}, "sequence-split: input_share is 1.5, expected a number between 0 and 1"),
            ({"input_share": float("nan")}, "input_share is"),
            ({"min_items": 2}, r"min_items is 2, expected a whole number n with int\(0.8 \* int\(0.8 \* n\)\) of at"),
            ({"input_share": 0.5, "min_items": 3}, "min_items is 3"),
            ({"min_items": "5"}, "min_items is '5'"),
        ],
    )
    def test_a_setting_that_cannot_be(self, changes, message):
        with pytest.raises(InputError, match=message):
            sequence_split(**changes)

    def test_without_timestamps_the_order_of_the_file_is_that_of_time(self):
        rows = [(row % 3, row % 7, row, "s") for row in range(40)]
        data = interactions(rows, timestamp=None)
        assert described(sequence_split().split(data)) == described(sequence_split().split(interactions(rows)))
        assert sequences.note_of_order(data, sequence_split()).startswith(
            "there are no timestamps, so the order of the file"
        )

    def test_a_suite_can_name_it(self):
        settings = {"name": "sequence-split", "period": "test", "ks": [1, 2], "primary_metric": "recall@2"}
        assert protocols.make(settings) == sequence_split()
