"""Records to leaderboards: a pure function, without any formatting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from backends.registry import FRAMEWORKS
from benchmarks.records import AnyRecord, Machine
from reports.tables import agreement
from reports.tables.accuracy import AccuracyTable, accuracy_tables
from reports.tables.answers import TableAnswers, WinsRow, table_answers, wins_rows
from reports.tables.forming import PLACE, Place, counts, rows, values
from reports.tables.frame import frame_of
from reports.tables.maps import ItemMapTable, item_map_tables
from reports.tables.mutants import Mutants, mutants_of
from reports.tables.overview import OverviewRow, overview_rows
from reports.tables.paired import PairedTable, paired_tables
from reports.tables.published import ReportTable, report_tables
from reports.tables.records import prepare
from reports.tables.reproduce import Commands, commands
from reports.tables.retrieval import IndexTable, index_tables, source_of
from reports.tables.throughput import OverheadRow, ThroughputTable, overhead_rows, throughput_tables
from reports.tables.ties import TieTable, tie_tables
from reports.tables.tuning import SearchTable, search_tables

if TYPE_CHECKING:
    from benchmarks.agreement.verdict import Verdict


@dataclass(frozen=True)
class FailureRow(Place):
    """One cell that has no figures, and why."""

    kind: str
    dataset: str
    protocol: str
    index: str
    seed: int
    status: str
    reason: str
    cell: str


@dataclass(frozen=True)
class Environment:
    """What the figures depend on beside the code.

    Attributes:
        machines: each with its cells, that of the most first.
        devices: device, threads, cells.
        versions: backend or library, with (package, version).
        commits: commit, whether its tree had local changes, cells.
        datasets: dataset, protocol, hash.
        notes: dataset, note, cells.
    """

    machines: tuple[tuple[Machine, int], ...]
    devices: tuple[tuple[str, int, int], ...]
    versions: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    commits: tuple[tuple[str | None, bool | None, int], ...]
    datasets: tuple[tuple[str, str, str], ...]
    notes: tuple[tuple[str, str, int], ...]

    @property
    def machine(self) -> Machine:
        """The one that most cells ran on."""
        return self.machines[0][0]

    def on(self, machine: str) -> str:
        """What is said of a figure of the machine with that id: nothing where there is one machine only."""
        return f"machine {machine}" if len(self.machines) > 1 else ""


@dataclass(frozen=True)
class Headline:
    """What was compared, in counts."""

    models: tuple[str, ...]
    frameworks: tuple[str, ...]
    datasets: tuple[str, ...]
    n_cells: int
    n_failed: int
    verdicts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Leaderboards:
    """Everything that a report shows; `cells` is the table that it is formed from."""

    headline: Headline
    overview: tuple[OverviewRow, ...]
    accuracy: tuple[AccuracyTable, ...]
    paired: tuple[PairedTable, ...]
    reported: tuple[ReportTable, ...]
    ties: tuple[TieTable, ...]
    verdicts: tuple[Verdict, ...]
    ladder: tuple[agreement.LadderRow, ...]
    climbs: tuple[agreement.ClimbRow, ...]
    rungs: tuple[agreement.RungRow, ...]
    bits: tuple[agreement.BitRow, ...]
    kills: tuple[agreement.KillRow, ...]
    bugs: tuple[agreement.BugRow, ...]
    mutants: Mutants | None
    throughput: tuple[ThroughputTable, ...]
    retrieval: tuple[IndexTable, ...]
    answers: tuple[TableAnswers, ...]
    wins: tuple[WinsRow, ...]
    item_maps: tuple[ItemMapTable, ...]
    searches: tuple[SearchTable, ...]
    overhead: tuple[OverheadRow, ...]
    failures: tuple[FailureRow, ...]
    environment: Environment
    commands: Commands
    cells: pd.DataFrame = field(compare=False, repr=False)
    left_out: tuple[str, ...] = ()


def build(records: Iterable[AnyRecord], verdicts: Sequence[Verdict], left_out: tuple[str, ...] = ()) -> Leaderboards:
    """The leaderboards of one results folder.

    Args:
        records: valid records in the order of their file; of two for one cell, or for one place in the tables, the
            later counts.
        verdicts: whether the backends agree, formed from prepared records, one a model, variant, dataset, protocol,
            device and seed.
        left_out: sentences on what of the folder is not among the records.

    Returns:
        Tables that do not depend on the order of different cells.

    Raises:
        InputError: there are no records, or they come from several versions of one dataset, or they disagree
            on the primary metric of a protocol.
    """
    prepared = prepare(records)
    judged = _judged(verdicts)
    found = commands(prepared)
    cells = frame_of(prepared, found.of_cell)
    retrieval = index_tables(cells)
    answers = table_answers(retrieval)
    accuracy, throughput = accuracy_tables(cells, judged), throughput_tables(cells)
    return Leaderboards(
        headline=_headline(cells, judged),
        overview=overview_rows(accuracy, throughput),
        accuracy=accuracy,
        paired=paired_tables(cells),
        reported=report_tables(cells),
        ties=tie_tables(cells),
        verdicts=judged,
        ladder=agreement.ladder_rows(cells),
        climbs=agreement.climb_rows(cells),
        rungs=agreement.rung_rows(cells),
        bits=agreement.bit_rows(cells),
        kills=agreement.kill_rows(cells),
        bugs=agreement.bug_rows(cells),
        mutants=mutants_of(cells),
        throughput=throughput,
        retrieval=retrieval,
        answers=answers,
        wins=wins_rows(answers),
        item_maps=item_map_tables(cells),
        searches=search_tables(prepared),
        overhead=overhead_rows(cells),
        failures=_failures(cells),
        environment=_environment(cells),
        commands=found,
        cells=cells,
        left_out=left_out,
    )


def _judged(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """In order, and without what cells that never ran add: a second verdict, that nothing was compared."""

    def place(v: Verdict) -> tuple[str, str, str, str, str]:
        return v.dataset, v.protocol, v.model, v.variant, v.device

    compared = {place(v) for v in verdicts if v.verdict != "not compared"}
    chosen = (v for v in verdicts if v.verdict != "not compared" or place(v) not in compared)
    return tuple(sorted(chosen, key=lambda v: (place(v), v.reason)))


def _headline(cells: pd.DataFrame, verdicts: Sequence[Verdict]) -> Headline:
    counted = Counter(verdict.counted_as for verdict in verdicts)
    words = ("agrees", "agrees, incomplete", "differs", "undecided", "not compared")
    of_models = _of_models(cells)
    return Headline(
        models=tuple(sorted(of_models["model"].unique())),
        frameworks=tuple(name for name in FRAMEWORKS if (cells["backend"] == name).any()),
        datasets=tuple(sorted(of_models["dataset"].unique())),
        n_cells=len(cells),
        n_failed=int((cells["status"] != "ok").sum()),
        verdicts=tuple((name, counted[name]) for name in words if counted[name] or name != "agrees, incomplete"),
    )


def _of_models(cells: pd.DataFrame) -> pd.DataFrame:
    """Without generated mutants: they are of source files, and of no data."""
    return cells[cells["kind"] != "mutation"]


def _failures(cells: pd.DataFrame) -> tuple[FailureRow, ...]:
    failed = cells[cells["status"] != "ok"]
    settings = (failed["build"].fillna("") + ", " + failed["query"].fillna("")).str.strip(", ")
    index = (failed["index"] + " " + settings + ", vectors of " + source_of(failed)).fillna("")
    order = ["dataset", "protocol", "kind", *PLACE, "index", "seed", "cell"]
    return rows(failed.assign(index=index).sort_values(order), FailureRow)


def _environment(cells: pd.DataFrame) -> Environment:
    versions = cells.filter(regex="^versions/").assign(library=_library(cells)).melt("library", var_name="package")
    versions = versions.dropna().drop_duplicates().sort_values(["library", "package", "value"])
    versions["package"] = versions["package"].str.removeprefix("versions/")
    of_package = versions.groupby(["library", "package"])["value"].agg(", ".join).reset_index("package")
    of_data = ["dataset", "protocol", "hashes/dataset"]
    data = _of_models(cells)[of_data].fillna("").sort_values(of_data)
    return Environment(
        machines=_machines(cells),
        devices=counts(cells, ["device", "threads"]),
        versions=tuple((str(library), tuple(values(of_one))) for library, of_one in of_package.groupby("library")),
        commits=counts(cells, ["commit", "dirty"]),
        # A cell that failed early may not know its hash; one that finished does.
        datasets=tuple(values(data.drop_duplicates(["dataset", "protocol"], keep="last"))),
        notes=counts(cells[["dataset", "notes"]].explode("notes").dropna(), ["dataset", "notes"]),
    )


def _machines(cells: pd.DataFrame) -> tuple[tuple[Machine, int], ...]:
    facts = cells.drop_duplicates("machine").set_index("machine")["machine_facts"]
    counted = counts(cells, ["machine"])
    return tuple((Machine(**facts[name]), n) for name, n in sorted(counted, key=lambda one: (-one[1], one[0])))


def _library(cells: pd.DataFrame) -> pd.Series:
    """Index cells and maps load a library of their own instead of the framework that the vectors come from."""
    of_index = cells["index"].str.partition("-")[0].fillna(cells["backend"])
    return of_index.mask(cells["kind"] == "map", "map")
