"""Two climbs of the ladder from the same start: does head still hold, and is it as near to the reference as base?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.gate.figures import AGREEMENT, FARTHEST, Measured


def compared(what: Sequence[str], base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[Measured]:
    """The largest difference of each climb, as a part of what its rung tolerates.

    Where both have learnt the same bits, or one of them breaks, one pair says all.

    Args:
        what: the lines of the climbs.
        base: the result of base's process.
        head: that of head's.
    """
    for line, one, other in zip(what, base["answers"], head["answers"], strict=True):
        before, now = _largest(one), _largest(other)
        is_same = one["rungs"] == other["rungs"] and one["hashes"]["trained"] == other["hashes"]["trained"]
        broken = [answer["rungs"][-1] for answer in (one, other) if not answer["rungs"][-1]["holds"]]
        note = f"breaks at {broken[-1]['rung']}" if broken else "the same bits" if is_same else ""
        settled = is_same or bool(broken)
        yield Measured(cell=line, figure=AGREEMENT, base=before, head=now, is_settled=settled, note=note)


def _largest(answer: Mapping[str, Any]) -> float:
    """Over the rungs that tolerate any difference; of a climb that breaks more than any difference is."""
    rungs = answer["rungs"]
    if not rungs[-1]["holds"]:
        return float(FARTHEST)
    return float(max(rung["difference"] / rung["tolerance"] for rung in rungs if rung["tolerance"]))
