"""From two contestants to verdicts: pairs of processes for every cell, until each is decided or the cap is reached."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
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
LOCK = Path("/tmp/recallbench-gate.lock")  # noqa: S108 - one for all users, and never written to


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
        machine: on which they are measured; those of another are as if they were not there.
    """

    def __init__(self, path: Path, machine: str) -> None:
        self._path, self._machine = path, machine

    def key(self, base: Contestant, head: Contestant, what: tuple[str, ...]) -> str:
        """16 hex digits, the same for the same sources and interpreters that are told the same on this machine."""
        return digest([self._machine, base.key, head.key, what, base.measures(what), head.measures(what)])

    def of(self, key: str) -> list[Pair]:
        """The pairs of a process's cells, in the order in which they were measured."""
        found = []
        for line in (
            self._path.read_text(encoding="utf-8", errors="replace").splitlines() if self._path.exists() else ()
        ):
            with contextlib.suppress(
                ValueError, KeyError, TypeError
            ):  # it was not written to its end, or not by a gate
                kept = json.loads(line)
                if kept["key"] == key:
                    found.append(Pair({(cell, figure): float(value) for cell, figure, value in kept["ratios"]}))
        return found

    def add(self, key: str, pair: Pair) -> None:
        ratios = [[cell, figure, value] for (cell, figure), value in pair.ratios.items()]
        with self._path.open("ab+") as file:
            torn = file.tell() > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
            file.write(b"\n" * torn + json.dumps({"key": key, "ratios": ratios}).encode() + b"\n")


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
        for side, fault in ((self.head, FAILED), (self.base, MISSING)):
            if what not in side.cells:
                others = {line for of_process in side.cells for line in of_process}
                if set(what) & others:
                    return Held(what, fault=MISSING, reason=f"{side.name} has other cells in the same process")
                return Held(what, fault=fault, reason=f"{side.name} has no such cell")
        return Held(what, self.kept.of(self.kept.key(self.base, self.head, what)))

    def _measure(self, one: Held, n: int) -> None:
        key = self.kept.key(self.base, self.head, one.what)
        while len(one.pairs) < n:
            pair = pairs.run(self.base, self.head, one.what, len(one.pairs), self.timeout_s)
            if pair.failed:
                one.fault = MISSING if pair.side == "base" else FAILED
                one.reason = pair.failed
                return
            one.pairs.append(pair)
            self.kept.add(key, pair)


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
    descriptor = os.open(LOCK, os.O_CREAT | os.O_RDONLY | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "rb") as file:
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
