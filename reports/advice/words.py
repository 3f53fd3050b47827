"""Advice in words: three sentences, a table of what else there is, and the records that it rests on; or as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

import msgspec

from reports.advice.measured import (
    FAR_DIM,
    FAR_ITEMS,
    NOTHING_FITS,
    Advice,
    Candidate,
    Measured,
    Needs,
    Unmet,
    factors,
    of_each_index,
)
from reports.charts import text
from reports.tables import answers
from reports.tables.retrieval import IndexRow, IndexTable
from reports.tables.spread import Spread, spread_of

_LARGE = 300_000  # items from which the suite with a million is nearer than that with 100,000


class Line(NamedTuple):
    """One measured setting of an index as a row of a table; `verdict` says what of the needs it misses."""

    setting: str
    recall: str
    rate: str
    p95: str
    memory: str
    build: str
    verdict: str


def lines(advice: Advice) -> list[str]:
    """A sentence each: what to take, the runner-up, and why; one alone where nothing fits or can be told."""
    needs, found, choice = advice.needs, advice.measured, advice.choice
    if found is None or choice is None:
        said = [_cannot_tell(needs, found)]
    elif advice.outcome == NOTHING_FITS:
        said = [_nothing_fits(needs, found.table, choice)]
    else:
        said = [_recommendation(needs, found.table, choice), _second(advice), _why(advice, found.table)]
    return [text.plain(line) for line in said]


def table(advice: Advice) -> list[Line]:
    """The choice first, then of each other index what fits or misses by least, then what giving way would bring."""
    if advice.measured is None or advice.choice is None:
        return []
    shown = [advice.choice, *of_each_index(advice), *(relaxed.candidate for relaxed in advice.relaxed)]
    # What a relaxed need would bring is there as what misses that need.
    by_cell = {candidate.row.cell: candidate for candidate in advice.candidates}
    once = dict.fromkeys(candidate.row.cell for candidate in shown)
    return [_line(by_cell[cell], advice, advice.measured.table) for cell in once]


def notes(advice: Advice) -> list[str]:
    """What the answer rests on, a sentence each."""
    needs, found = advice.needs, advice.measured
    if found is None or advice.choice is None:
        return []
    said = [_rests_on(found), *_carried(needs, found.table)]
    if found.table.lost:
        said.append(f"Without figures there, and so not in the choice: {', '.join(found.table.lost)}.")
    if advice.n_alike:
        said.append(
            f"Of {advice.n_alike} further sets of vectors of this size, {advice.choice.row.name} is the fastest that "
            f"fits on {advice.n_same}."
        )
    return [text.plain(line) for line in [*said, _records(advice)]]


def as_json(advice: Advice) -> dict[str, Any]:
    """The advice for programs: bytes, seconds and queries a second."""
    needs, found = advice.needs, advice.measured
    return {
        "outcome": advice.outcome,
        "needs": {name: value for name, value in asdict(needs).items() if name != "all_threads"}
        | {"threads": "all" if needs.all_threads else "1"},
        "measured": _measured_json(found) if found else None,
        "index": _candidate_json(advice.choice, needs),
        "unmet": [_unmet_json(unmet) for unmet in advice.choice.unmet] if advice.choice else [],
        "runner_up": _candidate_json(advice.runner_up, needs),
        "lead": advice.lead and asdict(advice.lead),
        "relaxed": [
            {"need": r.need, "value": r.value, "index": _candidate_json(r.candidate, needs), "lead": asdict(r.lead)}
            for r in advice.relaxed
        ],
        "alike": {"n": advice.n_alike, "same_index": advice.n_same},
        "table": [line._asdict() for line in table(advice)],
        "sentences": [*lines(advice), *notes(advice)],
    }


def n_bytes(value: float) -> str:
    """2GB is 2,000,000,000 bytes here as on the command line."""
    for scale, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= 0.9995 * scale:
            return f"{text.significant(value / scale)} {unit}"
    return f"{value:.0f} B"


def seconds(value: float) -> str:
    """In the unit that one would say it in."""
    if value >= 120:
        return f"{text.significant(value / 60)} min"
    return f"{text.significant(value)} s" if value >= 1 else f"{text.significant(1000 * value)} ms"


def _recommendation(needs: Needs, table: IndexTable, choice: Candidate) -> str:
    return f"Take {_index(choice.row)}: {_figures(choice, needs, table)}."


def _why(advice: Advice, table: IndexTable) -> str:
    fitting = [candidate for candidate in advice.candidates if not candidate.unmet]
    n, of = len(fitting), len(advice.candidates)
    ahead = advice.lead is None or advice.lead.verdict == answers.AHEAD
    fastest = "it is the fastest" if ahead else "nothing is clearly faster"
    return (
        f"Why: {n} of {of} settings measured at {_size(table)} {'meets' if n == 1 else 'meet'} the needs "
        f"({_wanted(advice.needs, table)}), and of these {fastest}."
    )


def _nothing_fits(needs: Needs, table: IndexTable, miss: Candidate) -> str:
    give = " and ".join(_give(unmet, table) for unmet in miss.unmet)
    return (
        f"Nothing measured at {_size(table)} meets the needs ({_wanted(needs, table)}): the nearest miss is "
        f"{_index(miss.row)}, for which {give}."
    )


def _cannot_tell(needs: Needs, nearest: Measured | None) -> str:
    suite = "ann-large" if needs.n_items >= _LARGE else "ann"
    run = f"run `python -m benchmarks run --suite {suite}` on the machine in question, and ask again"
    if nearest is None:
        threads = "on all cores" if needs.all_threads else "with one thread"
        return f"Cannot tell: no record has queries a second of an index {threads}; {run}."
    return (
        f"Cannot tell for {needs.n_items:,} items of {needs.dim} dimensions: the nearest that was measured is "
        f"{_size(nearest.table)}, and more than {FAR_ITEMS} times the items or {FAR_DIM} times the dimensions, or less "
        f"than such a part of them, says nothing; {run}; other sizes take a suite of your own."
    )


def _wanted(needs: Needs, table: IndexTable) -> str:
    wanted = [f"a {_recall(table)} of {needs.recall:g}"]
    wanted += [f"at most {n_bytes(needs.memory_bytes)}"] if needs.memory_bytes is not None else []
    wanted += [f"built within {seconds(needs.build_s)}"] if needs.build_s is not None else []
    wanted += [f"95 % of single queries within {seconds(needs.latency_s)}"] if needs.latency_s else []
    return ", ".join(wanted)


def _figures(candidate: Candidate, needs: Needs, table: IndexTable) -> str:
    row = candidate.row
    threads = f"all {table.threads_all} cores" if needs.all_threads else "one thread"
    figures = [f"{text.both(_rate(row, needs), text.rate)} queries a second on {threads}"]
    figures += [f"a recall of {row.recall:.3f}"] if row.recall is not None else []
    figures += [f"a p95 of {seconds(row.p95_s)}"] if row.p95_s is not None else []
    figures += [f"{n_bytes(candidate.n_bytes)} of memory"] if candidate.n_bytes is not None else []
    figures += [f"{seconds(row.build_s)} to build"] if row.build_s is not None else []
    if row.lost:
        figures.append(f"{text.difference(row.lost.value, row.lost.low, row.lost.high)} of {table.task_metric} lost")
    return ", ".join(figures)


def _second(advice: Advice) -> str:
    second, ahead = advice.runner_up, advice.lead
    if second is None or ahead is None:
        return "Runner-up: none, no other index meets the needs."
    told = {answers.AHEAD: "ahead in every window", answers.ONCE: "by one window only"}
    verdict = told.get(ahead.verdict, "which of the two is faster cannot be told")
    return f"Runner-up: {_index(second.row)}; the choice is {text.both(ahead.ratio, text.ratio)} as fast, {verdict}."


def _line(candidate: Candidate, advice: Advice, table: IndexTable) -> Line:
    row = candidate.row
    return Line(
        " ".join(filter(None, (row.name, row.build, row.query))),
        "not measured" if row.recall is None else f"{row.recall:.3f}",
        text.median(_rate(row, advice.needs), text.rate),
        text.MISSING if row.p95_s is None else seconds(row.p95_s),
        text.MISSING if candidate.n_bytes is None else n_bytes(candidate.n_bytes),
        text.MISSING if row.build_s is None else seconds(row.build_s),
        _verdict(candidate, advice, table),
    )


def _verdict(candidate: Candidate, advice: Advice, table: IndexTable) -> str:
    if advice.runner_up and candidate.row is advice.runner_up.row:
        return "runner-up"
    if advice.choice and candidate.row is advice.choice.row and not candidate.unmet:
        return "take this"
    missed = [_called(unmet.need, table) for unmet in candidate.unmet]
    return f"misses {', '.join(missed)}" if missed else "fits"


def _rests_on(found: Measured) -> str:
    table, machine = found.table, found.machine
    return (
        f"Measured on vectors of {table.source}, seed {table.seed}, of {table.dataset} ({table.protocol}), on "
        f"{machine.cpu}, {machine.cores} cores, {n_bytes(machine.memory_bytes)} (machine {machine.id})."
    )


def _carried(needs: Needs, table: IndexTable) -> list[str]:
    items, dim = factors(table, needs)
    if items == dim == 1:
        return []
    return [
        f"Asked for {needs.n_items:,} items of {needs.dim} dimensions, {text.significant(items)} times the measured "
        f"items and {text.significant(dim)} times the dimensions: bytes are scaled by both, and nothing else is; "
        "recall, rates, latency and build time are as measured."
    ]


def _records(advice: Advice) -> str:
    shown = [("choice" if advice.outcome != NOTHING_FITS else "nearest miss", advice.choice)]
    shown += [("runner-up", advice.runner_up), *((f"other {r.need}", r.candidate) for r in advice.relaxed)]
    told = [f"{c.row.cell} ({what}, {_day(c.row.run_id)}, run {c.row.run_id})" for what, c in shown if c]
    return f"Records: {'; '.join(told)}."


def _day(run_id: str) -> str:
    """20261121T190207-11145 is of 2026-11-21; an id of another form says nothing of the day."""
    day = run_id.partition("T")[0]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if len(day) == 8 and day.isdigit() else "day unknown"


def _give(unmet: Unmet, table: IndexTable) -> str:
    called, wanted = _called(unmet.need, table), _value(unmet.need, unmet.wanted)
    if unmet.found is None:
        return f"the {called} was not measured"
    return f"the {called} would have to be {_value(unmet.need, unmet.found)} in place of {wanted}"


def _called(need: str, table: IndexTable) -> str:
    return {"recall": _recall(table), "latency": "p95"}.get(need, need)


def _value(need: str, value: float) -> str:
    if need == "recall":
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return n_bytes(value) if need == "memory" else seconds(value)


def _recall(table: IndexTable) -> str:
    return (table.recall_metric or "recall").removeprefix("index_")


def _size(table: IndexTable) -> str:
    return f"{table.n_items:,} items of {table.dim} dimensions"


def _index(row: IndexRow) -> str:
    settings = [f"built with {row.build}"] if row.build else []
    settings += [f"asked with {row.query}"] if row.query else []
    return f"{row.name} ({', '.join(settings)})" if settings else row.name


def _rate(row: IndexRow, needs: Needs) -> Spread | None:
    return spread_of(needs.question.samples(row))


def _measured_json(found: Measured) -> dict[str, Any]:
    table = found.table
    names = ("dataset", "protocol", "source", "seed", "device", "group", "n_items", "dim", "n_queries", "recall_metric")
    return {
        **{name: getattr(table, name) for name in (*names, "task_metric", "threads_all")},
        "machine": msgspec.structs.asdict(found.machine),
        "latest_run": found.latest_run,
    }


def _candidate_json(candidate: Candidate | None, needs: Needs) -> dict[str, Any] | None:
    if candidate is None:
        return None
    row = candidate.row
    rate = _rate(row, needs)
    names = ("cell", "run_id", "name", "build", "query", "recall", "p50_s", "p95_s", "p99_s", "build_s")
    return {
        **{name: getattr(row, name) for name in (*names, "index_bytes", "resident_bytes")},
        "bytes_at_asked_size": candidate.n_bytes,
        "queries_per_s": rate and asdict(rate),
        "lost": row.lost and asdict(row.lost),
    }


def _unmet_json(unmet: Unmet) -> dict[str, Any]:
    return {"need": unmet.need, "wanted": unmet.wanted, "found": unmet.found}
