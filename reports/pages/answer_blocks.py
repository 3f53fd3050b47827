"""What the indexes answer, as tables: over all sets of vectors, and for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from reports.charts import text
from reports.pages.blocks import Block, Cell, Columns, Table, figure, named, rows_of, threads, word
from reports.pages.links import set_key
from reports.tables import answers
from reports.tables.answers import RECALL, Answer, Duel, Lead, TableAnswers, WinsRow
from reports.tables.retrieval import IndexRow, IndexTable
from reports.tables.spread import Spread

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
    columns: Columns[tuple[TableAnswers, str]] = (
        word("vectors", lambda one: Cell(f"{source(one[0].table)} on {one[0].table.dataset}", to=one[1])),
        word(
            f"fastest at index recall ≥ {RECALL}",
            lambda one: text.index(row) if (row := _fastest(one[0])) else answers.UNREACHED,
        ),
        figure("queries/s", lambda one: text.median(row.qps, text.rate) if (row := _fastest(one[0])) else ""),
        figure("Faiss ÷ Annoy", lambda one: text.both(one[0].duel.lead.ratio, text.ratio)),
        word("verdict", lambda one: _duel_verdict(one[0].duel)),
        figure("items", lambda one: text.count(one[0].table.n_items)),
    )
    table = Table("The fastest index for each set of vectors", columns, rows_of(columns, found), ("fastest",), 1)
    return [Block("Which index is fastest", (table,), is_first=True)] if found else []


def in_short(answered: TableAnswers) -> str:
    """The answer of one set of vectors, in a line."""
    fastest, ratio = _fastest(answered), answered.duel.lead.ratio
    if fastest is None:
        return f"{_size(answered.table)}; no index that was timed with others reaches recall {RECALL}"
    said = f"{_size(answered.table)}; fastest at recall ≥ {RECALL}: {text.index(fastest)}, "
    said += f"{text.median(fastest.qps, text.rate)} queries/s"
    if ratio:
        said += f"; Faiss answers {text.ratio(ratio.median)} as many as Annoy"
    return said


def _size(table: IndexTable) -> str:
    return f"{text.count(table.n_items)} items × {text.count(table.dim)}, {threads(table.threads)}"


def _fastest(answered: TableAnswers) -> IndexRow | None:
    return answered.fastest.winner if answered.fastest else None


def source(table: IndexTable) -> str:
    """Where the vectors come from, in words."""
    return text.vectors(table.source)


def overview(rows: Sequence[WinsRow], tables: Sequence[IndexTable]) -> list[Block]:
    """How often each index wins, over all sets of vectors; nothing where there was never a contest."""
    if not rows:
        return []
    columns: Columns[WinsRow] = (
        *named("question", "index"),
        *(figure(f"recall {_level(of.recall)}", partial(_wins, place)) for place, of in enumerate(rows[0].wins)),
    )
    caption = "How often an index wins, of the sets of vectors on which two indexes or more reach the recall"
    absent = (f"In no contest on {source(t)}, {t.dataset}: {', '.join(t.lost)}." for t in tables if t.lost)
    shown = Table(caption, columns, rows_of(columns, rows), ("wins",), 2)
    return [Block("How often each index wins", (shown,), notes=(*_NOTES, *absent), is_detail=True)]


def of_table(answered: TableAnswers) -> tuple[Table, ...]:
    """The answers for one set of vectors, and Faiss against Annoy; nothing where no two were timed together."""
    tables, of, key = [], answered.table, set_key(answered.table)
    about = (("model", of.model), ("dataset", of.dataset))
    if answered.answers:
        columns = _answer_columns(of)
        caption = "The best index that reaches an index recall, and the best of the others"
        caption += f"; without {', '.join(of.lost)}" if of.lost else ""
        tables.append(Table(caption, columns, rows_of(columns, answered.answers), (*key, "best"), 2, about))
    caption = "Faiss against Annoy: the fastest setting of each that reaches an index recall"
    duels = _duel_columns(of)
    return (*tables, Table(caption, duels, rows_of(duels, answered.duels), (*key, "duel"), 1, about))


def loss(row: IndexRow | None) -> str:
    return text.difference(row.lost.value, row.lost.low, row.lost.high) if row and row.lost else ""


def _answer_columns(table: IndexTable) -> Columns[Answer]:
    return (
        figure("index recall", lambda answer: _level(answer.recall)),
        word("question", lambda answer: _asked(answer, table)),
        word("index", lambda answer: answer.winner.name if answer.winner else ""),
        word("build", lambda answer: answer.winner.build if answer.winner else ""),
        word("query", lambda answer: answer.winner.query if answer.winner else ""),
        figure("figure", lambda answer: text.median(answer.figure, _FORMS[answer.question.name])),
        figure("min – max", _extent),
        figure(f"{table.task_metric or 'task-metric'} loss", lambda answer: loss(answer.winner)),
        word("runner-up", lambda answer: text.index(answer.runner_up) if answer.runner_up else ""),
        figure("times as good", lambda answer: _times(answer.lead.ratio)),
        word("verdict", lambda answer: _verdict(answer.lead)),
    )


def _extent(answer: Answer) -> str:
    of = answer.figure
    return text.extent(of, _FORMS[answer.question.name]) if of and of.n > 1 else ""


def _duel_columns(table: IndexTable) -> Columns[Duel]:
    def setting(row: IndexRow | None, family: str) -> str:
        return text.index(row) if row else table.failed(family) or answers.UNREACHED

    return (
        figure("index recall", lambda duel: _level(duel.recall)),
        word("Faiss", lambda duel: setting(duel.faiss, "faiss")),
        figure("queries/s", lambda duel: text.both(duel.faiss.qps, text.rate) if duel.faiss else ""),
        word("Annoy", lambda duel: setting(duel.annoy, "annoy")),
        figure("queries/s", lambda duel: text.both(duel.annoy.qps, text.rate) if duel.annoy else ""),
        figure("Faiss ÷ Annoy", lambda duel: text.both(duel.lead.ratio, text.ratio)),
        word("verdict", _duel_verdict),
    )


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


def _wins(place: int, row: WinsRow) -> str:
    wins = row.wins[place]
    if not wins.n_contests:
        return ""
    ahead = f", {wins.n_ahead} ahead" if wins.n_won else ""
    return f"{wins.n_won} of {wins.n_contests}{ahead}"


def _level(recall: float) -> str:
    return f"≥ {recall:g}"
