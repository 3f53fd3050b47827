"""Who is fastest, smallest, quickest to build: against a plain slow search, and what may be said of a lead."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import changed, indexed, searched, suite

from benchmarks.harness import store
from reports.pages import answer_blocks
from reports.tables import answers
from reports.tables.answers import (
    FASTEST,
    FASTEST_ALL,
    QUICKEST_ANSWER,
    QUICKEST_BUILD,
    RECALL_LEVELS,
    SMALLEST,
    table_answers,
    wins_rows,
)
from reports.tables.frame import frame_of
from reports.tables.leaderboard import build
from reports.tables.records import prepare
from reports.tables.retrieval import index_tables

NAMES = ("annoy", "faiss-flat", "faiss-hnsw", "faiss-ivf")
WITH_INDEXES = ("online-retail", "quick", "sequences")


def answered(records):
    return table_answers(index_tables(frame_of(prepare(records), {})))


def answer(records, recall, question):
    (one,) = answered(records)
    (found,) = [a for a in one.answers if (a.recall, a.question) == (recall, question)]
    return found


@st.composite
def index_records(draw):
    """One set of vectors: a few settings of a few indexes, three windows each; few values, so that many are equal."""
    rate = st.sampled_from([100.0, 110.0, 200.0, 210.0])
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(NAMES),
                st.sampled_from([0.5, 0.9, 0.93, 0.95, 0.97, 0.99, 1.0]),
                st.tuples(rate, rate, rate),
                st.sampled_from([None, 100, 200, 300]),
                st.sampled_from([0.001, 0.002]),
            ),
            min_size=1,
            max_size=8,
        )
    )
    return [
        indexed(
            name,
            recall,
            list(rates),
            index={"name": name, "build": {}, "query": {"ef": place}},
            memory={} if n_bytes is None else {"index_bytes": n_bytes},
            timings={"p95_s": p95, "build_s": place / 4},
        )
        for place, (name, recall, rates, n_bytes, p95) in enumerate(drawn)
    ]


def figure_of(record, question):
    if question is FASTEST:
        return -statistics.median(record.timings["batch_qps"])
    if question is SMALLEST:
        return record.memory.get("index_bytes")
    return record.timings["p95_s" if question is QUICKEST_ANSWER else "build_s"]


@settings(deadline=None, derandomize=True)
@given(index_records(), st.sampled_from([FASTEST, SMALLEST, QUICKEST_ANSWER, QUICKEST_BUILD]))
def test_the_winner_is_that_of_a_plain_search_through_the_records(records, question):
    (one,) = answered(records)
    for found in (a for a in one.answers if a.question is question):
        best = None
        for record in records:
            value = figure_of(record, question)
            reaches = record.metrics["index_recall@5"] >= found.recall
            allowed = question is not QUICKEST_BUILD or record.index.name != "faiss-flat"
            if value is not None and reaches and allowed and (best is None or value < best):
                best = value
        assert (found.winner is None) == (best is None)
        if found.winner:
            assert found.winner.recall >= found.recall
            assert found.figure.median == abs(best)
            others = [
                figure_of(r, question)
                for r in records
                if r.metrics["index_recall@5"] >= found.recall
                and r.index.name not in {found.winner.name, *question.left_out}
                and figure_of(r, question) is not None
            ]
            assert (found.runner_up is None) == (not others)
            if others:
                second = next(r for r in records if r.cell == found.runner_up.cell)
                assert figure_of(second, question) == min(others)


@settings(deadline=None, derandomize=True)
@given(index_records())
def test_ahead_is_said_where_every_window_says_so_and_nowhere_else(records):
    (one,) = answered(records)
    by_cell = {record.cell: record.timings["batch_qps"] for record in records}
    for found in (a for a in one.answers if a.question is FASTEST and a.runner_up):
        wins = [a > b for a, b in zip(by_cell[found.winner.cell], by_cell[found.runner_up.cell], strict=True)]
        assert found.lead.verdict == ("ahead" if all(wins) else "cannot be told apart")


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(index_records(), min_size=1, max_size=4))
def test_wins_over_all_sets_of_vectors_are_those_counted_one_by_one(many):
    apart = [[changed(record, seed=seed) for record in records] for seed, records in enumerate(many)]
    for_cell = [changed(r, cell=f"{n:016x}") for n, r in enumerate(r for records in apart for r in records)]
    found = answered(for_cell)
    rows = {(row.question, row.index): row.wins for row in wins_rows(found)}
    for place, level in enumerate(RECALL_LEVELS):
        asked = [a for one in found for a in one.answers if a.recall == level and a.question is FASTEST]
        contests = [a for a in asked if a.runner_up]
        for name in NAMES:
            n_won = sum(a.winner.name == name for a in contests)
            n_ahead = sum(a.winner.name == name and a.lead.verdict == "ahead" for a in contests)
            wins = rows[FASTEST.name, name][place] if (FASTEST.name, name) in rows else None
            assert (wins.n_won, wins.n_ahead, wins.n_contests) == (n_won, n_ahead, len(contests)) if wins else not n_won


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([200.0, 210.0, 220.0], [100.0, 105.0, 110.0], "ahead"),
        ([200.0, 100.0, 220.0], [199.0, 101.0, 110.0], "cannot be told apart"),
        ([200.0, 210.0], [200.0, 105.0], "cannot be told apart"),  # as fast in one window
        ([200.0], [100.0], "measured once"),
    ],
)
def test_a_lead_is_formed_window_by_window(first, second, expected):
    found = answer([indexed("faiss-ivf", 0.96, first), indexed("annoy", 0.96, second)], 0.95, FASTEST)
    assert found.lead.verdict == expected
    assert found.lead.ratio.n == len(first)


def test_another_setting_of_the_winner_is_no_runner_up():
    settings_of = [{"name": "faiss-ivf", "build": {}, "query": {"nprobe": n}} for n in (4, 8)]
    records = [indexed("faiss-ivf", 0.96, [300.0 - n], index=index) for n, index in enumerate(settings_of)]
    found = answer([*records, indexed("annoy", 0.97, [100.0])], 0.95, FASTEST)
    assert (found.winner.query, found.runner_up.name) == ("nprobe=4", "annoy")


def test_nothing_else_reaches_it_or_nothing_does():
    records = [indexed("faiss-ivf", 0.96, [300.0, 310.0]), indexed("annoy", 0.5, [900.0, 910.0])]
    assert answer(records, 0.95, FASTEST).lead.verdict == "nothing to compare with"
    assert answer(records, 0.99, FASTEST).lead.verdict == "none reaches it"
    assert answer(records, 0.99, FASTEST).winner is None


def test_a_few_bytes_more_are_the_same_size():
    sizes = {"exact": 1_000_000, "faiss-flat": 1_000_045, "faiss-sq8": 250_000}
    records = [indexed(name, 1.0, [9.0, 9.0], memory={"index_bytes": size}) for name, size in sizes.items()]
    assert answer(records, 0.9, SMALLEST).winner.name == "faiss-sq8"
    assert answer(records, 0.9, SMALLEST).lead.verdict == "ahead"
    assert answer(records[:2], 0.9, SMALLEST).lead.verdict == "equal"


def test_windows_on_all_cores_are_a_question_of_their_own():
    records = [
        searched("faiss-ivf", 0.96, [300.0, 310.0], timings={"batch_qps_all": [310.0, 320.0]}),
        searched("annoy", 0.97, [200.0, 210.0], timings={"batch_qps_all": [390.0, 400.0]}),
    ]
    assert answer(records, 0.9, FASTEST).winner.name == "faiss-ivf"
    assert answer(records, 0.9, FASTEST_ALL).winner.name == "annoy"
    assert answer(records, 0.9, FASTEST_ALL).lead.ratio.low == 1.25


def test_what_ran_in_no_group_is_not_compared():
    records = [indexed(name, 0.96, [300.0, 310.0], group=None) for name in ("annoy", "faiss-ivf")]
    (one,) = answered(records)
    assert one.answers == ()
    assert {duel.lead.verdict for duel in one.duels} == {"none reaches it"}


def test_the_duel_is_of_the_fastest_faiss_and_the_fastest_annoy():
    (one,) = answered(suite())
    by_level = {duel.recall: duel for duel in one.duels}
    assert (by_level[0.9].faiss.query, by_level[0.9].annoy.query) == ("nprobe=4", "search_k=1000")
    assert by_level[0.95].faiss.name == "faiss-hnsw"
    assert by_level[0.99].lead.ratio.median == pytest.approx(21 / 1.8)
    assert by_level[0.99].lead.verdict == "ahead"


def test_annoy_may_be_ahead_of_faiss():
    (one,) = answered([indexed("faiss-ivf", 0.96, [100.0, 110.0]), indexed("annoy", 0.96, [200.0, 210.0])])
    assert (one.duels[0].lead.verdict, one.duels[0].lead.ratio.high < 1) == ("ahead", True)


def test_what_is_lost_of_the_task_stands_beside_the_winner():
    lost = {"exact/precision@5": 0.15, "lost/precision@5": 0.002, "index_recall@5": 0.96, "precision@5": 0.148}
    intervals = {"lost/precision@5": [-0.001, 0.005]}
    records = [
        indexed("faiss-ivf", 0.96, [300.0, 310.0], metrics=lost, intervals=intervals),
        indexed("annoy", 0.96, [200.0, 210.0]),
    ]
    tables = answer_blocks.of_table(answered(records)[0])
    texts = [cell.text for cell in tables[0].rows[0].cells]
    assert "+0.0020 (−0.0010 – +0.0050)" in texts
    assert "1.49× (1.48× – 1.50×)" in texts
    assert texts[-1] == "ahead"


def test_made_up_vectors_have_no_task_to_lose():
    (table,) = index_tables(frame_of(prepare([searched("annoy", 0.96, [200.0])]), {}))
    assert (table.task_metric, table.recall_metric, table.rows[0].lost) == (None, "index_recall@10", None)
    assert (table.n_queries, table.n_interests, table.threads_all, table.search_threads) == (1000, 1, 2, 1)
    assert (table.rows[0].resident_bytes, table.rows[0].load_s.median) == (310_000_000, 0.5)
    (two,) = index_tables(frame_of(prepare([searched("annoy", 0.96, [200.0], threads=2)]), {}))
    assert (two.threads, two.search_threads) == (2, 1)


def test_older_records_ran_their_batches_on_the_workers_threads():
    (table,) = index_tables(frame_of(prepare([indexed("annoy", 0.96, [200.0], threads=4)]), {}))
    assert table.search_threads == 4


@pytest.mark.parametrize("folder", WITH_INDEXES)
def test_published_records_are_answered_whatever_they_lack(folder):
    records = store.read(Path("reports/published") / folder)
    boards = build(records, [])
    assert len(boards.answers) == len(boards.retrieval) > 0
    rates = {r.cell: statistics.median(r.timings["batch_qps"]) for r in records if r.kind == "index"}
    for one in boards.answers:
        for level in RECALL_LEVELS:
            (found,) = [a for a in one.answers if (a.recall, a.question) == (level, FASTEST)]
            assert found.winner
            assert found.figure.median == max(rates[r.cell] for r in one.table.rows if r.recall >= level)
        for table in answer_blocks.of_table(one):
            assert {len(row.cells) for row in table.rows} == {len(table.columns)}


def test_every_verdict_is_explained():
    verdicts = {getattr(answers, name) for name in ("AHEAD", "LEVEL", "EQUAL", "ONCE", "ALONE", "UNREACHED")}
    assert verdicts | {answers.UNMEASURED} == set(answer_blocks._TITLES)
