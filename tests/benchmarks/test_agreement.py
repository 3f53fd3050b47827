"""The ladder judges adapters; here it is judged itself, on an adapter in NumPy that faults are planted in."""

import importlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backends
from backends.registry import BACKENDS, FAMILIES, FRAMEWORKS
from benchmarks import sampling, specs
from benchmarks.agreement import ladder, mutants, reference
from benchmarks.agreement.tolerances import LADDER, METRIC, Tolerance
from benchmarks.agreement.verdict import verdicts
from benchmarks.harness.evaluation import answers
from benchmarks.specs.mf_bpr import MFBPR

ROOT = Path(__file__).resolve().parents[2]
WHOLE = [name for name in FRAMEWORKS if not BACKENDS[name].only]  # those with an adapter of every family
TRAINABLE = sorted(name for name, family in FAMILIES.items() if set(family.adapters) & set(FRAMEWORKS))
FAULTED = ("mf-logloss", "mf-bpr", "comirec-sa")
"""Those that faults are planted in, each in a fraction of a second: users, and several interests of a history."""
RUNGS = list(LADDER)


def ladder_spec(family):
    return type(specs.make(family, {})).for_ladder()[0]


@dataclass
class State:
    spec: Any
    parameters: dict[str, np.ndarray]
    moments: dict[str, tuple[np.ndarray, np.ndarray]]
    done: int = 0


class Sound:
    """The contract in float32 NumPy: the spec's own loss, and the optimizers as the other adapters write them."""

    def init(self, spec, parameters, device, mode):
        assert (device, mode) == ("cpu", "eager")
        own = {name: self.take(value) for name, value in parameters.items()}
        return State(spec, own, {name: (np.zeros_like(value), np.zeros_like(value)) for name, value in own.items()})

    def take(self, value):
        return value.copy()

    def loss_and_gradient(self, state, batch):
        loss, gradient = reference.gradients(state.spec, state.parameters, batch)
        return loss, {name: np.asarray(value, np.float32) for name, value in gradient.items()}

    def train(self, state, batches):
        losses = []
        for batch in reference.steps(batches):
            loss, gradient = self.loss_and_gradient(state, batch)
            losses.append(loss)
            carried = state.spec.carried(state.parameters, batch) if state.spec.unlearnt else {}
            self.step(state, gradient)
            state.parameters |= {name: value.astype(np.float32) for name, value in carried.items()}
        return state, np.array(losses, np.float32)

    def step(self, state, gradient, rate=1.0):
        optimizer = state.spec.optimizer
        (step_size,), (epsilon,) = optimizer.schedule(state.done, 1)
        if optimizer.name == "sgd":
            norm = np.sqrt(sum(np.sum(g * g) for g in gradient.values()))
            step_size = step_size * np.minimum(np.float32(1), np.float32(optimizer.clip_norm) / norm)
        for name, g in gradient.items():
            change = self.adam(optimizer, *state.moments[name], g, epsilon) if optimizer.name == "adam" else g
            state.parameters[name] -= np.float32(rate) * step_size * change
        state.done += 1

    def adam(self, adam, m, v, g, epsilon):
        m += np.float32(1 - adam.beta1) * (g - m)
        v += np.float32(1 - adam.beta2) * (g * g - v)
        return m / (np.sqrt(v) + epsilon)

    def gradients(self, state, batch):
        return self.loss_and_gradient(state, batch)[1]

    def embed_users(self, state, inputs):
        return state.spec.user_vectors(state.parameters, inputs).astype(np.float32)

    def embed_items(self, state):
        return state.spec.item_vectors(state.parameters).astype(np.float32)

    def export(self, state):
        return {name: value.copy() for name, value in state.parameters.items()}

    def sync(self, state):
        pass


def climb(adapter, family):
    return ladder.climb(adapter, ladder_spec(family), "cpu", "eager").rungs


@pytest.mark.parametrize("family", TRAINABLE)
def test_sound_adapter_holds_to_the_last_rung(family):
    rungs = climb(Sound(), family)
    assert [rung.rung for rung in rungs] == RUNGS
    assert all(rung.holds for rung in rungs)
    assert all(rung.difference is not None and rung.difference <= rung.tolerance for rung in rungs)
    assert [rung.tolerance for rung in rungs] == [LADDER[name].limit for name in RUNGS]


def raises(error):
    def method(*_):
        raise error

    return method


class ExportIsRounded(Sound):
    def export(self, state):
        return {name: value.astype(np.float16).astype(np.float32) for name, value in super().export(state).items()}


class ExportLacksAParameter(Sound):
    def export(self, state):
        return dict(list(super().export(state).items())[1:])


class ExportIsFloat64(Sound):
    def export(self, state):
        return {name: value.astype(np.float64) for name, value in super().export(state).items()}


class ExportIsTransposed(Sound):
    def export(self, state):
        return {name: value.T for name, value in super().export(state).items()}


class ExportRaises(Sound):
    export = raises(KeyError("no such variable"))


class TwoItemsAreSwapped(Sound):
    def embed_items(self, state):
        items = super().embed_items(state)
        items[[0, 1]] = items[[1, 0]]
        return items


class UsersComeSorted(Sound):
    def embed_users(self, state, inputs):
        return super().embed_users(state, inputs)[np.argsort(inputs["user"])]


class OneUserIsNotANumber(Sound):
    def embed_users(self, state, inputs):
        users = super().embed_users(state, inputs)
        users[3] = np.nan
        return users


class ItemsLackTheirLastColumn(Sound):
    def embed_items(self, state):
        return super().embed_items(state)[:, :-1]


class EmbeddingRaises(Sound):
    embed_users = raises(IndexError("index 299 is out of bounds"))


class GradientIsOffByAThousandth(Sound):
    def gradients(self, state, batch):
        return {name: np.float32(1.001) * value for name, value in super().gradients(state, batch).items()}


class GradientIsNotANumber(Sound):
    def gradients(self, state, batch):
        found = super().gradients(state, batch)
        next(iter(found.values()))[0] = np.nan
        return found


class GradientOfOneRowIsLost(Sound):
    def gradients(self, state, batch):
        found = super().gradients(state, batch)
        of_items = found.get("item_factors", found.get("item_embedding"))
        of_items[np.abs(of_items).sum(1).argmax()] = 0
        return found


class GradientIsMissing(Sound):
    def gradients(self, state, batch):
        return dict(list(super().gradients(state, batch).items())[1:])


class GradientsRaise(Sound):
    gradients = raises(RuntimeError("no gradient function"))


class LossIsWithoutPenalty(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, losses - np.float32(1e-5)


class LossIsTakenAfterTheUpdate(Sound):
    def train(self, state, batches):
        losses = []
        for batch in reference.steps(batches):
            self.step(state, self.gradients(state, batch))
            losses.append(self.loss_and_gradient(state, batch)[0])
        return state, np.array(losses, np.float32)


class LossesAreFloat64(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, losses.astype(np.float64)


class LossesAreOneACall(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, losses.mean(keepdims=True)


class LossIsNotANumber(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, np.full_like(losses, np.nan)


class TrainingRaises(Sound):
    train = raises(ValueError("cannot compile"))


class StepIsAThousandthTooLong(Sound):
    def step(self, state, gradient, rate=1.0):
        super().step(state, gradient, 1.001 * rate)


class StepIsForgotten(Sound):
    def step(self, state, gradient, rate=1.0):
        pass


class CallersArraysAreTrained(Sound):
    def take(self, value):
        return value


class StepDriftsAfterAHundred(Sound):
    def step(self, state, gradient, rate=1.0):
        super().step(state, gradient, 1.01 * rate if state.done >= 100 else rate)


class StepCountStartsAnewWithEveryCall(Sound):
    def train(self, state, batches):
        state.done = 0
        return super().train(state, batches)


class LossBecomesInfiniteInTheMiddle(Sound):
    def train(self, state, batches):
        state, losses = super().train(state, batches)
        return state, np.where(np.arange(len(losses)) == 5, np.float32(np.inf), losses)


class ItemsAreScaledAfterTraining(Sound):
    """Parameters and losses are right: only the vectors at the end can show it."""

    def embed_items(self, state):
        items = super().embed_items(state)
        return items if state.done < 2 else items * np.float32(1.001)


class VectorsOfEverybodyAreReversed(Sound):
    def embed_users(self, state, inputs):
        everybody = len(inputs["user"]) == reference.N_USERS
        return super().embed_users(state, inputs)[:: -1 if everybody else 1]


class RankingRaises(Sound):
    def embed_users(self, state, inputs):
        if len(inputs["user"]) == reference.N_USERS:
            raise MemoryError("too many users")
        return super().embed_users(state, inputs)


FAULTS = {
    ExportIsRounded: "round trip",
    ExportLacksAParameter: "round trip",
    ExportIsFloat64: "round trip",
    ExportIsTransposed: "round trip",
    ExportRaises: "round trip",
    TwoItemsAreSwapped: "forward",
    UsersComeSorted: "forward",
    OneUserIsNotANumber: "forward",
    ItemsLackTheirLastColumn: "forward",
    EmbeddingRaises: "forward",
    GradientIsOffByAThousandth: "gradients",
    GradientIsNotANumber: "gradients",
    GradientOfOneRowIsLost: "gradients",
    GradientIsMissing: "gradients",
    GradientsRaise: "gradients",
    LossIsWithoutPenalty: "loss",
    LossIsTakenAfterTheUpdate: "loss",
    LossesAreFloat64: "loss",
    LossIsNotANumber: "loss",
    TrainingRaises: "loss",
    StepIsAThousandthTooLong: "one step",
    StepIsForgotten: "one step",
    CallersArraysAreTrained: "one step",
    LossesAreOneACall: "trajectory",
    StepDriftsAfterAHundred: "trajectory",
    StepCountStartsAnewWithEveryCall: "trajectory",
    LossBecomesInfiniteInTheMiddle: "trajectory",
    ItemsAreScaledAfterTraining: "vectors",
    VectorsOfEverybodyAreReversed: "metrics",
    RankingRaises: "metrics",
}


@pytest.mark.parametrize("family", FAULTED)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_fault_breaks_at_its_rung(fault, family):
    rungs = climb(fault(), family)
    due = FAULTS[fault]
    assert [rung.rung for rung in rungs] == RUNGS[: RUNGS.index(due) + 1]
    assert [rung.holds for rung in rungs] == [True] * RUNGS.index(due) + [False]


class StateIsNotCarried(Sound):
    def train(self, state, batches):
        kept = {name: state.parameters[name] for name in state.spec.unlearnt}
        state, losses = super().train(state, batches)
        state.parameters |= kept
        return state, losses


class ConstantIsMoved(Sound):
    def step(self, state, gradient, rate=1.0):
        super().step(state, gradient, rate)
        for name in state.spec.unlearnt:
            state.parameters[name] = state.parameters[name] + np.float32(1e-4)


class ConstantHasAGradient(Sound):
    def gradients(self, state, batch):
        return super().gradients(state, batch) | {name: state.parameters[name] for name in state.spec.unlearnt}


class GradientsAreNotClipped(Sound):
    def step(self, state, gradient, rate=1.0):
        norm = np.sqrt(sum(np.sum(g * g) for g in gradient.values()))
        super().step(state, gradient, rate * max(1, norm / state.spec.optimizer.clip_norm))


@pytest.mark.parametrize(
    ("fault", "family", "due"),
    [
        (StateIsNotCarried, "lstm", "one step"),
        (GradientsAreNotClipped, "lstm", "one step"),
        (ConstantIsMoved, "mind", "one step"),
        (ConstantHasAGradient, "mind", "gradients"),
    ],
)
def test_fault_in_what_only_some_families_have_breaks_at_its_rung(fault, family, due):
    *held, last = climb(fault(), family)
    assert (last.rung, last.holds) == (due, False)
    assert all(rung.holds for rung in held)


def test_broken_rung_names_the_parameter():
    last = climb(GradientOfOneRowIsLost(), "mf-bpr")[-1]
    assert last.where.startswith("item_factors")
    assert last.difference > last.tolerance


def test_broken_rung_tells_what_was_raised():
    last = climb(GradientsRaise(), "mf-bpr")[-1]
    assert (last.where, last.difference) == ("RuntimeError: no gradient function", None)


def test_every_rung_is_broken_by_some_fault():
    assert set(FAULTS.values()) == set(LADDER)


class VectorsWithoutSkill(Sound):
    """Its losses are right, but the vectors that it serves owe nothing to training."""

    def __init__(self, kind):
        self.kind = kind

    def init(self, spec, parameters, device, mode):
        self.start = {name: value.copy() for name, value in parameters.items()}
        return super().init(spec, parameters, device, mode)

    def embed_users(self, state, inputs):
        vectors = state.spec.user_vectors(self.start, inputs)
        if state.done and self.kind == "random":
            rng = sampling.generator("random users")
            vectors = rng.standard_normal((reference.N_USERS, *vectors.shape[1:]))[inputs["user"]]
        return vectors.astype(np.float32)

    def embed_items(self, state):
        vectors = state.spec.item_vectors(self.start)
        if state.done and self.kind == "random":
            vectors = sampling.generator("random items").standard_normal(vectors.shape)
        if state.done and self.kind == "popularity":  # beside it stands the 1 that every user's vector ends with
            vectors = np.pad(reference.problem().item_counts[:, None], ((0, 0), (vectors.shape[1] - 1, 0)))
        return vectors.astype(np.float32)


def test_direction_over_a_kink_is_passed_over(monkeypatch):
    spec, true_slope, seen = ladder_spec("mf-bpr"), reference.directional_slope, []

    def slope(spec, parameters, batch, direction):
        (name,) = direction
        seen.append(name)
        return 1e6 if seen.count(name) == 1 else true_slope(spec, parameters, batch, direction)

    monkeypatch.setattr(reference, "directional_slope", slope)
    truth = reference.Truth(spec, 0)
    for name, (direction, found) in truth.slopes.items():
        assert found == pytest.approx(np.sum(truth.gradients[name] * direction), rel=1e-6)
        assert seen.count(name) == 2


WITHOUT_SKILL = [(kind, family) for kind in ("untrained", "random") for family in FAULTED]


@pytest.mark.parametrize(("kind", "family"), [*WITHOUT_SKILL, ("popularity", "mf-logloss"), ("popularity", "mf-bpr")])
def test_vectors_without_skill_fail_every_rung_that_sees_them(monkeypatch, kind, family):
    lifted = {**LADDER, "vectors": Tolerance(np.inf, 0.0, "lifted, to see whether the next rung would hold")}
    monkeypatch.setattr(ladder, "LADDER", lifted)
    *_, vectors, metrics = climb(VectorsWithoutSkill(kind), family)
    assert (vectors.rung, metrics.rung) == ("vectors", "metrics")
    assert vectors.difference > 100 * LADDER["vectors"].limit
    assert not metrics.holds
    assert metrics.difference > 25 * LADDER["metrics"].limit


def _metric(spec, parameters):
    data = reference.problem()
    asked = reference.asked(data, np.arange(data.n_users))
    scores = answers(spec, partial(spec.user_vectors, parameters), asked) @ spec.item_vectors(parameters).T
    scores = scores.reshape(data.n_users, -1, data.n_items).max(1)  # over interests, where there are several
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return float(np.mean((best == data.held_out[:, None]).any(1)))


@pytest.mark.parametrize("family", TRAINABLE)
def test_metric_tolerances_are_far_smaller_than_what_the_reference_learns(family):
    spec = ladder_spec(family)
    truth = reference.truth(spec)
    learnt = _metric(spec, truth.trained[1]) - _metric(spec, truth.start)
    assert learnt > 10 * LADDER["metrics"].limit
    assert learnt > 10 * METRIC.limit


@pytest.mark.parametrize("name", RUNGS)
def test_tolerance_was_measured_and_has_room_above_that(name):
    tolerance = LADDER[name]
    assert tolerance.measured <= tolerance.limit
    assert tolerance.meaning
    if name in {"round trip", "forward", "metrics"}:
        return  # copies of parameters, and a share of 300 users: all can be equal
    assert tolerance.measured > 0, "float32 beside float64 never differs by nothing: this was not measured"


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


BUGS = mutants.bugs()
EDITS = [pytest.param(bug, name, id=f"{bug.model}, {name}: {bug.name}") for bug in BUGS for name in bug.edits]


@pytest.mark.parametrize(("bug", "backend"), EDITS)
def test_bug_finds_its_text_exactly_once(bug, backend):
    edit = bug.edits[backend]
    module = FAMILIES[bug.model].adapters[backend].removeprefix(f"backends.{backend}.")
    assert edit.module in {*mutants.SHARED, module}
    assert bug.at(type(specs.make(bug.model, {})).for_ladder()).model == bug.model
    source = (ROOT / "backends" / backend / f"{edit.module}.py").read_text(encoding="utf-8")
    assert source.count(edit.old) == 1
    mutant = source.replace(edit.old, edit.new)
    assert mutant != source
    compile(mutant, edit.module, "exec")


def test_bugs_are_due_at_rungs_of_the_ladder_and_in_known_modes():
    assert {bug.rung for bug in BUGS} <= set(LADDER)
    assert {edit.mode for bug in BUGS for edit in bug.edits.values()} <= {"eager", "compiled"}
    assert len({(bug.model, bug.name) for bug in BUGS}) == len(BUGS)


def test_every_framework_and_family_has_its_bugs():
    assert len(BUGS) >= 12
    for backend in WHOLE:
        assert sum(backend in bug.edits for bug in BUGS) >= 12, backend
        for family in TRAINABLE:
            assert any(backend in bug.edits and bug.model == family for bug in BUGS)


def test_adams_mistakes_are_among_the_bugs_of_every_framework():
    for backend in WHOLE:
        assert any(re.search(r"Adam|bias correction|step count", bug.name) for bug in BUGS if backend in bug.edits)
    names = " ".join(bug.name for bug in BUGS)
    for words in ("epsilon inside the root", "without bias correction", "lazy Adam"):
        assert words in names


PRETENDED = {
    "optimizers": "RATE = 1\n",
    "layers": "from backends.pretended import optimizers\n\n\ndef scale():\n    return 10 * optimizers.RATE\n",
    "contract": "from backends.pretended.layers import scale\n\n\ndef train():\n    return 10 * scale()\n",
    "model": "from backends.pretended.contract import train\n\n\ndef result():\n    return train() + 1000\n",
}


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """A backend without a framework: a model over the three shared modules, each of which uses the one before."""
    folder = tmp_path / "pretended"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name, source in PRETENDED.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path)])
    yield
    delattr(backends, "pretended")
    for name in [name for name in sys.modules if name.startswith("backends.pretended")]:
        del sys.modules[name]


INJECTIONS = [
    mutants.Edit("optimizers", "RATE = 1", "RATE = 2"),
    mutants.Edit("layers", "10 * optimizers", "20 * optimizers"),
    mutants.Edit("contract", "10 * scale", "20 * scale"),
    mutants.Edit("model", "train() + 1000", "train() + 1100"),
]


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize("edit", INJECTIONS, ids=lambda edit: edit.module)
def test_bug_in_any_module_reaches_the_adapter_and_is_gone_afterwards(edit):
    with mutants.injected("backends.pretended.model", edit) as mutant:
        assert mutant.result() == 1200
    sound = importlib.import_module("backends.pretended.model")
    assert sound.result() == 1100
    for name, source in PRETENDED.items():
        module = sys.modules[f"backends.pretended.{name}"]
        assert module is getattr(sys.modules["backends.pretended"], name)
        assert Path(module.__file__).read_text() == source


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize(("old", "n"), [("no such text", 0), ("optimizers", 2)])
def test_text_that_is_not_there_exactly_once_is_refused(old, n):
    edit = mutants.Edit("layers", old, "")
    with (
        pytest.raises(ValueError, match=f"{n} times, expected once"),
        mutants.injected("backends.pretended.model", edit),
    ):
        pass
    assert importlib.import_module("backends.pretended.model").result() == 1100


def agree(folder, *options, root=ROOT):
    command = [sys.executable, "-m", "benchmarks", "agree", "--results", str(folder / "results"), *options]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=500, check=False)


def test_real_adapter_climbs_to_the_last_rung(tmp_path):
    """Of the framework whose bugs are injected below: an adapter that breaks by itself would catch them all."""
    done = agree(tmp_path, "--mode", "eager", "--backends", "paddle")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("agrees")]
    n = sum(len(type(specs.make(family, {})).for_ladder()) for family in TRAINABLE)
    assert len(lines) == n
    assert all("holds to the last rung, metrics" in line for line in lines)
    assert f"{n} of {n} adapters and modes agree with their reference" in done.stdout


def test_every_known_bug_of_a_real_adapter_is_caught(tmp_path):
    done = agree(tmp_path, "--mutants", "--backends", "paddle")
    assert done.returncode == 0, done.stdout + done.stderr
    n = sum("paddle" in bug.edits for bug in BUGS)
    assert f"kill rate: {n} of {n} injected bugs caught (100%)" in done.stdout
    assert sum(line.startswith("caught") for line in done.stdout.splitlines()) == n


@pytest.fixture
def repository(tmp_path):
    """A copy that may be broken."""
    for package in ("datasets", "benchmarks", "backends", "reports"):
        shutil.copytree(ROOT / package, tmp_path / "copy" / package, ignore=shutil.ignore_patterns("*.pyc"))
    return tmp_path / "copy"


def _replace(path, old, new):
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1
    path.write_text(source.replace(old, new), encoding="utf-8")


def test_adapter_that_differs_is_named_with_its_rung_and_fails_the_command(tmp_path, repository):
    _replace(repository / "backends" / "paddle" / "mf_bpr.py", "F.softplus(-margin)", "F.softplus(margin)")
    options = ("--backends", "paddle", "--models", "mf-bpr", "--mode", "eager")
    done = agree(tmp_path, *options, root=repository)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(
        r"DIFFERS +mf-bpr +as_published +paddle +eager .* holds to forward; breaks at gradients", done.stdout
    )


def test_adapter_that_dies_in_one_mode_leaves_the_other_its_climb(tmp_path, repository):
    """Both climb in one process, which dies; then each by itself."""
    dying = "def initialise(*given):\n    return os._exit(3) if given[-1] == 'compiled' else _initialise(*given)\n\n\n"
    contract = repository / "backends" / "paddle" / "contract.py"
    _replace(contract, "def initialise(", f"import os\n\n\n{dying}def _initialise(")
    done = agree(tmp_path, "--backends", "paddle", "--models", "mf-bpr", root=repository)
    assert done.returncode == 1, done.stdout + done.stderr
    last = {words[4]: words[0] for words in map(str.split, done.stdout.splitlines()) if "mf-bpr" in words}
    assert last == {"eager": "agrees", "compiled": "failed"}
    assert "1 of 2 adapters and modes agree with their reference" in done.stdout


def test_bug_that_is_caught_too_late_has_survived_and_fails_the_command(tmp_path, repository):
    bug = next(bug for bug in BUGS if bug.name == "the pair is reversed")
    edit = bug.edits["paddle"]
    (repository / "benchmarks" / "agreement" / "bugs" / "mf_bpr.toml").write_text(
        f'[[bug]]\nname = "{bug.name}"\nrung = "forward"\n\n'
        f'[bug.paddle]\nmodule = "{edit.module}"\nold = "{edit.old}"\nnew = "{edit.new}"\n',
        encoding="utf-8",
    )
    done = agree(tmp_path, "--mutants", "--backends", "paddle", "--models", "mf-bpr", root=repository)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"SURVIVED paddle .*due by 'forward', broke at 'gradients'", done.stdout)
    assert "kill rate: 0 of 1 injected bugs caught (0%)" in done.stdout


def test_bugs_prove_nothing_in_an_adapter_that_breaks_by_itself(monkeypatch):
    bug = mutants.Bug("a bug", "loss", "mf-bpr", "", {"torch": mutants.Edit("decoder", "old", "new")})
    monkeypatch.setattr(mutants, "bugs", lambda: (bug,))
    broken = ladder.Climb((ladder.Rung("gradients", False, 1.0, 0.0, "everywhere"),), np.empty(0), "")
    monkeypatch.setattr(mutants, "climb", lambda *_: broken)
    with pytest.raises(ValueError, match=r"json\.decoder, small, eager, breaks at gradients without any bug"):
        mutants.inject_all("torch", "json.decoder", "mf-bpr", [MFBPR(variant="small")], "cpu")


def test_climbs_over_seeds_and_once_more_are_told_apart_and_shown_as_one_adapter(tmp_path):
    options = ("--backends", "paddle", "--models", "mf-bpr", "--mode", "eager", "--seeds", "0", "3", "--repeats", "2")
    done = agree(tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 adapters and modes agree with their reference" in done.stdout
    assert sum("cpu seed 3" in line for line in done.stdout.splitlines()) == 2
    page = (tmp_path / "results" / "leaderboard.md").read_text(encoding="utf-8")
    assert "| mf-bpr | as_published | paddle | eager | 4 | 8 | metrics | none |" in page
    assert "| paddle | eager | 2 | 2 | 0 | 0 |" in page  # the same bits again, in two seeds


def test_nothing_measured_has_an_exit_code_of_its_own(tmp_path):
    done = agree(tmp_path, "--device", "gpu", "--backends", "paddle", "--models", "mf-bpr", "--mode", "eager")
    if "agrees" in done.stdout:
        pytest.skip("PaddlePaddle has a GPU here")
    assert done.returncode == 3, done.stdout + done.stderr
    assert re.search(r"skipped +mf-bpr +as_published +paddle +eager +gpu +PaddlePaddle", done.stdout)
