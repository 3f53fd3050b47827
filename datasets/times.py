"""Times as microseconds since 1970, from whatever a table holds: numbers of seconds, decimals, ISO 8601, timestamps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datasets.delimited import Origin, convert, refuse

Whole = npt.NDArray[np.int64]

SECOND = 1_000_000  # in microseconds
LATEST_S = 253_402_300_799  # the end of the year 9999; a later "second" is a milli- or microsecond
FAR_S = 1e18  # what any of our types holds
EARLY_S, LATE_S = 315_532_800, 4_102_444_800  # 1980-01-01 and 2100-01-01
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # of a second

COLUMN = "timestamp"
SECONDS = "a number of seconds since 1970"
ISO = "an ISO 8601 time such as 2024-05-17T08:30:00"
ISO_ZONED = "an ISO 8601 time with its offset such as 2024-05-17T08:30:00Z, as in the first row"
IN_RANGE = f"{SECONDS} up to the year 9999 (milliseconds are to be divided by 1000)"
CALENDAR = f"{SECONDS}, it reads as a calendar date"
IN_ISO = "write such times in ISO 8601, as in 2014-04-07 or 2014-04-07T10:51:09"
APART = "a microsecond away from another time that differs, so the two would become one"

# Nine digits of a second suffice: what is nearer than a nanosecond is one time.
EXACT = pa.decimal128(28, 9)


class Times(NamedTuple):
    """Times and what is to be said of them.

    Attributes:
        values: int64[n], microseconds since 1970 UTC.
        notes: doubts that do not refuse the file.
    """

    values: Whole
    notes: tuple[str, ...]


def microseconds(column: pa.ChunkedArray, origin: Origin) -> Times:
    """A column of times, rounded to the nearest microsecond.

    Args:
        column: seconds since 1970 as integers, floats or decimals; the same, or ISO 8601, as text (all as the first
            row); timestamps or days. UTC where no offset is written.
        origin: where it came from, for the message.

    Raises:
        InputError: naming the first row whose time is missing, is none, reads as a calendar date such as 20140407
            (where most of the column does), lies beyond the year 9999, is a float without enough digits, or would
            become one with another that differs from it.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return Times(_of_timestamps(column, column, origin), ())
    if pa.types.is_string(column.type):
        to, expected = _form(column[:1])
        if pa.types.is_timestamp(to):
            return Times(_of_timestamps(_parsed(column, to, expected, origin), column, origin), ())
    else:
        expected = SECONDS
    values = _of_numbers(column, expected, origin)
    return Times(values, _doubts(values))


def _form(first: pa.ChunkedArray) -> tuple[pa.DataType, str]:
    """How texts of time are written, judged by the first of them."""
    for to, expected in ((EXACT, SECONDS), (pa.timestamp("ns"), ISO), (pa.timestamp("ns", "UTC"), ISO_ZONED)):
        for finer in (to, pa.timestamp("us", to.tz)) if pa.types.is_timestamp(to) else (to,):
            try:
                pc.utf8_trim_whitespace(first).cast(finer)
            except pa.ArrowException:
                continue
            return to, expected
    return EXACT, f"{SECONDS}, nor {ISO}"


def _parsed(column: pa.ChunkedArray, to: pa.DataType, expected: str, origin: Origin) -> pa.ChunkedArray:
    """Text as timestamps: to the nanosecond, which reaches from 1677 to 2262, else to the microsecond."""
    try:
        return pc.utf8_trim_whitespace(column).cast(pa.timestamp("us", to.tz))
    except pa.ArrowException:
        return convert(column, to, COLUMN, expected, origin)


def _of_timestamps(times: pa.ChunkedArray, shown: pa.ChunkedArray, origin: Origin) -> Whole:
    refuse(times.is_null(), shown, COLUMN, "a time", origin)
    if pa.types.is_date(times.type):
        times = times.cast(pa.timestamp("s" if pa.types.is_date32(times.type) else "ms"))
    units = UNITS[times.type.unit]
    stored = times.cast(pa.int64())
    values = stored.to_numpy()
    refuse(_beyond(values, (LATEST_S + 1) * units - 1), shown, COLUMN, "a time up to the year 9999", origin)
    if units <= SECOND:
        return values * (SECOND // units)
    return _nearest(values // 1_000, values % 1_000, shown, origin)


def _of_numbers(column: pa.ChunkedArray, expected: str, origin: Origin) -> Whole:
    """Seconds as microseconds."""
    kind = column.type
    if pa.types.is_floating(kind):
        return _of_floats(column, expected, origin)
    if pa.types.is_uint64(kind) or pa.types.is_decimal(kind):
        refuse(pc.greater(pc.abs(column.cast(pa.float64(), safe=False)), FAR_S), column, COLUMN, IN_RANGE, origin)
    whole = _integers(column) if pa.types.is_string(kind) else None
    if whole is None and pa.types.is_integer(kind):
        whole = convert(column, pa.int64(), COLUMN, expected, origin)
    if whole is not None:
        seconds = whole.to_numpy()
        _require_plausible(seconds, column, origin)
        return seconds * SECOND
    exact = convert(_shortened(column), EXACT, COLUMN, expected, origin)
    below = pc.floor(exact)
    seconds = below.cast(pa.int64()).to_numpy()
    _require_plausible(seconds, column, origin)
    fraction = pc.subtract(exact, below).cast(pa.decimal128(10, 9)).cast(pa.float64()).to_numpy()
    return _of_parts(seconds, fraction, column, origin)


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Text as integers, where all of it is plain ones: most files' is, and it converts fast."""
    try:
        whole = pc.utf8_trim_whitespace(column).cast(pa.int64())
    except pa.ArrowException:
        return None
    hexadecimal = pc.any(pc.match_substring_regex(column, "[xX]")).as_py()  # which Arrow reads too
    return None if hexadecimal or whole.null_count else whole


def _shortened(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text, or decimals, without the digits after the ninth behind the point, where there are any."""
    if pa.types.is_decimal(column.type):
        return pc.round(column, ndigits=EXACT.scale) if column.type.scale > EXACT.scale else column
    if not pa.types.is_string(column.type):
        return column
    return pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"^([+-]?[0-9]*\.[0-9]{9})[0-9]+$", r"\1")


def _of_floats(column: pa.ChunkedArray, expected: str, origin: Origin) -> Whole:
    numbers = convert(column, pa.float64(), COLUMN, expected, origin)
    if column.type != pa.float64():
        coarse = pc.greater_equal(pc.abs(numbers), float(2**24))
        refuse(coarse, column, COLUMN, f"exact as a {column.type}: seconds are to be 64 bits wide", origin)
    refuse(pc.greater(pc.abs(numbers), FAR_S), column, COLUMN, IN_RANGE, origin)
    values = numbers.to_numpy()
    below = np.floor(values)
    _require_plausible(below.astype(np.int64), column, origin)
    return _of_parts(below.astype(np.int64), values - below, column, origin)


def _of_parts(seconds: Whole, fraction: npt.NDArray[np.float64], shown: pa.ChunkedArray, origin: Origin) -> Whole:
    """Whole seconds, and what is above them, from 0 to 1, as microseconds."""
    nanoseconds = np.rint(fraction * UNITS["ns"]).astype(np.int64)
    return _nearest(seconds * SECOND + nanoseconds // 1_000, nanoseconds % 1_000, shown, origin)


def _nearest(below: Whole, nanoseconds: Whole, shown: pa.ChunkedArray, origin: Origin) -> Whole:
    """Whole microseconds, and the nanoseconds above them, as the nearest microsecond.

    Raises:
        InputError: if two times that differ would become one.
    """
    values = below + (nanoseconds >= 500)
    if _are_one_to_one(values, nanoseconds, shown):
        return values
    order = np.lexsort((nanoseconds, below, values))
    merged = np.diff(values[order]) == 0
    merged &= (np.diff(nanoseconds[order]) != 0) | (np.diff(below[order]) != 0)
    bad = np.zeros(len(values), np.bool_)
    bad[order[1:][merged]] = True
    refuse(pa.array(bad), shown, COLUMN, APART, origin, advice="round all times to microseconds")
    return values


def _are_one_to_one(values: Whole, nanoseconds: Whole, column: pa.ChunkedArray) -> bool:
    """Whether every time follows from its microseconds alone, which is quick to see and nearly always so."""
    if column.type == pa.float64():
        return bool((values / SECOND == column.to_numpy()).all())
    return not nanoseconds.any()


def _require_plausible(seconds: Whole, column: pa.ChunkedArray, origin: Origin) -> None:
    """Raises InputError where numbers are dates in digits, or in another unit than seconds."""
    for n_digits in (8, 10, 12, 14):
        dates = _calendar(seconds, n_digits)
        if dates is not None and dates.mean() > 0.5:
            refuse(pa.array(dates), column, COLUMN, CALENDAR, origin, advice=IN_ISO)
    refuse(_beyond(seconds, LATEST_S), column, COLUMN, IN_RANGE, origin)


def _beyond(values: Whole, limit: int) -> pa.Array:
    """Which values lie beyond a limit on either side: bool[n]."""
    limit = min(limit, 2**63 - 1)
    return pa.array((values > limit) | (values < -limit))


def _calendar(numbers: Whole, n_digits: int) -> npt.NDArray[np.bool_] | None:
    """Which numbers read as YYYYMMDD with, perhaps, hh, hhmm or hhmmss behind it; None where most have other lengths.

    Seconds that are counted from some start of their own do so once in thirty at most.
    """
    scale = 10 ** (n_digits - 8)
    within = (numbers >= 19000101 * scale) & (numbers < 21010101 * scale)
    if within.mean() <= 0.5:
        return None
    day, clock = numbers // scale, numbers % scale * 10 ** (14 - n_digits)
    is_day = (day // 100 % 100 >= 1) & (day // 100 % 100 <= 12) & (day % 100 >= 1) & (day % 100 <= 31)
    return within & is_day & (clock // 10_000 < 24) & (clock // 100 % 100 < 60) & (clock % 100 < 60)


def _doubts(values: Whole) -> tuple[str, ...]:
    """What is to be said of seconds in unlikely years: counted from elsewhere, no seconds at all, or zero for none."""
    odd = values[(values < EARLY_S * SECOND) | (values >= LATE_S * SECOND)]
    if not len(odd):
        return ()
    first, last = (_written(value) for value in (odd.min(), odd.max()))
    return (
        f"times are numbers and taken for seconds: {len(odd):,} of {len(values):,} lie before 1980 or after 2099, from "
        f"{first} to {last}; right if they count from a start of their own, else write them in ISO 8601 or in seconds "
        "since 1970",
    )


def _written(microseconds: Any) -> str:
    return str(np.datetime64(int(microseconds) // SECOND, "s"))
