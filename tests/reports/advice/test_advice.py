"""Advice: never what misses a need, never from far away or from two machines, and always saying what it rests on."""

from __future__ import annotations

import json
import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import MACHINE, changed, indexed, searched

from reports.advice.measured import CANNOT_TELL, NOTHING_FITS, RECOMMENDED, Needs, advise, measured
from reports.advice.words import as_json, lines, n_bytes, seconds


def advice(records, **needs):
    return advise(measured([records]), Needs(**{"recall": 0.95, "n_items": 1_000_000, "dim": 64} | needs))


def sized(n_items, dim, **changes):
    """The records of one set of vectors of a size: a fast index and a slow one."""
    place = {"variant": f"{dim}-d, {n_items}", "group": str(n_items)} | changes
    rates = {"faiss-hnsw": [300.0, 310.0], "annoy": [200.0, 210.0]}
    return [
        searched(name, 0.97, windows, settings={"n_items": n_items, "dim": dim}, **place)
        for name, windows in rates.items()
    ]


@st.composite
def index_records(draw):
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["annoy", "faiss-hnsw", "faiss-ivf"]),
                st.sampled_from([0.85, 0.9, 0.94, 0.95, 0.99]),
                st.sampled_from([100.0, 200.0, 300.0]),
                st.sampled_from([100, 200, 400]),
                st.sampled_from([None, 90, 250]),
                st.sampled_from([0.001, 0.002, 0.004]),
                st.sampled_from([1.0, 60.0]),
            ),
            min_size=1,
            max_size=8,
        )
    )
    return [
        searched(
            name,
            recall,
            [rate, rate * 1.1, rate * 0.95],
            index={"query": {"ef": place}},
            memory={"index_bytes": size, "resident_bytes": resident if resident is not None else size},
            timings={"p95_s": p95, "build_s": build_s},
        )
        for place, (name, recall, rate, size, resident, p95, build_s) in enumerate(drawn)
    ]


def misses(record, needs):
    """By the words of the needs, from the raw record."""
    scale = (needs.n_items / record.settings["n_items"]) * (needs.dim / record.settings["dim"])
    limits = {
        "memory": (max(record.memory.values()) * scale, needs.memory_bytes),
        "build time": (record.timings["build_s"], needs.build_s),
        "latency": (record.timings["p95_s"], needs.latency_s),
    }
    missed = [need for need, (found, limit) in limits.items() if limit is not None and found > limit * (1 + 1e-12)]
    return [*(["recall"] if record.metrics["index_recall@10"] < needs.recall else []), *missed]


def rate_of(record):
    return statistics.median(record.timings["batch_qps"])


NEEDED = st.builds(
    Needs,
    recall=st.sampled_from([0.9, 0.94, 0.95, 0.995]),
    n_items=st.sampled_from([500_000, 1_000_000, 2_000_000]),
    dim=st.sampled_from([32, 64]),
    memory_bytes=st.sampled_from([None, 60.0, 210.0, 450.0]),
    build_s=st.sampled_from([None, 30.0]),
    latency_s=st.sampled_from([None, 0.0015, 0.003]),
)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(index_records(), NEEDED)
def test_what_is_recommended_meets_every_need_and_nothing_that_does_is_faster(records, needs):
    given_advice = advise(measured([records]), needs)
    fitting = [record for record in records if not misses(record, needs)]
    by_cell = {record.cell: record for record in records}
    chosen = by_cell[given_advice.choice.row.cell]
    if not fitting:
        assert given_advice.outcome == NOTHING_FITS
        missed = misses(chosen, needs)
        assert [unmet.need for unmet in given_advice.choice.unmet] == missed != []
        assert len(missed) == min(len(misses(record, needs)) for record in records)
        return
    assert given_advice.outcome == RECOMMENDED
    assert misses(chosen, needs) == []
    assert rate_of(chosen) == max(map(rate_of, fitting))
    others = [record for record in fitting if record.index.name != chosen.index.name]
    assert (given_advice.runner_up is None) == (not others)
    if others:
        second = by_cell[given_advice.runner_up.row.cell]
        assert misses(second, needs) == []
        assert rate_of(second) == max(map(rate_of, others))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(index_records(), NEEDED)
def test_what_relaxing_would_give_misses_that_need_alone_and_is_faster(records, needs):
    given_advice = advise(measured([records]), needs)
    by_cell = {record.cell: record for record in records}
    for relaxed in given_advice.relaxed:
        record = by_cell[relaxed.candidate.row.cell]
        assert misses(record, needs) == [relaxed.need]
        assert rate_of(record) > rate_of(by_cell[given_advice.choice.row.cell])
        if relaxed.need == "recall":
            assert relaxed.value in {0.9, 0.95, 0.99}
            assert record.metrics["index_recall@10"] >= relaxed.value


@settings(deadline=None, derandomize=True, max_examples=60)
@given(index_records(), NEEDED)
def test_every_advice_can_be_said_and_be_given_to_programs(records, needs):
    given_advice = advise(measured([records]), needs)
    said = lines(given_advice)
    assert given_advice.choice.row.cell in " ".join(said)
    assert "measured at 1,000,000 items of 64 dimensions" in said[0]
    assert json.loads(json.dumps(as_json(given_advice), allow_nan=False))["sentences"] == said
    assert ("bytes are scaled" in " ".join(said)) == ((needs.n_items, needs.dim) != (1_000_000, 64))


def test_nothing_measured_says_what_to_run():
    given_advice = advice([])
    assert (given_advice.outcome, given_advice.measured) == (CANNOT_TELL, None)
    (sentence,) = lines(given_advice)
    assert "run `python -m benchmarks run --suite ann-large`" in sentence
    assert "--suite ann`" in lines(advice([], n_items=5000))[0]


@pytest.mark.parametrize(
    ("n_items", "dim", "outcome"),
    [
        (10_000_000, 64, RECOMMENDED),
        (10_000_001, 64, CANNOT_TELL),
        (100_000, 64, RECOMMENDED),
        (99_999, 64, CANNOT_TELL),
        (1_000_000, 128, RECOMMENDED),
        (1_000_000, 129, CANNOT_TELL),
        (1_000_000, 32, RECOMMENDED),
        (1_000_000, 31, CANNOT_TELL),
    ],
)
def test_what_is_too_far_from_what_was_measured_cannot_be_told(n_items, dim, outcome):
    given_advice = advice(sized(1_000_000, 64), n_items=n_items, dim=dim)
    assert given_advice.outcome == outcome
    if outcome == CANNOT_TELL:
        (sentence,) = lines(given_advice)
        assert "the nearest that was measured is 1,000,000 items of 64 dimensions" in sentence


def test_the_nearest_size_decides_even_if_a_farther_one_has_more():
    records = [*sized(100_000, 64), *sized(1_000_000, 64), *sized(1_000_000, 128)]
    assert advice(records, n_items=200_000).measured.table.n_items == 100_000
    assert advice(records, n_items=900_000, dim=60).measured.table.dim == 64
    assert advice(records, n_items=900_000, dim=120).measured.table.dim == 128


def test_what_is_near_decides_even_if_what_is_too_far_has_the_smaller_distance():
    # 2.5 times the dimensions are too many; 9 times the items are not, though they are farther away.
    records = [*sized(1_000_000, 160), *sized(9_000_000, 64)]
    assert advice(records).measured.table.n_items == 9_000_000


def test_of_equally_near_ones_most_indexes_count_and_then_the_last_recorded():
    both = [sized(1_000_000, 64, seed=seed, run_id=f"run-{run}") for seed, run in ((0, 3), (2, 2), (1, 1))]
    records = [record for of_seed in both for record in of_seed]
    assert advice(records).measured.table.seed == 1
    third = searched("faiss-ivf", 0.9, [1.0], variant="64-d, 1000000", group="1000000", run_id="run-1")
    assert advice([third, *records]).measured.table.seed == 0
    assert advice(records).n_alike == 2
    assert "Of 2 further sets of vectors of this size, faiss-hnsw is the fastest that fits on 2." in lines(
        advice(records)
    )


def test_machines_are_never_mixed_and_the_one_is_named():
    here, there = MACHINE, MACHINE | {"id": "m-2", "cpu": "Another CPU"}
    fast = searched("annoy", 0.97, [900.0, 910.0], machine=there, settings={"n_items": 5_000_000})
    records = [*sized(1_000_000, 64, machine=here), fast]
    given_advice = advice(records)
    assert (given_advice.measured.machine.id, given_advice.choice.row.name) == ("m-1", "faiss-hnsw")
    assert "Example CPU at 2.0 GHz" in " ".join(lines(given_advice))
    assert "Another CPU" in " ".join(lines(advice(records, n_items=4_000_000)))
    # The same cells on two machines stay two tables.
    same = [*sized(1_000_000, 64), *sized(1_000_000, 64, machine=there, run_id="run-2")]
    assert len(measured([same])) == 2
    assert advice(same).measured.machine.id == "m-2"


def test_of_a_cell_in_two_folders_that_of_the_last_folder_counts_once():
    old = [changed(record, cell=f"{n:016x}") for n, record in enumerate(sized(1_000_000, 64))]
    new = [changed(record, cell=f"{n:016x}") for n, record in enumerate(sized(1_000_000, 64, run_id="run-2"))]
    for folders, run in (([old, new], "run-2"), ([new, old], "run-1"), ([new, new], "run-2")):
        (only,) = measured(folders)
        assert only.latest_run == run
        assert len(only.table.rows) == 2


def test_bytes_are_carried_to_the_size_asked_for():
    records = sized(1_000_000, 64, memory={"index_bytes": 100_000_000, "resident_bytes": 90_000_000})
    assert advice(records, n_items=2_000_000, dim=32, memory_bytes=1e8).choice.n_bytes == 1e8
    over = advice(records, n_items=3_000_000, memory_bytes=2.9e8)
    assert (over.outcome, over.choice.unmet[0].found) == (NOTHING_FITS, 3e8)
    assert "the memory would have to be 300 MB in place of 290 MB" in lines(over)[0]


def test_resident_memory_counts_where_it_is_more_than_the_file():
    records = sized(1_000_000, 64, memory={"index_bytes": 100, "resident_bytes": 300})
    assert advice(records, memory_bytes=200).outcome == NOTHING_FITS


def test_what_was_not_measured_meets_no_limit():
    records = [changed(searched("annoy", 0.97, [9.0, 9.0]), memory={})]
    given_advice = advice(records, memory_bytes=1e9)
    assert (given_advice.outcome, given_advice.choice.unmet[0].found) == (NOTHING_FITS, None)
    assert "the memory was not measured" in lines(given_advice)[0]
    assert advice(records).outcome == RECOMMENDED


def test_the_nearest_miss_is_the_one_by_the_least():
    records = [
        searched("annoy", 0.97, [900.0, 900.0], memory={"index_bytes": 900, "resident_bytes": 900}),
        searched("faiss-hnsw", 0.97, [100.0, 100.0], memory={"index_bytes": 300, "resident_bytes": 300}),
        searched("faiss-ivf", 0.4, [999.0, 999.0], memory={"index_bytes": 300, "resident_bytes": 300}),
    ]
    assert advice(records, memory_bytes=200).choice.row.name == "faiss-hnsw"


def test_all_cores_and_one_thread_may_ask_for_different_indexes():
    records = [
        searched("faiss-ivf", 0.96, [300.0, 310.0], timings={"batch_qps_all": [310.0, 320.0]}),
        searched("annoy", 0.97, [200.0, 210.0], timings={"batch_qps_all": [390.0, 400.0]}),
    ]
    assert advice(records).choice.row.name == "faiss-ivf"
    given_advice = advice(records, all_threads=True)
    assert given_advice.choice.row.name == "annoy"
    assert "395 (390 – 400) queries a second on all 2 cores" in lines(given_advice)[0]


def test_older_records_answer_for_the_threads_that_they_ran_on():
    older = {"settings": {"primary_metric": "precision@5", "n_items": 4059, "dim": 129}}
    assert advice([indexed("annoy", 0.96, [9.0, 9.0], **older)], n_items=4000, dim=128).outcome == RECOMMENDED
    four = [indexed("annoy", 0.96, [9.0, 9.0], threads=4, **older)]
    assert advice(four, n_items=4000, dim=128).outcome == CANNOT_TELL
    alone = [indexed("annoy", 0.96, [9.0, 9.0], **older)]
    assert "on all cores" in lines(advice(alone, n_items=4000, dim=128, all_threads=True))[0]


def test_several_vectors_a_user_are_another_question():
    records = [searched("annoy", 0.97, [9.0, 9.0], settings={"n_interests": 4})]
    assert advice(records).outcome == CANNOT_TELL


def test_a_choice_that_is_not_clearly_ahead_is_not_called_the_fastest():
    close = [
        searched("faiss-hnsw", 0.97, [300.0, 200.0, 310.0]),
        searched("annoy", 0.97, [299.0, 201.0, 300.0]),
    ]
    said = lines(advice(close))
    assert "nothing is clearly faster" in said[0]
    assert "which of the two is faster cannot be told" in said[1]
    assert "it is the fastest" in lines(advice(sized(1_000_000, 64)))[0]


def test_what_the_choice_loses_of_the_task_is_told():
    metrics = {"precision@5": 0.1, "lost/precision@5": 0.003, "exact/precision@5": 0.103, "index_recall@5": 0.97}
    records = [indexed("annoy", 0.97, [9.0, 9.0], metrics=metrics, intervals={"lost/precision@5": [0.001, 0.005]})]
    assert "+0.0030 (+0.0010 – +0.0050) of precision@5 lost" in lines(advice(records, n_items=4059, dim=129))[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (900, "900 B"),
        (1e3, "1.00 kB"),
        (310_000_000, "310 MB"),
        (2e9, "2.00 GB"),
        (999.9e6, "1.00 GB"),
        (3e12, "3.00 TB"),
    ],
)
def test_bytes_in_words(value, expected):
    assert n_bytes(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0002, "0.200 ms"), (0.5, "500 ms"), (60, "60.0 s"), (600, "10.0 min")],
)
def test_durations_in_words(value, expected):
    assert seconds(value) == expected


def test_recall_of_one_is_reached_by_exact_search_alone():
    records = [searched("exact", 1.0, [50.0, 50.0]), searched("annoy", 0.999, [500.0, 500.0])]
    assert advice(records, recall=1.0).choice.row.name == "exact"
    assert math.isclose(advice(records, recall=1.0).relaxed[0].lead.ratio.median, 10)
    assert advice(records[1:], recall=1.0).outcome == NOTHING_FITS


def test_what_has_no_rate_at_the_threads_asked_for_is_not_even_a_near_miss():
    small = searched("annoy", 0.97, [9.0, 9.0], memory={"index_bytes": 200, "resident_bytes": 200})
    timings = {name: taken for name, taken in small.timings.items() if name != "batch_qps_all"}
    records = [changed(small, timings=timings), searched("faiss-hnsw", 0.97, [9.0, 9.0])]
    assert advice(records, memory_bytes=100, all_threads=True).choice.row.name == "faiss-hnsw"


def test_relaxing_is_offered_only_where_it_is_clearly_faster():
    choice = searched("faiss-hnsw", 0.97, [300.0, 290.0, 310.0])
    close = searched("annoy", 0.92, [299.0, 310.0, 320.0])
    assert advice([choice, close]).relaxed == ()
    faster = searched("faiss-ivf", 0.92, [400.0, 390.0, 410.0])
    (relaxed,) = advice([choice, close, faster]).relaxed
    assert (relaxed.need, relaxed.value, relaxed.candidate.row.name) == ("recall", 0.9, "faiss-ivf")
