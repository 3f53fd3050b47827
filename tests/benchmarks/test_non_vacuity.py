"""No gate may pass what has no skill: every tolerance meets untrained parameters, random rankings and popularity."""

from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from msgspec.structs import replace
from numpy_adapter import FAULTED, N_USERS, RUNGS, Sound, climb, whole

from backends.registry import TRAINABLE
from benchmarks import sampling
from benchmarks.agreement import climbs, ladder_data, reference, tolerances, truths
from benchmarks.agreement.differences import largest, to_the_array, to_the_row
from benchmarks.agreement.tolerances import LADDER, MARGIN, METRIC, OF_FAMILY, SPECIAL, Tolerance
from benchmarks.agreement.verdict import verdicts
from benchmarks.harness import store
from benchmarks.harness.evaluation import answers
from reports.tables.records import prepare

SAMPLED = ("mf-bpr", "mf-logloss", "dssm", "youtube-dnn")
"""Families whose loss is over a few items, not all: of others a wide batch takes the reference half a minute."""
CLIMBS = [climb for name in TRAINABLE for climb in climbs.of(name) if climb.size == "small" or name in SAMPLED]
PUBLISHED = store.folders(Path("reports/published"))
FAR = 10
"""What has no skill is to be so many tolerances away, or more."""


def named(climb):
    return f"{climb.spec.model} {climb.spec.variant} {climb.name}"


def vectors(climb, parameters, *, everybody=False):
    """Vectors of some users, with all odd histories, or of everybody; and of all items."""
    data, spec = ladder_data.problem(0, climb.size), climb.spec
    asked = ladder_data.questions(data, everybody=False, by_history=spec.asks == "histories")
    asked = ladder_data.asked(data, np.arange(data.n_users, dtype=np.int32)) if everybody else asked
    return answers(spec, partial(spec.user_vectors, parameters), asked), spec.item_vectors(parameters)


def hits(scores):
    """bool[users]: whether the held-out item is among the ten best of float64[users, items]."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return (best == ladder_data.problem().held_out[:, None]).any(1)


def scores(users, items):
    products = users @ items.T
    return products.reshape(len(users), -1, len(items)).max(1)  # over interests, where there are several


def random_like(array):
    return sampling.generator("without skill", str(array.shape)).standard_normal(array.shape) * np.abs(array).max()


def other_parameters(climb):
    return {
        name: value if name in climb.spec.unlearnt else random_like(value)
        for name, value in truths.truth(climb).untrained.items()
    }


def farthest(found, expected, names):
    return max(np.max(np.abs(found[name] - expected[name])) for name in names)


def apart(climb, found, expected):
    """How far users and items are from those expected, each as the ladder has it."""
    scale = to_the_row if climb.start == "extreme" else to_the_array
    return [largest({"a": one}, {"a": other}, scale).size for one, other in zip(found, expected, strict=True)]


@cache
def without_skill(climb):
    """For each rung up to the first step's, how far from the reference the least bad of those without skill comes."""
    truth, others = truths.truth(climb), other_parameters(climb)
    loss, after_one = truth.after_one
    learnt = list(truth.gradients)
    return {
        "round trip": farthest(others, truth.untrained, learnt),
        "forward": min(apart(climb, vectors(climb, others), vectors(climb, truth.untrained))),
        "gradients": 1.0,  # of an adapter that gives zeros: they are formed relative to the largest
        "loss": abs(reference.gradients(climb.spec, others, truth.first)[0] - loss) / loss,
        "one step": farthest(truth.untrained, after_one, learnt),
    }


@cache
def without_training(climb):
    """The same for the rungs after a training."""
    truth = truths.truth(climb)
    losses, trained = truth.trained
    found, right = vectors(climb, truth.untrained), vectors(climb, trained)
    ranked = [vectors(climb, parameters, everybody=True) for parameters in (truth.untrained, trained)]
    popularity = np.broadcast_to(ladder_data.problem().item_counts, (len(ranked[0][0]), len(ranked[0][1])))
    rankings = [scores(*ranked[0]), scores(*map(random_like, ranked[1])), popularity]
    return {
        "trajectory": np.max(np.abs(losses[0] - losses) / losses),
        "parameters": farthest(truth.untrained, trained, list(truth.gradients)),
        "vectors": max(apart(climb, found, right)),
        "restored": max(np.max(np.abs(one - other)) for one, other in zip(found, right, strict=True)),
        "metrics": min(np.mean(hits(ranking) != hits(scores(*ranked[1]))) for ranking in rankings),
    }


def test_every_tolerance_that_there_is_stands_in_this_file():
    named = {name for name, value in vars(tolerances).items() if isinstance(value, Tolerance | dict | MappingProxyType)}
    assert {name for name in named if name.isupper()} == {"LADDER", "SPECIAL", "OF_FAMILY", "METRIC", "MARGIN"}
    assert [*without_skill(CLIMBS[0]), *without_training(CLIMBS[0])] == list(LADDER)
    assert set(SPECIAL) <= {(climb.kind, rung) for climb in CLIMBS for rung in climb.rungs}


@pytest.mark.parametrize("climb", CLIMBS, ids=named)
def test_who_has_not_trained_falls_off_every_rung(climb):
    # One hit of 300 users is more than the tolerance of the metric: three of them are far.
    far = {name: 5 if name == "metrics" else FAR for name in climb.rungs}
    found = without_skill(climb) | (without_training(climb) if "trajectory" in climb.rungs else {})
    near = {name: found[name] for name in climb.rungs if not found[name] > far[name] * tolerances.of(name, climb).limit}
    assert near == {}


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


class VectorsWithoutSkill(Sound):
    """Its losses are right, but the vectors that it serves owe nothing to training."""

    def __init__(self, kind):
        self.kind = kind
        self.start = {}
        self.has_trained = False

    def init(self, spec, parameters, device, mode):
        self.start = self.start or {name: value.copy() for name, value in parameters.items()}
        return super().init(spec, parameters, device, mode)

    def train(self, state, batches):
        self.has_trained = True
        return super().train(state, batches)

    def embed_users(self, state, inputs):
        vectors = state.spec.user_vectors(self.start, inputs)
        if self.has_trained and self.kind == "random":
            rng = sampling.generator("random users")
            vectors = rng.standard_normal((N_USERS, *vectors.shape[1:]))[inputs["user"]]
        return vectors.astype(np.float32)

    def embed_items(self, state):
        vectors = state.spec.item_vectors(self.start)
        if self.has_trained and self.kind == "random":
            vectors = sampling.generator("random items").standard_normal(vectors.shape)
        if self.has_trained and self.kind == "popularity":  # beside it stands the 1 that every user's vector ends with
            vectors = np.pad(ladder_data.problem().item_counts[:, None], ((0, 0), (vectors.shape[1] - 1, 0)))
        return vectors.astype(np.float32)


WITHOUT_SKILL = [(kind, family) for kind in ("untrained", "random") for family in FAULTED]


@pytest.mark.parametrize(("kind", "family"), [*WITHOUT_SKILL, ("popularity", "mf-logloss"), ("popularity", "mf-bpr")])
def test_vectors_without_skill_fail_every_rung_that_sees_them(monkeypatch, kind, family):
    lifted = Tolerance(np.inf, 0.0, "lifted, to see whether the next rungs would hold")
    monkeypatch.setattr(tolerances, "LADDER", {**LADDER, "vectors": lifted, "restored": lifted})
    *_, at_the_end, restored, metrics = climb(VectorsWithoutSkill(kind), family)
    assert [rung.rung for rung in (at_the_end, restored, metrics)] == RUNGS[-3:]
    assert at_the_end.difference > 100 * LADDER["vectors"].limit
    assert not metrics.holds
    assert metrics.difference > 25 * LADDER["metrics"].limit


@pytest.mark.parametrize("family", TRAINABLE)
def test_metric_tolerances_are_far_smaller_than_what_the_reference_learns(family):
    truth = truths.truth(whole(family))
    trained, untrained = (
        np.mean(hits(scores(*vectors(whole(family), parameters, everybody=True))))
        for parameters in (truth.trained[1], truth.untrained)
    )
    assert trained - untrained > 10 * LADDER["metrics"].limit
    assert trained - untrained > 10 * METRIC.limit


@pytest.mark.parametrize("of", [*LADDER, *SPECIAL, *OF_FAMILY], ids=str)
def test_tolerance_was_measured_and_has_room_above_that(of):
    tolerance = (LADDER | SPECIAL | OF_FAMILY)[of]
    assert tolerance.measured <= tolerance.limit
    assert tolerance.meaning
    if of in {"round trip", "forward", "restored", "metrics"}:
        return  # copies of parameters, what is made of them twice, and a share of 300 users: all can be equal
    assert tolerance.measured > 0, "float32 beside float64 never differs by nothing: this was not measured"
