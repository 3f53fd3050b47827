"""Any lines that can be read as records make pages, or one sentence that says why not; nothing else leaves."""

from __future__ import annotations

import os

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from made_records import (
    FATES,
    MACHINE,
    PROTOCOL,
    indexed,
    mutant,
    mutated,
    record,
    search_of,
    searched,
    suite,
    timed,
    trained,
    tried,
)

from benchmarks.agreement import INJECTED
from benchmarks.agreement.verdict import verdicts
from benchmarks.harness import mixture
from benchmarks.records import KINDS, of
from datasets.errors import InputError
from reports.charts.draw import draw
from reports.pages.markdown import markdown, summary
from reports.pages.site import Run, files
from reports.tables.frame import to_csv, to_parquet
from reports.tables.leaderboard import build
from reports.tables.readable import without_folders
from reports.tables.records import prepare
from reports.tables.reproduce import commands

NAMES = (
    "mf-bpr", "popularity", "oracle", "x" * 3000, "a|b\nc", "\u202eabc\u200f", "../../etc", "$\\frac", "<b>", "",
    "x; rm -rf ~",
)  # fmt: skip
SCORES = {"values": [0.5, 0.25, 1.0], "weights": [1.0, 1.0, 2.0]}

TIMINGS = ("window_samples_per_s", "batch_qps", "batch_qps_all", "build_s", "p95_s", "load_s", "wall_s", "compile_s")

numbers = st.sampled_from([0, 0.5, 1, -1, 1e-320, -0.0, 1e17, 1e18, 1e19, 1.7e308, -3.5])
times = numbers | st.lists(numbers, max_size=4)
whole = st.sampled_from([0, 1, 2**63 - 1])
names = st.sampled_from(NAMES)
odd = st.sampled_from([None, "NaN", -1, 2**62, [1], {}, {"a": 1e300}, True, 0.5, 0, "x"])
metrics = st.dictionaries(
    st.sampled_from(["precision@5", "index_recall@5", "lost/precision@5", "exact/precision@5", "seed"]),
    numbers,
)
rungs = st.fixed_dictionaries(
    {"rung": st.sampled_from(["loss", "x" * 200]), "holds": st.booleans(), "difference": st.none() | numbers,
     "tolerance": numbers, "where": names}
)  # fmt: skip
points = st.fixed_dictionaries(
    {
        "epoch": st.sampled_from([0, 1, 2, 3, 4, -1, 2**62]),
        "steps": whole,
        "loss": st.none() | numbers,
        "metrics": metrics,
    }
)
unit = st.lists(st.floats(-1, 1), max_size=3)
places = st.fixed_dictionaries(
    {"method": st.just("PCA"), "x": unit, "y": unit, "category": st.none() | st.lists(st.integers(0, 2), max_size=3),
     "categories": st.none() | st.lists(names, max_size=3)}
)  # fmt: skip
recordable = numbers.filter(lambda number: abs(number) <= 1e18)
axes = st.builds(lambda low, high, log: {"low": low, "high": high, "log": log}, recordable, recordable, st.booleans())
axes |= st.builds(lambda values: {"values": values}, st.lists(recordable | names | st.booleans(), max_size=4))
mutants = st.builds(
    lambda end, line, old, operator: mutant(end, line=line, old=old, new="", operator=operator, mode="compiled"),
    st.sampled_from(sorted(FATES)), whole, names, names,
)  # fmt: skip
FIELDS = {
    "model": names, "variant": names | st.just(INJECTED), "backend": names | st.sampled_from(["torch", "jax"]),
    "mode": st.sampled_from(["eager", "compiled"]), "device": st.sampled_from(["cpu", "gpu"]),
    "threads": st.sampled_from([2, 2**62]), "protocol": names, "seed": whole, "group": st.none() | names,
    "dataset": names | st.sampled_from(["file:/home/me/x.csv", "file:/srv/x.csv"]), "run_id": names.filter(bool),
    "kind": st.sampled_from(["train", "throughput", "index", "map", "agreement", "mutation"]),
    "index": st.none() | st.fixed_dictionaries(
        {"name": names, "build": st.dictionaries(names, numbers | names, max_size=2), "query": st.just({})}),
    "settings": st.dictionaries(
        st.sampled_from(["n_items", "dim", "protocol", "variant", "bugs", "primary_metric", "epochs", "threads_all"]),
        odd, max_size=2).map(lambda changes: {"primary_metric": "precision@5", "protocol": PROTOCOL} | changes),
    "metrics": metrics, "curve": st.lists(points, max_size=4), "rungs": st.lists(rungs, max_size=3),
    "climb": names | st.sampled_from(["pairs 1", "pairs 2"]), "mutants": st.lists(mutants, max_size=3),
    "intervals": st.dictionaries(
        st.sampled_from(["precision@5", "lost/precision@5"]), st.lists(numbers, min_size=2, max_size=2)),
    "scores": st.none() | st.fixed_dictionaries(
        {"values": st.lists(numbers, max_size=3), "weights": st.lists(numbers, max_size=3)}),
    "divergence": st.none() | st.lists(st.none() | numbers, max_size=3), "map": st.none() | places,
    "timings": st.dictionaries(st.sampled_from(TIMINGS), times),
    "memory": st.dictionaries(st.sampled_from(["index_bytes", "peak_rss_bytes"]), whole | st.just(-(2**62))),
    "hashes": st.dictionaries(st.sampled_from(["split", "repeat", "trained", "dataset"]), names),
    "versions": st.dictionaries(names, names, max_size=2), "notes": st.lists(names, max_size=2),
    "machine": st.builds(lambda n, cores: MACHINE | {"memory_bytes": n, "cores": cores}, whole, whole),
    "commit": st.none() | names, "dirty": st.none() | st.booleans(),
    "number": st.sampled_from([1, 3, 2**62]), "ended": st.none() | st.sampled_from(["complete", "pruned", "capped"]),
    "drawn": st.dictionaries(names | st.sampled_from(["dim", "learning_rate"]), recordable | names | st.booleans()),
    "space": st.dictionaries(names | st.sampled_from(["dim", "learning_rate"]), axes),
}  # fmt: skip
BUGS = [{"bug": "double sigmoid", "mode": "eager", "due": "loss", "broke": None, "caught": False}]
BASE = [
    *suite(),
    trained("mf-bpr", 0.15, scores=SCORES, seed=1),
    trained("als", 0.12, backend="classic", scores=SCORES),
    *(searched(name, 0.97, [9.0, 8.0]) for name in ("exact", "annoy", "faiss-hnsw")),
    record(kind="agreement", variant=INJECTED, settings={"primary_metric": "recall@10", "bugs": BUGS}),
    mutated("backends/torch/gru4rec.py", *FATES),
    mutated("benchmarks/metrics.py", *FATES),
    *search_of([0.1, 0.2, None, 0.4, 0.3, 0.2, 0.1, 0.2, 0.5]),
    tried(10, 0.1, ended="pruned"),
]


OF_VERSION_1 = {
    "index": None, "intervals": {}, "scores": None, "curve": [], "rungs": [], "divergence": None, "map": None,
    "group": None, "climb": "", "mutants": [], "schema_version": 1,
}  # fmt: skip

OF_TRIALS = {"search", "number", "drawn", "space", "ended"}


@st.composite
def records(draw):
    """A line of version 1 of a whole run in which some fields hold anything that its schema took, read."""
    made = OF_VERSION_1 | msgspec.to_builtins(draw(st.sampled_from(BASE)))
    made["settings"] = made["settings"] | {"bugs": made.pop("bugs", [])}
    for field in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2)):
        made[field] = draw(FIELDS[field])
    if draw(st.integers(0, 5)) == 0:
        made |= {"status": draw(st.sampled_from(["failed", "oom", "skipped"])), "reason": draw(names.filter(bool))}
    if draw(st.booleans()):
        made["cell"] = f"{draw(st.integers(0, 2**64 - 1)):016x}"
    empty = {name: held for name, held in OF_VERSION_1.items() if name not in KINDS[made["kind"]].__struct_fields__}
    assume(made["kind"] != "index" or made["index"])  # an index cell always named its index
    others = set() if made["kind"] == "trial" else OF_TRIALS
    return of({name: held for name, held in (made | empty).items() if name not in others} | {"schema_version": 1})


def pages_of(found):
    """All that is written of some records, as bytes; the way is that of `write.load`, without the file."""
    newest, left_out = mixture.newest(without_folders(found))
    prepared = prepare(newest)
    boards = build(prepared, verdicts(prepared), left_out)
    charts = draw(boards)
    made = [*files([Run("", "..", boards, charts)]).values(), markdown(boards, charts), summary(boards)]
    return [page.encode() for page in made] + [to_csv(boards.cells), to_parquet(boards.cells)]


@settings(
    phases=[Phase.explicit, Phase.generate],
    max_examples=500 if os.environ.get("RECALLBENCH_SLOW") else 20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(records(), min_size=1, max_size=8))
def test_any_valid_records_make_pages_or_a_sentence(found):
    said = "its primary metric"
    try:
        assert all(pages_of(found))
    except InputError as error:
        said = str(error)
    assert "primary" in said


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_where_nothing_finished_every_page_is_there(status):
    found = [msgspec.structs.replace(one, status=status, reason="so it is", metrics={}, timings={}) for one in suite()]
    assert all(pages_of(found))


@pytest.mark.parametrize("only", {(r.kind, r.status, r.variant == INJECTED): r for r in BASE}.values())
def test_one_record_makes_pages(only):
    assert all(pages_of([only]))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"metrics": {"precision@5": 1e19}}, "metrics.precision@5 is 1e+19, expected a number <= 1e+18"),
        ({"metrics": {"precision@5": -1e300}}, "metrics.precision@5 is -1e+300, expected a number >= -1e+18"),
        ({"intervals": {"precision@5": [-1e19, 1]}}, "intervals.precision@5.0 is -1e+19, expected a number >= -1e+18"),
        ({"timings": {"wall_s": 1e19}}, "timings.wall_s is 1e+19"),
        (
            {"settings": {"primary_metric": "precision@5", "n_items": "inf"}},
            "settings.n_items: expected a whole number, got text",
        ),
        (
            {"settings": {"primary_metric": "precision@5", "protocol": "time-split"}},
            "settings.protocol: expected an object",
        ),
        ({"settings": {"primary_metric": 5}}, "settings.primary_metric: expected text"),
        ({"scores": {"values": [1.0], "weights": []}}, "scores: scores have no weight for each value"),
        ({"scores": {"values": [1.0], "weights": [0.0]}}, "scores: scores have no weight for each value"),
        (
            {"kind": "map", "map": {"method": "PCA", "x": [0], "y": [], "category": None, "categories": None}},
            "map: the map",
        ),
        (
            {"kind": "map", "map": {"method": "PCA", "x": [0], "y": [0], "category": [1], "categories": ["a"]}},
            "map: the map",
        ),
    ],
)
def test_a_line_of_version_1_that_no_table_can_hold_is_a_failed_cell_that_says_why(changes, where):
    broken = record(model="mf-bpr", **changes)
    assert broken.status == "failed"
    assert broken.reason.startswith(f"its record cannot be read: {where}")
    boards = build([trained("mf-logloss", 0.1), broken], [])
    assert [row.reason for row in boards.failures] == [broken.reason]


def test_timings_below_zero_and_indexes_without_queries_make_pages():
    slow = timed("torch", "eager", [-1.0, 0.0]), timed("jax", "eager", [-2.0, 5.0])
    none = indexed("exact", 0.0, []), indexed("annoy", 0.0, [0.0, -1.0], timings={"p50_s": -1.0, "build_s": 0.0})
    assert all(pages_of([*slow, *none]))


def test_what_is_read_twice_stays_as_it_is():
    found = without_folders([trained("mf-bpr", 0.1, dataset="file:/home/me/a.csv"), trained("mf-bpr", 0.1, seed=2)])
    assert without_folders(found) == found


def test_commands_can_be_pasted_whatever_a_model_is_called():
    climb = next(one for one in suite() if one.kind == "agreement")
    records = [record(kind="agreement", model="x; rm -rf ~", rungs=msgspec.to_builtins(climb.rungs))]
    assert all("; rm" not in command.replace("'x; rm -rf ~'", "") for command in commands(records).of_cell.values())
