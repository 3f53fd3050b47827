"""No gate may pass what has no skill: every tolerance meets untrained parameters, random rankings and popularity."""

from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from backends.registry import TRAINABLE
from benchmarks import sampling, specs
from benchmarks.agreement import ladder_data, reference, tolerances
from benchmarks.agreement.tolerances import LADDER, MARGIN, METRIC, Tolerance
from benchmarks.agreement.verdict import verdicts
from benchmarks.harness import store
from benchmarks.harness.evaluation import answers
from reports.tables.records import prepare

CLIMBING = [spec for name in TRAINABLE for spec in type(specs.make(name, {})).for_ladder()]
PUBLISHED = store.folders(Path("reports/published"))
FAR = 20
"""What has no skill is to be so many tolerances away, or more."""


def vectors(spec, parameters):
    data = ladder_data.problem()
    asked = ladder_data.asked(data, np.arange(data.n_users, dtype=np.int32))
    return answers(spec, partial(spec.user_vectors, parameters), asked), spec.item_vectors(parameters)


def relative(found, expected):
    return np.max(np.abs(found - expected)) / np.max(np.abs(expected))


def hits(scores):
    """bool[users]: whether the held-out item is among the ten best of float64[users, items]."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return (best == ladder_data.problem().held_out[:, None]).any(1)


def scores(users, items):
    products = users @ items.T
    return products.reshape(len(users), -1, len(items)).max(1)  # over interests, where there are several


def random_like(array):
    return sampling.generator("without skill", str(array.shape)).standard_normal(array.shape) * np.abs(array).max()


def other_parameters(spec):
    return {
        name: value if name in spec.unlearnt else random_like(value)
        for name, value in reference.truth(spec).untrained.items()
    }


def farthest(found, expected, names):
    return max(np.max(np.abs(found[name] - expected[name])) for name in names)


@cache
def without_skill(spec):
    """For each rung, how far from the reference the least bad of those without skill comes."""
    truth = reference.truth(spec)
    losses, trained = truth.trained
    others = other_parameters(spec)
    learnt = list(truth.gradients)
    right = vectors(spec, trained)
    popularity = np.broadcast_to(ladder_data.problem().item_counts, (reference.N_USERS, reference.N_ITEMS))
    rankings = [scores(*vectors(spec, truth.untrained)), scores(*map(random_like, right)), popularity]
    return {
        "round trip": farthest(others, truth.untrained, learnt),
        "forward": min(map(relative, vectors(spec, others), vectors(spec, truth.untrained))),
        "gradients": 1.0,  # of an adapter that gives zeros: they are formed relative to the largest
        "loss": abs(reference.gradients(spec, others, truth.first)[0] - losses[0]) / losses[0],
        "one step": farthest(truth.untrained, truth.after_one[1], learnt),
        "trajectory": np.max(np.abs(losses[0] - losses) / losses),
        "vectors": max(map(relative, vectors(spec, truth.untrained), right)),
        "metrics": min(np.mean(hits(ranking) != hits(scores(*right))) for ranking in rankings),
    }


def test_every_tolerance_that_there_is_stands_in_this_file():
    named = {
        name for name, value in vars(tolerances).items() if isinstance(value, Tolerance | dict) or name == "LADDER"
    }
    assert {name for name in named if name.isupper()} == {"LADDER", "METRIC", "MARGIN"}
    assert set(without_skill(CLIMBING[0])) == set(LADDER)


@pytest.mark.parametrize("spec", CLIMBING, ids=lambda spec: f"{spec.model} {spec.variant}")
def test_who_has_not_trained_falls_off_every_rung(spec):
    # One hit of 300 users is more than the tolerance of the metric: three of them are far.
    least = {name: 5 * limit.limit if name == "metrics" else FAR * limit.limit for name, limit in LADDER.items()}
    found = without_skill(spec)
    assert {name: found[name] for name in LADDER if not found[name] > least[name]} == {}


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_no_published_verdict_would_pass_who_has_no_skill(folder):
    """Models that agree meet impostors: one backend's figures are those of the untrained, of nothing, of popularity."""
    records = prepare(store.read(folder))
    for verdict in verdicts(records):
        if verdict.verdict == "agrees":
            for who, figure in impostors(records, verdict):
                assert agreed(records, verdict, figure) is False, f"{verdict.model} {verdict.variant}: {who} would pass"


def mine(record, verdict):
    names = ("model", "variant", "dataset", "protocol", "device")
    return record.kind == "train" and all(getattr(record, name) == getattr(verdict, name) for name in names)


def impostors(records, verdict):
    own = next(record for record in records if mine(record, verdict) and record.status == "ok")
    primary = own.settings["primary_metric"]
    yield "nothing", 0.0
    yield "untrained", own.curve[0].metrics[primary]
    for record in records:
        same = all(getattr(record, name) == getattr(own, name) for name in ("kind", "dataset", "protocol"))
        if same and record.model == "popularity" and record.hashes["split"] == own.hashes["split"]:
            yield record.variant, record.metrics[primary]


def agreed(records, verdict, figure):
    backend = next(record.backend for record in records if mine(record, verdict))
    changed = []
    for record in records:
        if mine(record, verdict) and record.backend == backend:
            primary = record.settings["primary_metric"]
            record = replace(record, metrics={**record.metrics, primary: figure})  # noqa: PLW2901
        changed.append(record)
    (found,) = [v for v in verdicts(changed) if (v.model, v.variant, v.dataset, v.protocol, v.device) ==
                (verdict.model, verdict.variant, verdict.dataset, verdict.protocol, verdict.device)]  # fmt: skip
    return found.verdict == "agrees"


def test_the_margin_over_seeds_is_no_narrower_than_the_tolerance_of_one():
    assert METRIC.limit <= MARGIN.limit <= 3 * METRIC.limit
