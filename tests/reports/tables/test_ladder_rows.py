"""What is shown of the ladder: all climbs of one adapter make one row, and the pictures show them all."""

import numpy as np
import pytest
from made_records import record

from reports.charts.draw import draw
from reports.tables.leaderboard import build

NAMES = ("round trip", "loss", "trajectory")


def climbed(*differences, **changes):
    """An agreement record that held as far as there are differences, or broke at one above its tolerance of 1."""
    rungs = [
        {"rung": name, "holds": difference <= 1, "difference": difference, "tolerance": 1.0, "where": f"at {name}"}
        for name, difference in zip(NAMES, differences, strict=False)
    ]
    changes = {"divergence": [0.25, 0.125, 0.5], "hashes": {"trained": "same"}} | changes
    return record(kind="agreement", dataset="the ladder's own data", protocol="ladder", rungs=rungs, **changes)


def climbed_as(name, *differences, **changes):
    """On a way of its own, with settings of its own."""
    settings = {"primary_metric": "recall@10", "variant": "as_published", "length": len(name)}
    return climbed(*differences, climb=name, settings=settings, **changes)


def again(*differences, repeat, **changes):
    trained = changes.pop("trained", "same")
    return climbed(*differences, hashes={"trained": trained, "repeat": str(repeat)}, **changes)


def test_climbs_over_seeds_threads_and_repeats_are_one_row():
    records = [climbed(0, 0.5, 0.1), climbed(0, 0.25, 0.2, seed=1), climbed(0, 0.1, 0.1, threads=2)]
    (row,) = build([*records, again(0, 0.5, 0.1, repeat=1)], []).ladder
    assert (row.n_climbs, row.n_rungs, row.highest, row.broken) == (4, 3, "trajectory", None)
    assert dict(row.shares) == {"round trip": 0, "loss": 0.5, "trajectory": 0.2}


def test_climbs_of_one_variant_are_one_row_whatever_their_settings_and_those_that_hold_are_counted():
    names = ("pairs 1", "pairs 2", "extreme rows", "wide")
    (row,) = build([climbed(0, 0.5, 0.1), *(climbed_as(name, 0, 0.25) for name in names)], []).ladder
    assert (row.variant, row.n_climbs, row.n_held, row.holds) == ("as_published", 5, 5, True)
    assert (row.climb, row.broken, row.n_rungs, row.highest) == ("", None, 3, "trajectory")  # of the longest
    assert dict(row.shares) == {"round trip": 0, "loss": 0.5, "trajectory": 0.1}


def test_of_climbs_that_break_the_one_that_breaks_first_is_named():
    records = [
        climbed(0, 0.5, 0.1),
        climbed_as("wide", 0, 0.25),
        climbed_as("pairs 1", 0, 0.25, 4.0),
        climbed_as("pairs 3", 0, 3.0),
        climbed_as("pairs 2", 0, 2.0),
    ]
    (row,) = build(records, []).ladder
    assert (row.climb, row.broken, row.difference, row.where) == ("pairs 2", "loss", 2.0, "at loss")
    assert (row.n_climbs, row.n_held, row.n_rungs, row.highest, row.holds) == (5, 2, 1, "round trip", False)


def test_a_climb_that_crashed_was_to_hold_and_one_that_cannot_be_run_was_not():
    crashed = climbed(climb="wide", status="failed", reason="it fell over", divergence=None, hashes={})
    unable = climbed(climb="long", status="unsupported", reason="no kernel", divergence=None, hashes={})
    (row,) = build([climbed(0, 0.5, 0.1), crashed, unable], []).ladder
    assert (row.n_climbs, row.n_held, row.holds) == (2, 1, False)
    assert (row.failed, row.unable) == ("1 of 3 climbs failed", "1 of 3 climbs unsupported")
    (row,) = build([climbed(0, 0.5, 0.1), unable], []).ladder
    assert (row.n_climbs, row.n_held, row.holds, row.failed) == (1, 1, True, "")


def test_kinds_of_climbs_are_counted_with_those_that_hold():
    records = [
        climbed_as("wide", 0, 0.25, backend="jax"),
        *(climbed_as(f"pairs {n}", 0, 0.25, backend=backend) for n in (1, 2, 13) for backend in ("torch", "jax")),
        climbed_as("pairs 3", 0, 3.0, variant="other"),
        climbed(0, 0.5, 0.1),
        climbed(0, 0.5, 0.1, seed=1),
        climbed(climb="wide", backend="jax", mode="compiled", status="oom", reason="no room", divergence=None),
        climbed(climb="wide", backend="paddle", status="unsupported", reason="no kernel", divergence=None),
    ]
    found = build(records, []).climbs
    assert [(row.kind, row.n_ways, row.n_climbs, row.n_held) for row in found] == [
        ("whole", 1, 2, 2), ("pairs", 4, 7, 6), ("wide", 1, 2, 1),
    ]  # fmt: skip
    assert [row.rungs for row in found] == [NAMES, NAMES[:2], NAMES[:2]]


def test_a_rung_has_a_row_for_each_of_its_tolerances_with_the_climbs_that_have_it():
    looser = {"rung": "loss", "holds": True, "difference": 5.0, "tolerance": 8.0, "where": ""}
    extreme = [record(kind="agreement", climb="extreme rows", seed=seed, rungs=[looser]) for seed in (0, 1)]
    rungs = build([climbed(0, 0.5, 0.1), climbed_as("pairs 1", 0, 0.25), *extreme], []).rungs
    assert [(row.rung, row.tolerance, row.n_climbs, row.largest) for row in rungs] == [
        ("round trip", 1.0, 2, 0.0), ("loss", 1.0, 2, 0.5), ("loss", 8.0, 2, 5.0), ("trajectory", 1.0, 1, 0.1),
    ]  # fmt: skip
    assert [row.kinds for row in rungs] == [("whole", "pairs"), ("whole", "pairs"), ("extreme rows",), ("whole",)]


def test_divergence_is_of_the_long_trainings_and_as_long_as_the_longest():
    records = [
        climbed(0, 0, 0),
        climbed(0, 0, climb="long", divergence=[0.375, 0.375, 0.375, 0.375]),
        climbed(0, 0, climb="pairs 1", divergence=[0.75, 0.75]),
        climbed(0, 0, climb="wide", divergence=None),
    ]
    (row,) = build(records, []).ladder
    assert row.divergence == (0.375, 0.375, 0.5, 0.5)


def test_bits_are_compared_within_a_climb():
    records = [climbed(0, climb=name, hashes={"trained": name}) for name in ("whole", "long")]
    assert build(records, []).bits == ()
    (row,) = build([*records, climbed(0, climb="long", threads=2, hashes={"trained": "long"})], []).bits
    assert (row.n_rethreaded, row.n_same_threaded) == (1, 1)


def test_one_climb_that_breaks_breaks_the_row():
    (row,) = build([climbed(0, 0.5, 0.1), climbed(0, 3.0, seed=1)], []).ladder
    assert (row.n_rungs, row.highest, row.broken, row.where) == (1, "round trip", "loss", "at loss")
    assert (row.difference, row.tolerance) == (3.0, 1.0)
    assert dict(row.shares) == {"round trip": 0, "loss": np.inf, "trajectory": 0.1}


def test_divergence_is_the_largest_so_far_of_any_climb():
    records = [climbed(0, 0, 0), climbed(0, 0, 0, seed=1, divergence=[0.1, 0.4, None])]
    (row,) = build(records, []).ladder
    assert row.divergence == (0.25, 0.4, np.inf)


def test_differences_are_those_of_rungs_that_hold():
    records = [climbed(0, difference / 100, seed=difference) for difference in range(101)] + [climbed(0, 7.0, seed=101)]
    rungs = {row.rung: row for row in build(records, []).rungs}
    assert list(rungs) == ["round trip", "loss"]
    loss = rungs["loss"]
    assert (loss.n_climbs, loss.tolerance) == (101, 1.0)
    assert (loss.median, loss.high, loss.largest) == pytest.approx((0.5, 0.95, 1.0))


def test_bits_are_compared_from_run_to_run_and_over_threads():
    records = [
        climbed(0, model="a"),
        again(0, model="a", repeat=1),
        climbed(0, model="a", threads=2, hashes={"trained": "other"}),
        climbed(0, model="b"),
        again(0, model="b", repeat=1, trained="other"),
        climbed(0, model="c"),
        climbed(0, model="c", threads=2),
        climbed(0, model="d"),  # once: it says nothing
    ]
    (row,) = build(records, []).bits
    assert (row.backend, row.mode) == ("torch", "eager")
    assert (row.n_repeated, row.n_same_again) == (2, 1)
    assert (row.n_rethreaded, row.n_same_threaded) == (2, 1)


def test_other_seeds_are_no_repetition():
    assert build([climbed(0), climbed(0, seed=1)], []).bits == ()


def test_a_bug_is_one_row_over_all_frameworks():
    bug = {"bug": "no epsilon", "mode": "eager", "due": "loss", "caught": True, "seen": ["keras-team/keras#1"]}
    records = [
        record(kind="agreement", variant="injected bugs", backend=backend, settings={"bugs": [{**bug, "broke": broke}]})
        for backend, broke in (("torch", "loss"), ("jax", "forward"), ("paddle", None))
    ]
    (row,) = build(records, []).bugs
    assert (row.bug, row.due, row.seen) == ("no epsilon", "loss", ("keras-team/keras#1",))
    assert row.broke == (("jax", "forward"), ("paddle", "survived"), ("torch", "loss"))


def test_pictures_name_who_holds_and_how_far_apart_they_are():
    rungs, divergence = draw(build([climbed(0, 0.5, 0.1), climbed(0, 7.0, backend="jax")], []))
    assert "1 of 2 adapters and modes hold to the last rung" in rungs.description
    assert rungs.svg.count("#d9541e") > 1  # in the legend, and where it breaks
    assert divergence.description == "Largest of all: mf-logloss as_published 0.5."


def test_the_picture_of_rungs_has_a_row_a_model_and_says_which_variant_takes_up_most():
    records = [climbed(0, 0.5, 0.1, variant=name) for name in ("softmax", "pairs")]
    records += [
        climbed(0, 0.75, 0, variant="pairs", climb="pairs 2"),
        climbed(0, 0.25, 0, model="lstm", mode="compiled"),
    ]
    (rungs, _) = draw(build(records, []))
    words = [label for label, _ in rungs.points]
    assert len(words) == len(set(words)) == 6
    assert "torch eager, mf-logloss pairs, loss: 75 %" in words
    assert "torch eager, mf-logloss softmax, trajectory: 10 %" in words
    assert "torch compiled, lstm as_published, loss: 25 %" in words


def test_records_without_divergence_have_no_picture_of_it():
    assert [chart.name for chart in draw(build([climbed(0, divergence=None)], []))] == ["ladder-rungs"]
