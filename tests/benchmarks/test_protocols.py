"""What every protocol says of itself, and how its settings are put in words."""

import dataclasses

import numpy as np
import pytest
from protocol_checks import interactions

from benchmarks import protocols
from benchmarks.protocols import LeaveKOut, NextItem, SequenceSplit, TimeSplit

JUDGED = {"period": "test", "ks": (1,), "primary_metric": "recall@1"}
CUTS = {"train_until": 0.5, "validation_until": 0.75}
KNOWS_EVERYBODY = [
    LeaveKOut(**JUDGED, k=1, min_items=3),
    SequenceSplit(**JUDGED, min_items=4),
    TimeSplit(**JUDGED, **CUTS, per="user", unknown_users="drop"),
    NextItem(**JUDGED, **CUTS, per="user"),
]


@pytest.mark.parametrize("protocol", KNOWS_EVERYBODY, ids=lambda protocol: protocol.name)
def test_who_is_asked_about_without_training_rows_is_named_only_where_the_split_knows_nobody(protocol):
    newcomers = protocol.newcomers(interactions([(0, 1, 2, 3)]))
    assert not protocol.new_users
    assert (newcomers.shape, newcomers.dtype) == ((0,), np.int32)


@pytest.mark.parametrize("protocol", KNOWS_EVERYBODY[:2], ids=lambda protocol: protocol.name)
def test_the_users_of_a_split_are_those_with_rows_enough(protocol):
    rows = [(user, 0, day, 0) for user, n in ((0, 4), (1, 2), (2, 6), (-1, 9)) for day in range(n)]
    users = protocol.users(interactions(rows))
    assert users.dtype == np.int32
    assert users.tolist() == [0, 2]
    assert protocol.split(interactions(rows)).n_users == 2


def test_five_rows_are_enough_by_default():
    assert LeaveKOut(**JUDGED, k=1).min_items == SequenceSplit(**JUDGED).min_items == 5


def test_what_is_not_set_is_not_said_even_of_a_protocol_that_is_no_longer_there():
    assert protocols.in_words({"name": "of old", "test_until": None, "k": 3}) == "of old k=3"


def test_a_whole_number_reads_otherwise_than_a_fraction_that_equals_it():
    assert protocols.in_words({"name": "leave-k-out", "min_items": 5}) == "leave-k-out"
    assert protocols.in_words({"name": "leave-k-out", "min_items": 5.0}) == "leave-k-out min_items=5.0"


@pytest.mark.parametrize("name", protocols.PROTOCOLS)
def test_optional_settings_are_those_that_are_named_only_where_they_are_asked_for(name):
    fields = {field.name: field.default for field in dataclasses.fields(protocols.PROTOCOLS[name])}
    optional = protocols.optional(name)
    assert {"min_rating", "equal_times"} <= optional == {field for field, default in fields.items() if default is None}
    assert protocols.optional("no such protocol") == frozenset()
