"""How often a gate is wrong on this machine: the same code twice, and with planted slow-downs and losses.

Rounds are measured, in each of which every process of the suite runs once as it is, once more as it is, and once with
each plant, all by turns. Of each figure the pairs with the first are a stream, from which comparisons are taken one
after the other, each as a gate takes it: it looks, and goes on until it is decided or at the cap. What the stream ends
in the middle of does not count.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
from scipy import stats

from benchmarks.gate import contestants, pairs
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import FIGURES, Measured
from benchmarks.gate.kept import Kept
from benchmarks.gate.pairs import Pair
from benchmarks.gate.plants import DUE, ELSEWHERE, NOTHING, PLANTS, Plant
from benchmarks.gate.sequential import IMPROVED, REGRESSED, UNDECIDED, Judgement, Plan, judge, settled
from benchmarks.harness import environment
from benchmarks.harness.groups import TURNS
from datasets import durable

PLANT_OF = {plant.name: plant for plant in PLANTS}
Said: TypeAlias = Callable[[int, tuple[str, ...], Sequence[str]], None]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one cell, base against what was planted, decided as a gate decides it.

    Attributes:
        plant: its name.
        place: whether the plant has to show in this figure; see `plants.Plant.place`.
        pairs: of processes that it took.
    """

    plant: str
    cell: str
    figure: str
    place: str
    verdict: str
    ratio: float
    pairs: int
    machine: str
    commit: str | None


@contextlib.contextmanager
def planted(plan: Callable[[Contestant], Contestant], chosen: Sequence[Plant] = PLANTS) -> Iterator[list[Contestant]]:
    """The last commit as it is, and once with each plant, in worktrees that are removed again.

    Args:
        plan: gives base its cells, which are those of all: no plant changes what there is to do.
        chosen: what is planted.
    """
    with contextlib.ExitStack() as stack:
        trees = [stack.enter_context(contestants.tree("HEAD", f"proof-{n}"))[1] for n in range(len(chosen) + 1)]
        base = plan(Contestant("base", trees[0], contestants.python_of(None)))
        for plant, root in zip(chosen, trees[1:], strict=True):
            for edit in plant.edits:
                edit.apply(root)
        heads = (
            Contestant(plant.name, root, base.python, base.cells) for plant, root in zip(chosen, trees[1:], strict=True)
        )
        yield [base, *heads]


def measure(
    sides: Sequence[Contestant], kept: Kept, rounds: int, timeout_s: float, said: Said
) -> dict[tuple[str, tuple[str, ...]], list[Pair]]:
    """The pairs of each plant and process, those that are kept among them.

    Args:
        sides: as `planted` gives them, base first.
        kept: pairs that were measured before; new ones are added.
        rounds: that are measured in all.
        timeout_s: seconds that a process may take to get ready, for a turn or to end.
        said: is told the number of each round, the process that has been measured in it, and what of it has failed.
    """
    base, *heads = sides
    keys = {(head.name, what): kept.key(base, head, what) for head in heads for what in base.cells}
    streams = {of: kept.of(key) for of, key in keys.items()}
    for number in range(rounds):
        for what, job in base.cells.items():
            due = [
                head for head in heads if len(streams[head.name, what]) <= number and _is_run(head.name, job["kind"])
            ]
            if not due:
                continue
            made = pairs.run(base, due, what, number, timeout_s)
            for head, pair in zip(due, made, strict=True):
                if not pair.failed:
                    streams[head.name, what].append(pair)
                    kept.add(keys[head.name, what], pair)
            said(number + 1, what, [pair.failed for pair in made if pair.failed])
    return streams


def _is_run(plant: str, kind: str) -> bool:
    """What a plant does not touch is not measured with it: it would be the same code once more."""
    return kind in TURNS or not PLANT_OF[plant].is_of_windows


def comparisons(streams: dict[tuple[str, tuple[str, ...]], list[Pair]], plan: Plan) -> Iterator[Comparison]:
    """What gates would have said of each stream, one after the other."""
    commit, _ = environment.commit()
    for (name, _), stream in streams.items():
        for seen in zip(*(pair.measured for pair in stream), strict=True):
            cell, figure = seen[0].place
            for judged in _judged(seen, plan):
                yield Comparison(
                    plant=name, cell=cell, figure=figure, place=PLANT_OF[name].place(cell, figure),
                    verdict=judged.verdict, ratio=judged.ratio, pairs=judged.n,
                    machine=environment.machine().id, commit=commit,
                )  # fmt: skip


def _judged(seen: Sequence[Measured], plan: Plan) -> Iterator[Judgement]:
    start = 0
    while start < len(seen):
        if seen[start].is_settled:
            judged = settled(seen[start].ratio)
        else:
            found = _decided([one.ratio for one in seen[start : start + plan.most]], plan, seen[0].figure)
            if found is None:
                return
            judged = found
        yield judged
        start += judged.n


def _decided(ratios: Sequence[float], plan: Plan, figure: str) -> Judgement | None:
    """The judgement at which a gate stops; None where the stream ends before it does."""
    for n in plan.looks:
        if n > len(ratios):
            return None
        judged = judge(ratios[:n], plan, FIGURES[figure].margins)
        if judged.verdict != UNDECIDED or n == plan.most:
            return judged
    return None


@dataclasses.dataclass(frozen=True)
class Rate:
    """How often something is said, with the 95 % interval of Clopper and Pearson."""

    name: str
    n: int
    said: int

    @property
    def interval(self) -> tuple[float, float]:
        if not self.n:
            return 0.0, 1.0
        found = stats.binomtest(self.said, self.n).proportion_ci()
        return float(found.low), float(found.high)


def rates(found: Sequence[Comparison]) -> list[Rate]:
    """Of the same code twice how often anything is called better or worse; of each plant how often it is found.

    What a plant does to the other figures of the cells that it touches, as half the probes make a search faster, is
    neither.
    """
    alike = [one for one in found if one.plant == NOTHING]
    made = [Rate("false alarms", len(alike), sum(one.verdict in {REGRESSED, IMPROVED} for one in alike))]
    for plant in PLANTS[1:]:
        for place, what in ((DUE, "found"), (ELSEWHERE, "said of what it does not touch")):
            own = [one.verdict for one in found if (one.plant, one.place) == (plant.name, place)]
            made += [Rate(f"{plant.name}: {what}", len(own), own.count(REGRESSED))] if own else []
    return made


def write(path: Path, found: Sequence[Comparison]) -> list[Comparison]:
    """Adds comparisons to those of other commits and machines in a file, in place of the older ones of this one."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    before = [msgspec.json.decode(line, type=Comparison) for line in lines]
    own = {(one.machine, one.commit) for one in found}
    everything = [one for one in before if (one.machine, one.commit) not in own] + list(found)
    with durable.replacing(path) as partial:
        partial.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in everything))
    return everything


def lines(found: Sequence[Comparison]) -> list[str]:
    """How often what is said, a line each."""
    said = []
    for rate in rates(found):
        low, high = rate.interval
        said.append(f"{rate.name}: {rate.said} of {rate.n} ({low:.1%} – {high:.1%})")
    return said
