"""Answers from the retrieval tables: of the indexes that reach a recall, the fastest, smallest, quickest to build."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reports.tables.retrieval import IndexRow, IndexTable
from reports.tables.spread import Spread, paired_ratio, spread_of

RECALL_LEVELS = (0.9, 0.95, 0.99)
RECALL = 0.95
"""Of these the one at which indexes are compared, and a set of vectors is summed up."""
SAME_BYTES = 1.01
"""Sizes that are nearer to each other than this factor are the same: they differ by the head of the file."""
BRUTE_FORCE = frozenset({"exact", "faiss-flat"})
"""Indexes that keep the vectors as they are."""

AHEAD = "ahead"
LEVEL = "cannot be told apart"
EQUAL = "equal"
ONCE = "measured once"
ALONE = "nothing to compare with"
UNREACHED = "none reaches it"
UNMEASURED = "not measured"


@dataclass(frozen=True)
class Question:
    """What is asked of the indexes; `samples` are windows in their order, one value, or none where it was not taken.

    What is `counted` rather than timed is the same whenever it is taken. Indexes that are `left_out` would win
    without having done anything.
    """

    name: str
    samples: Callable[[IndexRow], tuple[float, ...]]
    more_is_better: bool = False
    counted: bool = False
    left_out: frozenset[str] = frozenset()


def _one(value: float | None) -> tuple[float, ...]:
    return () if value is None else (value,)


FASTEST = Question("fastest", lambda row: row.rates, more_is_better=True)
FASTEST_ALL = Question("fastest on all cores", lambda row: row.rates_all, more_is_better=True)
QUICKEST_ANSWER = Question("lowest p95 of single queries", lambda row: row.p95_windows)
SMALLEST = Question("smallest", lambda row: _one(row.index_bytes), counted=True)
QUICKEST_BUILD = Question("quickest to build", lambda row: _one(row.build_s), left_out=BRUTE_FORCE)
QUESTIONS = (FASTEST, FASTEST_ALL, QUICKEST_ANSWER, SMALLEST, QUICKEST_BUILD)


@dataclass(frozen=True)
class Lead:
    """How many times as good one row is as another, window by window, and what may be said of it."""

    ratio: Spread | None
    verdict: str


@dataclass(frozen=True)
class Answer:
    """The index that does best at one question, the best of the other indexes, and the winner's lead over that.

    An index is represented by its best setting: the next best setting of the winner is no runner-up.
    """

    recall: float
    question: Question
    winner: IndexRow | None
    figure: Spread | None
    runner_up: IndexRow | None
    lead: Lead


@dataclass(frozen=True)
class Duel:
    """The fastest Faiss and the fastest Annoy that reach an index recall; the lead is Faiss over Annoy."""

    recall: float
    faiss: IndexRow | None
    annoy: IndexRow | None
    lead: Lead


@dataclass(frozen=True)
class TableAnswers:
    """What the indexes over one set of vectors answer; questions of which nothing was measured are left out."""

    table: IndexTable
    answers: tuple[Answer, ...]
    duels: tuple[Duel, ...]

    @property
    def fastest(self) -> Answer | None:
        """What is fastest at RECALL, None where no rate was measured."""
        return next((answer for answer in self.answers if (answer.recall, answer.question) == (RECALL, FASTEST)), None)

    @property
    def duel(self) -> Duel:
        """Faiss against Annoy at RECALL."""
        return next(duel for duel in self.duels if duel.recall == RECALL)


@dataclass(frozen=True)
class Wins:
    """Of the sets of vectors on which two indexes or more reach a recall: how many this one wins, how many clearly."""

    recall: float
    n_won: int
    n_ahead: int
    n_contests: int


@dataclass(frozen=True)
class WinsRow:
    """One index and one question, over all sets of vectors; `wins` by level of recall."""

    question: str
    index: str
    wins: tuple[Wins, ...]


def table_answers(tables: Iterable[IndexTable]) -> tuple[TableAnswers, ...]:
    """The answers of each table, in the order of the tables."""
    return tuple(_answers(table) for table in tables)


def wins_rows(answered: Sequence[TableAnswers]) -> tuple[WinsRow, ...]:
    """How often each index wins, by question and then by wins; indexes that win nowhere are left out."""
    contests = [answer for one in answered for answer in one.answers if answer.runner_up]
    rows = []
    for question in QUESTIONS:
        asked = [answer for answer in contests if answer.question is question]
        of_question = [
            WinsRow(question.name, name, tuple(_wins(name, level, asked) for level in RECALL_LEVELS))
            for name in {answer.winner.name for answer in asked if answer.winner}
        ]
        rows += sorted(of_question, key=lambda row: (-sum(wins.n_won for wins in row.wins), row.index))
    return tuple(rows)


def reaching(rows: Iterable[IndexRow], recall: float, family: str = "") -> list[IndexRow]:
    """The finished rows, of one family or all, that were timed by turns with others and reach an index recall."""
    timed = (row for row in rows if row.in_group and row.name.startswith(family))
    return [row for row in timed if row.recall is not None and row.recall >= recall]


def best(rows: Iterable[IndexRow], question: Question) -> IndexRow | None:
    """The row with the best median; of equal ones the faster, and at last the one whose name comes first."""
    measured = [(spread, row) for row in rows if (spread := spread_of(question.samples(row)))]
    sign = -1 if question.more_is_better else 1
    ranked = sorted(measured, key=lambda pair: (sign * pair[0].median, -pair[1].rate, _identity(pair[1])))
    return ranked[0][1] if ranked else None


def runner_up(rows: Iterable[IndexRow], winner: IndexRow, question: Question) -> IndexRow | None:
    """The best of the indexes of other names."""
    return best((row for row in rows if row.name != winner.name), question)


def lead(first: IndexRow, second: IndexRow, question: Question) -> Lead:
    """How many times as good the first is as the second, and whether all their windows say that it is better."""
    ours, theirs = question.samples(first), question.samples(second)
    ratio = paired_ratio(ours, theirs) if question.more_is_better else paired_ratio(theirs, ours)
    if ratio is None:
        return Lead(None, LEVEL)
    if question.counted:
        return Lead(ratio, EQUAL if ratio.median < SAME_BYTES else AHEAD)
    if ratio.n == 1:
        return Lead(ratio, ONCE)
    return Lead(ratio, AHEAD if ratio.low > 1 else LEVEL)


def _answers(table: IndexTable) -> TableAnswers:
    measured = [q for q in QUESTIONS if any(q.samples(row) for row in reaching(table.rows, 0))]
    return TableAnswers(
        table,
        tuple(_answer(table, level, question) for level in RECALL_LEVELS for question in measured),
        tuple(_duel(table, level) for level in RECALL_LEVELS),
    )


def _answer(table: IndexTable, recall: float, question: Question) -> Answer:
    entrants = [row for row in reaching(table.rows, recall) if row.name not in question.left_out]
    winner = best(entrants, question)
    if winner is None:
        return Answer(recall, question, None, None, None, Lead(None, UNMEASURED if entrants else UNREACHED))
    second = runner_up(entrants, winner, question)
    won_by = lead(winner, second, question) if second else Lead(None, ALONE)
    return Answer(recall, question, winner, spread_of(question.samples(winner)), second, won_by)


def _duel(table: IndexTable, recall: float) -> Duel:
    faiss, annoy = (best(reaching(table.rows, recall, family), FASTEST) for family in ("faiss", "annoy"))
    if faiss and annoy:
        return Duel(recall, faiss, annoy, _either_way(lead(faiss, annoy, FASTEST)))
    return Duel(recall, faiss, annoy, Lead(None, ALONE if faiss or annoy else UNREACHED))


def _either_way(found: Lead) -> Lead:
    """A lead of the second is one too: who is ahead can be read from the ratio."""
    behind = found.ratio is not None and found.ratio.n > 1 and found.ratio.high < 1
    return Lead(found.ratio, AHEAD) if behind else found


def _wins(name: str, recall: float, asked: Sequence[Answer]) -> Wins:
    at_level = [answer for answer in asked if answer.recall == recall]
    won = [answer for answer in at_level if answer.winner and answer.winner.name == name]
    return Wins(recall, len(won), sum(answer.lead.verdict == AHEAD for answer in won), len(at_level))


def _identity(row: IndexRow) -> tuple[str, str, str, str]:
    return row.name, row.build, row.query, row.cell
