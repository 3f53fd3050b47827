"""From records to tables: what is averaged, compared, referred to and refused."""

from __future__ import annotations

import statistics

import pytest
from made_records import (
    MACHINE,
    PROTOCOL,
    failed,
    indexed,
    record,
    shuffle,
    suite,
    suite_verdicts,
    timed,
    trained,
    verdict,
)
from scipy import stats

from datasets.errors import InputError
from reports.tables.agreement import KillRow
from reports.tables.leaderboard import build
from reports.tables.records import prepare


def rows_of(records, verdicts=(), **wanted):
    rows = build(records, list(verdicts)).accuracy[0].rows
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]


def test_no_records_is_an_input_error_that_says_what_to_do():
    with pytest.raises(InputError, match="no records to report: run"):
        build([], [])


def test_trainings_of_several_machines_stand_in_one_table_that_says_whose_they_are():
    there = MACHINE | {"id": "m-2"}
    others = [trained("mf-bpr", 0.1, seed=9, machine=there), timed("torch", "eager", [9.0, 9.0], machine=there)]
    boards, before = build([*suite(), *others], []), build(suite(), [])
    row = next(row for row in boards.accuracy[0].rows if 9 in row.seeds)
    assert row.machines == ("m-1", "m-2")
    assert [machine.id for machine, _ in boards.environment.machines] == ["m-1", "m-2"]
    assert {table.machine for table in boards.throughput} == {"m-1", "m-2"}
    assert [table for table in boards.throughput if table.machine == "m-1"] == list(before.throughput)
    (own,) = (table for table in boards.throughput if table.machine == "m-2")
    assert [row.samples_per_s.median for row in own.rows] == [9.0]


def test_two_versions_of_one_dataset_are_refused():
    other = trained("mf-bpr", 0.1, hashes={"dataset": "e" * 16}, seed=9)
    with pytest.raises(InputError, match="records of online-retail come from different data"):
        build([*suite(), other], [])


def test_two_primary_metrics_of_one_protocol_are_refused():
    other = trained("mf-bpr", 0.1, settings={"primary_metric": "ndcg@20", "protocol": PROTOCOL}, seed=9)
    with pytest.raises(InputError, match=r"several primary metrics \(ndcg@20, precision@5\)"):
        build([*suite(), other], [])


def test_a_finished_record_without_a_primary_metric_is_refused():
    with pytest.raises(InputError, match=r"lacks settings\.primary_metric"):
        build([trained("mf-bpr", 0.1, settings={})], [])


def test_order_of_records_and_verdicts_leaves_no_trace():
    # Two seeds of the reference in one group: which of them is taken must not be left to chance.
    twins = [timed("torch", "eager", [4e5 + seed], seed=seed, group="g-mf-logloss") for seed in (1, 2)]
    records, verdicts = [*suite(), *twins], suite_verdicts()
    expected = build(records, verdicts)
    for seed in range(5):
        shuffle(records, seed)
        shuffle(verdicts, seed)
        assert build(records, verdicts) == expected


def test_of_two_records_of_a_cell_the_later_counts():
    first = trained("mf-bpr", 0.1)
    second = trained("mf-bpr", 0.2, cell=first.cell)
    (row,) = rows_of([first, second], model="mf-bpr")
    assert row.primary.mean == 0.2


def test_a_later_run_replaces_a_failure_in_the_same_place():
    again = [failed("oom", "out of memory", model="mf-bpr"), trained("mf-bpr", 0.2)]
    boards = build(again, [])
    assert boards.failures == ()
    assert boards.headline.n_cells == 1


def test_interval_over_seeds_is_students_t():
    figures = [0.151, 0.155, 0.1523]
    (row,) = rows_of([trained("mf-bpr", figure, seed=seed) for seed, figure in enumerate(figures)], model="mf-bpr")
    low, high = stats.t.interval(0.95, 2, loc=statistics.mean(figures), scale=stats.sem(figures))
    assert (row.primary.low, row.primary.high) == pytest.approx((low, high), rel=1e-12)
    assert row.primary.mean == pytest.approx(statistics.mean(figures))
    assert row.primary.method == "t, 3 seeds"
    assert row.seeds == (0, 1, 2)


def test_one_seed_has_the_bootstrap_interval():
    (row,) = rows_of([trained("mf-bpr", 0.15)], model="mf-bpr")
    assert (row.primary.low, row.primary.high, row.primary.method) == (0.144, 0.156, "bootstrap")


def test_seeds_that_all_agree_keep_the_bootstrap_interval():
    (row,) = rows_of([trained("als", 0.15, seed=seed) for seed in range(3)], model="als")
    assert row.primary.method == "bootstrap"
    assert row.primary.low < 0.15 < row.primary.high


def test_failed_seeds_are_told_beside_finished_ones():
    (row,) = rows_of([trained("mf-bpr", 0.15), failed("oom", "out of memory", model="mf-bpr", seed=1)], model="mf-bpr")
    assert (row.status, row.seeds, row.failed_seeds) == ("ok", (0,), (1,))


def test_both_popularity_rows_stand_in_every_table():
    measured = rows_of(suite(), role="popularity")
    assert {row.variant for row in measured} == {"seen-kept", "seen-filtered"}
    assert all(row.status == "ok" for row in measured)
    missing = rows_of([trained("mf-bpr", 0.15)], role="popularity")
    assert {(row.variant, row.status) for row in missing} == {("seen-kept", "not run"), ("seen-filtered", "not run")}


def test_share_of_the_oracle_only_where_there_is_one():
    records = [trained("mf-bpr", 0.15), trained("oracle", 0.6, backend="classic")]
    assert rows_of(records, model="mf-bpr")[0].oracle_share == pytest.approx(0.25)
    assert rows_of(records)[0].role == "oracle"
    assert rows_of(records[:1], model="mf-bpr")[0].oracle_share is None


def test_published_figure_belongs_to_its_variant_dataset_and_metric():
    as_published, tuned = trained("mf-logloss", 0.1552), trained("mf-logloss", 0.16, variant="tuned")
    elsewhere = trained("mf-logloss", 0.1, dataset="ml-1m")
    boards = build([as_published, tuned, elsewhere], [])
    found = {(t.dataset, r.variant): r.published for t in boards.accuracy for r in t.rows if r.model == "mf-logloss"}
    assert found["online-retail", "as_published"].value == 0.152
    assert len(found["online-retail", "as_published"].by_epoch) == 10
    assert found["online-retail", "tuned"] is None
    assert found["ml-1m", "as_published"] is None


def test_published_figure_is_not_held_against_another_period():
    settings = {"primary_metric": "precision@5", "protocol": PROTOCOL | {"period": "test"}}
    (row,) = rows_of([trained("mf-logloss", 0.1552, settings=settings)], model="mf-logloss")
    assert row.published is None


def test_one_name_for_two_settings_is_told_apart():
    common = {"primary_metric": "precision@5", "protocol": PROTOCOL, "variant": "as_published"}
    short, long = ({**common, "epochs": epochs, "dim": 129} for epochs in (2, 75))
    records = [trained("mf-bpr", 0.1, settings=short), trained("mf-bpr", 0.15, settings=long)]
    rows = rows_of(records, model="mf-bpr")
    assert [row.variant for row in rows] == ["as_published (epochs=75)", "as_published (epochs=2)"]
    assert all(row.published.value == 0.154 for row in rows)
    assert build(records, []).accuracy[0].faults[0][0] == "mf-bpr"


def test_two_settings_of_a_protocol_are_two_tables():
    other = {"primary_metric": "recall@5", "protocol": PROTOCOL | {"period": "test"}}
    records = [trained("mf-bpr", 0.1), trained("mf-bpr", 0.1, settings=other, metrics={"recall@5": 0.1})]
    tables = build(records, []).accuracy
    assert [table.protocol for table in tables] == ["time-split (period=test)", "time-split (period=validation)"]
    assert [table.metric for table in tables] == ["recall@5", "precision@5"]


def test_preparing_twice_changes_nothing():
    settings = {"primary_metric": "precision@5", "protocol": PROTOCOL, "epochs": 2}
    once = prepare([*suite(), trained("mf-bpr", 0.1, settings=settings), trained("mf-bpr", 0.1)])
    assert prepare(once) == once


@pytest.mark.parametrize("same_cell", [False, True])
def test_of_two_records_that_which_stands_later_counts_whatever_the_clock_said(same_cell):
    earlier = trained("mf-bpr", 0.1, run_id="20261128T100000-1")
    changes = {"cell": earlier.cell} if same_cell else {}
    later = trained("mf-bpr", 0.2, run_id="20251128T100000-1", **changes)
    (row,) = rows_of([earlier, trained("mf-bpr", 0.15, seed=1), later], model="mf-bpr")
    assert row.primary.mean == pytest.approx((0.2 + 0.15) / 2)


def test_a_cell_that_is_recorded_again_stands_where_its_last_record_stands():
    first, other = trained("mf-bpr", 0.1, run_id="run-3"), trained("mf-bpr", 0.2, run_id="run-2")
    again = trained("mf-bpr", 0.3, run_id="run-1", cell=first.cell)
    (row,) = rows_of([first, other, again], model="mf-bpr")
    assert row.primary.mean == 0.3


def test_faults_are_told_where_their_variant_is_shown():
    (with_bpr,) = build([trained("mf-bpr", 0.15)], []).accuracy
    (without,) = build([trained("mf-bpr", 0.15, variant="corrected")], []).accuracy
    assert [fault[:2] for fault in with_bpr.faults] == [("mf-bpr", "as_published")]
    assert without.faults == ()


@pytest.mark.parametrize(
    ("word", "n_more", "expected"),
    [("agrees", 0, "agrees"), ("differs", 0, "differs"), ("undecided", 4, "undecided (needs 4 more seeds)")],
)
def test_badge_is_the_verdict_in_words(word, n_more, expected):
    (row,) = rows_of([trained("mf-bpr", 0.15)], [verdict("mf-bpr", word, "Because.", None, n_more)], model="mf-bpr")
    assert (row.badge.verdict, row.badge.reason) == (expected, "Because.")


def test_cells_that_never_ran_do_not_undo_a_verdict():
    verdicts = [verdict("mf-bpr", "agrees", "All do."), verdict("mf-bpr", "not compared", "0 backends finished.")]
    boards = build([trained("mf-bpr", 0.15)], verdicts)
    assert [v.verdict for v in boards.verdicts] == ["agrees"]
    assert boards.accuracy[0].rows[0].badge.verdict == "agrees"


def test_rows_go_by_the_primary_metric_and_unfinished_ones_come_last():
    rows = build(suite(), []).accuracy[0].rows
    figures = [row.primary.mean for row in rows if row.primary and row.role != "oracle"]
    assert figures == sorted(figures, reverse=True)
    assert rows[-1].status == "unsupported"
    assert rows[-1].reason == "no CINN in the CPU wheel"


def test_further_metrics_name_the_other_period_first():
    assert build(suite(), []).accuracy[0].further == ("test.precision@5", "ndcg@5")


def test_throughput_ratios_pair_windows_of_one_group():
    records = [
        timed("torch", "eager", [100.0, 200.0, 100.0]),
        timed("jax", "compiled", [300.0, 400.0, 500.0]),
        timed("paddle", "eager", [1.0, 1.0, 1.0], group="g-other"),
    ]
    first, other = build(records, []).throughput
    assert first.slowest == "torch eager"
    jax = first.rows[0]
    assert (jax.to_slowest.median, jax.to_slowest.low, jax.to_slowest.high) == (3.0, 2.0, 5.0)
    assert jax.to_torch_eager == jax.to_slowest
    assert (jax.samples_per_s.median, jax.first_step_s, jax.compile_s, jax.peak_rss_bytes) == (400, 12.5, 3, 512 << 20)
    assert [row.backend for row in other.rows] == ["paddle"]
    assert other.rows[0].to_slowest.median == 1.0
    assert other.rows[0].to_torch_eager is None


def test_a_gpus_memory_and_energy_are_of_its_own_windows():
    memory = {"peak_rss_bytes": 512 << 20, "peak_device_bytes": 3 << 30}
    drawn = {
        "first_step_s": 1.0,
        "window_samples_per_s": [100.0, 110.0, 90.0],
        "joules_per_sample": 0.2,
    }
    on_gpu = record(kind="throughput", backend="jax", mode="compiled", device="gpu", memory=memory, timings=drawn)
    of_cpu, of_gpu = build([timed("torch", "eager", [100.0]), on_gpu], []).throughput
    assert (of_gpu.rows[0].peak_device_bytes, of_gpu.rows[0].joules_per_sample) == (3 << 30, 0.2)
    assert (of_cpu.rows[0].peak_device_bytes, of_cpu.rows[0].joules_per_sample) == (None, None)


def test_no_ratio_without_a_group():
    (table,) = build([timed(b, "eager", [100.0, 110.0], group=None) for b in ("torch", "jax")], []).throughput
    assert table.slowest is None
    assert all(row.to_slowest is None and row.samples_per_s is not None for row in table.rows)


def test_a_failed_timing_stands_in_its_models_table_without_a_ratio():
    broken = failed("timeout", "took too long", kind="throughput", backend="jax")
    (table,) = build([timed("torch", "eager", [100.0]), broken], []).throughput
    assert [(row.backend, row.status) for row in table.rows] == [("torch", "ok"), ("jax", "timeout")]
    assert table.rows[1].to_slowest is None


def test_pareto_front_and_order_of_indexes():
    (table,) = build(suite(), []).retrieval
    assert {row.name for row in table.rows if row.on_front} == {"faiss-flat", "faiss-hnsw", "faiss-ivf"}
    assert table.rows[0].name == "exact"
    assert table.recall_metric == "index_recall@5"


def test_indexes_of_two_groups_or_seeds_never_share_a_table():
    records = [
        indexed("exact", 1.0, [100.0]),
        indexed("annoy", 0.9, [900.0], group="g-3"),
        indexed("annoy", 0.9, [900.0], seed=1),
    ]
    tables = build(records, []).retrieval
    assert [[row.name for row in table.rows] for table in tables] == [["exact"], ["annoy"], ["annoy"]]
    assert all(row.to_exact is None for table in tables[1:] for row in table.rows)


def test_failures_carry_their_reasons_and_counts():
    boards = build(suite(), [])
    assert [(row.kind, row.status) for row in boards.failures] == [("throughput", "timeout"), ("train", "unsupported")]
    assert boards.headline.n_failed == 2


def test_overhead_is_a_spread_over_a_frameworks_train_cells():
    times = [{"overhead_s": s, "import_s": 2.0} for s in (1.0, 4.0, 2.0)]
    records = [trained("mf-bpr", 0.1, seed=seed, timings=timings) for seed, timings in enumerate(times)]
    (row,) = build(records, []).overhead
    assert (row.backend, row.n_cells) == ("torch", 3)
    assert (row.overhead_s.median, row.overhead_s.low, row.overhead_s.high) == (2.0, 1.0, 4.0)
    assert row.train_s is None


def test_ladder_names_the_first_rung_that_breaks():
    broken = [row for row in build(suite(), []).ladder if row.broken]
    assert [(row.backend, row.broken, row.highest, row.where) for row in broken] == [
        ("jax", "loss", "round trip", "step 1")
    ]


def test_environment_keeps_libraries_commits_and_notes_apart():
    records = [
        *suite(),
        indexed("annoy", 0.5, [9.0], seed=5, versions={"annoy": "1.17.3"}),
        record(seed=7, commit=None, dirty=None, notes=["a note"], metrics={"precision@5": 0.1}),
    ]
    environment = build(records, []).environment
    versions = dict(environment.versions)
    assert ("annoy", "1.17.3") in versions["annoy"]
    assert ("implicit", "0.7.3") in versions["classic"]
    assert (None, None, 1) in environment.commits
    assert ("online-retail", "a note", 1) in environment.notes
    assert environment.datasets == (("online-retail", "time-split", "d" * 16),)


def test_bugs_that_the_ladder_let_through_are_named():
    bugs = [
        {"bug": "gate order", "mode": "eager", "due": "gradients", "broke": "loss", "caught": True},
        {"bug": "double sigmoid", "mode": "eager", "due": "gradients", "broke": None, "caught": False},
    ]
    injected = record(
        kind="agreement", model="mf-bpr", backend="jax", settings={"primary_metric": "recall@10", "bugs": bugs}
    )
    boards = build([trained("mf-bpr", 0.2), injected], [])
    assert boards.kills == (KillRow("mf-bpr", "jax", 2, 1, ("double sigmoid",)),)


def test_climbs_are_told_apart_by_their_names_and_not_by_their_settings():
    def climb(name, **settings):
        given = {"primary_metric": "recall@10", "variant": "pairs", **settings}
        return record(kind="agreement", model="gru4rec", variant="pairs", climb=name, settings=given)

    found = prepare([climb("pairs 1", length=4), climb("pairs 2", length=6), climb("pairs 1", length=5)])
    assert {r.variant for r in found} == {"pairs"}
    assert sorted((r.climb, r.settings["length"]) for r in found) == [("pairs 1", 5), ("pairs 2", 6)]


def test_a_model_with_one_implementation_is_not_called_uncompared():
    (table,) = build([trained("als", 0.2, backend="classic"), trained("mf-bpr", 0.2)], []).accuracy
    badges = {row.model: row.badge.verdict for row in table.rows if row.role != "popularity"}
    assert badges == {"als": "one implementation", "mf-bpr": "not compared"}
