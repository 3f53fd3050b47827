"""What the ladder found: in which climbs adapters hold, how far from the reference they are, which bugs were caught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.agreement import INJECTED
from benchmarks.agreement.verdict import EXCUSED, said
from reports.tables.forming import PLACE, Place, fields_of, objects, rows, tuples, values

_ADAPTER = ["dataset", *PLACE]
_FORM = ["backend", "mode", "device"]
_TRAINED = ("whole", "long")
"""The climbs whose trainings are so long that it is of interest how they drift, step by step."""


@dataclass(frozen=True)
class LadderRow(Place):
    """One adapter in one form and mode over all of its climbs: on all ways, with other seeds and threads, once more.

    Attributes:
        failed: in words, climbs that did not end: "failed", or "2 of 5 climbs failed"; "" where all did.
        unable: in the same words, climbs that cannot be run; they count for nothing else.
        n_climbs, n_held: how often it was to climb, and in how many of these climbs every rung holds.
        climb: the climb that broke first, of several the one that fewest rungs hold in; "" where all hold.
        n_rungs, highest: rungs that hold in it, or in the climb that has most of them, and the last of these rungs.
        broken: the first rung that does not hold, None where all do.
        difference, tolerance, where: of the rung that broke.
        shares: rung -> the largest difference over its tolerance, infinite where it broke.
        divergence: the largest difference of the loss up to each step of the long trainings, relative; infinite where
            it is not finite.
    """

    dataset: str
    failed: str
    unable: str
    n_climbs: int
    n_held: int
    climb: str
    n_rungs: int
    highest: str
    broken: str | None
    difference: float | None
    tolerance: float | None
    where: str
    shares: tuple[tuple[str, float], ...]
    divergence: tuple[float, ...]

    @property
    def excused(self) -> bool:
        """Whether it did not climb because it cannot be run."""
        return not self.n_climbs

    @property
    def holds(self) -> bool:
        """Whether there are climbs, and every one came to its end and held on each rung."""
        return 0 < self.n_climbs == self.n_held


@dataclass(frozen=True)
class ClimbRow:
    """One kind of climb over all adapters and modes that took it: how often, and in how many every rung holds."""

    kind: str
    n_ways: int  # that differ in what is climbed: the model, the variant, or the settings of a climb's own
    n_climbs: int
    n_held: int
    rungs: tuple[str, ...]  # that it has, in order


@dataclass(frozen=True)
class RungRow:
    """The differences of one rung over all climbs that held on it with one tolerance; `kinds` are those of climbs."""

    rung: str
    kinds: tuple[str, ...]
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


def ladder_rows(cells: pd.DataFrame) -> tuple[LadderRow, ...]:
    """One row for each adapter, form and mode that climbed, or was to."""
    tried = _tried(cells)
    if tried.empty:
        return ()
    # Who never climbed has no rungs: what is said of it is that. Where all climbs hold, the longest says how far.
    depth = tried["rungs_held"].where(~tried["held"], -tried["rungs_held"])
    order = ["climbed", "held", "depth", "climb", "cell"]
    worst_first = tried.assign(depth=depth).sort_values(order, ascending=[False, True, True, True, True])
    worst = worst_first.drop_duplicates(_ADAPTER).set_index(_ADAPTER).sort_index()
    steps = _steps(tried)
    highest = steps[steps["holds"]].groupby("cell")["rung"].last().rename("highest")
    broken = steps[~steps["holds"]].rename(columns={"rung": "broken"}).drop_duplicates("cell").set_index("cell")
    found = tried.groupby(_ADAPTER).agg(
        n_climbs=("able", "sum"), n_held=("held", "sum"), divergence=("drift", _divergence)
    )
    made = worst.drop(columns="divergence").join(found).join(highest, on="cell")
    made = made.join(broken.drop(columns="climb"), on="cell")
    made = made.assign(
        failed=_in_words(tried, tried["lost"] & tried["able"]),
        unable=_in_words(tried, tried["lost"] & ~tried["able"]),
        climb=made["climb"].where(made["broken"].notna(), ""),
        n_rungs=made["rungs_held"],
        shares=tuples(_shares(steps), _ADAPTER, made.index),
    ).fillna({"failed": "", "unable": "", "highest": "", "where": ""})
    return rows(made.reset_index(), LadderRow)


def count(ladder: Sequence[LadderRow]) -> tuple[int, int, str]:
    """How many adapters hold, of how many that can be run, and in words how many did not come to their end."""
    able = [row for row in ladder if not row.excused]
    n_failed = sum(bool(row.failed) for row in able)
    return sum(row.holds for row in able), len(able), f"{n_failed} failed" if n_failed else ""


def _is_injected(cells: pd.DataFrame) -> pd.Series:
    """Whether bugs were injected, or were to be; a cell that failed has only its name to tell."""
    return (cells["variant"] == INJECTED) | cells["bugs_injected"].notna()


def _tried(cells: pd.DataFrame) -> pd.DataFrame:
    """All climbs that were to be, those with most rungs first, so that rungs appear in the order of the ladder."""
    cells = cells[(cells["kind"] == "agreement") & ~_is_injected(cells)]
    climbed, lost = cells["rungs"].notna(), cells["status"] != "ok"
    cells = cells.assign(
        drift=cells["divergence"].where(cells["climb"].isin(_TRAINED)),
        climbed=climbed,
        lost=lost,
        able=climbed | ~cells["status"].isin(EXCUSED),
        held=climbed & ~lost & (cells["rungs"] == cells["rungs_held"]).fillna(value=False).astype(bool),
    )
    tried = cells[climbed | lost].fillna({"rungs_held": 0, "rungs": 0})
    return tried.sort_values(["rungs", "climb", "cell"], ascending=[False, True, True])


def _kind(climbs: pd.Series) -> pd.Series:
    """What sort of climb each is: those that differ in their settings alone are numbered, as "pairs 3"."""
    return climbs.str.replace(r"\s+\d+$", "", regex=True)


def _steps(cells: pd.DataFrame) -> pd.DataFrame:
    """A row a rung of each climb, in the order of the cells: rung, holds, difference, tolerance, where, climb, cell."""
    climbs = cells.set_index([*_ADAPTER, "cell", "climb"])["steps"].explode().dropna()
    steps = fields_of(climbs, "rung", "holds", "difference", "tolerance", "where").reset_index(["cell", "climb"])
    return steps.astype({"rung": "str", "where": "str", "holds": bool, "difference": float, "tolerance": float})


def _in_words(tried: pd.DataFrame, which: pd.Series) -> pd.Series:
    """What became of those of each adapter's climbs: "failed", or "2 of 5 climbs failed"."""
    n_tried = tried.groupby(_ADAPTER).size()
    lost = tried[which].groupby(_ADAPTER)["status"]
    how = lost.agg(lambda of: " and ".join(sorted({said(status) for status in of})))
    n_lost, n_tried = lost.size(), n_tried[how.index]
    return how.where(n_lost == n_tried, n_lost.astype(str) + " of " + n_tried.astype(str) + " climbs " + how)


def _divergence(climbs: pd.Series) -> tuple[float, ...]:
    """The largest difference up to each step over all climbs; one that is at its end still counts for what it had."""
    so_far = [
        np.maximum.accumulate(np.nan_to_num(np.array(steps, float), nan=np.inf)) for steps in climbs.dropna() if steps
    ]
    n_steps = max(map(len, so_far), default=0)
    padded = [np.pad(steps, (0, n_steps - len(steps)), mode="edge") for steps in so_far]
    return tuple(np.max(padded, axis=0).tolist() if so_far else ())


def _shares(steps: pd.DataFrame) -> pd.Series:
    """(rung, largest difference over its tolerance) of each adapter, in the order in which it climbs."""
    share = (steps["difference"] / steps["tolerance"]).where(steps["tolerance"] != 0, 0.0).where(steps["holds"], np.inf)
    by_rung = share.set_axis(steps.set_index("rung", append=True).index).groupby(level=[*_ADAPTER, "rung"], sort=False)
    largest = by_rung.max().clip(lower=0).reset_index("rung", name="share")
    return objects(values(largest), largest.index)


def climb_rows(cells: pd.DataFrame) -> tuple[ClimbRow, ...]:
    """One row a kind of climb, those with most rungs first."""
    climbs = _tried(cells)
    climbs = climbs[climbs["able"]].assign(kind=_kind(climbs["climb"]))
    of_kind = climbs.groupby("kind", sort=False)
    found = pd.DataFrame(
        {
            "n_ways": climbs.drop_duplicates(["model", "variant", "climb"]).groupby("kind").size(),
            "n_climbs": of_kind.size(),
            "n_held": of_kind["held"].sum(),
            # None where all of a kind were skipped, or failed before the first rung.
            "rungs": of_kind["steps"].first().map(lambda steps: tuple(step["rung"] for step in steps or ())),
        }
    )
    return rows(found.loc[climbs["kind"].unique()].rename_axis("kind").reset_index(), ClimbRow)


def rung_rows(cells: pd.DataFrame) -> tuple[RungRow, ...]:
    """The distribution of the differences, rung by rung in the order in which they are climbed, and by tolerance."""
    steps = _steps(_tried(cells))
    place = {rung: place for place, rung in enumerate(steps["rung"].unique())}
    steps = steps.assign(kind=_kind(steps["climb"]))[steps["holds"]]
    by_rung = steps.groupby(["rung", "tolerance"], sort=False)
    found = by_rung["difference"].agg(median="median", high=lambda of: of.quantile(0.95), largest="max")
    found = found.assign(kinds=by_rung["kind"].unique().map(tuple), n_climbs=by_rung.size())
    return rows(found.reset_index().sort_values("rung", key=lambda rung: rung.map(place), kind="stable"), RungRow)


def bit_rows(cells: pd.DataFrame) -> tuple[BitRow, ...]:
    """One row a framework, mode and device whose trainings were repeated, or done with several numbers of threads."""
    trained = cells[cells["rungs"].notna() & cells["hashes/trained"].notna()]
    if trained.empty:
        return ()
    training = [*_ADAPTER, "climb", "seed"]
    again = _same(trained, [*training, "threads"], "cell").set_axis(["n_repeated", "n_same_again"], axis=1)
    threaded = _same(trained, training, "threads").set_axis(["n_rethreaded", "n_same_threaded"], axis=1)
    return rows(again.join(threaded, how="outer").fillna(0).astype(int).reset_index(), BitRow)


def _same(trained: pd.DataFrame, by: list[str], distinct: str) -> pd.DataFrame:
    """Of each place how many groups have several distinct cells, and in how many of them all came out the same."""
    groups = trained.groupby(by).agg(several=(distinct, "nunique"), found=("hashes/trained", "nunique"))
    alike = groups.loc[groups["several"] > 1, "found"] == 1
    return alike.groupby(level=_FORM).agg(["size", "sum"])


def kill_rows(cells: pd.DataFrame) -> tuple[KillRow, ...]:
    """One row a family and framework that bugs were injected into."""
    injected = cells[(cells["kind"] == "agreement") & _is_injected(cells)]
    made = injected.assign(
        n_injected=injected["bugs_injected"].fillna(0),
        n_caught=injected["bugs_caught"].fillna(0),
        survivors=injected["bugs"].map(lambda bugs: tuple(bug["bug"] for bug in bugs if not bug["caught"])),
        failed=injected["status"].map(said).where(injected["status"] != "ok", ""),
    )
    return rows(made.sort_values(["model", "backend"]), KillRow)


def bug_rows(cells: pd.DataFrame) -> tuple[BugRow, ...]:
    """One row a family and bug, over all frameworks in which it was injected."""
    bugs = cells.set_index(["model", "backend"])["bugs"].explode().dropna()
    found = fields_of(bugs, "bug", "due", "broke", "seen").reset_index().fillna({"broke": "survived"})
    found = found.sort_values(["model", "bug", "backend", "broke"])
    found = found.assign(broke=objects(values(found[["backend", "broke"]]), found.index), seen=found["seen"].map(tuple))
    broke = found.groupby(["model", "bug"])["broke"].agg(tuple)
    return rows(found.drop(columns="broke").drop_duplicates(["model", "bug"]).join(broke, ["model", "bug"]), BugRow)
