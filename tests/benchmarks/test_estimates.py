"""What cells are expected to take: by the records that are most like them, at their size, or not at all."""

import dataclasses
from pathlib import Path

import msgspec
import pytest
from record_lines import record

from benchmarks.harness.estimates import NOISE, OTHER_MACHINE, Estimate
from benchmarks.harness.plan import Options, Prepared, cells
from benchmarks.records import Point
from benchmarks.suites import Block, IndexRow, ModelRow

PROTOCOL = {"name": "leave-k-out", "k": 1, "min_items": 5, "period": "test", "ks": [5], "primary_metric": "ndcg@5"}
ROWS = (ModelRow("popularity"), ModelRow("gru4rec", {"epochs": 10, "patience": 0}))
BLOCK = Block("shop", PROTOCOL, ROWS, indexes=(IndexRow("exact"),), modes=("eager",), throughput=("eager",))


def planned(dataset="shop", seeds=(0,)):
    prepared = Prepared(dataset, PROTOCOL, Path("unused"), {"dataset": "d", "split": "s"}, ())
    return cells(BLOCK, prepared, Options(backends=("torch", "jax"), seeds=seeds))


def left_by(cell, seconds, *, work_s=0.0, n_rows=0, epochs=1, peak=0, group=None, status="ok"):
    names = ("kind", "dataset", "model", "variant", "backend", "mode")
    described = {name: getattr(cell, name) for name in names}
    of_kind = {"train": {}, "throughput": {"group": group}, "index": {"group": group, "index": cell.index}}[cell.kind]
    timings = {"wall_s": seconds, "train_s": work_s} if cell.kind == "train" else {"worker_s": seconds}
    if cell.kind == "train":
        of_kind["curve"] = [{"epoch": epochs, "steps": epochs, "loss": 1.0, "metrics": {"ndcg@5": 0.25}}]
    settings = {**cell.settings, "primary_metric": "ndcg@5"}
    found = {"metrics": {"ndcg@5": 0.25}, "settings": settings, "timings": timings}
    notes = [f"{cell.dataset}: {n_rows:,} interactions, 20 users, 30 items"] if n_rows else []
    reason = None if status == "ok" else "it was killed"
    memory = {"peak_rss_bytes": peak} if peak else {}
    return record(
        **described, **of_kind, **found, cell=cell.key, status=status, reason=reason, notes=notes, memory=memory
    )


def around(seconds, factor=NOISE):
    return pytest.approx((seconds / factor, seconds * factor))


def test_nothing_is_known_of_what_is_like_nothing_recorded():
    popular, torch, *_ = planned()
    assert [Estimate([]).seconds(cell) for cell in planned()] == [None] * len(planned())
    assert Estimate([left_by(popular, 1.0)]).seconds(torch) is None
    assert Estimate([left_by(popular, 1.0, status="failed")]).seconds(popular) is None
    assert Estimate([left_by(popular, 0.0)]).seconds(popular) is None  # as old records have it, which say no time


def test_the_most_like_counts_and_of_several_as_much_like_the_whole_range():
    popular, torch, jax, *_ = planned()
    known = Estimate([left_by(popular, 1.0), left_by(torch, 30.0), left_by(jax, 50.0)])
    assert [known.seconds(cell) for cell in (popular, torch, jax)] == [around(1.0), around(30.0), around(50.0)]
    again, *_ = (cell for cell in planned(seeds=(5,)) if cell.backend == "torch")
    assert known.seconds(again) == around(30.0)
    both = Estimate([left_by(torch, 30.0), left_by(again, 60.0)])
    other, *_ = (cell for cell in planned(seeds=(6,)) if cell.backend == "torch")
    assert both.seconds(other) == pytest.approx((30.0 / NOISE, 60.0 * NOISE))


def test_more_epochs_take_longer_but_not_the_import():
    _, torch, *_ = planned()
    known = Estimate([left_by(torch, 25.0, work_s=20.0, epochs=10)])
    longer = dataclasses.replace(torch, settings={**torch.settings, "epochs": 40})
    assert known.seconds(longer) == around(5.0 + 20.0 * 4)
    stopping = dataclasses.replace(torch, settings={**torch.settings, "epochs": 40, "patience": 3})
    assert known.seconds(stopping) == pytest.approx((25.0 / NOISE, 85.0 * NOISE))


def test_compiling_and_the_last_evaluation_do_not_grow_with_epochs():
    _, torch, *_ = planned()
    timings = {"wall_s": 100.0, "train_s": 70.0, "first_step_s": 50.0, "evaluate_s": 30.0}
    points = [Point(epoch=n, steps=n, loss=1.0, metrics={"ndcg@5": 0.25}) for n in range(11)]
    recorded = left_by(torch, 100.0)
    recorded = msgspec.structs.replace(recorded, timings=timings, curve=points)
    longer = dataclasses.replace(torch, settings={**torch.settings, "epochs": 40})
    work_s = 20.0 + 30.0 * 10 / 13
    assert Estimate([recorded]).seconds(longer) == around(100.0 - work_s + 4 * work_s)


@pytest.mark.parametrize(
    ("changes", "is_known"),
    [
        ({"learning_rate": 0.5, "variant": "other", "filter_seen": True}, True),
        ({"length": 200}, False),
        ({"embedding_dim": 128}, False),
        ({"trains_on": "prefixes"}, False),
    ],
)
def test_settings_that_change_how_much_there_is_to_do_are_like_nothing_recorded(changes, is_known):
    _, torch, *_ = planned()
    other = dataclasses.replace(torch, settings={**torch.settings, **changes})
    assert (Estimate([left_by(torch, 30.0)]).seconds(other) is not None) == is_known


def test_more_rows_take_longer_and_without_their_number_nobody_knows():
    _, torch, *_ = planned()
    _, elsewhere, *_ = planned("other")
    known = Estimate([left_by(torch, 25.0, work_s=20.0, n_rows=1_000, epochs=10)])
    assert known.seconds(elsewhere) is None
    assert known.seconds(elsewhere, n_rows=3_000) == around(5.0 + 20.0 * 3)
    popular, *_ = planned("other")
    with_rows = [left_by(torch, 25.0, work_s=20.0, n_rows=1_000, epochs=10), left_by(popular, 1.0, n_rows=2_000)]
    assert Estimate(with_rows).seconds(elsewhere) == around(5.0 + 20.0 * 2)


def test_cells_that_ran_by_turns_share_the_time_of_the_longest():
    searched = [cell for cell in planned(seeds=(0,)) if cell.kind == "index"]
    together = [left_by(cell, 10.0 + n, group="g") for n, cell in enumerate(searched)]
    assert Estimate(together).seconds(searched[0]) == around((9.0 + len(searched)) / len(searched))


def test_what_is_published_counts_where_nothing_of_ones_own_is_as_near_and_is_of_another_machine():
    _, torch, jax, *_ = planned()
    published = [left_by(jax, 70.0)]
    assert Estimate([], published).seconds(jax) == around(70.0, OTHER_MACHINE)
    assert Estimate([left_by(jax, 50.0)], published).seconds(jax) == around(50.0)
    assert Estimate([left_by(torch, 50.0)], published).seconds(jax) == around(70.0, OTHER_MACHINE)


def test_the_total_divides_what_may_run_side_by_side_and_counts_what_is_unknown():
    made = planned()
    trained = [cell for cell in made if cell.model == "gru4rec" and cell.kind == "train"]
    known = Estimate([left_by(cell, 20.0) for cell in trained])
    assert known.total(made).n_unknown == len(made) - len(trained)
    assert known.total(trained).span.middle == pytest.approx(40.0)
    assert known.total(trained, at_once=2).span.middle == pytest.approx(20.0)
    assert known.total([]) == ((0.0, 0.0), 0, 0)


def test_memory_is_the_most_that_any_as_much_like_took():
    popular, torch, jax, *_ = planned()
    known = Estimate([left_by(torch, 1.0, peak=300), left_by(torch, 1.0, peak=500)])
    assert (known.peak_bytes(torch), known.peak_bytes(jax), known.peak_bytes(popular)) == (500, 500, None)
