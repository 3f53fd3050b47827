"""What was probably meant by a name that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

MOST = 3
"""Names that one suggestion has."""


def meant(given: object, known: Iterable[str], aliases: Mapping[str, Sequence[str]]) -> str:
    """Such as " (did you mean 'epochs'?)"; empty where nothing is near."""
    near = [repr(name) for name in nearest(given, known, aliases)]
    if not near:
        return ""
    return f" (did you mean {', '.join(near[:-1])}{' or ' if near[1:] else ''}{near[-1]}?)"


def nearest(given: object, known: Iterable[str], aliases: Mapping[str, Sequence[str]]) -> list[str]:
    """The known names that come nearest to a given one, at most `MOST`, the nearest first.

    Args:
        given: a name that is not known; what is no text is near nothing.
        known: the names that there are.
        aliases: what else things are called, in lower case without `-` and `_` -> known names, of which those count
            that are in `known`.
    """
    if not isinstance(given, str):
        return []
    plain, by_plain = _plain(given[:100]), {_plain(name): name for name in known}
    if called := [name for name in aliases.get(plain, ()) if name in by_plain.values()]:
        return called[:MOST]
    if plain in by_plain:
        return [by_plain[plain]]
    if very_close := difflib.get_close_matches(plain, by_plain, n=1, cutoff=0.85):  # a letter apart
        return [by_plain[very_close[0]]]
    holding = [by_plain[key] for key in sorted(by_plain, key=len) if len(plain) > 2 and plain in key]
    close = [by_plain[key] for key in difflib.get_close_matches(plain, by_plain, n=1)]
    return (holding or close)[:MOST]


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
