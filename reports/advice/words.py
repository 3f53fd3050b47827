"""Advice in words: a recommendation in one sentence, and below it the records that it rests on; or the same as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from reports.advice.measured import (
    FAR_DIM,
    FAR_ITEMS,
    NOTHING_FITS,
    Advice,
    Candidate,
    Measured,
    Needs,
    Relaxed,
    Unmet,
    dim_factor,
    items_factor,
)
from reports.charts import text
from reports.tables import answers
from reports.tables.retrieval import IndexRow, IndexTable
from reports.tables.spread import Spread, spread_of

_LARGE = 300_000  # items from which the suite with a million is nearer than that with 100,000


def lines(advice: Advice) -> list[str]:
    """The recommendation first, in one sentence; what it rests on and what else there is in the following ones."""
    needs, found, choice = advice.needs, advice.measured, advice.choice
    if found is None or choice is None:
        return [text.plain(_cannot_tell(needs, found))]
    if advice.outcome == NOTHING_FITS:
        said = [_nothing_fits(needs, found.table, choice)]
    else:
        said = [_recommendation(needs, found.table, choice, advice.lead), *_second(advice)]
        said += [_relaxing(needs, found.table, relaxed) for relaxed in advice.relaxed]
    said += [_rests_on(found), *_carried(needs, found.table), _records(advice)]
    if found.table.lost:
        said.append(f"Without figures there, and so not in the choice: {', '.join(found.table.lost)}.")
    if advice.n_alike:
        said.append(
            f"Of {advice.n_alike} further sets of vectors of this size, {choice.row.name} is the fastest that fits on "
            f"{advice.n_same}."
        )
    return [text.plain(line) for line in said]


def as_json(advice: Advice) -> dict[str, Any]:
    """The advice for programs: bytes, seconds and queries a second."""
    needs, found = advice.needs, advice.measured
    return {
        "outcome": advice.outcome,
        "needs": {
            "recall": needs.recall,
            "n_items": needs.n_items,
            "dim": needs.dim,
            "memory_bytes": needs.memory_bytes,
            "build_s": needs.build_s,
            "latency_s": needs.latency_s,
            "threads": "all" if needs.all_threads else "1",
        },
        "measured": _measured_json(found) if found else None,
        "index": _candidate_json(advice.choice, needs),
        "unmet": [_unmet_json(unmet) for unmet in advice.choice.unmet] if advice.choice else [],
        "runner_up": _candidate_json(advice.runner_up, needs),
        "lead": _lead_json(advice.lead),
        "relaxed": [
            {"need": r.need, "value": r.value, "index": _candidate_json(r.candidate, needs), "lead": _lead_json(r.lead)}
            for r in advice.relaxed
        ],
        "alike": {"n": advice.n_alike, "same_index": advice.n_same},
        "sentences": lines(advice),
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


def _recommendation(needs: Needs, table: IndexTable, choice: Candidate, ahead: answers.Lead | None) -> str:
    fastest = "it is the fastest" if ahead is None or ahead.verdict == answers.AHEAD else "nothing is clearly faster"
    return (
        f"Take {_index(choice.row)}: of what reaches {_wanted(needs, table)}, {fastest}, with "
        f"{_figures(choice, needs, table)} (measured at {_size(table)})."
    )


def _nothing_fits(needs: Needs, table: IndexTable, miss: Candidate) -> str:
    give = " and ".join(_give(unmet, table) for unmet in miss.unmet)
    return (
        f"No measured index reaches {_wanted(needs, table)}: the nearest miss is {_index(miss.row)}, for which {give}; "
        f"it has {_figures(miss, needs, table)} (measured at {_size(table)})."
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
    wanted += [f"fits {n_bytes(needs.memory_bytes)}"] if needs.memory_bytes is not None else []
    wanted += [f"is built within {seconds(needs.build_s)}"] if needs.build_s is not None else []
    wanted += [f"answers 95 % of single queries within {seconds(needs.latency_s)}"] if needs.latency_s else []
    return wanted[0] if len(wanted) == 1 else f"{', '.join(wanted[:-1])} and {wanted[-1]}"


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


def _second(advice: Advice) -> list[str]:
    second, ahead, found = advice.runner_up, advice.lead, advice.measured
    if second is None or ahead is None or found is None:
        return ["No other index meets the needs."]
    told = {answers.AHEAD: "ahead in every window", answers.ONCE: "by one window only"}
    verdict = told.get(ahead.verdict, "which of the two is faster cannot be told")
    times = f"the choice is {text.both(ahead.ratio, text.ratio)} as fast, {verdict}"
    return [f"Runner-up: {_index(second.row)}; {times}; it has {_figures(second, advice.needs, found.table)}."]


def _relaxing(needs: Needs, table: IndexTable, relaxed: Relaxed) -> str:
    value = f"{relaxed.value:g}" if relaxed.need == "recall" else _value(relaxed.need, relaxed.value)
    return (
        f"With a {_called(relaxed.need, table)} of {value}: {_index(relaxed.candidate.row)}, "
        f"{text.both(relaxed.lead.ratio, text.ratio)} as fast as the choice, with "
        f"{_figures(relaxed.candidate, needs, table)}."
    )


def _rests_on(found: Measured) -> str:
    table, machine = found.table, found.machine
    return (
        f"Measured on vectors of {table.source}, seed {table.seed}, of {table.dataset} ({table.protocol}), on "
        f"{machine.cpu}, {machine.cores} cores, {n_bytes(machine.memory_bytes)} (machine {machine.id})."
    )


def _carried(needs: Needs, table: IndexTable) -> list[str]:
    items, dim = items_factor(table, needs), dim_factor(table, needs)
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
    names = ("cell", "run_id", "name", "build", "query", "recall", "p50_s", "p95_s", "p99_s", "build_s")
    return {
        **{name: getattr(row, name) for name in (*names, "index_bytes", "resident_bytes")},
        "bytes_at_asked_size": candidate.n_bytes,
        "queries_per_s": _spread_json(_rate(row, needs)),
        "lost": {"value": row.lost.value, "low": row.lost.low, "high": row.lost.high} if row.lost else None,
    }


def _lead_json(lead: answers.Lead | None) -> dict[str, Any] | None:
    return {"ratio": _spread_json(lead.ratio), "verdict": lead.verdict} if lead else None


def _spread_json(spread: Spread | None) -> dict[str, Any] | None:
    return {"median": spread.median, "low": spread.low, "high": spread.high, "n": spread.n} if spread else None


def _unmet_json(unmet: Unmet) -> dict[str, Any]:
    return {"need": unmet.need, "wanted": unmet.wanted, "found": unmet.found}
