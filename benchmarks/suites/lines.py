"""In which line of a TOML file something stands: `tomllib` does not say, so the text is read as far as each line."""

from __future__ import annotations

import bisect
import tomllib
from typing import Any

from benchmarks.settings import Place

CLOSINGS = ("", "]", "]]", "]}", "]}]", "]}}]", "]]}", "]]}]")
"""What closes the lists that a line may leave open, and the tables around them, which end in the line they begin in."""

MOST_CHARACTERS = 1 << 23
"""Of the parts of a text that are read, in all: a message without a line is better than one that comes late."""


def line_of(text: str, place: Place) -> int | None:
    """The line in which begins what a place leads to, or, where that is not there, the nearest of what leads to it.

    Args:
        text: TOML that can be read.
        place: keys and positions from its root, such as ("block", 1, "models", 2, "settings", "epochs").

    Returns:
        The line, from 1; None for the root, and where it would take too long to find it.
    """
    whole = tomllib.loads(text)
    while place and not _leads_somewhere(whole, place):
        place = place[:-1]
    if not place:
        return None
    lines, n_read = text.split("\n"), 0

    def is_there(line: int) -> bool:
        """Whether it is in the text as far as this line, or as far as the next after which the text can be read."""
        nonlocal n_read
        for stop in range(line, len(lines) + 1):
            part = "\n".join(lines[:stop])
            for closing in CLOSINGS:
                n_read += len(part)
                if n_read > MOST_CHARACTERS:
                    raise TimeoutError
                try:
                    return _leads_somewhere(tomllib.loads(f"{part}\n{closing}"), place)
                except tomllib.TOMLDecodeError:
                    continue
        return True

    try:
        return bisect.bisect_left(range(1, len(lines)), True, key=is_there) + 1
    except TimeoutError:
        return None


def _leads_somewhere(content: Any, place: Place) -> bool:
    for key in place:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True
