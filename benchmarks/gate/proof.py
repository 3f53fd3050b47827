"""How often a gate is wrong on this machine: the same code twice, and with planted slow-downs and losses.

Rounds are measured, in each of which every process of the suite runs once as it is, once more as it is, and once with
each plant, all by turns. Of each figure the pairs with the first are a stream, from which comparisons are taken one
after the other, each as a gate takes it: it looks, and goes on until it is decided or at the cap. What the stream ends
in the middle of does not count.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import TypeAlias

import msgspec
from scipy import stats

from benchmarks.gate import contestants, pairs
from benchmarks.gate.contestants import Contestant
from benchmarks.gate.figures import Measured
from benchmarks.gate.holding import CHANCE, judged
from benchmarks.gate.kept import Kept
from benchmarks.gate.pairs import Due, Pair, Where
from benchmarks.gate.plants import DUE, ELSEWHERE, NOTHING, PLANTS, Plant
from benchmarks.gate.sequential import IMPROVED, REGRESSED, SAME, UNDECIDED, Judgement, Plan
from datasets import durable
from datasets.errors import InputError

FILE = "comparisons.jsonl"
PLANT_OF = {plant.name: plant for plant in PLANTS}
OF_WINDOWS = frozenset({"throughput", "index"})
"""Kinds of cells that are timed in windows, which plants make longer."""
MOST_SETTLED = 4
"""Rounds in which is measured what one pair settles, such as trainings that learn the same bits."""
BUSY = 0.5
"""Processors that others keep busy meanwhile, from which on a machine is called busy: of two, a quarter."""
Said: TypeAlias = Callable[[int, tuple[str, ...], Sequence[str]], None]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one cell, base against what was planted, decided as a gate decides it.

    Attributes:
        plant: its name.
        suite: whose cell it is.
        place: whether the plant has to show in this figure; see `plants.Plant.place`.
        pairs: of processes that it took.
        load: processors that others kept busy meanwhile, on average over the pairs; None of what takes no turns.
        seconds: that a pair took on average, shared out evenly over the cells of its processes.
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
    load: float | None = None
    seconds: float | None = None
    suite: str = "gate"

    @property
    def is_busy(self) -> bool:
        return self.load is not None and self.load >= BUSY


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
    sides: Sequence[Contestant], kept: Kept, rounds: int, where: Where, said: Said
) -> dict[tuple[str, tuple[str, ...]], list[Pair]]:
    """The pairs of each plant and process, those that are kept among them.

    Args:
        sides: as `planted` gives them, base first.
        kept: pairs that were measured before; new ones are added.
        rounds: that are measured in all.
        where: processes run.
        said: is told the number of each round, the process that has been measured in it, and what of it has failed.
    """
    base, *heads = sides
    keys = {(head.name, what): kept.key(base, head, what) for head in heads for what in base.cells}
    streams = {of: kept.of(key) for of, key in keys.items()}

    def due() -> Iterator[Due]:
        for number, (what, job) in itertools.product(range(rounds), base.cells.items()):
            wanted = (head for head in heads if _is_run(head.name, job["kind"]))
            lacking = [head for head in wanted if _lacks(streams[head.name, what], number)]
            if lacking:
                yield Due(what, number, tuple(lacking))

    for one, made in pairs.run(base, due(), where):
        for head, pair in zip(one.heads, made, strict=True):
            if not pair.failed:
                insort(streams[head.name, one.what], pair, key=lambda pair: pair.number)
                kept.add(keys[head.name, one.what], pair)
        said(one.number + 1, one.what, [pair.failed for pair in made if pair.failed])
    return streams


def _is_run(plant: str, kind: str) -> bool:
    """What a plant does not touch is not measured with it: it would be the same code once more."""
    return kind in OF_WINDOWS or not PLANT_OF[plant].is_of_windows


def _lacks(stream: Sequence[Pair], number: int) -> bool:
    """Whether the pair of that number is to be measured; what one settles is settled alike by a few other seeds."""
    is_known = len(stream) >= MOST_SETTLED and all(pair.is_settled for pair in stream)
    return not is_known and all(pair.number != number for pair in stream)


def comparisons(
    streams: dict[tuple[str, tuple[str, ...]], list[Pair]], plan: Plan, *, suite: str, machine: str, commit: str | None
) -> Iterator[Comparison]:
    """What gates would have said of each stream, one after the other.

    Args:
        streams: as `measure` gives them.
        plan: of a gate of the suite.
        suite: of the cells.
        machine: that they were measured on.
        commit: that was planted.
    """
    for (name, _), stream in streams.items():
        of_figures = list(zip(*(pair.measured for pair in stream), strict=True))
        n_cells = len({seen[0].cell for seen in of_figures})
        for seen in of_figures:
            cell, figure = seen[0].place
            start = 0
            for found in _judged(seen, plan):
                took = stream[start : start + found.n]
                start += found.n
                loads = [pair.load for pair in took if pair.load is not None]
                yield Comparison(
                    plant=name, cell=cell, figure=figure, place=PLANT_OF[name].place(cell, figure),
                    verdict=found.verdict, ratio=found.ratio, pairs=found.n,
                    load=mean(loads) if loads else None,
                    seconds=round(mean(pair.seconds for pair in took) / n_cells, 1),
                    suite=suite, machine=machine, commit=commit,
                )  # fmt: skip


def _judged(seen: Sequence[Measured], plan: Plan) -> Iterator[Judgement]:
    start = 0
    while start < len(seen):
        found = _decided(seen[start : start + plan.most], plan)
        if found is None:
            return
        yield found
        start += found.n


def _decided(seen: Sequence[Measured], plan: Plan) -> Judgement | None:
    """The judgement at which a gate stops; None where the stream ends before it does."""
    if seen[0].is_settled:
        return judged(seen[:1], plan)
    for n in plan.looks:
        if n > len(seen):
            return None
        found = judged(seen[:n], plan)
        if found.verdict != UNDECIDED or n == plan.most:
            return found
    return None


@dataclasses.dataclass(frozen=True)
class Rate:
    """How often something is said of what is planted, with the 95 % interval of Clopper and Pearson.

    Attributes:
        plant: its name.
        place: DUE, where it has to be found; ELSEWHERE, where nothing is to be said.
        n: comparisons.
        said: of them those that called it so.
        undecided: of them those that had come to the cap.
        pairs: that each took.
    """

    plant: str
    place: str
    n: int
    said: int
    undecided: int = 0
    pairs: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        if self.plant == NOTHING:
            return "false alarms"
        return f"{self.plant}: {'found' if self.place == DUE else 'said of what it does not touch'}"

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
    made = [_rate(found, NOTHING, ELSEWHERE)]
    for plant in PLANTS[1:]:
        of_places = (_rate(found, plant.name, place) for place in (DUE, ELSEWHERE))
        made += [rate for rate in of_places if rate.n]
    return made


def _rate(found: Sequence[Comparison], plant: str, place: str) -> Rate:
    """Where something is due it is to be found; where nothing is, to be called better is as wrong as worse.

    There, what is the same to the last bit is not counted, in which chance has no part, nor what is not held at all.
    """
    is_counted = dict.fromkeys((SAME, CHANCE), place == DUE)
    own = [one for one in found if (one.plant, one.place) == (plant, place) and is_counted.get(one.verdict, True)]
    wrong = {REGRESSED} if place == DUE else {REGRESSED, IMPROVED}
    return Rate(
        plant, place, len(own), sum(one.verdict in wrong for one in own),
        sum(one.verdict == UNDECIDED for one in own), tuple(one.pairs for one in own),
    )  # fmt: skip


def read(path: Path) -> list[Comparison]:
    """The comparisons of a file, none where there is none.

    Raises:
        InputError: a line is no comparison.
    """
    found = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else [], 1):
        try:
            found.append(msgspec.json.decode(line, type=Comparison))
        except msgspec.MsgspecError as error:
            raise InputError(
                f"{path}, line {number} is no comparison of a gate ({error}); mend or delete it."
            ) from error
    return found


def write(path: Path, found: Sequence[Comparison]) -> list[Comparison]:
    """Adds comparisons to a file, in place of older ones of the same plant, cell, suite, machine and commit.

    What was measured while the machine was busy stands beside what was not.
    """
    own = {_origin(one) for one in found}
    everything = [one for one in read(path) if _origin(one) not in own] + list(found)
    with durable.replacing(path) as partial:
        partial.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in everything))
    return everything


def _origin(one: Comparison) -> tuple[str | bool | None, ...]:
    return one.plant, one.suite, one.cell, one.machine, one.commit, one.is_busy


def lines(found: Sequence[Comparison]) -> list[str]:
    """How often what is said, a line each; of a machine that was busy with something else for itself."""
    quiet, busy = ([one for one in found if one.is_busy is is_busy] for is_busy in (False, True))
    said = [_line(rate) for rate in rates(quiet)]
    return said + [f"on a busy machine, {_line(rate)}" for rate in rates(busy) if busy]


def _line(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.name}: {rate.said} of {rate.n} ({low:.1%} – {high:.1%}), {rate.undecided} undecided"
