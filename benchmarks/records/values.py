"""What JSON, and a table, can hold, whatever field it stands in."""

from __future__ import annotations

import math
from typing import Any

MOST_LEVELS = 16
"""Of objects and arrays inside each other."""
WIDEST = 2**63 - 1
"""No whole number is larger: tables hold them in 64 bits."""
LONGEST_TEXT = 300
"""Characters of a sentence on what is wrong, and of what stands for a value that cannot be recorded."""

_SINGLE = frozenset({str, float, int, bool, type(None)})


def odd(value: Any, where: str = "", level: int = 0) -> str | None:
    """What in a value JSON, or a table, cannot hold; None where all fits."""
    if not isinstance(value, dict | list | tuple):
        found = _odd_single(value)
        return found and f"{where} {found}"
    if level == MOST_LEVELS:
        return f"{where} is deeper than {MOST_LEVELS} levels of objects and arrays"
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str) or not _is_text(name):
                return f"{where} has the name {shortened(ascii(name))}, expected text"
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if type(inner) in _SINGLE and _odd_single(inner) is None:  # most are, and no path has to be formed for them
            continue
        found = odd(inner, f"{where}.{name}" if where else str(name), level + 1)
        if found is not None:
            return found
    return None


def _odd_single(value: Any) -> str | None:
    if isinstance(value, str):
        return None if _is_text(value) else "holds half a character, expected text"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"is {value}, expected a finite number"
    if isinstance(value, int):
        return None if -WIDEST <= value <= WIDEST else f"is {_bits(value)}, expected one of 64 bits"
    return None if value is None else f"is a {type(value).__name__}, expected what JSON can hold"


def _is_text(value: str) -> bool:
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _bits(number: int) -> str:
    return f"a number of {number.bit_length()} bits"


def shortened(text: str) -> str:
    """A text of at most `LONGEST_TEXT` characters, its middle left out where it is longer."""
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]} … {text[-half:]}"


def plain(value: Any, level: int = 0) -> Any:
    """A value with text in place of whatever a record cannot hold, so that a refusal can at least be recorded."""
    if isinstance(value, dict | list | tuple) and level == MOST_LEVELS:
        return "…"
    if isinstance(value, dict):
        return {plain(str(name)): plain(inner, level + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, level + 1) for inner in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, int) and not -WIDEST <= value <= WIDEST:
        return _bits(value)
    return value if _odd_single(value) is None else str(value)
