from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import UNKNOWN_USER, InputError, ids
from datasets.delimited import Origin

ORIGIN = Origin(Path("a.csv"), 2, "the header is row 1")


def read(values, kind=None):
    return ids.texts(pa.chunked_array([pa.array(values, kind)]), "item_id", ORIGIN)


WAYS = {
    "text": ["12", "7"],
    "text of floats": ["12.0", "7.0"],
    "text of decimals": ["12.00", "7.000"],
    "white space": [" 12", "7\t"],
    "integers": pa.array([12, 7], pa.int8()),
    "unsigned": pa.array([12, 7], pa.uint64()),
    "doubles": pa.array([12.0, 7.0]),
    "floats": pa.array([12.0, 7.0], pa.float32()),
    "halves": pa.array([12.0, 7.0], pa.float16()),
    "decimals": pa.array([Decimal("12.00"), Decimal("7.00")]),
    "wide decimals": pa.array([Decimal("12.00"), Decimal("7.00")], pa.decimal256(60, 2)),
    "long text": pa.array(["12", "7"], pa.large_string()),
    "text views": pa.array(["12", "7.0"], pa.string_view()),
    "bytes": pa.array([b"12", b"7.0"]),
    "narrow decimals": pa.array([Decimal("12.0"), Decimal("7.0")], pa.decimal32(5, 1)),
    "points": ["12.", "7."],
    "dictionary of text": pa.array(["12.0", "7"]).dictionary_encode(),
    "dictionary of doubles": pa.array([12.0, 7.0]).dictionary_encode(),
}


@pytest.mark.parametrize("values", WAYS.values(), ids=WAYS)
def test_a_whole_number_is_its_digits_however_it_is_stored(values):
    assert read(values).to_pylist() == ["12", "7"]


def test_two_writings_of_one_id_are_one():
    encoded = read(["12.0", "12", " 12", "x", "12.00", None])
    assert encoded.dictionary.to_pylist() == ["12", "x"]
    assert encoded.indices.to_pylist() == [0, 0, 0, 1, 0, None]


@pytest.mark.parametrize(
    "name",
    ["007", "+7", "-0", "007.0", "1e5", "12E5", "v1.0", "info", "a" * 1_000, "1.0.0", "a.0", "É", "E\u0301", "A", "a"],
)
def test_a_name_stays_what_it_is(name):
    assert read([name]).to_pylist() == [name]


@pytest.mark.parametrize("zero", [[0], [0.0], [-0.0], ["0"], ["-0.0"], [Decimal("0E-10")], [Decimal("0E-76")]])
def test_zero(zero):
    assert read(zero).to_pylist() == ["0"]


def test_big_whole_numbers_that_are_exact():
    assert read([2**64 - 1], pa.uint64()).to_pylist() == ["18446744073709551615"]
    assert read(["9007199254740993", "9007199254740992"]).to_pylist() == ["9007199254740993", "9007199254740992"]
    assert read([Decimal("90071992547409930.00")]).to_pylist() == ["90071992547409930"]
    assert read([2.0**53 - 1]).to_pylist() == read(["9007199254740991.0"]).to_pylist() == ["9007199254740991"]


BAD = {
    "beyond int64": [1e19],
    "2^53, which may have been 2^53 + 1": [2.0**53],
    "2^24 of 32 bits": pa.array([2.0**24], pa.float32()),
    "infinite": [float("inf")],
    "infinite text": ["-inf"],
    "infinite, as others write it": ["-Infinity"],
    "infinite, as one more writes it": ["INF"],
    "Java's large float": ["1.2E7"],
    "more characters than all ids have room for": ["a" * 1_001],
    "byte order mark": ["\ufeffa"],
    "no width": ["a\u200b"],
    "control character beyond ASCII": ["a\x9b"],
    "half": [12.5],
    "half as text": ["12.5"],
    "half as decimal": [Decimal("12.5")],
    "digits are lost": ["1.23457E+11"],
    "pandas' large float": ["1e+16"],
    "text of a large float": ["9007199254740993.0"],
    "text of a larger float": ["123456789012345678.0"],
    "truth": [True],
    "moment": pa.array([0], pa.timestamp("s")),
    "day": pa.array([0], pa.date32()),
    "list": [[1]],
    "struct": [{"a": 1}],
    "bytes that are no text": [b"\xff\xfe"],
    "16 bytes": pa.array([b"0123456789abcdef"], pa.binary(16)),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef"], pa.binary(16))),
    "NUL": ["a\0"],
    "unit separator": ["\x1fa"],
    "delete": ["a\x7fb"],
    "line separator": ["a\u2028b"],
    "next line": ["a\x85"],
    "line feed": ["a\nb"],
    "carriage return": ["a\rb"],
    "tab": ["a\tb"],
}


@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
def test_what_is_no_id_is_refused_with_its_row(values):
    with pytest.raises(InputError, match=r"^a\.csv, column item_id, row 2 \(.*\): .* is not a valid item_id") as error:
        read(values)
    assert "\n" not in str(error.value)


def test_the_first_bad_row_is_named():
    with pytest.raises(
        InputError, match=r"row 4 .*: 'b\\x00' is not a valid item_id, which has no control characters or unseen"
    ):
        read(["a", "b", "b\0", "a", "b\0"])


@pytest.mark.parametrize("missing", ["", "  ", *ids.MISSING])
def test_missing_ids_are_null(missing):
    assert read(["a", missing, None]).to_pylist() == ["a", None, None]
    assert ids.encode(read(["a", missing]))[0].tolist() == [0, UNKNOWN_USER]


def test_a_column_without_any():
    numbers, names = ids.encode(read([None, None], pa.null()))
    assert numbers.tolist() == [UNKNOWN_USER] * 2
    assert len(names) == 0


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1, max_size=8))
def test_integers_doubles_and_both_texts_agree(numbers):
    expected = [str(number) for number in numbers]
    for values in (numbers, [float(n) for n in numbers], expected, [f"{n}.0" for n in numbers]):
        assert read(values).to_pylist() == expected


class TestSessions:
    def test_numbers_follow_the_ids_and_not_the_rows(self):
        assert ids.number(read(["10", "9", "10", "100"])).tolist() == [1, 0, 1, 2]

    def test_pairs(self):
        user = np.array([1, 0, 1, -1, 0, -1], np.int32)
        session = np.array([0, 0, 1, 0, 0, 1], np.int32)
        assert ids.number_pairs(user, session).tolist() == [3, 2, 4, 0, 2, 1]
        order = np.random.default_rng(0).permutation(6)
        assert ids.number_pairs(user[order], session[order]).tolist() == ids.number_pairs(user, session)[order].tolist()
