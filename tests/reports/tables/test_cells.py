"""The long table: a row a record, the same in CSV and Parquet, and the same bytes each time."""

import csv
import dataclasses
import io

from made_records import HOSTILE, changed, failed, indexed, shuffle, suite, timed, trained
from pyarrow import parquet

from reports.tables.cells import CellRow, to_csv, to_parquet
from reports.tables.leaderboard import build

NAMES = [field.name for field in dataclasses.fields(CellRow) if field.name != "figures"]


def rows_of(records):
    return build(records, []).cells


def read_csv(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def test_a_row_a_record():
    records = suite()
    rows = rows_of(records)
    assert sorted(row.cell for row in rows) == sorted(record.cell for record in records)


def test_figures_are_those_of_the_record():
    (row,) = rows_of([timed("torch", "eager", [100.0, 400.0, 200.0])])
    assert (row.samples_per_s, row.samples_per_s_low, row.samples_per_s_high) == (200.0, 100.0, 400.0)
    assert (row.first_step_s, row.peak_rss_bytes, row.batch_qps) == (12.5, 512 << 20, None)
    (row,) = rows_of([trained("mf-bpr", 0.15)])
    assert (row.primary_metric, row.primary, row.primary_low, row.primary_high) == ("precision@5", 0.15, 0.144, 0.156)


def test_what_an_index_costs_is_there_and_older_records_lack_it():
    older = indexed("annoy", 0.9, [900.0, 1000.0, 800.0], {"search_k": 7})
    newer = changed(
        older,
        metrics={**older.metrics, "exact/precision@5": 0.15, "lost/precision@5": 0.015},
        intervals={"lost/precision@5": [0.01, 0.02]},
        timings={**older.timings, "load_s": [0.2, 0.1, 0.3], "batch_qps_all": [1700.0], "call_overhead": [0.01]},
        memory={"index_bytes": 3 << 20, "resident_bytes": 4 << 20},
    )
    (row,) = rows_of([newer])
    assert (row.index, row.build, row.query) == ("annoy", None, "search_k=7")
    assert (row.exact, row.lost, row.lost_low, row.lost_high) == (0.15, 0.015, 0.01, 0.02)
    assert (row.load_s, row.batch_qps_all, row.call_overhead, row.resident_bytes) == (0.2, 1700.0, 0.01, 4 << 20)
    (row,) = rows_of([older])
    assert (row.batch_qps, row.exact, row.lost, row.load_s, row.resident_bytes) == (900.0, None, None, None, None)


def test_both_files_hold_the_same():
    rows = rows_of([*suite(), failed("oom", HOSTILE + "\nof memory", backend="jax", seed=5)])
    from_csv, from_parquet = read_csv(to_csv(rows)), parquet.read_table(io.BytesIO(to_parquet(rows))).to_pylist()
    assert list(from_csv[0]) == list(from_parquet[0])
    assert list(from_csv[0])[: len(NAMES)] == NAMES
    assert len(from_csv) == len(from_parquet) == len(rows)
    for a, b in zip(from_csv, from_parquet, strict=True):
        assert a == {name: "" if value is None else str(value) for name, value in b.items()}


def test_every_metric_has_a_column_behind_those_that_were_always_there():
    metrics = {"precision@5": 0.15, "ndcg@5": 0.2, "recall@10": 0.25}
    rows = rows_of([trained("mf-bpr", 0.15, metrics=metrics), timed("torch", "eager", [1.0])])
    for table in (read_csv(to_csv(rows)), parquet.read_table(io.BytesIO(to_parquet(rows))).to_pylist()):
        assert list(table[0])[len(NAMES) :] == [
            "metrics/ndcg@5", "metrics/precision@5", "low/precision@5", "high/precision@5", "metrics/recall@10",
        ]  # fmt: skip
        (row,) = (row for row in table if row["kind"] == "train")
        assert {name: float(row[f"metrics/{name}"]) for name in metrics} == metrics
        assert (float(row["low/precision@5"]), float(row["high/precision@5"])) == (0.144, 0.156)
        (row,) = (row for row in table if row["kind"] == "throughput")
        assert row["metrics/ndcg@5"] in {None, ""}


def test_a_metric_with_the_name_of_a_column_takes_nothing_from_it():
    hostile = {"precision@5": 0.1, "seed": 7.0, "low/precision@5": 3.0}
    (row,) = read_csv(to_csv(rows_of([trained("mf-bpr", 0.1, metrics=hostile, intervals={"precision@5": [0, 1]})])))
    assert (row["seed"], row["metrics/seed"]) == ("0", "7.0")
    assert (row["low/precision@5"], row["metrics/low/precision@5"]) == ("0.0", "3.0")


def test_the_order_of_records_leaves_no_trace_in_the_bytes():
    records = suite()
    first = rows_of(records)
    shuffle(records, 2)
    again = rows_of(records)
    assert to_csv(again) == to_csv(first)
    assert to_parquet(again) == to_parquet(first)


def test_a_column_of_nothing_keeps_its_type():
    table = parquet.read_table(io.BytesIO(to_parquet(rows_of([trained("als", 0.1)]))))
    assert str(table.schema.field("batch_qps").type) == "double"
    assert str(table.schema.field("index_bytes").type) == "int64"
    assert str(table.schema.field("index").type) == "string"
