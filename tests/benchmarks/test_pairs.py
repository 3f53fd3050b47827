"""All-pairs designs, held to what they promise on choices that nobody has chosen."""

import itertools
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.agreement.pairs import covering

checked = settings(derandomize=True, deadline=None, max_examples=100)
FIELDS = ("a", "b", "c", "d", "e")


@st.composite
def designs(draw):
    """Choices of two to five fields, and some pairs of values that cannot stand together."""
    names = FIELDS[: draw(st.integers(2, len(FIELDS)))]
    choices = {name: tuple(range(draw(st.integers(2, 4)))) for name in names}
    pairs = list(pairs_of(choices))
    forbidden = frozenset(draw(st.lists(st.sampled_from(pairs), max_size=6)))
    return choices, lambda row: not any(is_met(pair, row) for pair in forbidden)


def pairs_of(choices):
    for one, other in itertools.combinations(choices, 2):
        yield from itertools.product([one], choices[one], [other], choices[other])


def is_met(pair, row):
    one, value, other, beside = pair
    return one in row and other in row and (row[one], row[other]) == (value, beside)


@checked
@given(designs())
def test_every_possible_pair_is_met(design):
    choices, is_possible = design
    rows = covering(choices, is_possible)
    for pair in pairs_of(choices):
        one, value, other, beside = pair
        if is_possible({one: value, other: beside}):
            assert any(is_met(pair, row) for row in rows), pair


@checked
@given(designs())
def test_every_row_is_possible(design):
    choices, is_possible = design
    for row in covering(choices, is_possible):
        assert is_possible(row)
        assert list(row) == [name for name in choices if name in row]
        assert all(row[name] in choices[name] for name in row)


@checked
@given(designs())
def test_the_same_choices_make_the_same_rows_and_no_row_twice(design):
    choices, is_possible = design
    rows = covering(choices, is_possible)
    assert covering(choices, is_possible) == rows
    assert len({tuple(row.items()) for row in rows}) == len(rows)


@checked
@given(designs())
def test_a_field_is_left_out_only_where_no_value_fits(design):
    choices, is_possible = design
    for row in covering(choices, is_possible):
        for name in choices.keys() - row.keys():
            assert not any(is_possible({**row, name: value}) for value in choices[name])


def test_rows_are_far_fewer_than_all_combinations():
    choices = dict.fromkeys(FIELDS, (0, 1, 2))
    rows = covering(choices, lambda _: True)
    assert 9 <= len(rows) <= 18 < math.prod(map(len, choices.values()))


def test_values_may_be_anything():
    choices = {"tower": ({"sizes": ()}, {"sizes": (3,)}), "on": (False, True)}
    rows = covering(choices, lambda _: True)
    assert len(rows) == 4
    assert all(
        row in rows for row in ({"tower": choices["tower"][1], "on": True}, {"tower": {"sizes": ()}, "on": False})
    )


def test_of_one_field_each_possible_value_has_a_row():
    assert covering({"a": (1, 2, 3)}, lambda row: row["a"] != 2) == ({"a": 1}, {"a": 3})


def test_what_cannot_stand_together_is_asked_of_parts_of_rows_too():
    asked = []
    covering({"a": (0, 1), "b": (0, 1), "c": (0, 1)}, lambda row: asked.append(len(row)) or True)
    assert set(asked) == {2, 3}
