"""Agreement: verdicts, the ladder, and the bugs that were injected to see that it notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.agreement.verdict import EXCUSED
from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Cell, Column, Row, Table, cells, figures, folded, mode, verdict, words
from reports.tables import reproduce
from reports.tables.agreement import BitRow, BugRow, KillRow, LadderRow, RungRow
from reports.tables.leaderboard import Leaderboards

if TYPE_CHECKING:
    from benchmarks.agreement.verdict import Verdict

ANCHOR = "agreement"
TITLE = "Agreement"
LEAD = (
    "Whether the frameworks compute the same model. A verdict compares final metrics: the spread is the largest "
    "difference between frameworks of one seed; where it is above the tolerance, two one-sided tests over seeds say "
    "whether the frameworks are the same on average. No verdict counts where popularity or untrained vectors would "
    "pass too. The agreement ladder compares each framework with a float64 reference, rung by rung. Injected bugs "
    "show that the ladder notices mistakes."
)

_VERDICT_COLUMNS = (
    *words("model", "variant", "data set", "protocol", "device", "seeds", "verdict"),
    *figures("spread", "tolerance"),
    *words("reason"),
)
_LADDER_COLUMNS = (
    *words("model", "variant", "backend", "mode"),
    *figures("climbs", "rungs passed"),
    *words("up to", "first rung that fails"),
    *figures("difference", "tolerance"),
    *words("where"),
)
_RUNG_COLUMNS = (*words("rung"), *figures("climbs", "median", "95 %", "largest", "tolerance", "margin"))
_BIT_COLUMNS = (*words("backend", "mode"), *figures("repeated", "bitwise the same"))
_BIT_COLUMNS += figures("with other numbers of threads", "bitwise the same with them")
_KILL_COLUMNS = (*words("model", "backend"), *figures("injected bugs", "caught"), *words("not caught"))
_BUG_COLUMNS = words("model", "bug", "must be caught by", "caught at", "seen in public")


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    of = leaderboards
    verdicts = [_table("Verdicts", _VERDICT_COLUMNS, map(_verdict_row, of.verdicts), "verdict", 5)]
    ladder = [
        folded(_table("Which adapters match the reference", _LADDER_COLUMNS, map(_ladder_row, of.ladder), "ladder", 4)),
        _table("Differences from the reference, rung by rung", _RUNG_COLUMNS, map(_rung_row, of.rungs), "rung", 1),
        _table("Bitwise reproducibility of trainings", _BIT_COLUMNS, map(_bit_row, of.bits), "bits", 2),
    ]
    injected = [
        _table(_kill_caption(of.kills), _KILL_COLUMNS, map(_kill_row, of.kills), "injected", 2),
        replace(_table("Injected bugs, one by one", _BUG_COLUMNS, map(_bug_row, of.bugs), "bug", 2), is_detail=True),
    ]
    made = (
        replace(_block("Verdicts", verdicts), is_first=True),
        _block("The agreement ladder", ladder, tuple(chart for chart in charts if chart.table is of.ladder)),
        _block("Injected bugs", injected),
    )
    return [block for block in made if block.tables]


def _block(title: str, tables: Sequence[Table], charts: tuple[Chart, ...] = ()) -> Block:
    return Block(title, tuple(table for table in tables if table.rows), charts)


def _table(caption: str, columns: tuple[Column, ...], rows: Iterable[Row], key: str, n_names: int) -> Table:
    return Table(caption, columns, tuple(rows), (key,), n_names)


def _verdict_row(v: Verdict) -> Row:
    place = (v.model, v.variant, v.dataset, v.protocol, v.device, ", ".join(map(str, v.seeds)))
    return Row(
        cells(*place, verdict(v.badge, v.reason, v.counted_as), text.small(v.spread), text.small(v.tolerance), v.reason)
    )


def _ladder_row(row: LadderRow) -> Row:
    broken = Cell(row.broken, row.where, "differs") if row.broken else Cell("none", "", "agrees")
    if row.failed:
        said = "; ".join(part for part in (row.broken, row.failed) if part)
        broken = Cell(said, row.where, "" if row.excused else "differs")
    difference = text.small(row.difference) if row.broken is None or row.difference is not None else "not finite"
    place = (row.model, row.variant, row.backend, mode(row.mode, row.device))
    rungs = (str(row.n_climbs), str(row.n_rungs), row.highest)
    shown = cells(*place, *rungs, broken, difference, text.small(row.tolerance), row.where)
    return Row(shown, command=reproduce.agree(row.model, row.backend, row.mode))


def _rung_row(row: RungRow) -> Row:
    margin = text.ratio(row.tolerance / row.largest) if row.largest else ""
    spread = (text.small(value) for value in (row.median, row.high, row.largest, row.tolerance))
    return Row(cells(row.rung, str(row.n_climbs), *spread, margin))


def _bit_row(row: BitRow) -> Row:
    counts = (row.n_repeated, row.n_same_again, row.n_rethreaded, row.n_same_threaded)
    return Row(cells(row.backend, mode(row.mode, row.device), *map(str, counts)))


def _kill_caption(rows: Sequence[KillRow]) -> str:
    caught, injected = sum(row.n_caught for row in rows), sum(row.n_injected for row in rows)
    failed = [f"{row.model} {row.backend} {row.failed}" for row in rows if row.failed]
    untried = f"; not injected: {', '.join(failed)}" if failed else ""
    return f"Injected bugs: {caught} of {injected} caught{untried}"


def _kill_row(row: KillRow) -> Row:
    survivors = Cell(", ".join(row.survivors), "", "differs") if row.survivors else Cell("none", "", "agrees")
    if row.failed:
        survivors = Cell(f"not injected: {row.failed}", "", "" if row.failed in EXCUSED else "differs")
    shown = cells(row.model, row.backend, str(row.n_injected), str(row.n_caught), survivors)
    return Row(shown, command=reproduce.mutants(row.model, row.backend))


def _bug_row(row: BugRow) -> Row:
    rungs = dict.fromkeys(rung for _, rung in row.broke)
    caught = "; ".join(f"{rung} ({', '.join(b for b, r in row.broke if r == rung)})" for rung in rungs)
    shown = cells(row.model, row.bug, row.due, caught, ", ".join(row.seen))
    return Row(shown, command=reproduce.mutants(row.model))
