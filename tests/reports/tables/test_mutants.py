"""What is known of generated mutants: what became of them, what caught them, and who was not tried."""

import pytest
from made_records import changed, failed, mutant, mutated, trained

from reports.tables.leaderboard import build
from reports.tables.mutants import Counts, total

GRU, BPR = "backends/torch/gru4rec.py", "backends/jax/mf_bpr.py"


def mutants_of(*records):
    return build(records, []).mutants


def test_a_folder_without_mutants_knows_nothing_of_them():
    assert mutants_of(trained("mf-bpr", 0.1)) is None


def test_every_end_is_counted_and_equivalent_ones_are_not_judged():
    ends = ["difference", "difference", "error", "timeout", "crash", "equivalent", "survived"]
    (row,) = mutants_of(mutated(GRU, *ends)).files
    assert (row.path, row.backend, row.failed) == (GRU, "torch", "")
    assert (row.n_difference, row.n_error, row.n_stopped, row.n_equivalent, row.n_survived) == (2, 1, 2, 1, 1)
    assert (row.n_tried, row.n_judged, row.n_caught) == (7, 6, 5)
    assert row.kill_rate == 0.833


def test_a_kill_rate_is_never_rounded_up():
    assert Counts(n_difference=2999, n_survived=1).kill_rate == 0.999
    assert Counts(n_difference=9796, n_survived=204).kill_rate == 0.979
    assert Counts(n_difference=98, n_survived=2, n_equivalent=9).kill_rate == 0.98
    assert Counts(n_equivalent=3).kill_rate is None


def test_frameworks_stand_in_the_order_of_the_registry_and_tests_last():
    found = mutants_of(
        mutated("benchmarks/metrics.py", "difference"), mutated(BPR, "difference"), mutated(GRU, "error", "survived")
    )
    assert [(row.backend, row.n_files, row.n_caught) for row in found.backends] == [
        ("torch", 1, 1), ("jax", 1, 1), ("tests", 1, 1),
    ]  # fmt: skip
    assert total(found.backends) == Counts(n_difference=2, n_error=1, n_survived=1)


def test_kinds_of_change_are_counted_over_all_files():
    found = mutants_of(
        mutated(GRU, mutant("survived", operator="axis"), "difference"), mutated(BPR, mutant("error", operator="axis"))
    )
    assert [(row.operator, row.n_caught, row.n_survived) for row in found.operators] == [
        ("axis", 1, 1), ("swapped operands", 1, 0),
    ]  # fmt: skip


def test_what_caught_them_stands_in_the_order_of_the_ladder_as_shares_of_those_that_could_be_caught():
    by = ["gru4rec pairs pairs 1: one step", "gru4rec whole: forward", "gru4rec pairs pairs 12: forward"]
    of_gru = [mutant("difference", by=words) for words in by]
    found = mutants_of(
        mutated(GRU, *of_gru, "survived", "equivalent"),
        mutated(BPR, "error", "timeout", "crash", mutant("difference", by="mf-bpr whole: a new check")),
        mutated("benchmarks/metrics.py", mutant("difference", by="tests/test_metrics.py::test_forward")),
    )
    assert [(row.by, row.shares) for row in found.catches] == [
        ("forward", (("torch", 0.5),)),
        ("one step", (("torch", 0.25),)),
        ("another check", (("jax", 0.25),)),
        ("an error", (("jax", 0.25),)),
        ("no end in time, or a crash", (("jax", 0.5),)),
        ("nothing", (("torch", 0.25),)),
    ]


def test_survivors_and_equivalents_are_kept_one_by_one():
    survivor = mutant("survived", line=7, old="x[1:]", new="x[2:]", operator="slice bound", mode="compiled")
    found = mutants_of(mutated(GRU, "difference", survivor, "equivalent"), mutated(BPR, "survived"))
    assert [(row.path, row.line) for row in found.survivors] == [(BPR, 1), (GRU, 7)]
    gru = found.survivors[1]
    assert (gru.old, gru.new, gru.operator, gru.backend, gru.mode, gru.reason) == (
        "x[1:]", "x[2:]", "slice bound", "torch", "compiled", "",
    )  # fmt: skip
    assert [(row.line, row.reason) for row in found.equivalents] == [(3, "its operand is 0")]


def test_a_file_whose_mutants_could_not_be_tried_is_named():
    place = {"kind": "mutation", "variant": "all mutants", "dataset": "the ladder's own data", "protocol": "mutants"}
    lost = failed("timeout", "too slow", model=BPR, backend="jax", **place)
    excused = failed("skipped", "not here", model="backends/paddle/x.py", backend="paddle", **place)
    found = mutants_of(mutated(GRU, "difference"), lost, excused)
    assert [(row.path, row.n_tried, row.failed) for row in found.files] == [
        (BPR, 0, "timeout"), ("backends/paddle/x.py", 0, "skipped"), (GRU, 1, ""),
    ]  # fmt: skip
    assert {row.backend: row.failed for row in found.backends} == {
        "torch": (), "paddle": (), "jax": (f"{BPR} timeout",),
    }  # fmt: skip
    alone = mutants_of(lost)
    assert (alone.operators, alone.catches, alone.survivors, alone.equivalents) == ((), (), (), ())


@pytest.mark.parametrize("turn", [1, -1])
def test_of_a_sample_and_all_mutants_of_a_file_all_count(turn):
    whole = mutated(GRU, "difference", "survived", "equivalent")
    settings = {**whole.settings, "variant": "sample", "sample": 1, "sample_seed": "abc"}
    drawn = mutated(GRU, "difference", variant="sample", settings=settings)
    (row,) = mutants_of(*[whole, drawn][::turn]).files
    assert row.n_tried == 3


def test_a_file_that_was_tried_again_counts_as_it_was_last():
    first = mutated(GRU, "survived", "survived", hashes={"split": "none"})
    settings = {**first.settings, "timeout_s": 5.0}
    later = changed(mutated(GRU, "difference"), settings=settings)
    (row,) = mutants_of(first, later).files
    assert (row.n_tried, row.n_survived) == (1, 0)


def test_files_are_no_models_and_have_no_data():
    boards = build([trained("mf-bpr", 0.1), mutated(GRU, "difference")], [])
    assert boards.headline.models == ("mf-bpr",)
    assert boards.headline.datasets == ("online-retail",)
    assert [dataset for dataset, _, _ in boards.environment.datasets] == ["online-retail"]
    assert boards.headline.n_cells == 2
