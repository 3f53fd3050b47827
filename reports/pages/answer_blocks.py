"""What the indexes answer, as tables: over all sets of vectors, and for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reports.charts import text
from reports.pages.blocks import Block, Cell, Row, Table, cells, figures, threads, words
from reports.tables import answers
from reports.tables.answers import Answer, Duel, Lead, TableAnswers, WinsRow
from reports.tables.retrieval import IndexRow, IndexTable
from reports.tables.spread import Spread

RECALL = 0.95  # of RECALL_LEVELS, the one that a set of vectors is summed up by
_TITLES = {
    answers.AHEAD: "in every window",
    answers.LEVEL: "some windows say one, some the other",
    answers.EQUAL: "the same within a hundredth",
    answers.ONCE: "one measurement of each: how much chance adds to it is not known",
    answers.ALONE: "no other index reaches this recall",
    answers.UNREACHED: "no index reaches this recall",
    answers.UNMEASURED: "those that reach this recall have no such figure",
}
_NOTES = (
    "Each index stands with the best of its settings that reach the recall; the runner-up is the best of the other "
    "indexes. Quickest to build leaves out brute force, which builds nothing.",
    f"“{answers.AHEAD}” means better in every window, or by a count of bytes; “{answers.LEVEL}”, that some windows say "
    f"one and some the other; “{answers.ONCE}”, that there is one figure of each and nothing is known of its spread.",
)


def summary(found: Sequence[tuple[TableAnswers, str]]) -> list[Block]:
    """One row a set of vectors, the largest catalogue first, with the anchor of its own part."""
    heads = (*words("vectors", f"fastest at index recall ≥ {RECALL}"), *figures("queries/s", "Faiss ÷ Annoy"))
    heads += (*words("verdict"), *figures("items"))
    rows = tuple(Row(_summary_cells(answered, anchor)) for answered, anchor in found)
    table = Table("The fastest index for each set of vectors", heads, rows, ("fastest",), 1)
    return [Block("Which index is fastest", (table,), is_first=True)] if rows else []


def _summary_cells(answered: TableAnswers, anchor: str) -> tuple[Cell, ...]:
    table, duel = answered.table, _duel_at(answered, RECALL)
    fastest = _fastest(answered)
    return cells(
        Cell(f"{source(table)} on {table.dataset}", to=anchor),
        name_of(fastest) if fastest else answers.UNREACHED,
        text.median(fastest.qps, text.rate) if fastest else "",
        text.both(duel.lead.ratio, text.ratio) if duel else "",
        _duel_verdict(duel) if duel else "",
        text.count(table.n_items),
    )


def in_short(answered: TableAnswers) -> str:
    """The answer of one set of vectors, in a line."""
    fastest, duel = _fastest(answered), _duel_at(answered, RECALL)
    if fastest is None:
        return f"{_size(answered.table)}; no index that was timed with others reaches recall {RECALL}"
    said = f"{_size(answered.table)}; fastest at recall ≥ {RECALL}: {name_of(fastest)}, "
    said += f"{text.median(fastest.qps, text.rate)} queries/s"
    return said + (f"; Faiss is {text.ratio(duel.lead.ratio.median)} Annoy" if duel and duel.lead.ratio else "")


def _size(table: IndexTable) -> str:
    return f"{text.count(table.n_items)} items × {text.count(table.dim)}, {threads(table.threads)}"


def _fastest(answered: TableAnswers) -> IndexRow | None:
    return next((a.winner for a in answered.answers if a.recall == RECALL and a.question is answers.FASTEST), None)


def _duel_at(answered: TableAnswers, recall: float) -> Duel | None:
    return next((duel for duel in answered.duels if duel.recall == recall), None)


def source(table: IndexTable) -> str:
    """Where the vectors come from, in words."""
    return text.vectors(table.source)


def overview(rows: Sequence[WinsRow], tables: Sequence[IndexTable]) -> list[Block]:
    """How often each index wins, over all sets of vectors; nothing where there was never a contest."""
    if not rows:
        return []
    columns = (*words("question", "index"), *figures(*(f"recall {_level(w.recall)}" for w in rows[0].wins)))
    body = tuple(Row(cells(row.question, row.index, *map(_wins, row.wins))) for row in rows)
    caption = "How often an index wins, of the sets of vectors on which two indexes or more reach the recall"
    absent = (f"In no contest on {source(t)}, {t.dataset}: {', '.join(t.lost)}." for t in tables if t.lost)
    shown = Table(caption, columns, body, ("wins",), 2)
    return [Block("How often each index wins", (shown,), notes=(*_NOTES, *absent), is_detail=True)]


def of_table(answered: TableAnswers) -> tuple[Table, ...]:
    """The answers for one set of vectors, and Faiss against Annoy; nothing where no two were timed together."""
    tables, of = [], answered.table
    key = (of.dataset, of.protocol, of.source, str(of.seed), of.device, str(of.threads))
    about = (("model", of.model), ("dataset", of.dataset))
    if answered.answers:
        columns = (*figures("index recall"), *words("question", "index", "build", "query"))
        columns += figures("figure", "min – max", f"{of.task_metric or 'task-metric'} loss")
        columns += (*words("runner-up"), *figures("times as good"), *words("verdict"))
        caption = "The best index that reaches an index recall, and the best of the others"
        caption += f"; without {', '.join(of.lost)}" if of.lost else ""
        body = tuple(_answer_row(answer, of) for answer in answered.answers)
        tables.append(Table(caption, columns, body, (*key, "best"), 2, about))
    heads = (*figures("index recall"), *words("Faiss"), *figures("queries/s"), *words("Annoy"))
    heads += (*figures("queries/s", "Faiss ÷ Annoy"), *words("verdict"))
    caption = "Faiss against Annoy: the fastest setting of each that reaches an index recall"
    duels = tuple(_duel_row(duel, of) for duel in answered.duels)
    return (*tables, Table(caption, heads, duels, (*key, "duel"), 1, about))


def name_of(row: IndexRow) -> str:
    """An index with its settings."""
    return " ".join(part for part in (row.name, row.build, row.query) if part)


def _answer_row(answer: Answer, table: IndexTable) -> Row:
    winner, form = answer.winner, _FORMS[answer.question.name]
    lost = winner.lost if winner else None
    return Row(
        cells(
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


def _duel_row(duel: Duel, table: IndexTable) -> Row:
    sides = [_level(duel.recall)]
    for row, family in ((duel.faiss, "faiss"), (duel.annoy, "annoy")):
        absent = table.failed(family) or answers.UNREACHED
        sides += [name_of(row), text.both(row.qps, text.rate)] if row else [absent, ""]
    return Row(cells(*sides, text.both(duel.lead.ratio, text.ratio), _duel_verdict(duel)))


def _asked(answer: Answer, table: IndexTable) -> str:
    of = {answers.FASTEST.name: table.search_threads, answers.FASTEST_ALL.name: table.threads_all}
    n = of.get(answer.question.name)
    return answer.question.name + (f", {threads(n)}" if n else "")


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


def _duel_verdict(duel: Duel) -> Cell:
    """Which of the two is ahead; a ratio is Faiss' to Annoy's."""
    lead = duel.lead
    if lead.verdict != answers.AHEAD or lead.ratio is None:
        return _verdict(lead)
    return Cell(f"{'Faiss' if lead.ratio.median > 1 else 'Annoy'} is ahead", _verdict(lead).title)


def _verdict(lead: Lead) -> Cell:
    return Cell(lead.verdict, _TITLES[lead.verdict])


def _wins(wins: answers.Wins) -> str:
    if not wins.n_contests:
        return text.MISSING
    ahead = f", {wins.n_ahead} ahead" if wins.n_won else ""
    return f"{wins.n_won} of {wins.n_contests}{ahead}"


def _level(recall: float) -> str:
    return f"≥ {recall:g}"
