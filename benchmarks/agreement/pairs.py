"""All-pairs designs: few rows in which every two values of two fields meet (Cohen et al., "The AETG System", 1997)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Pair = tuple[str, int, str, int]


def covering(choices: Mapping[str, Sequence[Any]], is_possible: Callable[[Row], bool]) -> tuple[dict[str, Any], ...]:
    """Rows of values, in which every possible pair of values of two fields stands in one at least.

    Each row begins with the first pair that no row has yet, and goes on field by field with the value that brings most
    new pairs; equal ones in the order given, so that the same choices always make the same rows. A field none of whose
    values fits with those of the others is left out of the row.

    Args:
        choices: field -> its values, two at least. Where there is one field, each value has a row.
        is_possible: whether values may stand together in a row; it is asked about parts of rows, too.
    """
    names = list(choices)
    if len(names) == 1:
        return tuple({names[0]: value} for value in choices[names[0]] if is_possible({names[0]: value}))
    missing = {pair: None for pair in _pairs(choices) if is_possible(_of_pair(choices, pair))}
    rows = []
    while missing:
        row = _row(choices, next(iter(missing)), missing, is_possible)
        met = [pair for pair in missing if _is_met(pair, row)]
        assert met  # noqa: S101 - it begins with a missing pair
        for pair in met:
            del missing[pair]
        rows.append({name: choices[name][at] for name, at in row.items()})
    return tuple({name: row[name] for name in names if name in row} for row in rows)


def _pairs(choices: Mapping[str, Sequence[Any]]) -> Iterator[Pair]:
    for one, other in itertools.combinations(choices, 2):
        for at, beside in itertools.product(range(len(choices[one])), range(len(choices[other]))):
            yield one, at, other, beside


def _of_pair(choices: Mapping[str, Sequence[Any]], pair: Pair) -> dict[str, Any]:
    one, at, other, beside = pair
    return {one: choices[one][at], other: choices[other][beside]}


def _row(
    choices: Mapping[str, Sequence[Any]], begin: Pair, missing: Mapping[Pair, None], is_possible: Callable[[Row], bool]
) -> dict[str, int]:
    """Field -> place of its value; without a field none of whose values fits with those of the others."""
    row = {begin[0]: begin[1], begin[2]: begin[3]}
    for name in choices:
        if name in row:
            continue
        fitting = [
            at
            for at in range(len(choices[name]))
            if is_possible({**{other: choices[other][there] for other, there in row.items()}, name: choices[name][at]})
        ]
        if fitting:
            row[name] = max(fitting, key=lambda at: _gain(row, name, at, missing))
    return row


def _gain(row: Mapping[str, int], name: str, at: int, missing: Mapping[Pair, None]) -> int:
    return sum((*pair,) in missing for other, there in row.items() for pair in _both(other, there, name, at))


def _both(other: str, there: int, name: str, at: int) -> tuple[Pair, Pair]:
    return (other, there, name, at), (name, at, other, there)


def _is_met(pair: Pair, row: Mapping[str, int]) -> bool:
    one, at, other, beside = pair
    return (row.get(one), row.get(other)) == (at, beside)
