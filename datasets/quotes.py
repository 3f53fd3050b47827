"""Which quotes in delimited text are a writer's and which are text."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

QUOTE, FEED, RETURN = 34, 10, 13
AT_START, PLAIN, QUOTED, CLOSED = range(4)  # where in a field


class Quotes(NamedTuple):
    """What the quotes in a text are.

    Attributes:
        stray: the first position at which the writer's rule is broken, else -1.
        spans_lines: whether a quoted field holds a line break.
    """

    stray: int
    spans_lines: bool


def scan(content: bytes, start: int, delimiter: str) -> Quotes:
    """Holds a text to the rule by which writers quote (RFC 4180).

    A field that begins with a quote ends with one, and every quote between them is doubled. In a field that does not
    begin with one, a quote is text.

    Args:
        content: delimited text.
        start: where its first row begins.
        delimiter: one ASCII character.
    """
    stray, spans_lines = _scan(np.frombuffer(content, np.uint8)[start:], ord(delimiter))
    return Quotes(stray + start if stray >= 0 else -1, spans_lines)


@numba.njit(cache=True)
def _scan(text: npt.NDArray[np.uint8], delimiter: int) -> tuple[int, bool]:
    state, opened, spans_lines = AT_START, -1, False
    for at in range(len(text)):
        byte = text[at]
        if state == QUOTED:
            if byte == QUOTE:
                state = CLOSED
            elif byte in (FEED, RETURN):
                spans_lines = True
        elif byte == delimiter or byte in (FEED, RETURN):
            state = AT_START
        elif state == CLOSED:
            if byte != QUOTE:  # a second one stands for a quote within the field
                return opened, spans_lines
            state = QUOTED
        elif state == AT_START:
            state = QUOTED if byte == QUOTE else PLAIN
            opened = at
    return (opened if state == QUOTED else -1), spans_lines
