"""Agreement: verdicts, the ladder, and what was done to adapters on purpose to see that it notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.agreement.verdict import EXCUSED
from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages import mutant_block
from reports.pages.blocks import (
    CONTESTANT,
    Block,
    Cell,
    Columns,
    Table,
    figure,
    folded,
    named,
    rows_of,
    verdict,
    without_empty_columns,
    word,
)
from reports.tables import reproduce
from reports.tables.agreement import BitRow, BugRow, ClimbRow, KillRow, LadderRow, RungRow
from reports.tables.leaderboard import Leaderboards

if TYPE_CHECKING:
    from benchmarks.agreement.verdict import Verdict

ANCHOR = "agreement"
TITLE = "Agreement"
LEAD = (
    "Whether the frameworks compute the same model. A verdict compares final metrics: the spread is the largest "
    "difference between frameworks of one seed; where it is above the tolerance, two one-sided tests over seeds say "
    "whether the frameworks are the same on average. No verdict counts where popularity or untrained vectors would "
    "pass too. The agreement ladder compares each framework with a float64 reference, rung by rung, in several climbs. "
    "The kill rate of mutants, changes that a program made to the source, says how much of what could be wrong it "
    "notices. Injected bugs are mistakes that real ports have made."
)


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    of = leaderboards
    climbed = rows_of(_LADDER, of.ladder, command=lambda row: reproduce.agree(row.model, row.backend, row.mode))
    killed = rows_of(_KILLS, of.kills, command=lambda row: reproduce.bugs(row.model, row.backend))
    injected = rows_of(_BUGS, of.bugs, command=lambda row: reproduce.bugs(row.model))
    verdicts = [Table("Verdicts", _VERDICTS, rows_of(_VERDICTS, of.verdicts), ("verdict",), 5)]
    ladder = [
        folded(without_empty_columns(Table("Which adapters match the reference", _LADDER, climbed, ("ladder",), 4), 8)),
        Table("What was climbed", _CLIMBS, rows_of(_CLIMBS, of.climbs), ("climb",)),
        Table("Differences from the reference, rung by rung", _RUNGS, rows_of(_RUNGS, of.rungs), ("rung",)),
        Table("Bitwise reproducibility of trainings", _BITS, rows_of(_BITS, of.bits), ("bits",), 2),
    ]
    bugs = [
        Table(_kill_caption(of.kills), _KILLS, killed, ("injected",), 2),
        Table("Mistakes of real ports, one by one", _BUGS, injected, ("bug",), 2, is_detail=True),
    ]
    made = (
        replace(_block("Verdicts", verdicts), is_first=True),
        _block("The agreement ladder", ladder, tuple(chart for chart in charts if chart.table is of.ladder)),
        *([mutant_block.block(of.mutants)] if of.mutants else []),
        _block("Mistakes of real ports", bugs),
    )
    return [block for block in made if block.tables]


def _block(title: str, tables: Sequence[Table], charts: tuple[Chart, ...] = ()) -> Block:
    return Block(title, tuple(table for table in tables if table.rows), charts)


def _broken(row: LadderRow) -> Cell:
    said = "; ".join(filter(None, (row.broken, row.failed, row.unable)))
    return Cell(said or "none", row.where, "agrees" if row.holds else "" if row.excused else "differs")


def _held(row: LadderRow) -> str:
    """Of the climbs those that hold, as one number where all do."""
    if row.excused:
        return ""
    return str(row.n_held) if row.n_held == row.n_climbs else f"{row.n_held} of {row.n_climbs}"


def _survivors(row: KillRow) -> Cell:
    if row.failed:
        return Cell(f"not injected: {row.failed}", "", "" if row.failed in EXCUSED else "differs")
    return Cell(", ".join(row.survivors), "", "differs") if row.survivors else Cell("none", "", "agrees")


def _caught(row: BugRow) -> str:
    rungs = dict.fromkeys(rung for _, rung in row.broke)
    return "; ".join(f"{rung} ({', '.join(b for b, r in row.broke if r == rung)})" for rung in rungs)


def _kill_caption(rows: Sequence[KillRow]) -> str:
    caught, injected = sum(row.n_caught for row in rows), sum(row.n_injected for row in rows)
    failed = [f"{row.model} {row.backend} {row.failed}" for row in rows if row.failed]
    untried = f"; not injected: {', '.join(failed)}" if failed else ""
    return f"Mistakes of real ports, injected into adapters: {caught} of {injected} caught{untried}"


_VERDICTS: Columns[Verdict] = (
    *named("model", "variant", "dataset", "protocol", "device"),
    word("seeds", lambda row: ", ".join(map(str, row.seeds))),
    word("verdict", lambda row: verdict(row.badge, row.reason, row.counted_as)),
    figure("spread", lambda row: text.small(row.spread)),
    figure("tolerance", lambda row: text.small(row.tolerance)),
    word("reason", lambda row: row.reason),
)
_LADDER: Columns[LadderRow] = (
    *CONTESTANT,
    figure("climbs that hold", _held),
    figure("rungs passed", lambda row: row.n_rungs),
    word("up to", lambda row: row.highest),
    word("first rung that fails", _broken),
    word("in the climb", lambda row: row.climb),
    figure(
        "difference", lambda row: "not finite" if row.broken and row.difference is None else text.small(row.difference)
    ),
    figure("tolerance", lambda row: text.small(row.tolerance)),
    word("where", lambda row: row.where),
)
_CLIMBS: Columns[ClimbRow] = (
    word("climb", lambda row: row.kind),
    figure("different settings", lambda row: row.n_ways),
    figure("climbs", lambda row: row.n_climbs),
    figure("climbs that hold", lambda row: row.n_held),
    word("rungs", lambda row: ", ".join(row.rungs)),
)
_RUNGS: Columns[RungRow] = (
    word("rung", lambda row: row.rung),
    word("in", lambda row: ", ".join(row.kinds)),
    figure("climbs", lambda row: row.n_climbs),
    figure("median", lambda row: text.small(row.median)),
    figure("95 %", lambda row: text.small(row.high)),
    figure("largest", lambda row: text.small(row.largest)),
    figure("tolerance", lambda row: text.small(row.tolerance)),
    figure("margin", lambda row: text.ratio(row.tolerance / row.largest) if row.largest else None),
)
_BITS: Columns[BitRow] = (
    *CONTESTANT[2:],
    figure("repeated", lambda row: row.n_repeated),
    figure("bitwise the same", lambda row: row.n_same_again),
    figure("with other numbers of threads", lambda row: row.n_rethreaded),
    figure("bitwise the same with them", lambda row: row.n_same_threaded),
)
_KILLS: Columns[KillRow] = (
    *named("model", "backend"),
    figure("injected bugs", lambda row: row.n_injected),
    figure("caught", lambda row: row.n_caught),
    word("not caught", _survivors),
)
_BUGS: Columns[BugRow] = (
    *named("model", "bug"),
    word("must be caught by", lambda row: row.due),
    word("caught at", _caught),
    word("seen in public", lambda row: ", ".join(row.seen)),
)
