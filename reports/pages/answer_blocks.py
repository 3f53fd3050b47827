"""Answers to tables of plain text: for each set of vectors, and over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reports.charts import text
from reports.pages import blocks
from reports.tables import answers
from reports.tables.answers import Answer, Duel, Lead, TableAnswers, WinsRow
from reports.tables.retrieval import IndexRow, IndexTable
from reports.tables.spread import Spread

_TITLES = {
    answers.AHEAD: "in every window",
    answers.LEVEL: "some windows say one, some the other",
    answers.EQUAL: "the same within a hundredth",
    answers.ONCE: "one measurement of each: what chance adds to it is not known",
    answers.ALONE: "no other index reaches this recall",
    answers.UNREACHED: "no index reaches this recall",
    answers.UNMEASURED: "those that reach this recall have no such figure",
}
_NOTES = (
    "An index is represented by the best of its settings that reach the recall; the runner-up is the best of the "
    "other indexes. Quickest to build leaves out brute force, which builds nothing.",
    f"“{answers.AHEAD}”: better in every window, or by a count of bytes. “{answers.LEVEL}”: some windows say one, some "
    f"the other. “{answers.ONCE}”: one figure of each, so that nothing is known of its spread.",
)


def overview(rows: Sequence[WinsRow], tables: Sequence[IndexTable]) -> list[blocks.Block]:
    """How often each index wins, over all sets of vectors; nothing where there was never a contest."""
    if not rows:
        return []
    columns = (*_words("question", "index"), *_figures(*(f"recall {_level(w.recall)}" for w in rows[0].wins)))
    body = tuple(blocks.Row(_cells(row.question, row.index, *map(_wins, row.wins))) for row in rows)
    caption = "How often an index wins, of the sets of vectors on which two indexes or more reach the recall"
    absent = (f"In no contest on {t.source}, {t.dataset}: {', '.join(t.lost)}." for t in tables if t.lost)
    shown = blocks.Table(caption, columns, body, ("wins",), 2)
    return [blocks.Block("Over all sets of vectors", (shown,), notes=(*_NOTES, *absent))]


def of_table(answered: TableAnswers) -> tuple[blocks.Table, ...]:
    """The answers for one set of vectors, and Faiss against Annoy; nothing where no two were timed together."""
    tables, of = [], answered.table
    key = (of.dataset, of.protocol, of.source, str(of.seed), of.device, str(of.threads))
    about = (("model", of.model),)
    if answered.answers:
        columns = (*_figures("index recall"), *_words("question", "index", "build", "query"))
        columns += _figures("figure", "min – max", f"lost {answered.table.task_metric or 'of the task'}")
        columns += (*_words("runner-up"), *_figures("times as good"), *_words("verdict"))
        caption = "Of the indexes that reach an index recall: the best at each question, and the best of the others"
        caption += f"; without {', '.join(of.lost)}" if of.lost else ""
        body = tuple(_answer_row(answer, answered.table) for answer in answered.answers)
        tables.append(blocks.Table(caption, columns, body, (*key, "best"), 2, about))
    heads = (*_figures("index recall"), *_words("Faiss"), *_figures("queries/s"), *_words("Annoy"))
    heads += (*_figures("queries/s", "Faiss ÷ Annoy"), *_words("verdict"))
    caption = "Faiss against Annoy: the fastest of each that reaches an index recall"
    duels = tuple(_duel_row(duel, of) for duel in answered.duels)
    return (*tables, blocks.Table(caption, heads, duels, (*key, "duel"), 1, about))


def name_of(row: IndexRow) -> str:
    """An index with its settings."""
    return " ".join(part for part in (row.name, row.build, row.query) if part)


def _answer_row(answer: Answer, table: IndexTable) -> blocks.Row:
    winner, form = answer.winner, _FORMS[answer.question.name]
    lost = winner.lost if winner else None
    return blocks.Row(
        _cells(
            _level(answer.recall),
            _asked(answer, table),
            winner.name if winner else "",
            winner.build if winner else "",
            winner.query if winner else "",
            text.median(answer.figure, form),
            text.extent(answer.figure, form) if answer.figure and answer.figure.n > 1 else "",
            text.difference(lost.value, lost.low, lost.high) if lost else "",
            name_of(answer.runner_up) if answer.runner_up else "",
            _times(answer.lead.ratio),
            _verdict(answer.lead),
        )
    )


def _duel_row(duel: Duel, table: IndexTable) -> blocks.Row:
    cells = [_level(duel.recall)]
    for row, family in ((duel.faiss, "faiss"), (duel.annoy, "annoy")):
        absent = table.failed(family) or answers.UNREACHED
        cells += [name_of(row), text.both(row.qps, text.rate)] if row else [absent, ""]
    return blocks.Row(_cells(*cells, text.both(duel.lead.ratio, text.ratio), _verdict(duel.lead)))


def _asked(answer: Answer, table: IndexTable) -> str:
    threads = {answers.FASTEST.name: table.search_threads, answers.FASTEST_ALL.name: table.threads_all}
    n = threads.get(answer.question.name)
    return answer.question.name + (f", {n} thread{'s' if n > 1 else ''}" if n else "")


_FORMS: dict[str, Callable[[float], str]] = {
    answers.FASTEST.name: lambda value: f"{text.rate(value)}/s",
    answers.FASTEST_ALL.name: lambda value: f"{text.rate(value)}/s",
    answers.QUICKEST_ANSWER.name: lambda value: f"{text.milliseconds(value)} ms",
    answers.SMALLEST.name: lambda value: f"{text.mebibytes(value)} MiB",
    answers.QUICKEST_BUILD.name: lambda value: f"{text.number(value)} s",
}


def _times(ratio: Spread | None) -> str:
    if ratio is None or ratio.n > 1:
        return text.both(ratio, text.ratio)
    return text.ratio(ratio.median)


def _verdict(lead: Lead) -> blocks.Cell:
    return blocks.Cell(lead.verdict, _TITLES[lead.verdict])


def _wins(wins: answers.Wins) -> str:
    if not wins.n_contests:
        return text.MISSING
    ahead = f", {wins.n_ahead} ahead" if wins.n_won else ""
    return f"{wins.n_won} of {wins.n_contests}{ahead}"


def _level(recall: float) -> str:
    return f"≥ {recall:g}"


def _words(*names: str) -> tuple[blocks.Column, ...]:
    return tuple(blocks.Column(name, numeric=False) for name in names)


def _figures(*names: str) -> tuple[blocks.Column, ...]:
    return tuple(blocks.Column(name, numeric=True) for name in names)


def _cells(*texts: str | blocks.Cell) -> tuple[blocks.Cell, ...]:
    return tuple(cell if isinstance(cell, blocks.Cell) else blocks.Cell(cell or text.MISSING) for cell in texts)
