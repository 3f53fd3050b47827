"""From two contestants to verdicts: pairs of processes for every cell, until each is decided or the cap is reached."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gate import pairs
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.pairs import Pair
from benchmarks.gate.sequential import UNDECIDED, Judgement, Plan, judge
from benchmarks.specs.base import digest
from datasets.errors import InputError

FAILED, MISSING = "failed", "missing"
"""What stands for a verdict where head's process fails, and where base has no such cell or its process fails."""
LOCK = "recallbench-gate.lock"
FIGURES = 2
"""Figures of a cell, each of which is judged: its speed and its memory."""


@dataclass
class Held:
    """A process's cells, and what is known of them.

    Attributes:
        what: the lines of the cells.
        pairs: what the pairs of processes came to.
        judgements: the line of a cell and a figure -> what it is judged to be.
        fault: FAILED or MISSING where it cannot be compared.
        reason: why, in a sentence.
    """

    what: tuple[str, ...]
    pairs: list[Pair] = field(default_factory=list)
    judgements: dict[tuple[str, str], Judgement] = field(default_factory=dict)
    fault: str = ""
    reason: str = ""

    @property
    def is_open(self) -> bool:
        undecided = any(each.verdict == UNDECIDED for each in self.judgements.values())
        return not self.fault and (undecided or not self.judgements)


class Kept:
    """The pairs that were measured, in a file to which each is added: a gate that was killed goes on from there.

    Args:
        path: of the file.
        key: what tells these two contestants from any others.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key

    def of(self, what: Sequence[str]) -> list[Pair]:
        """The pairs of a process's cells, in the order in which they were measured."""
        if not self._path.exists():
            return []
        found = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # the end of a line that was not written to its end
                kept = json.loads(line)
                if (kept["key"], kept["what"]) == (self._key, list(what)):
                    found.append(Pair({(cell, figure): value for cell, figure, value in kept["ratios"]}))
        return found

    def add(self, what: Sequence[str], pair: Pair) -> None:
        ratios = [[cell, figure, value] for (cell, figure), value in pair.ratios.items()]
        line = json.dumps({"key": self._key, "what": list(what), "ratios": ratios})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def key_of(base: Contestant, head: Contestant) -> str:
    """16 hex digits, the same for the same two contestants."""
    return digest([base.key, head.key])


@dataclass(frozen=True)
class Gate:
    """What is compared, and how.

    Attributes:
        base: the side whose figures are 1.
        head: the side that is judged.
        plan: when is looked, and how much worse is too much.
        kept: the pairs that were measured before; new ones are added.
        timeout_s: seconds that a process may take to get ready, for a turn or to end.
    """

    base: Contestant
    head: Contestant
    plan: Plan
    kept: Kept
    timeout_s: float

    def hold(self, said: Callable[[Held], None]) -> list[Held]:
        """Measures until every cell is decided, or has as many pairs as are allowed.

        Args:
            said: is told a process's cells whenever they have been measured for the next look.
        """
        held = [self._begun(what) for what in dict.fromkeys((*self.base.cells, *self.head.cells))]
        for n in self.plan.looks:
            for one in held:
                if one.is_open:
                    self._measure(one, n)
                    said(one)
            _judge([one for one in held if one.is_open], n, self.plan)
        return held

    def _begun(self, what: tuple[str, ...]) -> Held:
        if what not in self.head.cells:
            return Held(what, fault=FAILED, reason=f"{self.head.name} has no such cell")
        if what not in self.base.cells:
            return Held(what, fault=MISSING, reason=f"{self.base.name} has no such cell")
        return Held(what, self.kept.of(what))

    def _measure(self, one: Held, n: int) -> None:
        while len(one.pairs) < n:
            pair = pairs.run(self.base, self.head, one.what, len(one.pairs), self.timeout_s)
            if pair.failed:
                one.fault = MISSING if pair.failed.startswith(f"{self.base.name}: ") else FAILED
                one.reason = pair.failed
                return
            one.pairs.append(pair)
            self.kept.add(one.what, pair)


def _judge(held: Sequence[Held], n: int, plan: Plan) -> None:
    """Looks at the first n pairs of each: those that were measured for a later look are not looked at before it."""
    for one in held:
        for place in one.pairs[0].ratios:
            before = one.judgements.get(place)
            if before is None or before.verdict == UNDECIDED:
                one.judgements[place] = judge([pair.ratios[place] for pair in one.pairs[:n]], plan)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keeps a second gate off this machine; the kernel lets go of the lock when the process ends, however it ends.

    Raises:
        InputError: another gate is measuring.
    """
    path = Path(tempfile.gettempdir()) / LOCK
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o666)
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                "another gate is measuring on this machine, and each would disturb the other; wait for it to end."
            ) from error
        yield


def worst_first(held: Sequence[Held]) -> list[tuple[Held, str, str, Judgement | None]]:
    """The cells' figures as they are reported: what cannot be compared first, then by ratio."""
    rows: list[tuple[Held, str, str, Judgement | None]] = []
    for one in held:
        if one.fault:
            rows += [(one, line, "", None) for line in one.what]
        rows += [(one, line, figure, judged) for (line, figure), judged in one.judgements.items()]
    return sorted(rows, key=lambda row: (row[3] is not None, row[3].ratio if row[3] else 0.0))


def as_json(held: Sequence[Held], described: Mapping[str, str]) -> str:
    """A line for each figure of each cell."""
    lines = []
    for one, line, figure, judged in worst_first(held):
        found: dict[str, object] = {
            "cell": line,
            "figure": figure or None,
            "verdict": one.fault or (judged.verdict if judged else None),
        }
        if judged is not None:
            found |= {"ratio": judged.ratio, "low": judged.low, "high": judged.high, "pairs": judged.n,
                      "pairs_more": judged.n_more}  # fmt: skip
        lines.append(json.dumps({**described, **found, **({"reason": one.reason} if one.fault else {})}))
    return "".join(f"{line}\n" for line in lines)
