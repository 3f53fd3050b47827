"""Lines of Python literals as JSON: some publishers have written each object with `repr`, by Python 2 or 3."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

FEED, QUOTE, APOSTROPHE, BACKSLASH = 10, 34, 39, 92
KEPT_ESCAPES = np.isin(np.arange(256), list(b'\\nrtbfu"'))  # bool[256], what means the same in JSON
PLAIN = np.isin(np.arange(256), list(b" {}[]:,.+-eE0123456789\r\n"))  # what JSON has outside of texts, too
WORDS = (
    (np.frombuffer(b"True", np.uint8), np.frombuffer(b"true", np.uint8)),
    (np.frombuffer(b"False", np.uint8), np.frombuffer(b"false", np.uint8)),
    (np.frombuffer(b"None", np.uint8), np.frombuffer(b"null", np.uint8)),
)


def as_json(content: bytes) -> tuple[bytes, int]:
    """Dictionaries, lists, texts, numbers, True, False and None, one literal a line, as JSON, one value a line.

    One pass over the bytes. What is left to the JSON parser is whether the pieces make up values.

    Args:
        content: whole lines.

    Returns:
        JSON, and -1; or what there is of it, and the position in the content of what belongs to no literal.
    """
    text = np.empty(2 * len(content) + 12, np.uint8)  # a quote becomes two bytes, nothing grows by more
    length, stopped = _translate(np.frombuffer(content, np.uint8), text)
    return text[:length].tobytes(), stopped


@numba.njit(cache=True)
def _translate(content: npt.NDArray[np.uint8], text: npt.NDArray[np.uint8]) -> tuple[int, int]:
    at = end = 0
    while at < len(content):
        byte = content[at]
        if byte in (QUOTE, APOSTROPHE):
            begun = at
            at, end = _text(content, at, text, end)
            if at < 0:
                return end, begun
        elif byte == ord("u") and at + 1 < len(content) and content[at + 1] in (QUOTE, APOSTROPHE):
            at += 1  # Python 2's mark of a text
        elif PLAIN[byte]:
            text[end] = byte
            at, end = at + 1, end + 1
        else:
            step, end = _word(content, at, text, end)
            if step == 0:
                return end, at
            at += step
    return end, -1


@numba.njit(cache=True)
def _text(content, at, text, end):  # type: ignore[no-untyped-def]
    """Writes the text that begins at a quote, and returns where both go on; -1 where it cannot be read."""
    closing = content[at]
    text[end] = QUOTE
    at, end = at + 1, end + 1
    while at < len(content) and content[at] != FEED:
        byte = content[at]
        if byte == closing:
            text[end] = QUOTE
            return at + 1, end + 1
        if byte == BACKSLASH:
            at, end = _escape(content, at, text, end)
            if at < 0:
                break
            continue
        if byte == QUOTE:
            text[end] = BACKSLASH
            end += 1
        text[end] = byte
        at, end = at + 1, end + 1
    return -1, end


@numba.njit(cache=True)
def _escape(content, at, text, end):  # type: ignore[no-untyped-def]
    r"""The same for an escape: \' is a bare apostrophe in JSON, \xe9 is \u00e9, and \U0001f600 two halves."""
    kind = content[at + 1] if at + 1 < len(content) else FEED
    if kind == APOSTROPHE:
        text[end] = APOSTROPHE
        return at + 2, end + 1
    if KEPT_ESCAPES[kind]:
        text[end], text[end + 1] = BACKSLASH, kind
        return at + 2, end + 2
    n_digits = 2 if kind == ord("x") else 8 if kind == ord("U") else 0
    if n_digits == 0 or at + 2 + n_digits > len(content):
        return -1, end
    point = 0
    for digit in content[at + 2 : at + 2 + n_digits]:
        value = _value_of_digit(digit)
        if value < 0:
            return -1, end
        point = point * 16 + value
    if point > 0x10FFFF:
        return -1, end
    if point > 0xFFFF:
        end = _unit(0xD800 + ((point - 0x10000) >> 10), text, end)
        point = 0xDC00 + ((point - 0x10000) & 0x3FF)
    return at + 2 + n_digits, _unit(point, text, end)


@numba.njit(cache=True)
def _unit(unit, text, end):  # type: ignore[no-untyped-def]
    r"""Writes \u and four digits."""
    text[end], text[end + 1] = BACKSLASH, ord("u")
    for place in range(4):
        digit = (unit >> (12 - 4 * place)) & 15
        text[end + 2 + place] = digit + (ord("0") if digit < 10 else ord("a") - 10)
    return end + 6


@numba.njit(cache=True)
def _value_of_digit(digit):  # type: ignore[no-untyped-def]
    if ord("0") <= digit <= ord("9"):
        return np.int64(digit) - ord("0")
    lower = np.int64(digit) | 32
    return lower - ord("a") + 10 if ord("a") <= lower <= ord("f") else -1


@numba.njit(cache=True)
def _word(content, at, text, end):  # type: ignore[no-untyped-def]
    """Writes what stands for True, False or None; returns how long the word is, 0 where it is none, and the end."""
    for word, written in WORDS:
        if len(content) - at >= len(word) and np.array_equal(content[at : at + len(word)], word):
            text[end : end + len(written)] = written
            return len(word), end + len(written)
    return 0, end
