"""The verdict over the records of a run: what agrees, what differs, and what nobody can say."""

import pytest

from benchmarks.agreement.tolerances import METRIC
from benchmarks.agreement.verdict import verdicts


def _curve(*values):
    """A learning curve, as it is on the validation period."""
    return [{"epoch": epoch, "steps": 9 * epoch, "metrics": {"recall@10": value}} for epoch, value in enumerate(values)]


def _record(**changes):
    record = {
        "kind": "train",
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
    return record | changes


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
    found = verdicts([_record(), _record(backend="jax"), other, {**other, "backend": "jax"}])
    assert [verdict.verdict for verdict in found] == ["agrees", "agrees"]


def test_models_that_no_framework_trains_get_no_verdict():
    assert verdicts([_record(backend="classic"), _record(kind="throughput")]) == []
