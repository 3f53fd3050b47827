"""The verdict over the records of a run: what agrees, what differs, and what nobody can say."""

import pytest
from msgspec.structs import replace
from record_lines import record

from benchmarks.agreement.tolerances import METRIC
from benchmarks.agreement.verdict import ending, verdicts


def _curve(*values):
    """A learning curve, as it is on the validation period."""
    points = [{"epoch": epoch, "steps": 9 * epoch, "loss": None} for epoch in range(len(values))]
    return [point | {"metrics": {"recall@10": value}} for point, value in zip(points, values, strict=True)]


def _record(**changes):
    changes.setdefault("reason", None if changes.get("status", "ok") == "ok" else "it broke")
    described = {
        "model": "mf-bpr",
        "variant": "tuned",
        "backend": "torch",
        "mode": "eager",
        "device": "cpu",
        "dataset": "d",
        "protocol": "time-split",
        "seed": 0,
        "status": "ok",
        "settings": {"primary_metric": "recall@10", "epochs": 3},
        "metrics": {"recall@10": 0.3},
        "curve": _curve(0.01, 0.2, 0.25),
        "hashes": {"split": "s", "parameters": "p", "batches": "b"},
    }
    return record(**described | changes)


def _verdict(*records):
    (verdict,) = verdicts(records)
    return verdict


def test_backends_within_the_tolerance_agree():
    near = 0.3 + 0.9 * METRIC.limit
    verdict = _verdict(_record(), _record(backend="jax", metrics={"recall@10": near}))
    assert verdict.verdict == "agrees"
    assert verdict.spread == pytest.approx(near - 0.3)
    assert verdict.tolerance == METRIC.limit


def test_backends_beyond_the_tolerance_in_one_seed_are_undecided_and_are_named():
    far = 0.3 + 1.1 * METRIC.limit
    verdict = _verdict(_record(), _record(backend="paddle"), _record(backend="jax", metrics={"recall@10": far}))
    assert verdict.badge == "undecided (needs 2 more seeds)"
    assert "jax eager" in verdict.reason
    assert "torch eager" in verdict.reason


def _of_seeds(torch, jax):
    """Records of two backends with these figures in seeds 0, 1, 2, …"""
    return [
        _record(backend=backend, seed=seed, metrics={"recall@10": figure})
        for backend, figures in (("torch", torch), ("jax", jax))
        for seed, figure in enumerate(figures)
    ]


def test_backends_that_part_in_every_seed_but_not_on_average_agree():
    apart = 1.5 * METRIC.limit
    torch = [0.3, 0.3 + apart, 0.3, 0.3 + apart, 0.3, 0.3 + apart]
    verdict = _verdict(*_of_seeds(torch, torch[::-1]))
    assert (verdict.verdict, verdict.seeds) == ("agrees", (0, 1, 2, 3, 4, 5))
    assert verdict.spread == pytest.approx(apart)
    assert "over 6 seeds" in verdict.reason


def test_backends_whose_means_part_by_more_than_the_margin_differ():
    verdict = _verdict(*_of_seeds([0.3, 0.301, 0.302], [0.31, 0.311, 0.3121]))
    assert verdict.verdict == "differs"
    assert "jax eager less torch eager is +0.010" in verdict.reason


def test_one_seed_that_parts_calls_for_more():
    verdict = _verdict(*_of_seeds([0.3, 0.3, 0.3], [0.3, 0.3, 0.33]))
    assert verdict.verdict == "undecided"
    assert verdict.n_more > 0


def test_modes_of_one_backend_are_compared_with_the_others():
    compiled = _record(mode="compiled", metrics={"recall@10": 0.4})
    assert _verdict(_record(), compiled, _record(backend="jax")).verdict == "undecided"


@pytest.mark.parametrize("apart", [0.0, 0.9 * METRIC.limit, -0.9 * METRIC.limit])
def test_figures_that_popularity_reaches_prove_nothing(apart):
    popularity = _record(model="popularity", backend="classic", metrics={"recall@10": 0.3 + apart})
    (verdict,) = verdicts([_record(), _record(backend="jax"), popularity])
    assert verdict.verdict == "not compared"
    assert "popularity (tuned) is at" in verdict.reason


def test_popularity_elsewhere_does_not_matter():
    far = _record(model="popularity", backend="classic", metrics={"recall@10": 0.3 - 1.1 * METRIC.limit})
    other = _record(model="popularity", backend="classic", hashes={"split": "another"})
    assert [v.verdict for v in verdicts([_record(), _record(backend="jax"), far, other])] == ["agrees"]


@pytest.mark.parametrize("others", [[], [_record(mode="compiled")], [_record(backend="jax", status="failed")]])
def test_one_backend_alone_is_not_compared(others):
    verdict = _verdict(_record(), *others)
    assert (verdict.verdict, verdict.spread) == ("not compared", None)


@pytest.mark.parametrize("name", ["split", "parameters", "batches"])
def test_backends_that_were_given_other_inputs_differ(name):
    hashes = {"split": "s", "parameters": "p", "batches": "b"} | {name: "other"}
    verdict = _verdict(_record(), _record(backend="jax", hashes=hashes))
    assert verdict.verdict == "differs"
    assert name in verdict.reason


def test_backends_that_learnt_nothing_are_not_compared():
    flat = _curve(0.01, 0.01 + 0.5 * METRIC.limit, 0.01)
    verdict = _verdict(_record(), _record(backend="jax", curve=flat))
    assert verdict.verdict == "not compared"
    assert "moved by 0.0010 in training" in verdict.reason


@pytest.mark.parametrize("curve", [_curve(0.01, 0.2, 0.01), _curve(0.2, 0.01)])
def test_what_was_learnt_shows_at_any_epoch_and_in_either_direction(curve):
    """Early stopping goes back to the best epoch; a published model may end below its start."""
    assert _verdict(_record(curve=curve), _record(backend="jax", curve=curve)).verdict == "agrees"


@pytest.mark.parametrize("change", [{"variant": "other"}, {"dataset": "other"}, {"protocol": "other"}])
def test_other_questions_get_verdicts_of_their_own(change):
    other = _record(**change, metrics={"recall@10": 0.5})
    found = verdicts([_record(), _record(backend="jax"), other, replace(other, backend="jax")])
    assert [verdict.verdict for verdict in found] == ["agrees", "agrees"]


def test_models_that_no_framework_trains_get_no_verdict():
    assert verdicts([_record(backend="classic"), record(kind="throughput")]) == []


FOUR = ("jax", "paddle", "tensorflow", "torch")


def _four(paddle, **changes):
    """Four frameworks that agree, of which paddle has other records."""
    return [*(_record(backend=backend, **changes) for backend in FOUR if backend != "paddle"), *paddle]


def _failed(status="failed", **changes):
    return _record(backend="paddle", status=status, metrics={}, curve=[], hashes={}, **changes)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("failed", "paddle failed"),
        ("timeout", "paddle timeout"),
        ("oom", "paddle out of memory"),
        ("diverged", "paddle diverged"),
        ("unsupported", "paddle unsupported"),
        ("skipped", "paddle skipped"),
    ],
)
def test_who_is_missing_is_said_with_the_verdict(status, words):
    verdict = _verdict(*_four([_failed(status)]))
    assert verdict.badge == f"agrees (3 of 4; {words})"
    assert (verdict.verdict, verdict.is_whole, verdict.counted_as) == ("agrees", False, "agrees, incomplete")


def test_nothing_is_said_where_nobody_is_missing():
    verdict = _verdict(*_four([_record(backend="paddle")]))
    assert (verdict.badge, verdict.counted_as) == ("agrees", "agrees")


def test_other_verdicts_say_who_is_missing_too():
    far = 0.3 + 1.1 * METRIC.limit
    undecided = _verdict(*_four([_failed()]), _record(mode="compiled", metrics={"recall@10": far}))
    assert undecided.badge.startswith("undecided (needs 2 more seeds; 3 of 4; paddle failed")
    differs = _verdict(*_four([_failed()]), _record(mode="compiled", hashes={"split": "s", "batches": "other"}))
    assert differs.badge == "differs (3 of 4; paddle failed)"
    alone = _verdict(_record(), _failed(), _record(backend="jax", status="oom"))
    assert (alone.badge, alone.reason) == (
        "not compared (1 of 3; jax out of memory, paddle failed)",
        "1 backend finished",
    )
    assert _verdict(_failed()).badge == "not compared (0 of 1; paddle failed)"


def test_a_backend_that_lacks_seeds_is_not_whole():
    whole = [record for seed in range(5) for record in _four([], seed=seed)]
    paddle = [_record(backend="paddle", seed=seed) for seed in range(2)]
    failed = [_failed(seed=seed) for seed in range(2, 5)]
    for of_paddle in (paddle, paddle + failed):
        assert _verdict(*whole, *of_paddle).badge == "agrees (3 of 4; paddle 2 of 5 seeds)"


def test_a_mode_that_failed_is_named():
    both = _four([_record(backend="paddle"), _failed(mode="compiled")])
    assert _verdict(*both).badge == "agrees (3 of 4; paddle compiled failed)"
    neither = _four([_failed(), _failed(mode="compiled")])
    assert _verdict(*neither).badge == "agrees (3 of 4; paddle failed)"
    apart = _four([_failed(), _failed("oom", mode="compiled")])
    assert _verdict(*apart).badge == "agrees (3 of 4; paddle compiled out of memory, paddle eager failed)"


def test_a_mode_that_cannot_run_is_said_and_takes_nobody_out():
    verdict = _verdict(*_four([_record(backend="paddle"), _failed("unsupported", mode="compiled")]))
    assert (verdict.badge, verdict.is_whole) == ("agrees (4 of 4; paddle compiled unsupported)", True)


def test_a_failure_counts_more_than_what_could_not_run():
    verdict = _verdict(*_four([_failed(), _failed("unsupported", seed=1)], seed=0))
    assert "paddle failed" in verdict.badge


def test_a_cell_that_never_told_its_settings_is_missing_all_the_same():
    verdict = _verdict(*_four([_failed(settings={})]))
    assert verdict.badge == "agrees (3 of 4; paddle failed)"


def test_two_settings_of_one_name_are_two_verdicts_and_both_say_who_is_missing():
    other = {"primary_metric": "recall@10", "epochs": 9}
    records = [*_four([]), *_four([], settings=other), _failed(settings={})]
    assert [v.badge for v in verdicts(records)] == ["agrees (3 of 4; paddle failed)"] * 2


def test_who_finished_without_the_figure_is_missing():
    verdict = _verdict(*_four([_record(backend="paddle", metrics={"ndcg@10": 1.0})]))
    assert verdict.badge == "agrees (3 of 4; paddle without the figure)"


def test_backends_that_never_met_in_a_seed_are_not_compared():
    verdict = _verdict(_record(seed=0), _record(backend="jax", seed=1))
    assert (verdict.verdict, verdict.reason) == ("not compared", "no two backends finished in the same seed")


def test_without_a_curve_nothing_says_that_they_learnt():
    verdict = _verdict(_record(curve=[]), _record(backend="jax"))
    assert verdict.verdict == "not compared"
    assert "torch eager has no curve of recall@10" in verdict.reason


def test_a_popularity_without_the_figure_proves_nothing():
    popularity = _record(model="popularity", backend="classic", metrics={"ndcg@10": 0.3})
    assert [v.verdict for v in verdicts([_record(), _record(backend="jax"), popularity])] == ["agrees"]


def test_the_end_of_a_run_says_in_a_sentence_what_stands_against_it():
    records = _four([_failed(), _failed("timeout", mode="compiled")])
    assert ending(verdicts(records), records) == (
        "mf-bpr (tuned) agrees (3 of 4; paddle compiled timeout, paddle eager failed); 1 cell failed; 1 cell timeout"
    )
    fine = _four([_record(backend="paddle")])
    assert ending(verdicts(fine), fine) == ""
