"""The publisher's ids: when two of them are one, and as dense integers.

The rule of identity, the same for every format. An id is its text, as UTF-8, without surrounding white space. Nothing
else is folded: not the case, not Unicode's forms, and "007" is not "7".

A whole number is its digits, however it was stored: the integer 12, the float 12.0, the decimal 12.00 and the texts
"12" and "12.0" are the id "12". pandas turns integers that stood beside a gap into floats, and writes them so. That
holds for text in every file, because CSV knows no types: "1.0", "1." and "1" are one id; who means versions writes
"v1.0". Decimals are exact, so theirs may be of any size.

Refused is what has lost its value or never was an id: fractions, infinite numbers, floats from 2^53 on (2^24 of 32
bits), where whole numbers are no longer exact, numbers with an exponent such as 1.2E+15 or 1.2E7 (12e5 is a name),
truth values, times, lists, text of more than 1,000 characters, and text with control characters or line separators in
it, or with the marks that nobody sees and that stand where files were pasted together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datasets.delimited import Origin, refuse
from datasets.interactions import UNKNOWN_USER

# As an integer prints itself: "007" and "+7" are names that happen to be digits. 18 digits fit int64.
INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"
WHOLE_FLOAT = r"^(0|-0|-?[1-9][0-9]*)\.0*$"
INEXACT = r"(?i)^[+-]?([0-9]*\.[0-9]*[1-9][0-9]*|[0-9]+(\.[0-9]*)?e[+-][0-9]+|[0-9]*\.[0-9]+e[0-9]+|inf|infinity)$"
# Refused anywhere: control characters, line separators, the byte order mark and the space without width.
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{200b}\x{2028}\x{2029}\x{feff}]"
LINE = r"[\t\n\r]"  # refused inside; around an id they are white space
MISSING = ("", "nan", "NaN", "null", "NULL", "None", "<NA>")
LONGEST = 1_000  # characters; all ids take as much memory as the longest
EXACT_BITS = {pa.float16(): 11, pa.float32(): 24, pa.float64(): 53}


def texts(column: pa.ChunkedArray, name: str, origin: Origin) -> pa.DictionaryArray:
    """A column of ids by the rule above: a dictionary of distinct strings, one entry a row, null where there is none.

    Args:
        column: integers, floats, decimals, text, or bytes that are text.
        name: what the column is called, for the message.
        origin: where it came from, for the message.

    Raises:
        InputError: naming the first row whose value can be no id.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not _may_hold_ids(column.type):
        expected = f"a valid {name}, which is a whole number or text (the column holds {column.type})"
        refuse(pa.repeat(True, len(column)), column, name, expected, origin)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.decimal256(76, column.type.scale))  # the narrow ones have no functions
    # Few distinct ids stand in many rows: what holds of an id is found out once.
    encoded = column.dictionary_encode().combine_chunks()
    values = encoded.dictionary

    def require_not(bad: pa.Array, expected: str) -> None:
        if pc.any(bad).as_py():
            refuse(bad.take(encoded.indices), column, name, f"a valid {name}, which {expected}", origin)

    if pa.types.is_floating(values.type):
        bits = EXACT_BITS[values.type]
        numbers = values.cast(pa.float64())
        numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
        fraction = pc.not_equal(pc.floor(numbers), numbers)
        inexact = pc.greater_equal(pc.abs(numbers), float(2**bits))
        require_not(pc.or_(fraction, inexact), f"is a whole number or text (a float below 2^{bits}, where it is exact)")
        values = numbers.cast(pa.int64())
    elif pa.types.is_decimal(values.type):
        whole = values.cast(pa.decimal256(76, 0), safe=False)  # cuts what is behind the point
        require_not(pc.not_equal(whole.cast(values.type), values), "is a whole number or text")
        values = whole
    require_not(_not_utf8(values), "is UTF-8 text")
    text = values.cast(pa.string())
    require_not(pc.match_substring_regex(text, CONTROL), "has no control characters or unseen marks")
    require_not(pc.greater(pc.utf8_length(text), LONGEST), f"has at most {LONGEST:,} characters")
    text = pc.utf8_trim_whitespace(text)
    require_not(pc.match_substring_regex(text, LINE), "has no tabs or line breaks in it")
    require_not(pc.match_substring_regex(text, INEXACT), "is a whole number with all its digits, or a name")
    whole = pc.match_substring_regex(text, WHOLE_FLOAT)
    digits = pc.replace_substring_regex(text, r"\.0*$", "")
    require_not(pc.and_(whole, _from_2_53_on(digits, whole)), "is a float below 2^53, where it is exact, or a name")
    text = pc.if_else(whole, pc.replace_substring_regex(digits, "^-0$", "0"), text)
    return _merged(text, encoded.indices)


def encode(ids: pa.DictionaryArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.str_]]:
    """Each row's position among the sorted distinct ids.

    Args:
        ids: dictionary of strings, one entry a row; a null stands for "unknown".

    Returns:
        int32[n], `UNKNOWN_USER` (-1) at nulls, and str[n_ids]: the distinct ids, by number where
        all of them are integers, else by code point.
    """
    distinct = ids.dictionary
    numeric = pc.all(pc.match_substring_regex(distinct, INTEGER)).as_py()
    order = pc.sort_indices(distinct.cast(pa.int64()) if numeric else distinct).to_numpy()
    rank = np.full(len(order) + 1, UNKNOWN_USER, np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    position = ids.indices.fill_null(len(order)).to_numpy()
    return rank[position], np.array(distinct.take(pa.array(order)).to_pylist(), dtype=np.str_)


def number(ids: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """Each row's id, numbered from 0 in sorted order of the ids, as `encode` sorts them: int32[n].

    Args:
        ids: dictionary of strings, one entry a row, no nulls.
    """
    return encode(ids)[0]


def number_pairs(user: npt.NDArray[np.int32], session: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Each row's pair of user and session, numbered from 0 in sorted order of the pairs: int32[n].

    So sessions whose ids start anew for each user stay apart.

    Args:
        user: int32[n], `UNKNOWN_USER` (-1) where there is none: those rows' sessions are nobody's, and apart from all.
        session: int32[n], from 0.
    """
    key = (user.astype(np.int64) + 1) * (int(session.max(initial=0)) + 1) + session
    pairs = pa.array(key).dictionary_encode()  # far faster than sorting all rows
    order = np.argsort(pairs.dictionary.to_numpy())
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[pairs.indices.to_numpy()]


def _may_hold_ids(kind: pa.DataType) -> bool:
    types = pa.types
    accepted = (
        types.is_integer, types.is_floating, types.is_decimal, types.is_null, types.is_string, types.is_large_string,
        types.is_string_view, types.is_binary, types.is_large_binary, types.is_binary_view,
    )  # fmt: skip
    return not isinstance(kind, pa.BaseExtensionType) and any(accepts(kind) for accepts in accepted)


def _not_utf8(values: pa.Array) -> pa.Array:
    """Which bytes are no UTF-8: bool[n]."""
    try:
        values.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([value.as_py().decode("utf-8", "replace").encode() != value.as_py() for value in values])
    return pa.repeat(False, len(values))


def _from_2_53_on(digits: pa.Array, whole: pa.Array) -> pa.Array:
    """Which of the whole numbers a float of 64 bits may not tell from its neighbour: bool[n]."""
    short = pc.less_equal(pc.utf8_length(digits), 17)  # 2^53 has 16 digits
    number = pc.if_else(pc.and_(whole, short), digits, "0").cast(pa.int64())
    return pc.or_(pc.invert(short), pc.greater_equal(pc.abs(number), 2**53))


def _merged(text: pa.Array, indices: pa.Array) -> pa.DictionaryArray:
    """The rows' ids as a dictionary without the missing ones, and without doubles: two writings may be one id."""
    text = pc.if_else(pc.is_in(text, pa.array(MISSING)), pa.scalar(None, pa.string()), text)
    distinct = text.dictionary_encode()
    return pa.DictionaryArray.from_arrays(distinct.indices.take(indices), distinct.dictionary)
