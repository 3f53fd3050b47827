"""Python literals as JSON, against Python's own reading of them."""

import ast
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import literals

checked = settings(derandomize=True, deadline=None, max_examples=120)
texts = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("'\"\\\n\t\r\x00é♫😀{}[]:,u")), max_size=8
)
numbers = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.lists(st.dictionaries(texts, values, max_size=4), min_size=1, max_size=4)


def by_python_3(value):
    return repr(value)


def by_python_2(value):
    """Its `repr` of unicode: marked, and every character that is no ASCII escaped."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{by_python_2(key)}: {by_python_2(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(by_python_2, value)) + "]"
    return f"u{value!a}" if isinstance(value, str) else repr(value)


@checked
@given(objects)
@pytest.mark.parametrize("written", [by_python_3, by_python_2])
def test_what_json_reads_is_what_python_wrote(written, objects):
    lines = [written(each) for each in objects]
    assert [ast.literal_eval(line) for line in lines] == objects
    text, stopped = literals.as_json("".join(f"{line}\n" for line in lines).encode())
    assert stopped == -1
    assert [json.loads(line) for line in text.decode().split("\n")[:-1]] == objects


@checked
@given(st.binary(max_size=40))
def test_any_bytes_are_json_or_have_a_place_where_they_are_not(content):
    """Nothing is written beyond the room that there is, and nothing is read beyond the end."""
    text, stopped = literals.as_json(content)
    assert -1 <= stopped < max(len(content), 1)
    assert len(text) <= 2 * len(content) + 12


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"'it\'s'", "it's"),
        ('"it\'s"', "it's"),
        ("'a \"b\"'", 'a "b"'),
        (r"'\xe9\u266b\U0001f600'", "é♫😀"),
        (r"'\xE9\U0001F600'", "é😀"),
        (r"u'\\'", "\\"),
        (r"'\\x41'", r"\x41"),
        ("{'True': True, 'False': False, 'None': None}", {"True": True, "False": False, "None": None}),
        ("['u', u'']", ["u", ""]),
        ("-1.5e-07", -1.5e-07),
    ],
)
def test_by_hand(written, read):
    assert ast.literal_eval(written) == read
    text, stopped = literals.as_json(written.encode())
    assert (json.loads(text), stopped) == (read, -1)


@pytest.mark.parametrize(
    ("written", "stopped"),
    [
        ("{'a': 'b\n}", 6),  # a text goes over no line
        ("{'a': 'b", 6),
        ("{'a': Nothing}", 6),
        ("{'a': nan}", 6),
        ("{'a': (1, 2)}", 6),
        ("{'a': b'c'}", 6),
        (r"'\q'", 0),
        (r"'\x4'", 0),
        (r"'\xg1'", 0),
        (r"'\U00110000'", 0),
        ("'\\", 0),
        ("u", 0),
    ],
)
def test_what_is_no_literal(written, stopped):
    assert literals.as_json(written.encode())[1] == stopped
