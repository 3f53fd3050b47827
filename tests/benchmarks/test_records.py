"""What a record may hold, what is said of one that does not fit, and lines of version 1."""

import dataclasses
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_lines import line, record

from benchmarks import records
from benchmarks.harness import store
from benchmarks.harness.plan import Cell
from benchmarks.records import KINDS, page

ROOT = Path(__file__).resolve().parents[2]
DRAWN = {"method": "PCA", "x": [-1, 0.125], "y": [0.5, 0], "category": [1, 0], "categories": ["a", "b"]}
INDEX = {"name": "annoy", "build": {"n_trees": 20, "metric": "dot"}, "query": {"search_k": 7}}
RUNG = {"rung": "loss", "holds": True, "difference": 1e-7, "tolerance": 1e-6, "where": "step 1"}
BUG = {"bug": "gate order", "mode": "eager", "due": "loss", "broke": None, "caught": False, "seen": ["a/b#1"]}
MUTANT = {"line": 3, "old": "a - b", "new": "b - a", "operator": "swapped operands", "mode": "compiled"}
CAUGHT = {**MUTANT, "fate": "caught", "how": "difference", "by": "whole: loss", "reason": None}
UNSEEN = {**MUTANT, "fate": "equivalent", "how": None, "by": "", "reason": "both are 0"}
SPACE = {"n_blocks": {"values": None, "low": 1, "high": 3, "log": False}, "filter_seen": {"values": [True, False]}}
DRAWN_SETTINGS = {
    "search": "0" * 16,
    "number": 2,
    "drawn": {"n_blocks": 2, "filter_seen": True},
    "space": SPACE,
    "cap_s": 9.0,
}
OWN = {
    "train": {"scores": {"values": [0.5, 1.0], "weights": [1.0, 1.0]}},
    "throughput": {"group": "g"},
    "index": {"index": INDEX, "intervals": {}, "group": "g"},
    "map": {"map": DRAWN},
    "agreement": {"climb": "pairs 1", "rungs": [RUNG], "divergence": [1e-8, None], "bugs": [BUG]},
    "mutation": {"mutants": [CAUGHT, UNSEEN]},
    "trial": {**DRAWN_SETTINGS, "ended": "pruned"},
}
EMPTY = {"index": None, "intervals": {}, "curve": [], "rungs": [], "group": None}
"""The fields that every line of version 1 has; `scores`, `divergence` and `map` came later."""
LATER = {"agreement": {"climb": "whole"}, "mutation": {"mutants": []}, "trial": {"ended": None}}
"""What lines of version 1 say nothing of, as it is read from them."""
V1 = {
    "train": {**OWN["train"], "index": None, "rungs": [], "group": None, "divergence": None, "map": None},
    "throughput": {**EMPTY, "scores": None, "group": "g"},
    "index": {**EMPTY, "index": INDEX, "group": "g"},
    "map": {**EMPTY, "map": DRAWN},
    "agreement": {**EMPTY, "rungs": [RUNG], "divergence": [1e-8, None], "settings": {"bugs": [BUG]}},
    "mutation": EMPTY,
    "trial": {**EMPTY, **DRAWN_SETTINGS},
}


def without(field):
    return {name: value for name, value in line().items() if name != field}


WRONG = {
    "an unknown status": (line(status="fine"), "status is 'fine', expected one of ok, failed, timeout, oom, "),
    "an unknown kind": (line(kind="walk"), "kind is 'walk', expected one of train, throughput, index, map, agreement"),
    "failed without a reason": (line(status="failed"), "reason is None, expected a sentence where status is fail"),
    "an empty reason": (line(status="oom", reason=""), "reason is '', expected a sentence where status is oom"),
    "ok with a reason": (line(reason="none needed"), "reason is 'none needed', expected null where status is ok"),
    "an unknown field": (line(extra=1), "it has the unknown field extra"),
    "another kind's field": (line(rungs=[]), "it has the unknown field rungs"),
    "no hashes": (without("hashes"), "it lacks the field hashes"),
    "no kind": (without("kind"), "it lacks the field kind"),
    "no hash": (line(cell="xyz"), "cell is 'xyz', expected text matching regex"),
    "no threads": (line(threads=0), "threads is 0, expected a whole number >= 1"),
    "another version": (line(schema_version=9), "schema_version is 9, expected 1 or 2"),
    "a version that is true": (line(schema_version=True), "schema_version is True, expected 1 or 2"),
    "a metric that is text": (line(metrics={"a": 1, "b": "0.5"}), "metrics.b is '0.5', expected a number, got text"),
    "a metric that is true": (line(metrics={"a": True}), "metrics.a is True, expected a number, got true or false"),
    "a metric beyond all": (line(metrics={"a": 1e19}), "metrics.a is 1e+19, expected a number <= 1e+18"),
    "half a byte": (line(memory={"peak_rss_bytes": 0.5}), "memory.peak_rss_bytes is 0.5, expected a whole number, got"),
    "half a timing": (line(timings={"a_s": [1, "x"]}), "timings.a_s.1 is 'x', expected a number"),
    "an interval of one": (line(intervals={"a": [1]}), "intervals.a is [1], expected a list of length 2"),
    "an index without its query": (
        line(kind="index", index={"name": "exact", "build": {}}),
        "index: it lacks the field query",
    ),
    "a point without its loss": (
        line(curve=[{"epoch": 0, "steps": 0, "metrics": {}}]),
        "curve.0: it lacks the field loss",
    ),
    "a place outside the map": (
        line(kind="map", map={**DRAWN, "x": [-1, 1.001]}),
        "map.x.1 is 1.001, expected a number <= 1",
    ),
    "a map by another method": (
        line(kind="map", map={**DRAWN, "method": "UMAP"}),
        "map.method is 'UMAP', expected one of t-SNE, PCA",
    ),
    "a map with half a place": (line(kind="map", map={**DRAWN, "y": [0]}), "map: the map has not two places and"),
    "a category that is none": (line(kind="map", map={**DRAWN, "category": [2, 0]}), "map: the map has an item of a"),
    "scores without weights": (line(scores={"values": [1.0], "weights": []}), "scores: scores have no weight for"),
    "a rung that holds at nothing": (
        line(kind="agreement", rungs=[{**RUNG, "difference": None}]),
        "rungs.0: a rung holds and has no difference",
    ),
    "a mutant that is caught and nobody knows how": (
        line(kind="mutation", mutants=[{**CAUGHT, "how": None}]),
        "mutants.0: a mutant is caught, and how it was caught is None",
    ),
    "a survivor that was caught by something": (
        line(kind="mutation", mutants=[CAUGHT, {**CAUGHT, "fate": "survived"}]),
        "mutants.1: a mutant is survived, and how it was caught is difference",
    ),
    "an equivalent mutant without a reason": (
        line(kind="mutation", mutants=[{**UNSEEN, "reason": ""}]),
        "mutants.0: a mutant is equivalent, and the reason why it is equivalent is ''",
    ),
    "a survivor with a reason": (
        line(kind="mutation", mutants=[{**UNSEEN, "fate": "survived"}]),
        "mutants.0: a mutant is survived, and the reason why it is equivalent is 'both are 0'",
    ),
    "a mutant of an unknown fate": (
        line(kind="mutation", mutants=[{**UNSEEN, "fate": "lost"}]),
        "mutants.0.fate is 'lost', expected one of caught, equivalent, survived",
    ),
    "settings of another type": (line(settings={"n_items": "9"}), "settings.n_items: expected a whole number"),
    "a list": ([1], "it is [1], expected an object, got a list"),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "said"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_said_with_field_value_and_what_was_expected(wrong, said):
    with pytest.raises(ValueError, match=r"\w") as error:
        records.of(wrong)
    assert str(error.value).startswith(said)
    assert "`" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_and_holds_the_fields_of_its_kind_alone(kind):
    made = record(kind=kind, **OWN[kind])
    assert (made.kind, type(made)) == (kind, KINDS[kind])
    written = json.loads(store.as_line(made))
    assert list(written) == sorted(written)
    assert set(written) == {"kind", *KINDS[kind].__struct_fields__}
    assert records.of(written) == made


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_of_version_1_is_the_same_record(kind):
    older = json.loads(json.dumps(line(kind=kind, schema_version=1, **V1[kind])))
    expected = record(kind=kind, **{**OWN[kind], **LATER.get(kind, {})})
    assert records.of(older) == expected


def test_a_line_of_version_1_with_findings_that_cannot_be_read_is_a_failed_cell():
    older = line(schema_version=1, **{**V1["train"], "metrics": {"recall@5": 1e300}})
    made = records.of(older)
    assert (made.status, made.metrics, made.curve, made.cell) == ("failed", {}, [], f"{0:016x}")
    assert made.reason == (
        "its record cannot be read: metrics.recall@5 is 1e+300, expected a number <= 1e+18; run that cell again"
    )


@pytest.mark.parametrize("change", [{"status": "fine"}, {"reason": "why"}, {"kind": ["map"]}, {"extra": 1}])
def test_a_line_of_version_1_that_does_not_say_which_cell_it_is_is_none(change):
    with pytest.raises(ValueError, match=r"\w"):
        records.of(line(schema_version=1, **{**V1["train"], **change}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.sampled_from(sorted(KINDS)), st.sampled_from([1, 2]), st.data())
def test_any_json_is_a_record_or_a_sentence_and_a_record_can_be_written(kind, version, data):
    given_line = line(kind=kind, schema_version=version, **(V1 if version == 1 else OWN)[kind])
    field = data.draw(st.sampled_from(sorted(given_line)))
    given_line[field] = data.draw(json_values)
    try:
        made = records.of(given_line)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - any sentence will do
    else:
        assert records.of(json.loads(store.as_line(made))) == made


def test_a_number_that_is_none_is_not_written_as_nothing():
    wrong = msgspec.structs.replace(record(), curve=[records.Point(epoch=1, steps=1, loss=float("nan"), metrics={})])
    with pytest.raises(ValueError, match=r"^curve\.0\.loss is nan, expected a finite number$"):
        records.check(wrong)


def test_a_flat_dictionary_has_the_fields_of_all_kinds():
    every = {"kind"}.union(*(made.__struct_fields__ for made in KINDS.values()))
    flat = records.fields(record(kind="index", **OWN["index"]))
    assert set(flat) == every
    assert (flat["kind"], flat["index"], flat["curve"], flat["map"]) == ("index", INDEX, [], None)
    assert flat["machine"]["cpu"] == "c"


@pytest.mark.parametrize("kind", OWN)
def test_a_flat_dictionary_has_dictionaries_in_place_of_parts(kind):
    made = record(kind=kind, **OWN[kind])
    flat, plain = records.fields(made), msgspec.to_builtins(made)
    assert {name: flat[name] for name in plain} == plain


def test_a_timing_is_a_list_of_samples_or_was_taken_once():
    made = record(timings={"a_s": 1, "b_s": [1.0, 2.0]})
    assert (made.samples("a_s"), made.samples("b_s"), made.samples("c_s")) == ([1.0], [1.0, 2.0], [])
    assert (made.single("a_s"), made.single("b_s"), made.single("c_s")) == (1.0, None, None)


def test_a_cell_says_the_fields_that_name_it():
    place = {"model": "als", "backend": "classic", "mode": "eager", "device": "cpu", "threads": 1, "seed": 3}
    cell = Cell("train", settings={"variant": "v"}, dataset="d", protocol={"name": "p"}, inputs={}, **place)
    made = record(**cell.described())
    assert (made.cell, made.variant, made.protocol, made.seed) == (cell.key, "v", "p", 3)
    searched = dataclasses.replace(cell, kind="index", index=INDEX)
    assert msgspec.to_builtins(record(**searched.described()).index) == INDEX


def test_the_page_of_fields_is_that_of_the_types():
    """`python -m benchmarks.records > docs/records.md` makes it anew."""
    assert (ROOT / "docs" / "records.md").read_text(encoding="utf-8") == page.page()


def test_every_field_stands_on_the_page():
    text = page.page()
    parts = [*KINDS.values(), *page.PARTS]
    assert [name for part in parts for name in part.__struct_fields__ if f"| `{name}` |" not in text] == []
