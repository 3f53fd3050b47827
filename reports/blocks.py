"""Leaderboards to blocks of plain text: what both the Markdown and the HTML page show, still unescaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports import answer_blocks, text
from reports.accuracy import AccuracyRow, AccuracyTable
from reports.agreement import BitRow, BugRow, KillRow, LadderRow, RungRow
from reports.answers import TableAnswers
from reports.drawing import Chart
from reports.item_maps import ItemMap, ItemMapTable
from reports.leaderboard import Environment, FailureRow, Leaderboards
from reports.paired import PairedRow, PairedTable
from reports.retrieval import IndexRow, IndexTable
from reports.throughput import OverheadRow, ThroughputRow, ThroughputTable

if TYPE_CHECKING:
    from benchmarks.agreement.verdict import Verdict


@dataclass(frozen=True)
class Cell:
    """One cell's text; `title` is what a reader sees on pointing at it, `mark` how it is coloured."""

    text: str
    title: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column's head; figures are aligned right."""

    name: str
    numeric: bool


@dataclass(frozen=True)
class Row:
    """A table row; `role` sets reference rows and failed rows apart."""

    cells: tuple[Cell, ...]
    role: str = ""


@dataclass(frozen=True)
class Table:
    """A caption, columns and rows; the first column heads its row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Block:
    """One part of a section."""

    title: str
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One chapter of the page, with the anchor that leads to it."""

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


def sections(leaderboards: Leaderboards, charts: Sequence[Chart]) -> tuple[Section, ...]:
    """The page from top to bottom; a section without figures says so in its lead."""

    def pictures(table: AccuracyTable | ThroughputTable | IndexTable | ItemMapTable) -> tuple[Chart, ...]:
        return tuple(chart for chart in charts if chart.table is table)

    boards = leaderboards
    accuracy = [_accuracy(table, boards.paired, pictures(table)) for table in boards.accuracy]
    throughput = [_throughput(table, pictures(table)) for table in boards.throughput]
    retrieval = answer_blocks.overview(boards.wins)
    retrieval += [_retrieval(answered, pictures(answered.table)) for answered in boards.answers]
    maps = [_item_maps(table, pictures(table)) for table in boards.item_maps]
    # Few suites ask for maps: where none does, the page says nothing of them.
    items = [_section("items", "Item vectors", _ITEMS_LEAD, maps)] if maps else []
    return (
        _section("accuracy", "Accuracy", _ACCURACY_LEAD, accuracy),
        _section("agreement", "Agreement", _AGREEMENT_LEAD, _agreement(boards, charts)),
        _section("throughput", "Training throughput", _THROUGHPUT_LEAD, throughput),
        _section("retrieval", "Retrieval", _RETRIEVAL_LEAD, retrieval),
        *items,
        _section("overhead", "Overhead of the harness", _OVERHEAD_LEAD, _overhead(boards.overhead)),
        _section("failures", "Failures", "Cells that have no figures, and why.", _failures(boards.failures)),
        _section("environment", "Environment", "All figures come from one machine.", _environment(boards.environment)),
    )


_ACCURACY_LEAD = (
    "Means over seeds with a 95 % interval: Student's t over seeds that differ, else the bootstrap over queries. Both "
    "popularity rows are the lines that a model has to beat; the oracle is the most that the protocol allows. A badge "
    "says whether the frameworks agree on a model from the same initial parameters and batches."
)
_AGREEMENT_LEAD = (
    "The spread is the largest difference of the primary metric between frameworks of one seed. Where it is above the "
    "tolerance, two one-sided tests over seeds say whether the frameworks are the same on average, within a margin. "
    "Neither counts where popularity or untrained vectors would pass. The ladder compares frameworks with a float64 "
    "reference rung by rung, from the round trip of parameters to the final metrics; bugs that real ports have had are "
    "injected into the adapters to see that it notices."
)
_THROUGHPUT_LEAD = (
    "Medians over windows with the smallest and the largest. Ratios are formed window by window between cells that "
    "were timed by turns in one run, and nowhere else. The first step includes compilation; both are apart from "
    "the windows."
)
_RETRIEVAL_LEAD = (
    "Index recall is the share of the exact top K that an index returns. Rates are medians over repetitions with the "
    "smallest and the largest. Rows with a ● are on the Pareto front: no other has more of both."
)
_ITEMS_LEAD = (
    "Each dot is one of the most popular items; dots lie near each other where the model's vectors of them point the "
    "same way. t-SNE keeps neighbours together, but distances between groups and the sizes of groups mean nothing; of "
    "a catalogue too large for it the first two principal components are shown. Where items have categories, the "
    "table says of how many shown items the nearest neighbour, among the vectors and not in the picture, is of the "
    "same category, and of how many it would be by chance."
)
_OVERHEAD_LEAD = (
    "Seconds of a train cell: median over cells with the smallest and the largest. The overhead is the whole cell less "
    "the framework's own import, initialisation and training."
)


def _section(anchor: str, title: str, lead: str, blocks: Sequence[Block]) -> Section:
    return Section(anchor, title, lead if blocks else "Nothing to show: no records of this kind.", tuple(blocks))


def _words(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, numeric=False) for name in names)


def _figures(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, numeric=True) for name in names)


def _cells(*texts: str | Cell) -> tuple[Cell, ...]:
    return tuple(cell if isinstance(cell, Cell) else Cell(cell or text.MISSING) for cell in texts)


def _mode(row: AccuracyRow | PairedRow | LadderRow | BitRow | ItemMap) -> str:
    return row.mode if row.device == "cpu" else f"{row.mode}, {row.device}"


def _status(status: str, reason: str) -> Cell:
    return Cell(status, reason, "failed")


def _accuracy(table: AccuracyTable, paired: Sequence[PairedTable], charts: tuple[Chart, ...]) -> Block:
    metric = table.metric or "primary metric"
    columns = (*_words("model", "variant", "backend", "mode"), *_figures(metric), *_words("95 % interval"))
    columns += (*_figures("% of oracle"), *_words("agreement"), *_figures("published", "ours − published"))
    columns += (*_figures(*table.further), *_words("seeds"))
    caption = f"{table.dataset}, {table.protocol}: by {metric}"
    rows = [Row(_accuracy_cells(row), row.role if row.primary else "failed") for row in table.rows]
    sources = sorted({row.published.source for row in table.rows if row.published})
    notes = [f"Published figures: {'; '.join(sources)}."] if sources else []
    notes += [f"Fault of {model} {variant}: {fault}." for model, variant, fault in table.faults]
    unfinished = [row for row in table.rows if row.primary is None]
    notes += [f"{_name(row)}: {row.status}. {row.reason}" for row in unfinished]
    tables = [Table(caption, columns, tuple(rows))]
    tables += [_paired(p) for p in paired if (p.dataset, p.protocol) == (table.dataset, table.protocol)]
    return Block(f"{table.dataset} / {table.protocol}", tuple(tables), charts, tuple(notes))


def _paired(table: PairedTable) -> Table:
    columns = (*_words("model", "variant", "backend", "mode"), *_figures("seeds"))
    columns += _figures(*(f"− {model} {variant}" for model, variant in table.baselines))
    caption = f"Against the baselines: {table.metric} less theirs on the same {table.n_queries:,} queries, "
    caption += "with the 95 % interval of a paired bootstrap"
    return Table(caption, columns, tuple(Row(_paired_cells(row)) for row in table.rows))


def _paired_cells(row: PairedRow) -> tuple[Cell, ...]:
    apart = (
        f"{text.signed(d.mean)} ({text.signed(d.low)} – {text.signed(d.high)})" if d else "" for d in row.differences
    )
    return _cells(row.model, row.variant, row.backend, _mode(row), str(row.n_seeds), *apart)


def _accuracy_cells(row: AccuracyRow) -> tuple[Cell, ...]:
    primary = row.primary
    interval = text.MISSING
    if primary and primary.low is not None and primary.high is not None:
        interval = f"{text.metric(primary.low)} – {text.metric(primary.high)} ({primary.method})"
    reference = {"oracle": " (upper reference)", "popularity": " (reference)"}.get(row.role, "")
    published = row.published
    seeds = ", ".join(map(str, row.seeds))
    failed = f"failed: {', '.join(map(str, row.failed_seeds))}" if row.failed_seeds else ""
    return _cells(
        row.model + reference,
        row.variant,
        row.backend,
        _mode(row),
        Cell(text.metric(primary.mean)) if primary else _status(row.status, row.reason),
        interval,
        text.percent(row.oracle_share),
        _verdict_cell(row.badge.verdict, row.badge.reason),
        f"{published.value:g}" if published else "",
        text.signed(primary.mean - published.value) if primary and published else "",
        *(text.metric(value) for value in row.further),
        "; ".join(part for part in (seeds, failed) if part),
    )


def _name(row: AccuracyRow | ThroughputRow | IndexRow | ItemMap) -> str:
    names = ("model", "variant", "backend", "mode", "name", "build", "query")
    return " ".join(str(getattr(row, name)) for name in names if getattr(row, name, ""))


def _agreement(boards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    tables = [
        _table("Verdicts", _VERDICT_COLUMNS, map(_verdict_row, boards.verdicts)),
        _table("The agreement ladder", _LADDER_COLUMNS, map(_ladder_row, boards.ladder)),
        _table("Differences from the reference, rung by rung", _RUNG_COLUMNS, map(_rung_row, boards.rungs)),
        _table("Trainings that come out the same, bit for bit", _BIT_COLUMNS, map(_bit_row, boards.bits)),
        _table(_kill_caption(boards.kills), _KILL_COLUMNS, map(_kill_row, boards.kills)),
        _table("Injected bugs, one by one", _BUG_COLUMNS, map(_bug_row, boards.bugs)),
    ]
    shown = tuple(table for table in tables if table.rows)
    return [Block("", shown, tuple(c for c in charts if c.table is boards.ladder))] if shown else []


def _table(caption: str, columns: tuple[Column, ...], rows: Iterable[Row]) -> Table:
    return Table(caption, columns, tuple(rows))


_VERDICT_COLUMNS = (
    *_words("model", "variant", "dataset", "protocol", "device", "seeds", "verdict"),
    *_figures("spread", "tolerance"),
    *_words("reason"),
)
_LADDER_COLUMNS = (
    *_words("model", "variant", "backend", "mode"),
    *_figures("climbs", "rungs held"),
    *_words("up to", "first that breaks"),
    *_figures("difference", "tolerance"),
    *_words("where"),
)
_RUNG_COLUMNS = (*_words("rung"), *_figures("climbs", "median", "95 %", "largest", "tolerance", "margin"))
_BIT_COLUMNS = (*_words("backend", "mode"), *_figures("repeated", "the same again"))
_BIT_COLUMNS += _figures("with other threads", "the same with them")
_KILL_COLUMNS = (*_words("model", "backend"), *_figures("injected bugs", "caught"), *_words("not caught"))
_BUG_COLUMNS = _words("model", "bug", "due by", "caught at", "seen in public")


def _verdict_row(v: Verdict) -> Row:
    place = (v.model, v.variant, v.dataset, v.protocol, v.device, ", ".join(map(str, v.seeds)))
    return Row(
        _cells(*place, _verdict_cell(v.badge, v.reason), text.small(v.spread), text.small(v.tolerance), v.reason)
    )


def _verdict_cell(badge: str, reason: str) -> Cell:
    return Cell(badge, reason, badge.partition(" (")[0].replace(" ", "-"))


def _ladder_row(row: LadderRow) -> Row:
    broken = Cell(row.broken, row.where, "differs") if row.broken else Cell("none", "", "agrees")
    difference = text.small(row.difference) if row.broken is None or row.difference is not None else "not finite"
    place = (row.model, row.variant, row.backend, _mode(row), str(row.n_climbs), str(row.n_rungs), row.highest)
    return Row(_cells(*place, broken, difference, text.small(row.tolerance), row.where))


def _rung_row(row: RungRow) -> Row:
    margin = text.ratio(row.tolerance / row.largest) if row.largest else ""
    spread = (text.small(value) for value in (row.median, row.high, row.largest, row.tolerance))
    return Row(_cells(row.rung, str(row.n_climbs), *spread, margin))


def _bit_row(row: BitRow) -> Row:
    counts = (row.n_repeated, row.n_same_again, row.n_rethreaded, row.n_same_threaded)
    return Row(_cells(row.backend, _mode(row), *map(str, counts)))


def _kill_caption(rows: Sequence[KillRow]) -> str:
    caught, injected = sum(row.n_caught for row in rows), sum(row.n_injected for row in rows)
    return f"Injected bugs: {caught} of {injected} caught"


def _kill_row(row: KillRow) -> Row:
    survivors = Cell(", ".join(row.survivors), "", "differs") if row.survivors else Cell("none", "", "agrees")
    return Row(_cells(row.model, row.backend, str(row.n_injected), str(row.n_caught), survivors))


def _bug_row(row: BugRow) -> Row:
    rungs = dict.fromkeys(rung for _, rung in row.broke)
    caught = "; ".join(f"{rung} ({', '.join(b for b, r in row.broke if r == rung)})" for rung in rungs)
    return Row(_cells(row.model, row.bug, row.due, caught, ", ".join(row.seen)))


def _throughput(table: ThroughputTable, charts: tuple[Chart, ...]) -> Block:
    columns = (*_words("backend", "mode"), *_figures("samples/s", "min – max", "ratio to slowest"))
    columns += _figures("ratio to torch eager", "first step, s", "compile, s", "peak memory, MiB", "windows")
    threads = f"{table.threads} thread{'s' if table.threads > 1 else ''}"
    caption = f"{table.model} {table.variant} on {table.dataset}, {table.protocol}; {table.device}, {threads}"
    caption += f"; group {table.group}" if table.group else "; no group, so no ratios"
    rows = [Row(_throughput_cells(row), "" if row.status == "ok" else "failed") for row in table.rows]
    notes = tuple(f"{_name(row)}: {row.status}. {row.reason}" for row in table.rows if row.status != "ok")
    title = f"{table.model} {table.variant} on {table.dataset}"
    return Block(title, (Table(caption, columns, tuple(rows)),), charts, notes)


def _throughput_cells(row: ThroughputRow) -> tuple[Cell, ...]:
    rate = Cell(text.median(row.samples_per_s, text.rate))
    return _cells(
        row.backend,
        row.mode,
        rate if row.status == "ok" else _status(row.status, row.reason),
        text.extent(row.samples_per_s, text.rate),
        text.both(row.to_slowest, text.ratio),
        text.both(row.to_torch_eager, text.ratio),
        text.number(row.first_step_s),
        text.number(row.compile_s),
        text.mebibytes(row.peak_rss_bytes),
        str(row.samples_per_s.n) if row.samples_per_s else "",
    )


def _retrieval(answered: TableAnswers, charts: tuple[Chart, ...]) -> Block:
    table = answered.table
    size = f"{table.n_items or text.MISSING} items × {table.dim or text.MISSING}"
    threads = f"{table.threads} thread{'s' if table.threads > 1 else ''}"
    where = f"vectors of {table.source}, seed {table.seed}, on {table.dataset}, {table.protocol}; {size}"
    where += f"; {table.device}, {threads}"
    where += f"; group {table.group}" if table.group else "; no group, so no ratios"
    columns = (*_words("index", "build", "query"), *_figures(table.recall_metric or "index recall", "queries/s"))
    columns += _figures("min – max", "ratio to exact", table.task_metric or "task metric")
    columns += _figures("p50, ms", "p95, ms", "p99, ms", "build, s", "index, MiB")
    rows = [Row(_index_cells(row), "" if row.status == "ok" else "failed") for row in table.rows]
    notes = tuple(f"{_name(row)}: {row.status}. {row.reason}" for row in table.rows if row.status != "ok")
    title = f"{table.source} on {table.dataset}"
    tables = (*answer_blocks.of_table(answered), Table(f"All indexes: {where}", columns, tuple(rows)))
    return Block(title, tables, charts, notes)


def _index_cells(row: IndexRow) -> tuple[Cell, ...]:
    return _cells(
        f"{row.name} ●" if row.on_front else row.name,
        row.build,
        row.query,
        Cell(text.metric(row.recall)) if row.status == "ok" else _status(row.status, row.reason),
        text.median(row.qps, text.rate),
        text.extent(row.qps, text.rate),
        text.both(row.to_exact, text.ratio),
        text.metric(row.task),
        text.milliseconds(row.p50_s),
        text.milliseconds(row.p95_s),
        text.milliseconds(row.p99_s),
        text.number(row.build_s),
        text.mebibytes(row.index_bytes),
    )


def _item_maps(table: ItemMapTable, charts: tuple[Chart, ...]) -> Block:
    columns = (*_words("model", "variant", "backend", "mode"), *_figures("seed"), *_words("method"))
    columns += _figures("items shown", "of", "neighbour of the same category", "by chance")
    rows = [Row(_item_map_cells(row), "" if row.status == "ok" else "failed") for row in table.rows]
    caption = f"{table.dataset}, {table.protocol}: maps of item vectors"
    notes = tuple(f"{_name(row)}: {row.status}. {row.reason}" for row in table.rows if row.status != "ok")
    return Block(f"{table.dataset} / {table.protocol}", (Table(caption, columns, tuple(rows)),), charts, notes)


def _item_map_cells(row: ItemMap) -> tuple[Cell, ...]:
    return _cells(
        row.model,
        row.variant,
        row.backend,
        _mode(row),
        str(row.seed),
        Cell(row.method) if row.method else _status(row.status, row.reason),
        f"{len(row.x):,}" if row.x else "",
        f"{row.n_items:,}" if row.n_items else "",
        text.percent(row.share),
        text.percent(row.chance),
    )


def _overhead(rows: Sequence[OverheadRow]) -> list[Block]:
    columns = (*_words("backend"), *_figures("cells", "whole cell", "framework import", "initialisation", "training"))
    columns += _figures("overhead", "of it evaluation", "of it batches")
    body = []
    for row in rows:
        spreads = (row.wall_s, row.import_s, row.init_s, row.train_s, row.overhead_s, row.evaluate_s, row.batches_s)
        parts = [text.both(spread, text.significant) for spread in spreads]
        body.append(Row(_cells(row.backend, str(row.n_cells), *parts)))
    return [Block("", (Table("Seconds a train cell", columns, tuple(body)),))] if rows else []


def _failures(rows: Sequence[FailureRow]) -> list[Block]:
    if not rows:
        return [Block("", (), notes=("Every cell finished.",))]
    names = ("kind", "model", "variant", "backend", "mode", "device", "dataset", "protocol", "index", "seed", "status")
    body = (Row(_cells(*(str(getattr(row, name)) for name in names), row.reason), "failed") for row in rows)
    return [Block("", (Table("Cells without figures", _words(*names, "reason"), tuple(body)),))]


def _environment(environment: Environment) -> list[Block]:
    machine = environment.machine
    memory = f"{machine.memory_bytes / 2**30:.1f} GiB"
    facts = [("id", machine.id), ("processor", machine.cpu), ("cores", str(machine.cores)), ("memory", memory)]
    facts += [("system", machine.system), ("GPU", machine.gpu or "none")]
    facts += [(f"cells on {device}, {n} threads", str(count)) for device, n, count in environment.devices]
    state = {True: "with local changes", False: "clean", None: "state unknown"}
    commits = [(commit or "unknown", state[dirty], str(count)) for commit, dirty, count in environment.commits]
    versions = [(name, ", ".join(f"{p} {v}" for p, v in packages)) for name, packages in environment.versions]
    tables = [
        _pairs("Machine", ("machine", "value"), facts),
        _pairs("Versions", ("backend or index", "packages"), versions),
        _pairs("Code", ("commit", "state", "cells"), commits),
        _pairs("Data", ("dataset", "protocol", "hash"), environment.datasets),
    ]
    if environment.notes:
        notes = [(dataset, note, str(count)) for dataset, note, count in environment.notes]
        tables.append(_pairs("Notes", ("dataset", "note", "cells"), notes))
    return [Block("", tuple(tables))]


def _pairs(caption: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    return Table(caption, _words(*names), tuple(Row(_cells(*row)) for row in rows))
