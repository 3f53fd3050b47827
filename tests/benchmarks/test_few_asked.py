"""The warning where few rows are asked for: its figures, and that what it advises helps."""

import re
import shlex

import pytest
from hypothesis import assume, given, settings
from protocol_checks import interactions, long_tables

from benchmarks import protocols
from benchmarks.harness.few_asked import warning
from benchmarks.protocols import counts
from benchmarks.suites import asked
from datasets.errors import InputError

JUDGED = {"period": "test", "ks": [1], "primary_metric": "recall@1"}
TIME = {"name": "time-split", "train_until": 0.8, "validation_until": 0.9, "per": "user", "unknown_users": "drop"}


def warned(data, settings):
    protocol = protocols.make({**settings, **JUDGED})
    return warning(data, protocol, protocol.split(data))


def advised(sentence):
    """The protocol that a warning names, as the command line reads it, None where it names none."""
    found = re.search(r"--protocol (\S+|'[^']+') asks for ([\d,]+) rows", sentence)
    return found and asked.protocol(shlex.split(found[1])[0])


def test_users_who_never_come_back_are_asked_about_with_the_last_one_left_out():
    rows = [(user, item, user, "a") for user in range(5) for item in range(6)]  # each has a day of their own
    rows += [(0, 6, 3, "b"), (0, 6, 4, "b")]
    sentence = warned(interactions(rows), {**TIME, "train_until": 0.5})
    assert sentence == (
        "only 1 of 7 test rows are asked for (14%), 6 of 1 user are left out (user without training rows); "
        "--protocol leave-one-out asks for 5 rows of 5 users"
    )
    assert advised(sentence) == {"name": "leave-k-out", "k": 1, "period": "test"}


def test_users_who_come_back():
    assert warned(interactions([(user, day, day, "a") for user in range(5) for day in range(20)]), TIME) == ""


def test_users_with_three_rows():
    rows = [(user, item, user, "a") for user in range(5) for item in range(3)] + [(0, 5, 4, "a")]
    sentence = warned(interactions(rows), {**TIME, "train_until": 0.5, "validation_until": 0.7})
    assert advised(sentence)["min_items"] == 3


def test_too_many_users_are_too_short():
    rows = [(user, item, item, "a") for user in range(4) for item in range(4)] + [
        (4, item, item, "a") for item in range(6)
    ]
    sentence = warned(interactions(rows), {"name": "leave-k-out", "k": 1})
    assert sentence == (
        "only 6 of 22 rows are in any period (27%), 16 of 4 users are left out (user with fewer than 5 rows); "
        "--protocol leave-one-out:min_items=3 asks for 5 rows of 5 users"
    )


def test_sessions_of_one_row():
    rows = [(-1, day % 3, day, f"a{day}") for day in range(10)]
    rows += [(-1, row, 11, session) for session, n in (("v", 2), ("w", 2)) for row in range(n)]
    rows += [(-1, row, 12, session) for session, n in (("y", 2), *((f"z{i}", 1) for i in range(4))) for row in range(n)]
    cut = {"name": "next-item", "train_until": 0.5, "validation_until": 0.7, "per": "session", "ask_first": False}
    assert warned(interactions(rows), cut) == (
        "only 2 of 6 test rows are asked for (33%), 4 are left out (only one of its sequence); "
        "--protocol next-item:train_until=0.5,validation_until=0.7,per=session asks for 6 rows"
    )


@settings(deadline=None, max_examples=60)
@given(rows=long_tables)
@pytest.mark.parametrize(
    "chosen", [TIME, {"name": "leave-k-out", "k": 2, "min_items": 9}, {**TIME, "name": "next-item", "ask_first": False}]
)
def test_what_is_advised_asks_for_at_least_half(chosen, rows):
    data = interactions(rows)
    chosen = {
        name: value for name, value in chosen.items() if name != "unknown_users" or chosen["name"] == TIME["name"]
    }
    try:
        sentence = warned(data, chosen)
    except InputError:
        assume(False)
    other = sentence and advised(sentence)
    if not other:
        assert not sentence or "no protocol asks for more" in sentence
        return
    protocol = protocols.make({**other, **{name: JUDGED[name] for name in ("ks", "primary_metric")}})
    split = protocol.split(data)
    assert not counts.are_few(split.counts, "test")
    assert f"asks for {len(split.period('test').items):,} rows" in sentence
