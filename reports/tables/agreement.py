"""What the ladder found: how far each adapter climbs, how far from the reference it is, and which bugs were caught."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.agreement import INJECTED
from benchmarks.agreement.verdict import EXCUSED, said
from reports.tables.records import Record, grouped


@dataclass(frozen=True)
class LadderRow:
    """One adapter in one form and mode over all of its climbs: other seeds, other numbers of threads, once more.

    Attributes:
        failed: in words, climbs that did not end: "failed", or "2 of 5 climbs failed"; "" where all did.
        excused: whether it did not climb because it cannot be run.
        n_climbs: how often it climbed; what follows is of the climb that broke first, or went furthest off.
        n_rungs, highest: rungs that hold, and the last of them.
        broken: the first rung that does not hold, None where all do.
        difference, tolerance, where: of the rung that broke.
        shares: rung -> the largest difference over its tolerance, infinite where it broke.
        divergence: the largest difference of the loss up to each step, relative; infinite where it is not finite.
    """

    model: str
    variant: str
    backend: str
    mode: str
    device: str
    dataset: str
    failed: str
    excused: bool
    n_climbs: int
    n_rungs: int
    highest: str
    broken: str | None
    difference: float | None
    tolerance: float | None
    where: str
    shares: tuple[tuple[str, float], ...]
    divergence: tuple[float, ...]

    @property
    def holds(self) -> bool:
        """Whether every climb came to its end, and held on each rung."""
        return self.broken is None and not self.failed


@dataclass(frozen=True)
class RungRow:
    """The differences of one rung over all climbs that held on it."""

    rung: str
    tolerance: float
    n_climbs: int
    median: float
    high: float  # 95 % of the climbs are below it
    largest: float


@dataclass(frozen=True)
class BitRow:
    """Of how many trainings of a framework and mode all losses and parameters came out the same, bit for bit."""

    backend: str
    mode: str
    device: str
    n_repeated: int
    n_same_again: int
    n_rethreaded: int
    n_same_threaded: int


@dataclass(frozen=True)
class KillRow:
    """How many of the bugs injected into one adapter the ladder caught; `survivors` are the names of the others.

    `failed` says why none were injected: then nobody knows what the ladder would have caught.
    """

    model: str
    backend: str
    n_injected: int
    n_caught: int
    survivors: tuple[str, ...]
    failed: str = ""


@dataclass(frozen=True)
class BugRow:
    """One injected bug: the rung that must catch it, the rungs that did, by framework, and where it has been seen."""

    model: str
    bug: str
    due: str
    broke: tuple[tuple[str, str], ...]
    seen: tuple[str, ...]


def ladder_rows(records: Sequence[Record]) -> tuple[LadderRow, ...]:
    """One row for each adapter, form and mode that climbed, or was to."""
    tried = [r for r in records if r["kind"] == "agreement" and (r["rungs"] or _is_lost(r)) and not _is_injected(r)]
    return tuple(_ladder_row(climbs) for _, climbs in grouped(tried, _adapter))


def count(rows: Sequence[LadderRow]) -> tuple[int, int, str]:
    """How many adapters hold, of how many that can be run, and in words how many did not come to their end."""
    able = [row for row in rows if not row.excused]
    n_failed = sum(bool(row.failed) for row in able)
    return sum(row.holds for row in able), len(able), f"{n_failed} failed" if n_failed else ""


def _climbs(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record["kind"] == "agreement" and record["rungs"]]


def _is_lost(record: Record) -> bool:
    return bool(record["status"] != "ok")


def _is_injected(record: Record) -> bool:
    """Whether bugs were injected, or were to be; a cell that failed has only its name to tell."""
    return bool(record["variant"] == INJECTED or record["settings"].get("bugs"))


def _adapter(record: Record) -> tuple[str, ...]:
    return tuple(record[name] for name in ("dataset", "model", "variant", "backend", "mode", "device"))


def _ladder_row(tried: Sequence[Record]) -> LadderRow:
    lost = [record for record in tried if _is_lost(record)]
    climbs = [record for record in tried if record["rungs"]]
    # Who never climbed has no rungs: what is said of it is that.
    worst = min(climbs or lost, key=lambda record: sum(rung["holds"] for rung in record["rungs"]))
    held = [rung for rung in worst["rungs"] if rung["holds"]]
    broken = next((rung for rung in worst["rungs"] if not rung["holds"]), None)
    divergence = [_so_far(record["divergence"]) for record in climbs if record.get("divergence")]
    n_steps = min(map(len, divergence), default=0)
    return LadderRow(
        **{name: worst[name] for name in ("model", "variant", "backend", "mode", "device", "dataset")},
        failed=_lost_in_words(lost, len(tried)),
        excused=not climbs and all(record["status"] in EXCUSED for record in lost),
        n_climbs=len(climbs),
        n_rungs=len(held),
        highest=held[-1]["rung"] if held else "",
        broken=broken["rung"] if broken else None,
        difference=broken["difference"] if broken else None,
        tolerance=broken["tolerance"] if broken else None,
        where=broken["where"] if broken else "",
        shares=_shares(climbs),
        divergence=tuple(np.max([steps[:n_steps] for steps in divergence], axis=0).tolist() if divergence else ()),
    )


def _lost_in_words(lost: Sequence[Record], n_tried: int) -> str:
    how = " and ".join(sorted({said(record["status"]) for record in lost}))
    return how if len(lost) == n_tried else f"{len(lost)} of {n_tried} climbs {how}" if lost else ""


def _so_far(divergence: Sequence[float | None]) -> np.ndarray:
    return np.maximum.accumulate([np.inf if value is None else value for value in divergence])


def _shares(climbs: Sequence[Record]) -> tuple[tuple[str, float], ...]:
    shares: dict[str, float] = {}
    for rung in (rung for record in climbs for rung in record["rungs"]):
        share = (rung["difference"] / rung["tolerance"] if rung["tolerance"] else 0.0) if rung["holds"] else np.inf
        shares[rung["rung"]] = max(share, shares.get(rung["rung"], 0.0))
    return tuple(shares.items())


def rung_rows(records: Sequence[Record]) -> tuple[RungRow, ...]:
    """The distribution of the differences, rung by rung in the order in which they are climbed."""
    of_rung: dict[str, list[Record]] = {}
    for rung in (rung for record in _climbs(records) for rung in record["rungs"] if rung["holds"]):
        of_rung.setdefault(rung["rung"], []).append(rung)
    rows = []
    for name, rungs in of_rung.items():
        median, high, largest = np.quantile([rung["difference"] for rung in rungs], [0.5, 0.95, 1.0]).tolist()
        rows.append(RungRow(name, rungs[-1]["tolerance"], len(rungs), median, high, largest))
    return tuple(rows)


def bit_rows(records: Sequence[Record]) -> tuple[BitRow, ...]:
    """One row a framework, mode and device whose trainings were repeated, or done with several numbers of threads."""
    trained = [record for record in _climbs(records) if record["hashes"].get("trained")]
    rows = []
    for place, of_place in grouped(trained, lambda r: (r["backend"], r["mode"], r["device"])):
        again = _same(of_place, lambda r: (*_adapter(r), r["seed"], r["threads"]))
        threaded = _same(of_place, lambda r: (*_adapter(r), r["seed"]), distinct=lambda r: r["threads"])
        if again or threaded:
            rows.append(BitRow(*place, len(again), sum(again), len(threaded), sum(threaded)))
    return tuple(rows)


def _same(
    records: Sequence[Record],
    key: Callable[[Record], tuple[object, ...]],
    distinct: Callable[[Record], object] = lambda record: record["cell"],
) -> list[bool]:
    """For each group in which several are distinct, whether all came out the same."""
    groups = [of_one for _, of_one in grouped(records, key) if len(set(map(distinct, of_one))) > 1]
    return [len({record["hashes"]["trained"] for record in of_one}) == 1 for of_one in groups]


def kill_rows(records: Sequence[Record]) -> tuple[KillRow, ...]:
    """One row a family and framework that bugs were injected into."""
    rows = []
    for record, bugs in _injected(records):
        survivors = tuple(bug["bug"] for bug in bugs if not bug["caught"])
        rows.append(KillRow(record["model"], record["backend"], len(bugs), len(bugs) - len(survivors), survivors))
    lost = (r for r in records if r["kind"] == "agreement" and _is_lost(r) and _is_injected(r))
    rows += [KillRow(r["model"], r["backend"], 0, 0, (), said(r["status"])) for r in lost]
    return tuple(sorted(rows, key=lambda row: (row.model, row.backend)))


def bug_rows(records: Sequence[Record]) -> tuple[BugRow, ...]:
    """One row a family and bug, over all frameworks in which it was injected."""
    found = [(record["model"], record["backend"], bug) for record, bugs in _injected(records) for bug in bugs]
    rows = []
    for (model, name), same in grouped(found, lambda row: (row[0], row[2]["bug"])):
        broke = tuple(sorted((backend, bug["broke"] or "survived") for _, backend, bug in same))
        first = same[0][2]
        rows.append(BugRow(model, name, first["due"], broke, tuple(first.get("seen", ()))))
    return tuple(rows)


def _injected(records: Sequence[Record]) -> list[tuple[Record, list[Record]]]:
    agreement = (record for record in records if record["kind"] == "agreement")
    return [(record, record["settings"]["bugs"]) for record in agreement if record["settings"].get("bugs")]
