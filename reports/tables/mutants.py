"""Generated mutants: what became of them, where the ladder caught them, and which nothing has noticed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from backends.registry import FRAMEWORKS
from benchmarks.agreement.tolerances import LADDER
from benchmarks.agreement.verdict import EXCUSED, said
from reports.tables.forming import fields_of, objects, rows, values

TESTS = "tests"
"""In the place of a framework: what is not held to the ladder is judged by its own tests."""
_ENDS = {
    "n_difference": ("difference",),
    "n_error": ("error",),
    "n_stopped": ("timeout", "crash"),
    "n_equivalent": ("equivalent",),
    "n_survived": ("survived",),
}
_OUTCOMES = {"error": "an error", "timeout": "no end in time, or a crash", "crash": "no end in time, or a crash",
             "survived": "nothing"}  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """How many mutants came to which end: the three ways to be caught, equivalent ones, and those that survived."""

    n_difference: int = 0
    n_error: int = 0
    n_stopped: int = 0
    n_equivalent: int = 0
    n_survived: int = 0

    @property
    def n_caught(self) -> int:
        return self.n_difference + self.n_error + self.n_stopped

    @property
    def n_judged(self) -> int:
        """All that were tried but the equivalent ones, which nothing could catch."""
        return self.n_caught + self.n_survived

    @property
    def n_tried(self) -> int:
        return self.n_judged + self.n_equivalent

    @property
    def kill_rate(self) -> float | None:
        """The share that was caught, rounded down to a tenth of a percent; None where there was nothing to catch."""
        return math.floor(1000 * self.n_caught / self.n_judged) / 1000 if self.n_judged else None


@dataclass(frozen=True)
class FileRow(Counts):
    """The mutants of one source file; `failed` says why none, or not all, were tried, "" where all were."""

    backend: str = ""
    path: str = ""
    failed: str = ""


@dataclass(frozen=True)
class BackendRow(Counts):
    """The mutants of all adapters of a framework, or of all that is judged by tests."""

    backend: str = ""
    n_files: int = 0
    failed: tuple[str, ...] = ()  # files that were not tried, each with why


@dataclass(frozen=True)
class OperatorRow(Counts):
    """The mutants that one kind of change has made."""

    operator: str = ""


@dataclass(frozen=True)
class CatchRow:
    """Of a framework's mutants that are not equivalent the share that one rung, an error or nothing has caught."""

    by: str
    shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class MutantRow:
    """One mutant that was not caught; `reason` says why nothing could have caught it, "" where something should."""

    path: str
    line: int
    old: str
    new: str
    operator: str
    backend: str
    mode: str
    reason: str


@dataclass(frozen=True)
class Mutants:
    """Everything that is known of the mutants of a results folder."""

    backends: tuple[BackendRow, ...]
    files: tuple[FileRow, ...]
    operators: tuple[OperatorRow, ...]
    catches: tuple[CatchRow, ...]
    survivors: tuple[MutantRow, ...]
    equivalents: tuple[MutantRow, ...]


def mutants_of(cells: pd.DataFrame) -> Mutants | None:
    """The mutants of all files, by framework, file, kind of change and what caught them; None where none were tried.

    Of a file that has a sample of its mutants beside all of them, the larger counts.
    """
    tried = cells[cells["kind"] == "mutation"]
    if tried.empty:
        return None
    tried = tried.sort_values(["mutants_tried", "cell"], ascending=[False, True], na_position="last")
    tried = tried.drop_duplicates(["model", "backend"]).sort_values(["model", "backend"])
    each = _each(tried)
    files = _file_rows(tried, each)
    return Mutants(
        backends=backend_rows(files),
        files=files,
        operators=rows(_counted(each, ["operator"]).reset_index(), OperatorRow),
        catches=_catch_rows(each[each["backend"] != TESTS]),
        survivors=rows(each[each["end"] == "survived"], MutantRow),
        equivalents=rows(each[each["end"] == "equivalent"], MutantRow),
    )


def backend_rows(files: Iterable[FileRow]) -> tuple[BackendRow, ...]:
    """The files of each framework together, in the order of the registry, and then those that tests judge."""
    of_backend: dict[str, list[FileRow]] = {}
    for row in files:
        of_backend.setdefault(row.backend, []).append(row)
    order = [*(name for name in FRAMEWORKS if name in of_backend), *sorted(set(of_backend) - set(FRAMEWORKS))]
    return tuple(_backend_row(name, of_backend[name]) for name in order)


def total(of: Iterable[Counts]) -> Counts:
    """All of them together."""
    of = list(of)
    return Counts(**{field.name: sum(getattr(row, field.name) for row in of) for field in dataclasses.fields(Counts)})


def _backend_row(backend: str, files: list[FileRow]) -> BackendRow:
    failed = tuple(f"{row.path} {row.failed}" for row in files if row.failed and row.failed not in EXCUSED)
    return BackendRow(**dataclasses.asdict(total(files)), backend=backend, n_files=len(files), failed=failed)


def _each(tried: pd.DataFrame) -> pd.DataFrame:
    """A row a mutant: the path of its file, the backend, what it is, and its end."""
    named = tried.rename(columns={"model": "path"}).set_index(["path", "backend"])["mutants"].explode().dropna()
    each = fields_of(named, "line", "old", "new", "operator", "mode", "fate", "how", "by", "reason").reset_index()
    return each.assign(end=each["how"].fillna(each["fate"])).fillna({"reason": "", "by": ""})


def _file_rows(tried: pd.DataFrame, each: pd.DataFrame) -> tuple[FileRow, ...]:
    """A row a file; one whose mutants could not be tried has one, too."""
    lost = tried[tried["status"] != "ok"].groupby(["model", "backend"])["status"].first().map(said)
    every = pd.MultiIndex.from_frame(tried[["model", "backend"]].drop_duplicates(), names=["path", "backend"])
    found = _counted(each, ["path", "backend"]).reindex(every, fill_value=0)
    failed = lost.rename_axis(["path", "backend"]).reindex(every).fillna("")
    return rows(found.assign(failed=failed).reset_index(), FileRow)


def _counted(each: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    ends = each.assign(**{name: each["end"].isin(ends) for name, ends in _ENDS.items()})
    return ends.groupby(by)[list(_ENDS)].sum()


def _catch_rows(each: pd.DataFrame) -> tuple[CatchRow, ...]:
    """A row a rung that caught any, in the order of the ladder, then errors, those that did not end, and survivors."""
    judged = each[each["end"] != "equivalent"]
    caught = judged["end"].map(_OUTCOMES).fillna(judged["by"].map(_rung))
    counted = judged.groupby([caught.rename("by"), "backend"]).size()
    shares = (counted / judged.groupby("backend").size()).rename("share").reset_index()
    of_rung = objects(values(shares[["backend", "share"]]), shares.index).groupby(shares["by"]).agg(tuple)
    order = {name: place for place, name in enumerate([*LADDER, "another check", *dict.fromkeys(_OUTCOMES.values())])}
    found = of_rung.rename("shares").reset_index().sort_values("by", key=lambda by: by.map(order))
    return rows(found, CatchRow)


def _rung(by: str) -> str:
    """The rung that a climb broke at; it stands last of what a record says of it."""
    return next((rung for rung in LADDER if by.endswith(rung)), "another check")
