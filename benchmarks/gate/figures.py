"""What is compared of two cells: each figure with how much worse is too much, and how a process's result says it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

FARTHEST = 50.0
"""Where the logarithm of a ratio ends, such as that of a figure which one side does not have at all."""
SPEED, FIRST_STEP, BUILD, MEMORY, SIZE, RECALL, ACCURACY, AGREEMENT = (
    "speed", "first step", "build time", "memory", "size", "recall", "accuracy", "agreement",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A figure, whatever it is measured of.

    Attributes:
        unit: of its values.
        margins: how many of the gate's margins worse is too much; with 0 whatever is certain is.
        lower_is_better: as of seconds and bytes.
        is_noisy: whether it differs between two processes of the same code.
    """

    unit: str
    margins: float = 1.0
    lower_is_better: bool = False
    is_noisy: bool = True


FIGURES = {
    SPEED: Figure("a second"),
    # What happens once a process is one sample of it, and spreads the wider.
    FIRST_STEP: Figure("s", margins=3.0, lower_is_better=True),
    BUILD: Figure("s", margins=3.0, lower_is_better=True),
    MEMORY: Figure("bytes", lower_is_better=True),
    SIZE: Figure("bytes", lower_is_better=True, is_noisy=False),
    RECALL: Figure("share", margins=0.0, is_noisy=False),
    ACCURACY: Figure("", margins=0.5),
    # How far rounding goes differs from seed to seed by nearly its own size.
    AGREEMENT: Figure("of what is tolerated", margins=5.0, lower_is_better=True),
}
OF_KIND = {
    "throughput": (SPEED, FIRST_STEP, MEMORY),
    "index": (SPEED, RECALL, BUILD, SIZE, MEMORY),
    "train": (ACCURACY,),
    "pieces": (SPEED,),
    "agreement": (AGREEMENT,),
}
"""Kind of a cell -> its figures."""
OF_PROCESS = frozenset({BUILD, SIZE, MEMORY})
"""Those that a process has once, whatever the number of its cells."""
_RATES = {"throughput": "window_samples_per_s", "index": "batch_qps"}
_RECALL_OF = "index_recall@"
LEAST_RESIDENT = 1 << 20
"""Bytes below which the memory of an index is not told apart: it is measured to some hundred kilobytes."""
_AT = {
    FIRST_STEP: ("timings", "first_step_s"),
    BUILD: ("timings", "build_s"),
    MEMORY: ("memory", "peak_rss_bytes"),
    SIZE: ("memory", "index_bytes"),
}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one cell in a pair of processes.

    Attributes:
        cell: its line.
        figure: one of FIGURES.
        base, head: what it came to; of a speed the geometric mean of the windows.
        is_settled: whether this pair says all that there is to know, as where both have trained the same bits.
        note: a sentence, or "".
    """

    cell: str
    figure: str
    base: float
    head: float
    is_settled: bool = False
    note: str = ""

    @property
    def place(self) -> tuple[str, str]:
        return self.cell, self.figure

    @property
    def ratio(self) -> float:
        """The logarithm of head's figure as a part of base's, better being above 0."""
        if self.base == self.head:
            return 0.0
        if self.base <= 0 or self.head <= 0:
            ratio = math.copysign(FARTHEST, self.head - self.base)
        else:
            ratio = math.log(self.head / self.base)
        return -ratio if FIGURES[self.figure].lower_is_better else ratio


def n_noisy(kind: str, n_cells: int) -> int:
    """How many figures that chance has a part in a process of so many cells has."""
    noisy = [name for name in OF_KIND[kind] if FIGURES[name].is_noisy]
    return sum(1 if name in OF_PROCESS else n_cells for name in noisy)


def compared(kind: str, what: Sequence[str], base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[Measured]:
    """The figures of what was timed by turns.

    Args:
        kind: "throughput" or "index".
        what: the lines of the process's cells.
        base: the result of base's process.
        head: that of head's.
    """
    answered = zip(what, _answers(base), _answers(head), strict=True)
    for place, (line, one, other) in enumerate(answered):
        for figure in OF_KIND[kind]:
            if place == 0 or figure not in OF_PROCESS:
                before, now = (_value(kind, figure, answer) for answer in (one, other))
                yield Measured(cell=line, figure=figure, base=before, head=now)


def _answers(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a process says of each of its cells, with what it says of all of them."""
    parts = ("timings", "memory", "metrics")
    return [
        {part: {**result.get(part, {}), **answer.get(part, {})} for part in parts}
        for answer in result.get("answers") or [{}]
    ]


def _value(kind: str, figure: str, answer: Mapping[str, Any]) -> float:
    if figure == SPEED:
        return float(np.exp(np.mean(np.log(answer["timings"][_RATES[kind]]))))
    if figure == RECALL:
        return float(next(value for name, value in answer["metrics"].items() if name.startswith(_RECALL_OF)))
    if (kind, figure) == ("index", MEMORY):  # that of its process is the library's and the exact search's beside it
        return float(max(answer["memory"]["resident_bytes"], LEAST_RESIDENT))
    part, name = _AT[figure]
    return float(answer[part][name])
