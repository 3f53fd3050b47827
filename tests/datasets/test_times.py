from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import InputError
from datasets.delimited import Origin
from datasets.times import LATEST_S, microseconds

ORIGIN = Origin(Path("a.csv"), 2, "the header is row 1")


def read(values, kind=None):
    return microseconds(pa.chunked_array([pa.array(values, kind)]), ORIGIN)


def text(*values):
    return read(list(values)).values.tolist()


class TestNothingIsCut:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("1400000000", 1_400_000_000_000_000),
            ("1400000000.4", 1_400_000_000_400_000),
            ("1400000000.123456", 1_400_000_000_123_456),
            ("1400000000.1234567", 1_400_000_000_123_457),
            ("1400000000.00000049999999999999999", 1_400_000_000_000_000),
            ("1.4e9", 1_400_000_000_000_000),
            ("1.396321080277000000e+09", 1_396_321_080_277_000),
            (" 0.5 ", 500_000),
            ("-0.5", -500_000),
            (".25", 250_000),
            ("253402300799.999999", 253_402_300_799_999_999),
            ("2024-05-17T08:30:00.4", 1_715_934_600_400_000),
            ("2024-05-17 08:30:00.123456Z", 1_715_934_600_123_456),
            ("1969-12-31T23:59:59.999999", -1),
            ("9999-12-31", 253_402_214_400_000_000),
            ("9999-12-31T23:59:59.999999", 253_402_300_799_999_999),
        ],
    )
    def test_text(self, written, expected):
        assert text(written) == [expected]

    @pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.int32(), pa.float64(), pa.decimal128(20, 4)])
    def test_numbers(self, kind):
        assert read([1_400_000_000, 1_300_000_000], kind).values.tolist() == [1.4e15, 1.3e15]

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_timestamps(self, unit):
        array = pa.array([np.datetime64("2014-05-13T16:53:20", unit), np.datetime64("1960-01-01", unit)])
        assert read(array).values.tolist() == [1_400_000_000_000_000, -315_619_200_000_000]

    def test_many_digits_of_a_decimal(self):
        assert read([Decimal("1400000000.400000000000000001")], pa.decimal256(40, 18)).values.tolist() == [
            1_400_000_000_400_000
        ]

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.integers(-LATEST_S * 10**6, LATEST_S * 10**6), min_size=1, max_size=8, unique=True))
    def test_any_microsecond_comes_back_from_text_and_timestamps(self, times):
        texts = [f"{'-' if time < 0 else ''}{abs(time) // 10**6}.{abs(time) % 10**6:06}" for time in times]
        assert text(*texts) == times
        assert read(times, pa.timestamp("us")).values.tolist() == times

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.integers(0, 4 * 10**15), min_size=1, max_size=8, unique=True))
    def test_any_microsecond_of_our_century_comes_back_from_a_double(self, times):
        assert read([time / 1e6 for time in times]).values.tolist() == times

    def test_fractions_that_differ_by_a_microsecond_keep_their_order(self):
        times = text("1400000000.000002", "1400000000.000001", "1400000000.000003")
        assert np.argsort(times).tolist() == [1, 0, 2]


class TestRefused:
    @pytest.mark.parametrize(
        "values",
        [
            ["20140407"] * 3,
            ["20140407", "20140408", "0"],
            ["20140407.0"],
            ["20140407103059"],
            ["201404071030"],
            ["2014040710"],
        ],
    )
    def test_calendar_dates(self, values):
        with pytest.raises(
            InputError, match=r"row 2 .*: '20140407.*' is not .* reads as a calendar date: write .* ISO"
        ):
            text(*values)

    @pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float64(), pa.uint64()])
    def test_calendar_dates_as_numbers(self, kind):
        with pytest.raises(InputError, match=r"20140407.* reads as a calendar date"):
            read([20140407, 20140501], kind)

    @pytest.mark.parametrize(
        "values",
        [
            list(range(100)),  # counted from a start of their own
            list(range(0, 40_000_000, 100_000)),
            [19_990_000 + 1_000 * row for row in range(100)],  # among the dates' numbers, but few of them are one
            [1_400_000_000],
        ],
    )
    def test_seconds_that_are_no_dates_pass(self, values):
        assert read(values).values.tolist() == [value * 10**6 for value in values]

    @pytest.mark.parametrize(
        "value", ["1396321080277", "1396321080277000", "1396321080277000000", "-9223372036854775808", "1e18"]
    )
    def test_other_units_than_seconds(self, value):
        with pytest.raises(InputError, match=r"row 3 .* up to the year 9999 .milliseconds are to be divided by 1000"):
            text("5", value)

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            ([2**64 - 1], pa.uint64()),
            ([1e300], pa.float64()),
            ([float("inf")], pa.float64()),
            ([-(2**63)], pa.int64()),
            ([1.4e9], pa.float32()),
            ([2**62], pa.timestamp("s")),
            ([-(2**63)], pa.timestamp("ms")),
            ([Decimal(10) ** 37], pa.decimal128(38, 0)),
            ([True], pa.bool_()),
            ([5], pa.time32("s")),
            ([5], pa.duration("s")),
            ([[5]], pa.list_(pa.int64())),
            ([None], pa.null()),
            ([b"\xff"], pa.binary()),
        ],
    )
    def test_what_is_no_time(self, values, kind):
        with pytest.raises(InputError, match=r"column timestamp, row 2 "):
            read(values, kind)

    @pytest.mark.parametrize("value", ["0x10", "1_000", "1e400", "14e8x", "1" * 40, "1" * 50 + ".5", "", "2024-13-01"])
    def test_text_that_is_no_time(self, value):
        with pytest.raises(InputError, match="row 3 "):
            text("1.5", value)
        with pytest.raises(InputError, match="row 3 "):
            text("2024-01-01", value)

    @pytest.mark.parametrize(
        "values",
        [
            pa.array([1_400_000_000_000_000_001, 1_400_000_000_000_000_002], pa.timestamp("ns")),
            pa.array(["2024-05-17T08:30:00.123456781", "2024-05-17T08:30:00.123456782"]),
            pa.array(["1400000000.0000001", "1400000000.0000002"]),
            pa.array([0.0000001, 0.0000002]),
        ],
    )
    def test_two_times_that_would_become_one(self, values):
        with pytest.raises(InputError, match=r"row 3 .* is not a microsecond away .*: round all times to microseconds"):
            read(values)

    def test_nanoseconds_that_keep_their_order_pass(self):
        times = pa.array([3_001, 1_499, 1_499, 1_500], pa.timestamp("ns"))
        assert read(times).values.tolist() == [3, 1, 1, 2]


class TestNotes:
    def test_seconds_of_the_seventies_are_doubted(self):
        (note,) = read([41_736, 41_740]).notes
        assert "2 of 2 lie before 1980 or after 2099, from 1970-01-01T11:35:36 to 1970-01-01T11:35:40" in note

    def test_so_are_zeros_among_others(self):
        (note,) = read(["0", "1400000000"]).notes
        assert "1 of 2 lie before 1980" in note

    def test_so_are_milliseconds_of_the_seventies(self):
        (note,) = read([100_000_000_000, 200_000_000_000]).notes
        assert "2 of 2 lie before 1980 or after 2099, from 5138-11-16" in note

    @pytest.mark.parametrize("values", [[315_532_800, 1_400_000_000], ["1970-01-01"], [4_102_444_799]])
    def test_others_are_not(self, values):
        assert read(values).notes == ()
