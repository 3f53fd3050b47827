"""Which climbs there are: each setting that anybody runs with has one, and each can be told from the others."""

import dataclasses
import inspect
import re
import typing
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from backends.registry import FAMILIES, FRAMEWORKS, TRAINABLE
from benchmarks import specs, suites
from benchmarks.agreement import climbs, reference, truths
from benchmarks.agreement.tolerances import LADDER, OF_FAMILY, SPECIAL
from benchmarks.specs.base import settings

ROOT = Path(__file__).resolve().parents[2]
RUNGS = list(LADDER)
CLIMBS = [climb for model in TRAINABLE for climb in climbs.of(model)]
NO_ADAPTERS = {
    "variant": "a name",
    "epochs": "how often batches are drawn",
    "patience": "when the harness stops",
    "filter_seen": "what the harness leaves out of lists",
    "sampler": "how batches are drawn",
    "exclude_positives": "how batches are drawn",
    "cuts_per_sequence": "how batches are drawn",
    "prefixes_per_sequence": "how batches are drawn",
    "min_history": "how batches are drawn",
    "steps_per_epoch": "how batches are drawn",
    "initial_scale": "how parameters are drawn",
    "mask_share": "how batches are drawn",
    "last_share": "how batches are drawn",
    "kl_weight": "how batches are drawn",
}
"""Settings of which no adapter learns, and what they are about."""


def named(climb):
    return f"{climb.spec.model} {climb.spec.variant} {climb.name}"


def forms(model):
    """Where a form of a family is run from -> its spec: the published one, of the defaults, and all of the suites."""
    yield "the defaults", specs.make(model, {})
    for name in suites.names():
        for block in suites.load(name).blocks:
            for row in block.models:
                if row.model == model:
                    yield f"suite {name}, {row.variant}", specs.make(model, row.settings)


def kind(value):
    """What two values share that run the same lines of an adapter."""
    if isinstance(value, bool | str):
        return value
    size = len(value) if isinstance(value, tuple) else value
    of = "of length " if isinstance(value, tuple) else ""
    return f"{of}{size:g}" if size in {0, 1} else f"{of}neither 0 nor 1"


def kinds(spec):
    return {name: kind(value) for name, value in settings(spec).items() if name not in NO_ADAPTERS}


def paired(model):
    """The specs of a family in which all pairs of its choices meet."""
    return [climb.spec for climb in climbs.of(model) if climb.kind == "pairs"]


@pytest.mark.parametrize("model", TRAINABLE)
def test_every_setting_that_is_run_with_has_a_climb(model):
    climbing = [kinds(spec) for spec in paired(model)]
    lacking = {
        f"{model}: no climb has {name} = {getattr(spec, name)!r}, or one of its kind ({value}), as {where} has"
        for where, spec in forms(model)
        for name, value in kinds(spec).items()
        if not any(climb[name] == value for climb in climbing)
    }
    assert not lacking, "\n".join([*sorted(lacking), "add each to the spec's on_ladder.choices"])


def words(spec):
    """Field -> all values that its type names: those of a switch, or of a list of words."""
    for name, hint in typing.get_type_hints(type(spec)).items():
        if name not in NO_ADAPTERS and name in settings(spec):
            values = (False, True) if hint is bool else typing.get_args(hint) if _is_literal(hint) else ()
            yield name, values


def _is_literal(hint):
    return typing.get_origin(hint) is Literal


@pytest.mark.parametrize("model", TRAINABLE)
def test_every_switch_and_word_that_a_spec_takes_has_a_climb(model):
    """Of families that share an adapter, one of them is enough."""
    alike = [other for other in TRAINABLE if FAMILIES[other].adapters == FAMILIES[model].adapters]
    climbing = [spec for other in alike for spec in paired(other)]
    for name, values in words(specs.make(model, {})):
        assert set(values) <= {getattr(spec, name) for spec in climbing}, name


def numbers(spec):
    """Settings that are numbers, and no switches."""
    hints = typing.get_type_hints(type(spec))
    fields = {name: value for name, value in settings(spec).items() if name in hints and name not in NO_ADAPTERS}
    return {name: value for name, value in fields.items() if isinstance(value, int | float) and type(value) is not bool}


@pytest.mark.parametrize("model", TRAINABLE)
def test_every_number_that_a_spec_takes_has_a_climb_with_another_than_the_default(model):
    """Else an adapter might have the default written into it. Of families that share an adapter, one is enough."""
    alike = [other for other in TRAINABLE if FAMILIES[other].adapters == FAMILIES[model].adapters]
    climbing = [climb.spec for other in alike for climb in climbs.of(other)]
    for name, default in numbers(specs.make(model, {})).items():
        assert {getattr(spec, name) for spec in climbing} - {default}, name


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (model, name)
        for model in TRAINABLE
        for name in ("n_layers", "n_blocks", "n_heads", "n_interests", "n_routing", "power", "n_negatives")
        if hasattr(specs.make(model, {}), name)
        if (model, name) not in {("sasrec", "n_negatives"), ("bert4rec", "n_negatives")}  # one array, however many
    ],
)
def test_what_is_repeated_is_repeated_more_often_than_by_default(model, name):
    """Else an adapter might have the repeats written out, as many as somebody needed."""
    assert max(getattr(spec, name) for spec in paired(model)) > getattr(specs.make(model, {}), name)


def test_adapters_read_no_setting_that_is_said_to_be_none_of_theirs():
    sources = [path.read_text(encoding="utf-8") for name in FRAMEWORKS for path in (ROOT / "backends" / name).glob("*")
               if path.suffix == ".py"]  # fmt: skip
    read = {name for source in sources for name in re.findall(r"\b(?:spec|optimizer|sgd|adam)\.(\w+)", source)}
    assert {"l2", "n_layers", "clip_norm", "schedule"} <= read
    assert read & set(NO_ADAPTERS) == set()


@pytest.mark.parametrize("model", TRAINABLE)
def test_every_value_of_every_choice_climbs(model):
    """Together with every value of every other choice: that is what `pairs` promises, and its own test."""
    choices = specs.make(model, {}).on_ladder.choices
    assert choices
    for field, values in choices.items():
        assert len(values) >= 2, field
        for value in values:
            wanted = value if isinstance(value, dict) else {field: value}
            assert any(wanted.items() <= settings(spec).items() for spec in paired(model)), (field, value)


@pytest.mark.parametrize("climb", CLIMBS, ids=named)
class TestEveryClimb:
    def test_its_rungs_are_of_the_ladder_and_in_its_order(self, climb):
        assert list(climb.rungs) == [rung for rung in RUNGS if rung in climb.rungs]
        assert set(climb.rungs) <= set(RUNGS)
        assert climb.rungs[:2] == ("round trip", "forward")

    def test_it_is_found_by_its_names(self, climb):
        assert climbs.named(climb.spec.model, climb.spec.variant, climb.name) is climb

    def test_its_spec_is_made_again_from_the_settings_that_a_record_holds(self, climb):
        assert specs.make(climb.spec.model, settings(climb.spec)) == climb.spec

    def test_it_says_by_what_it_differs_from_the_first_to_the_end(self, climb):
        first = climbs.of(climb.spec.model, quick=True)[0].spec
        again = dataclasses.replace(first, **climb.differs_by, variant=climb.spec.variant)
        assert again == climb.spec
        assert all(getattr(first, name) != value for name, value in climb.differs_by.items())


@pytest.mark.parametrize("model", TRAINABLE)
class TestEveryFamily:
    def test_names_are_unique(self, model):
        names = [(climb.spec.variant, climb.name) for climb in climbs.of(model)]
        assert len(set(names)) == len(names)

    def test_the_climbs_to_the_end_come_last_and_are_the_quick_ones(self, model):
        quick = climbs.of(model, quick=True)
        assert climbs.of(model)[-len(quick) :] == quick
        assert {climb.name for climb in quick} == {"whole"}
        assert all(list(climb.rungs) == RUNGS and climb.n_steps is None for climb in quick)
        assert [climb.spec for climb in quick] == list(type(quick[0].spec).for_ladder())

    def test_each_has_extreme_rows_and_wide_data(self, model):
        climbing = climbs.of(model)
        extreme = [climb for climb in climbing if climb.kind == "extreme rows"]
        assert {climb.spec.variant for climb in extreme} == {
            climb.spec.variant for climb in climbs.of(model, quick=True)
        }
        assert {climb.start for climb in extreme} == {"extreme"}
        (wide,) = (climb for climb in climbing if climb.size == "wide")
        first = next(reference.steps(next(reference.chunks(wide))))
        rows = first["target"].size if model == "lstm" else len(first["user"])
        assert rows > 1024 if model == "lstm" else rows >= 1500
        assert "history" not in first or first["history"].shape[-1] == 40

    def test_who_reads_a_history_reads_a_long_one(self, model):
        reading = [
            climb for climb in climbs.of(model) if "history" in next(reference.chunks(climb)) and model != "lstm"
        ]
        long = [climb for climb in reading if climb.name == "long histories"]
        assert len(long) == bool(reading)
        for climb in long:
            history = next(reference.chunks(climb))["history"][0]
            assert history.shape[1] == 300
            assert (history > 0).all(1).any()

    def test_what_is_divided_by_a_deviation_or_behind_a_gate_is_shifted(self, model):
        shifted = [climb for climb in climbs.of(model) if climb.start == "shifted"]
        source = inspect.getsource(inspect.getmodule(type(climbs.of(model)[0].spec).loss))
        magnifies = any(text in source for text in ("norm_epsilon", "sequences.gru(", "sequences.lstm("))
        assert bool(shifted) == magnifies


def test_one_family_trains_for_more_than_a_thousand_steps():
    """So many that no table of 256 or 1,024 steps would do; what counts them is shared by all adapters of a backend."""
    (long,) = (climb for climb in CLIMBS if climb.name == "long")
    assert "parameters" in long.rungs
    assert sum(len(chunk["user"]) for chunk in reference.chunks(long)) > 1100


def test_batches_are_as_large_as_is_said():
    for climb in CLIMBS:
        if climb.n_steps is not None and climb.size == "small":
            n = [len(next(iter(chunk.values()))) for chunk in reference.chunks(climb)]
            assert sum(n) == climb.n_steps, named(climb)
            assert len(set(n[1:])) <= 1, named(climb)


@pytest.mark.parametrize("names", [("mf-bpr", "as_published", "no such"), ("mf-bpr", "no such", "whole")])
def test_a_name_that_there_is_not_is_refused(names):
    with pytest.raises(LookupError, match="mf-bpr has no climb"):
        climbs.named(*names)


def test_every_limit_of_a_kind_of_climb_is_some_climbs():
    used = {(climb.spec.model, climb.kind, rung) for climb in CLIMBS for rung in climb.rungs}
    assert set(OF_FAMILY) <= used
    assert set(SPECIAL) <= {of[1:] for of in used}


@pytest.mark.parametrize("climb", [climb for climb in CLIMBS if climb.start == "extreme"], ids=named)
def test_extreme_starts_are_finite_and_have_rows_shorter_than_any_ordinary_one(climb):
    truth = truths.truth(climb)
    loss, gradients = truth._loss_and_gradients
    assert np.isfinite(loss)
    assert all(np.isfinite(value).all() for value in gradients.values())
    rows = np.concatenate([np.abs(value).max(1) for name, value in truth.start.items()
                           if name.endswith(("_embedding", "_factors"))])  # fmt: skip
    assert 0 < rows[rows > 0].min() < 1e-8 * rows.max()
