"""Which index to take for given needs, from measured records alone: no figure but bytes is carried to another size."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.harness import mixture
from benchmarks.records import AnyRecord, Machine
from reports.tables.answers import (
    FASTEST,
    FASTEST_ALL,
    LEVEL,
    RECALL_LEVELS,
    Lead,
    Question,
    best,
    lead,
    reaching,
    runner_up,
)
from reports.tables.frame import frame_of
from reports.tables.readable import without_folders
from reports.tables.records import grouped, prepare
from reports.tables.retrieval import IndexRow, IndexTable, index_tables

RECOMMENDED = "recommended"
NOTHING_FITS = "nothing fits"
CANNOT_TELL = "cannot tell"
FAR_ITEMS, FAR_DIM = 10, 2
"""What was measured at more than so many times, or less than such a part of, the items or dimensions says nothing."""


@dataclass(frozen=True)
class Needs:
    """What the index has to do; a limit that is None does not count. Latency is the p95 of single queries."""

    recall: float
    n_items: int
    dim: int
    memory_bytes: float | None = None
    build_s: float | None = None
    latency_s: float | None = None
    all_threads: bool = False

    @property
    def question(self) -> Question:
        return FASTEST_ALL if self.all_threads else FASTEST


@dataclass(frozen=True)
class Measured:
    """One set of vectors with its indexes, the machine on which they were timed, and how late their last record is.

    `place` counts the records of all folders, in the order in which the folders were named and their files are written.
    """

    table: IndexTable
    machine: Machine
    place: int

    @property
    def latest_run(self) -> str:
        return max(row.run_id for row in self.table.rows)


@dataclass(frozen=True)
class Unmet:
    """A need that a row does not meet; `found` is None where it was not measured, `factor` says how far it is off."""

    need: str
    wanted: float
    found: float | None
    factor: float


@dataclass(frozen=True)
class Candidate:
    """A measured row with the bytes that it would take at the size asked for, and what it does not meet."""

    row: IndexRow
    n_bytes: float | None
    unmet: tuple[Unmet, ...]


@dataclass(frozen=True)
class Relaxed:
    """What would be fastest if one need gave way to `value`, and how many times as fast as the choice."""

    need: str
    value: float
    candidate: Candidate
    lead: Lead


@dataclass(frozen=True)
class Advice:
    """The answer to some needs.

    Where something is recommended, `choice` is it; where nothing fits, `choice` is the nearest miss. `measured` is
    what the answer rests on, or what is nearest where that is too far away; None where nothing was measured.
    `candidates` are all settings that were measured there.
    `n_same` of `n_alike` further sets of vectors of that size and machine have the same index as their fastest.
    """

    needs: Needs
    outcome: str
    measured: Measured | None
    choice: Candidate | None = None
    runner_up: Candidate | None = None
    lead: Lead | None = None
    relaxed: tuple[Relaxed, ...] = ()
    n_same: int = 0
    n_alike: int = 0
    candidates: tuple[Candidate, ...] = ()


def measured(folders: Iterable[Sequence[AnyRecord]]) -> tuple[Measured, ...]:
    """Every set of vectors of some results folders, machine by machine; of two versions of the data the newest counts.

    Of the records of one cell that of the folder that was named last counts: a clock may go back.

    Raises:
        InputError: the records of one folder and machine cannot stand in one leaderboard.
    """
    kept = [without_folders(list(records)) for records in folders]
    last = {_key(record): place for place, records in enumerate(kept) for record in records}
    places = {_key(record): n for n, record in enumerate(record for records in kept for record in records)}
    found = []
    for place, records in enumerate(kept):
        own = [record for record in records if last[_key(record)] == place]
        for _, of_machine in sorted(grouped(own, lambda record: record.machine.id).items()):
            newest, _ = mixture.newest(sorted(of_machine, key=lambda record: places[_key(record)]))
            machine = newest[0].machine
            for table in index_tables(frame_of(prepare(newest), {})):
                at = max(places[machine.id, row.cell] for row in table.rows)
                found.append(Measured(table, machine, at))
    return tuple(found)


def advise(known: Iterable[Measured], needs: Needs) -> Advice:
    """The fastest measured index that meets the needs, of the set of vectors nearest in size, and what it costs."""
    usable = [one for one in known if _is_usable(one.table, needs)]
    if not usable:
        return Advice(needs, CANNOT_TELL, None)
    # Only what is near may decide; what is nearest of all is named where nothing is.
    nearest = _nearest([one for one in usable if _is_near(one.table, needs)] or usable, needs)
    if not _is_near(nearest.table, needs):
        return Advice(needs, CANNOT_TELL, nearest)
    candidates = _candidates(nearest.table, needs)
    choice = _nearest_fit(candidates, needs)
    if choice.unmet:
        return Advice(needs, NOTHING_FITS, nearest, choice, candidates=tuple(candidates))
    second = runner_up([c.row for c in candidates if not c.unmet], choice.row, needs.question)
    alike = [one for one in usable if one is not nearest and _same_size(one, nearest)]
    best_there = [_nearest_fit(_candidates(one.table, needs), needs) for one in alike]
    return Advice(
        needs,
        RECOMMENDED,
        nearest,
        choice,
        next((c for c in candidates if second and c.row is second), None),
        lead(choice.row, second, needs.question) if second else None,
        tuple(_relaxed(candidates, choice, needs)),
        n_same=sum(not c.unmet and c.row.name == choice.row.name for c in best_there),
        n_alike=len(alike),
        candidates=tuple(candidates),
    )


def of_each_index(advice: Advice) -> list[Candidate]:
    """The fastest setting of each index that meets the needs, else its nearest miss; what is fit and fast first."""
    by_name = grouped(advice.candidates, lambda candidate: candidate.row.name)
    found = [_nearest_fit(of_one, advice.needs) for of_one in by_name.values()]
    return sorted(found, key=lambda c: (len(c.unmet), -statistics.median(advice.needs.question.samples(c.row))))


def factors(table: IndexTable, needs: Needs) -> tuple[float, float]:
    """How many times the measured items, and the measured dimensions, are asked for."""
    return needs.n_items / (table.n_items or math.nan), needs.dim / (table.dim or math.nan)


def _key(record: AnyRecord) -> tuple[str, str]:
    return record.machine.id, record.cell


def _is_usable(table: IndexTable, needs: Needs) -> bool:
    """Its size is known, a user is one vector, and rates were taken at the threads asked for."""
    one_thread = needs.all_threads or table.search_threads == 1
    one_vector = (table.n_interests or 1) == 1
    timed = any(needs.question.samples(row) for row in reaching(table.rows, 0))
    return bool(table.n_items and table.dim and one_thread and one_vector and timed)


def _is_near(table: IndexTable, needs: Needs) -> bool:
    items, dim = factors(table, needs)
    return max(items, 1 / items) <= FAR_ITEMS and max(dim, 1 / dim) <= FAR_DIM


def _nearest(known: Sequence[Measured], needs: Needs) -> Measured:
    """By the logarithms of items and dimensions; of equally near ones that of most indexes, then the last recorded."""

    def distance(one: Measured) -> tuple[float, int]:
        far = sum(abs(math.log(factor)) for factor in factors(one.table, needs))
        return far, -len({row.name for row in reaching(one.table.rows, 0)})

    return min(sorted(known, key=lambda one: one.place, reverse=True), key=distance)


def _same_size(one: Measured, other: Measured) -> bool:
    sizes = [(m.machine.id, m.table.n_items, m.table.dim) for m in (one, other)]
    return sizes[0] == sizes[1]


def _candidates(table: IndexTable, needs: Needs) -> list[Candidate]:
    return [_candidate(row, table, needs) for row in reaching(table.rows, 0) if needs.question.samples(row)]


def _candidate(row: IndexRow, table: IndexTable, needs: Needs) -> Candidate:
    # A process that has loaded the file holds as much or more, if its growth could be measured at all.
    known = [n_bytes for n_bytes in (row.index_bytes, row.resident_bytes) if n_bytes is not None]
    size = (table.n_items or 0) * (table.dim or 0)
    n_bytes = max(known) * needs.n_items * needs.dim / size if known else None
    unmet = []
    if row.recall is None or row.recall < needs.recall:
        unmet.append(Unmet("recall", needs.recall, row.recall, needs.recall / row.recall if row.recall else math.inf))
    limits = (
        ("memory", needs.memory_bytes, n_bytes),
        ("build time", needs.build_s, row.build_s),
        ("latency", needs.latency_s, row.p95_s),
    )
    for need, limit, found in limits:
        if limit is not None and (found is None or found > limit):
            unmet.append(Unmet(need, limit, found, math.inf if found is None else found / limit))
    return Candidate(row, n_bytes, tuple(unmet))


def _fastest(candidates: Sequence[Candidate], needs: Needs) -> Candidate | None:
    winner = best((candidate.row for candidate in candidates), needs.question)
    return next((candidate for candidate in candidates if candidate.row is winner), None)


def _nearest_fit(candidates: Sequence[Candidate], needs: Needs) -> Candidate:
    """The fewest unmet needs, best none, then the least by which they are missed, then the fastest."""

    def missed_by(candidate: Candidate) -> tuple[int, float]:
        return len(candidate.unmet), math.prod(unmet.factor for unmet in candidate.unmet)

    least = min(map(missed_by, candidates))
    fastest = _fastest([candidate for candidate in candidates if missed_by(candidate) == least], needs)
    assert fastest is not None  # noqa: S101 - all candidates are timed
    return fastest


def _relaxed(candidates: Sequence[Candidate], choice: Candidate, needs: Needs) -> Iterable[Relaxed]:
    """For each need the fastest row that misses it alone, and the recall only to the next level below."""
    lower = max((level for level in RECALL_LEVELS if level < needs.recall), default=None)
    for need in ("recall", "memory", "build time", "latency"):
        missing = [c for c in candidates if [unmet.need for unmet in c.unmet] == [need]]
        if need == "recall":
            missing = [c for c in missing if lower is not None and c.row.recall is not None and c.row.recall >= lower]
        gained = _fastest([c for c in missing if c.unmet[0].found is not None], needs)
        if gained is None:
            continue
        won_by = lead(gained.row, choice.row, needs.question)
        if won_by.ratio and won_by.ratio.median > 1 and won_by.verdict != LEVEL:
            found = gained.unmet[0].found or 0.0
            yield Relaxed(need, lower if need == "recall" and lower else found, gained, won_by)
