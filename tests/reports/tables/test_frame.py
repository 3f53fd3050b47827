"""The table of everything: a row a record, the same in CSV and Parquet, and the same bytes each time."""

import csv
import io
import statistics

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from made_records import (
    HOSTILE,
    MACHINE,
    changed,
    failed,
    indexed,
    mapped,
    mutated,
    record,
    shuffle,
    suite,
    timed,
    trained,
)
from pyarrow import parquet

import reports
from benchmarks.harness import store
from benchmarks.records import fields
from datasets.errors import InputError
from reports.tables.frame import COLUMNS, frame_of, to_csv, to_parquet
from reports.tables.records import prepare

numbers = st.floats(-1e9, 1e9)
times = st.floats(0, 1e9)
metrics = st.dictionaries(st.sampled_from(["precision@5", "recall@10", "index_recall@5", "lost/precision@5"]), numbers)
intervals = st.dictionaries(st.sampled_from(["precision@5", "recall@10"]), st.tuples(numbers, numbers).map(list))
timings = st.dictionaries(
    st.sampled_from(["window_samples_per_s", "batch_qps", "load_s", "wall_s", "p95_s"]),
    times | st.lists(times, max_size=4),
)


@st.composite
def records(draw):
    found = [
        record(
            kind=draw(st.sampled_from(["train", "throughput"])), seed=seed, metrics=draw(metrics),
            intervals=draw(intervals), timings=draw(timings), model=draw(st.sampled_from(["mf-bpr", "als"])),
            memory=draw(st.dictionaries(st.sampled_from(["peak_rss_bytes"]), st.integers(0, 2**40))),
        )
        for seed in range(draw(st.integers(1, 5)))
    ]  # fmt: skip
    return draw(st.permutations(found))


def frame(found):
    return frame_of(prepare(found), {})


def read_csv(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def read_parquet(content):
    return parquet.read_table(io.BytesIO(content)).to_pylist()


def results(folder, *found):
    folder.mkdir(parents=True, exist_ok=True)
    store.append(folder, found)
    return folder


def same(found, expected):
    return pd.isna(found) if expected is None else found == expected


# What fails is small already: shrinking it would take longer than all else.
PHASES = [Phase.explicit, Phase.generate]


@settings(max_examples=20, deadline=None, phases=PHASES)
@given(records())
def test_each_row_is_its_record(found):
    table = frame(found)
    assert len(table) == len(found)
    by_cell = table.set_index("cell")
    for one in map(fields, found):
        row = by_cell.loc[one["cell"]]
        for name in ("kind", "model", "variant", "backend", "threads", "dataset", "seed", "status", "reason", "group"):
            assert same(row[name], one[name])
        for name in table.filter(regex="^metrics/"):
            assert same(row[name], one["metrics"].get(name.partition("/")[2]))
        for name in table.filter(regex="^low/"):
            ends = one["intervals"].get(name.partition("/")[2], [None, None])
            assert same(row[name], ends[0])
            assert same(row["high" + name[3:]], ends[1])
        assert same(row["primary"], one["metrics"].get("precision@5"))
        assert same(row["primary_high"], one["intervals"].get("precision@5", [None, None])[1])
        assert same(row["lost"], one["metrics"].get("lost/precision@5"))
        assert same(row["peak_rss_bytes"], one["memory"].get("peak_rss_bytes"))
        assert row["settings/primary_metric"] == one["settings"]["primary_metric"]
        assert row["hashes/dataset"] == one["hashes"]["dataset"]
        for column, name in (("samples_per_s", "window_samples_per_s"), ("batch_qps", "batch_qps"), ("p95_s", "p95_s")):
            taken = one["timings"].get(name, [])
            taken = taken if isinstance(taken, list) else [taken]
            assert row[f"windows/{column}"] == tuple(taken)
            assert same(row[column], statistics.median(taken) if taken else None)
            if column != "p95_s":
                assert same(row[f"{column}_low"], min(taken, default=None))
                assert same(row[f"{column}_high"], max(taken, default=None))


@settings(max_examples=8, deadline=None, phases=PHASES)
@given(records(), st.randoms(use_true_random=False))
def test_the_order_of_records_leaves_no_trace(found, random):
    first = frame(found)
    random.shuffle(found)
    pd.testing.assert_frame_equal(frame(found), first)


def test_the_order_of_records_leaves_no_trace_in_the_bytes():
    found = suite()
    first = frame(found)
    shuffle(found, 2)
    again = frame(found)
    assert to_csv(again) == to_csv(first)
    assert to_parquet(again) == to_parquet(first)


def test_every_column_has_its_type_whatever_the_records_hold():
    types = COLUMNS | {"save_s": "float64", "dirty": "boolean", "settings/primary_metric": "object"}
    for found in (suite(), [trained("als", 0.1)], [failed("oom", "no room", settings={"primary_metric": "a"})]):
        table = frame(found)
        assert {name: str(table[name].dtype) for name in types} == types


def test_what_is_nested_is_there_as_recorded():
    bug = {"due": "loss", "broke": None, "mode": "eager", "seen": []}
    bugs = [bug | {"bug": "a", "caught": True}, bug | {"bug": "b", "caught": False}]
    rungs = [
        {"rung": "loss", "holds": held, "difference": 0.5, "tolerance": 0.1, "where": ""} for held in (True, False)
    ]
    climbed = record(
        kind="agreement",
        climb="wide",
        rungs=rungs,
        divergence=[0.1, None],
        settings={"primary_metric": "a", "bugs": bugs},
    )
    table = frame([climbed, mapped(), trained("mf-bpr", 0.1, notes=["a note"])]).set_index("kind")
    climb = table.loc["agreement"]
    assert (climb["climb"], climb["steps"], climb["divergence"], climb["bugs"]) == ("wide", rungs, [0.1, None], bugs)
    assert (climb["rungs_held"], climb["rungs"], climb["bugs_caught"], climb["bugs_injected"]) == (1, 2, 1, 2)
    assert table.loc["map", ["rungs", "climb", "mutants_tried", "mutants_caught"]].isna().all()
    assert table.loc["map", "map"]["method"] == "t-SNE"
    assert len(table.loc["train", "curve"]) == 11
    assert table.loc["train", "notes"] == ["a note"]
    assert table.loc["train", "machine_facts"] == MACHINE
    assert table.loc["train", "scores"] is None


def test_mutants_are_there_as_recorded_and_counted():
    made = mutated("backends/torch/gru4rec.py", "error", "crash", "equivalent", "survived", "survived", "survived")
    row = frame([made, trained("als", 0.1)]).set_index("kind").loc["mutation"]
    assert row["model"] == "backends/torch/gru4rec.py"
    assert [mutant["fate"] for mutant in row["mutants"]] == [mutant.fate for mutant in made.mutants]
    names = ("mutants_caught", "mutants_equivalent", "mutants_survived", "mutants_tried")
    assert tuple(row[name] for name in names) == (2, 1, 3, 6)


def test_climbs_of_one_adapter_stand_in_the_order_of_their_names():
    climbs = [record(kind="agreement", climb=name) for name in ("wide", "pairs 2", "long")]
    assert list(frame(climbs)["climb"]) == ["long", "pairs 2", "wide"]


def test_one_folder_several_and_one_that_holds_them(tmp_path):
    first, second = trained("als", 0.1, backend="classic"), trained("mf-bpr", 0.2, versions={"torch": "2.13.0"})
    a, b = results(tmp_path / "all" / "a", first), results(tmp_path / "all" / "b", second, timed("jax", "eager", [1.0]))
    both = reports.frame(tmp_path / "all")
    assert list(both["run"]) == ["a", "b", "b"]
    pd.testing.assert_frame_equal(reports.frame(str(a), b), both)
    alone = reports.frame(a)
    assert list(alone["run"]) == ["a"]
    assert list(alone["primary"]) == [0.1]
    assert {name: str(both[name].dtype) for name in COLUMNS} == COLUMNS
    means = both.query("kind == 'train'").groupby(["model", "backend"])["primary"].mean()
    assert means.to_dict() == {("als", "classic"): 0.1, ("mf-bpr", "torch"): 0.2}
    namesake = results(tmp_path / "other" / "a", second)
    assert list(reports.frame(a, namesake)["run"]) == [a.as_posix(), namesake.as_posix()]


def test_what_is_left_out_is_said_and_a_folder_without_records_is_refused(tmp_path):
    elsewhere = trained("als", 0.3, machine=MACHINE | {"id": "m-2"}, seed=4)
    older = trained("als", 0.2, hashes={"dataset": "e" * 16}, seed=5)
    table = reports.frame(results(tmp_path / "a", older, elsewhere, trained("als", 0.1)))
    assert sorted(table["machine"]) == ["m-1", "m-2"]
    (sentence,) = table.attrs["left_out"]
    assert sentence.startswith("1 cell is left out, of online-retail with the hash eeee")
    with pytest.raises(InputError, match="there are no records"):
        reports.frame(tmp_path / "nothing")
    with pytest.raises(InputError, match="no results folder is named"):
        reports.frame()


def test_a_folder_counts_once_and_has_its_name_however_it_is_named(tmp_path, monkeypatch):
    folder = results(tmp_path / "all" / "a", trained("als", 0.1, backend="classic"))
    monkeypatch.chdir(folder)
    assert list(reports.frame(".", folder, tmp_path / "all")["run"]) == ["a"]


def test_what_has_a_type_of_its_own_goes_through_parquet_unchanged(tmp_path):
    cells = reports.frame(results(tmp_path / "a", *suite()))
    typed = cells.loc[:, cells.dtypes != "object"]
    assert {"model", "primary", "index_bytes", "dirty", "metrics/precision@5"} <= set(typed)
    typed.to_parquet(tmp_path / "cells.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "cells.parquet"), typed)


def test_what_an_index_costs_is_there_and_older_records_lack_it():
    older = indexed("annoy", 0.9, [900.0, 1000.0, 800.0], {"search_k": 7})
    newer = changed(
        older,
        metrics={**older.metrics, "exact/precision@5": 0.15, "lost/precision@5": 0.015},
        intervals={"lost/precision@5": [0.01, 0.02]},
        timings={**older.timings, "load_s": [0.2, 0.1, 0.3], "batch_qps_all": [1700.0], "call_overhead": [0.01]},
        memory={"index_bytes": 3 << 20, "resident_bytes": 4 << 20},
    )
    row = frame([newer]).iloc[0]
    assert (row["index"], row["query"]) == ("annoy", "search_k=7")
    assert pd.isna(row["build"])
    assert (row["index_recall_metric"], row["index_recall"]) == ("index_recall@5", 0.9)
    assert (row["exact"], row["lost"], row["lost_low"], row["lost_high"]) == (0.15, 0.015, 0.01, 0.02)
    assert (row["load_s"], row["batch_qps_all"], row["call_overhead"], row["resident_bytes"]) == (
        0.2, 1700.0, 0.01, 4 << 20,
    )  # fmt: skip
    row = frame([older]).iloc[0]
    assert row["batch_qps"] == 900.0
    assert row[["exact", "lost", "load_s", "resident_bytes"]].isna().all()


def test_both_files_hold_the_same():
    table = frame([*suite(), failed("oom", HOSTILE + "\nof memory", backend="jax", seed=5)])
    from_csv, from_parquet = read_csv(to_csv(table)), read_parquet(to_parquet(table))
    assert list(from_csv[0]) == list(from_parquet[0])
    assert list(from_csv[0])[: len(COLUMNS)] == list(COLUMNS)
    assert len(from_csv) == len(from_parquet) == len(table)
    for a, b in zip(from_csv, from_parquet, strict=True):
        assert a == {name: "" if value is None else str(value) for name, value in b.items()}


def test_every_metric_has_a_column_behind_those_that_were_always_there():
    found = {"precision@5": 0.15, "ndcg@5": 0.2, "recall@10": 0.25}
    table = frame([trained("mf-bpr", 0.15, metrics=found), timed("torch", "eager", [1.0])])
    for rows in (read_csv(to_csv(table)), read_parquet(to_parquet(table))):
        assert list(rows[0])[len(COLUMNS) :] == [
            "metrics/ndcg@5", "metrics/precision@5", "low/precision@5", "high/precision@5", "metrics/recall@10",
        ]  # fmt: skip
        (row,) = (row for row in rows if row["kind"] == "throughput")
        assert row["metrics/ndcg@5"] in {None, ""}


def test_a_metric_with_the_name_of_a_column_takes_nothing_from_it():
    hostile = {"precision@5": 0.1, "seed": 7.0, "low/precision@5": 3.0}
    (row,) = read_csv(to_csv(frame([trained("mf-bpr", 0.1, metrics=hostile, intervals={"precision@5": [0, 1]})])))
    assert (row["seed"], row["metrics/seed"]) == ("0", "7.0")
    assert (row["low/precision@5"], row["metrics/low/precision@5"]) == ("0.0", "3.0")


def test_a_column_of_nothing_keeps_its_type_in_the_file():
    schema = parquet.read_table(io.BytesIO(to_parquet(frame([trained("als", 0.1)])))).schema
    assert [str(schema.field(name).type) for name in ("batch_qps", "index_bytes", "index")] == [
        "double", "int64", "string",
    ]  # fmt: skip
