"""From two contestants to verdicts: pairs of processes for every cell, until each is decided or the cap is reached."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.gate import pairs
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import ACCURACY, FIGURES, Measured
from benchmarks.gate.kept import Kept
from benchmarks.gate.pairs import Due, Pair, Where
from benchmarks.gate.sequential import UNDECIDED, Judgement, Plan, judge, settled
from datasets.errors import InputError

FAILED, MISSING = "failed", "missing"
"""What stands for a verdict where head's process fails, and where base has no such cell or its process fails."""
CHANCE = "by chance"
"""The verdict on an accuracy that differs so much from seed to seed that nothing can be held to it."""
MOST_SPREAD = 0.25
"""Of base's accuracy over seeds, its standard deviation as a part of its mean: beyond it is a figure of chance."""
LOCK = Path("/tmp/recallbench-gate.lock")  # noqa: S108 - one for all users, and never written to


@dataclass
class Held:
    """A process's cells, and what is known of them.

    Attributes:
        what: the lines of the cells.
        kind: of the cells, a key of `figures.OF_KIND`.
        pairs: what the pairs of processes came to.
        judgements: the line of a cell and a figure -> what it is judged to be.
        fault: FAILED or MISSING where it cannot be compared.
        reason: why, in a sentence.
    """

    what: tuple[str, ...]
    kind: str = ""
    pairs: list[Pair] = field(default_factory=list)
    judgements: dict[tuple[str, str], Judgement] = field(default_factory=dict)
    fault: str = ""
    reason: str = ""

    @property
    def is_open(self) -> bool:
        undecided = any(each.verdict == UNDECIDED for each in self.judgements.values())
        return not self.fault and (undecided or not self.judgements)

    @property
    def is_settled(self) -> bool:
        """Whether the first pair has said all, so that no other is needed."""
        return bool(self.pairs) and self.pairs[0].is_settled

    @property
    def skipped(self) -> list[str]:
        """The cells that neither side has measured, though its process has run: benchmarks may skip themselves."""
        measured = {cell for cell, _ in self.judgements}
        return [line for line in self.what if line not in measured] if self.pairs else []

    def judge(self, n: int, plan: Plan) -> None:
        """Looks at the first n pairs: those that were measured for a later look are not looked at before it."""
        of_place = zip(*(pair.measured for pair in self.pairs[:n]), strict=True)
        for seen in of_place:
            first = seen[0]
            before = self.judgements.get(first.place)
            if before is not None and before.verdict != UNDECIDED:
                continue
            self.judgements[first.place] = judged(seen, plan)

    def note(self, place: tuple[str, str]) -> str:
        """What is to be said beside a figure."""
        return next((one.note for one in self.pairs[0].measured if one.place == place), "") if self.pairs else ""


def judged(seen: Sequence[Measured], plan: Plan) -> Judgement:
    """What the pairs say of a figure, one or more of them."""
    first = seen[0]
    if first.is_settled:
        return settled(first.ratio)
    if first.figure == ACCURACY and _is_chance([one.base for one in seen]):
        return Judgement(CHANCE, 1.0, 1.0, 1.0, len(seen))
    return judge([one.ratio for one in seen], plan, FIGURES[first.figure].margins)


def _is_chance(values: list[float]) -> bool:
    return bool(np.std(values, ddof=1) > MOST_SPREAD * abs(np.mean(values)))


@dataclass(frozen=True)
class Gate:
    """What is compared, and how.

    Attributes:
        base: the side whose figures are 1.
        head: the side that is judged.
        plan: when is looked, and how much worse is too much.
        kept: the pairs that were measured before; new ones are added.
        where: processes run.
    """

    base: Contestant
    head: Contestant
    plan: Plan
    kept: Kept
    where: Where

    def hold(self, said: Callable[[Held], None]) -> list[Held]:
        """Measures until every cell is decided, or has as many pairs as are allowed.

        Args:
            said: is told a process's cells when the first pair is measured, all for the next look are, or one fails.
        """
        held = {what: self._begun(what) for what in dict.fromkeys((*self.base.cells, *self.head.cells))}
        for n in self.plan.looks:
            for enough in (1, n):  # where the first pair says all, no other is begun
                self._measure(held, enough, said)
            for one in held.values():
                if one.is_open:
                    one.judge(n, self.plan)
        return list(held.values())

    def _begun(self, what: tuple[str, ...]) -> Held:
        for side, fault in ((self.head, FAILED), (self.base, MISSING)):
            if what not in side.cells:
                others = {line for of_process in side.cells for line in of_process}
                if set(what) & others:
                    return Held(what, fault=MISSING, reason=f"{side.name} has other cells in the same process")
                return Held(what, fault=fault, reason=f"{side.name} has no such cell")
        kind = self.base.cells[what]["kind"]
        return Held(what, kind, self.kept.of(self.kept.key(self.base, self.head, what)))

    def _measure(self, held: Mapping[tuple[str, ...], Held], n: int, said: Callable[[Held], None]) -> None:
        """Pairs of all that is open, up to that number; each is taken in after those before it."""
        due = (
            Due(one.what, number, (self.head,))
            for one in held.values()
            for number in range(len(one.pairs), n)
            if one.is_open and not one.is_settled
        )
        early: dict[tuple[str, ...], dict[int, Pair]] = defaultdict(dict)
        for of, (pair,) in pairs.run(self.base, due, self.where):
            one, waiting = held[of.what], early[of.what]
            waiting[of.number] = pair
            while not one.fault and len(one.pairs) in waiting:
                self._take(one, waiting.pop(len(one.pairs)))
                if one.fault or one.is_settled or len(one.pairs) == n:
                    said(one)

    def _take(self, one: Held, pair: Pair) -> None:
        if pair.failed:
            one.fault = MISSING if pair.side == "base" else FAILED
            one.reason = pair.failed
            return
        one.pairs.append(pair)
        self.kept.add(self.kept.key(self.base, self.head, one.what), pair)


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
