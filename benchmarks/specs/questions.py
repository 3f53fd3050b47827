"""How a protocol's queries are put to a model: as arrays of few shapes, since compilers mind the shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import sampling
from benchmarks.specs.base import Arrays, Questions

QUERIES_AT_ONCE = 1024
"""Queries of one call to `embed_users`: few enough for memory, and always as many."""

PLACES_AT_ONCE = 1 << 14
"""Sessions times steps of one call, where all of a session is read."""


def last_items(queries: Questions, length: int) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
    """The queries in portions of one shape, the last one filled up with its own last query.

    Yields:
        user int32[n], history int32[n, length] (item + 1, padded on the right with 0) and length int32[n] of the last
        items of each query's history; and int64[n], the query of each row.
    """
    n = len(queries.user)
    for first in range(0, n, QUERIES_AT_ONCE):
        rows = np.minimum(np.arange(first, first + min(QUERIES_AT_ONCE, n)), n - 1)
        history, lengths = sampling.padded(queries.history, queries.start[rows], queries.stop[rows], length)
        yield {"user": queries.user[rows], "history": history, "length": lengths}, rows


def whole_sessions(queries: Questions) -> Iterator[tuple[Arrays, npt.NDArray[Any]]]:
    """The queries in portions of few shapes, each session once, however many of its steps are asked about.

    Yields:
        user int32[s], history int32[s, length] (0 for "nothing yet", then item + 1, padded on the right with 0), with
        session and step int32[n], the output that is asked for; and int64[n], the query of each.
    """
    opening = np.stack([queries.start, queries.user], 1)
    sessions, session_of = np.unique(opening, axis=0, return_inverse=True)
    stop = np.zeros(len(sessions), np.int64)
    np.maximum.at(stop, session_of, queries.stop)
    width = 2 ** np.ceil(np.log2(np.maximum(stop - sessions[:, 0] + 1, 8))).astype(np.int64)
    for length in np.unique(width):
        of_width = np.flatnonzero(width == length)
        portion = max(1, PLACES_AT_ONCE // length)
        for first in range(0, len(of_width), portion):
            chosen = np.resize(of_width[first : first + portion], portion)  # repeats some in the last portion
            row_of = np.full(len(sessions), -1)
            row_of[chosen] = np.arange(portion)
            rows = np.flatnonzero(row_of[session_of] >= 0)
            rows = np.pad(rows, (0, _to_power_of_two(len(rows))), mode="edge")
            history, _ = sampling.padded(queries.history, sessions[chosen, 0], stop[chosen], int(length) - 1)
            yield (
                {
                    "user": sessions[chosen, 1].astype(np.int32),
                    "history": np.pad(history, ((0, 0), (1, 0))),
                    "session": row_of[session_of[rows]].astype(np.int32),
                    "step": (queries.stop[rows] - queries.start[rows]).astype(np.int32),
                },
                rows,
            )


def _to_power_of_two(n: int) -> int:
    return (1 << (n - 1).bit_length()) - n
