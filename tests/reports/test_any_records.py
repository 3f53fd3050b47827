"""Any records that are valid by the schema make pages, or one sentence that says why not; nothing else leaves."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from made_records import MACHINE, PROTOCOL, VALIDATOR, failed, indexed, record, searched, suite, timed, trained

from benchmarks.agreement import INJECTED
from benchmarks.agreement.verdict import verdicts
from benchmarks.harness import mixture
from datasets.errors import InputError
from reports.charts.draw import draw
from reports.pages.markdown import markdown, summary
from reports.pages.site import Run, files
from reports.tables.frame import to_csv, to_parquet
from reports.tables.leaderboard import build
from reports.tables.readable import readable
from reports.tables.records import prepare
from reports.tables.reproduce import commands

HUGE = 10**400
NAMES = (
    "mf-bpr", "popularity", "oracle", "x" * 3000, "a|b\nc", "\u202eabc\u200f", "../../etc", "$\\frac", "<b>", "",
    "\ud800", "x; rm -rf ~",
)  # fmt: skip
SCORES = {"values": [0.5, 0.25, 1.0], "weights": [1.0, 1.0, 2.0]}

TIMINGS = ("window_samples_per_s", "batch_qps", "batch_qps_all", "build_s", "p95_s", "load_s", "wall_s", "compile_s")

numbers = st.sampled_from([0, 0.5, 1, -1, 1e-320, -0.0, 1e17, 1e18, 1e19, 1.7e308, HUGE, -HUGE, -3.5])
times = numbers | st.lists(numbers, max_size=4)
whole = st.sampled_from([0, 1, 12345678901234567890123456, 5.0, 2**63])
names = st.sampled_from(NAMES)
odd = st.sampled_from([None, "NaN", -1, HUGE, [1], {}, {"a": HUGE}, True, 0.5, 0, "x"])
metrics = st.dictionaries(
    st.sampled_from(["precision@5", "index_recall@5", "lost/precision@5", "exact/precision@5", "seed", "\ud800@3"]),
    numbers,
)
rungs = st.fixed_dictionaries(
    {"rung": st.sampled_from(["loss", "x" * 200]), "holds": st.booleans(), "difference": st.none() | numbers,
     "tolerance": numbers, "where": names}
)  # fmt: skip
points = st.fixed_dictionaries(
    {
        "epoch": st.sampled_from([0, 1, 2, 3, 4, -1, HUGE]),
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
FIELDS = {
    "model": names, "variant": names | st.just(INJECTED), "backend": names | st.sampled_from(["torch", "jax"]),
    "mode": st.sampled_from(["eager", "compiled"]), "device": st.sampled_from(["cpu", "gpu"]),
    "threads": st.sampled_from([2, 2.0, 2**70]), "protocol": names, "seed": whole, "group": st.none() | names,
    "dataset": names | st.sampled_from(["file:/home/me/x.csv", "file:/srv/x.csv"]), "run_id": names.filter(bool),
    "kind": st.sampled_from(["train", "throughput", "index", "map", "agreement"]),
    "index": st.none() | st.fixed_dictionaries(
        {"name": names, "build": st.dictionaries(names, numbers | names, max_size=2), "query": st.just({})}),
    "settings": st.dictionaries(
        st.sampled_from(["n_items", "dim", "protocol", "variant", "bugs", "primary_metric", "epochs", "threads_all"]),
        odd, max_size=2).map(lambda changes: {"primary_metric": "precision@5", "protocol": PROTOCOL} | changes),
    "metrics": metrics, "curve": st.lists(points, max_size=4), "rungs": st.lists(rungs, max_size=3),
    "intervals": st.dictionaries(
        st.sampled_from(["precision@5", "lost/precision@5"]), st.lists(numbers, min_size=2, max_size=2)),
    "scores": st.none() | st.fixed_dictionaries(
        {"values": st.lists(numbers, max_size=3), "weights": st.lists(numbers, max_size=3)}),
    "divergence": st.none() | st.lists(st.none() | numbers, max_size=3), "map": st.none() | places,
    "timings": st.dictionaries(st.sampled_from(TIMINGS), times),
    "memory": st.dictionaries(st.sampled_from(["index_bytes", "peak_rss_bytes"]), whole | st.just(-HUGE)),
    "hashes": st.dictionaries(st.sampled_from(["split", "repeat", "trained", "dataset"]), names),
    "versions": st.dictionaries(names, names, max_size=2), "notes": st.lists(names, max_size=2),
    "machine": st.builds(lambda n, cores: MACHINE | {"memory_bytes": n, "cores": cores}, whole | st.just(HUGE), whole),
    "commit": st.none() | names, "dirty": st.none() | st.booleans(),
}  # fmt: skip
BUGS = [{"bug": "double sigmoid", "mode": "eager", "due": "loss", "broke": None, "caught": False}]
BASE = [
    *suite(),
    trained("mf-bpr", 0.15, scores=SCORES, seed=1),
    trained("als", 0.12, backend="classic", scores=SCORES),
    *(searched(name, 0.97, [9.0, 8.0]) for name in ("exact", "annoy", "faiss-hnsw")),
    record(kind="agreement", variant=INJECTED, settings={"primary_metric": "recall@10", "bugs": BUGS}),
]


@st.composite
def records(draw):
    """A record of a whole run in which some fields hold anything that the schema takes."""
    made = draw(st.sampled_from(BASE))
    for field in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2)):
        made = made | {field: draw(FIELDS[field])}
    if draw(st.integers(0, 5)) == 0:
        made = made | {
            "status": draw(st.sampled_from(["failed", "oom", "skipped"])),
            "reason": draw(names.filter(bool)),
        }
    if draw(st.booleans()):
        made = made | {"cell": f"{draw(st.integers(0, 2**64 - 1)):016x}"}
    VALIDATOR.validate(made)
    return made


def pages_of(found):
    """All that is written of some records, as bytes; the way is that of `write.load`, without the file."""
    newest, left_out = mixture.newest(readable(found))
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
    found = [one | {"status": status, "reason": "so it is", "metrics": {}, "curve": [], "rungs": [], "timings": {}}
             for one in suite()]  # fmt: skip
    assert all(pages_of(found))


@pytest.mark.parametrize("only", {(r["kind"], r["status"], r["variant"] == INJECTED): r for r in BASE}.values())
def test_one_record_makes_pages(only):
    assert all(pages_of([only]))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"metrics": {"precision@5": HUGE}}, "metrics.precision@5 is no number"),
        ({"metrics": {"precision@5": 1e300}}, "metrics.precision@5 is no number"),
        ({"intervals": {"precision@5": [-HUGE, 1]}}, "intervals.precision@5 is no number"),
        ({"timings": {"wall_s": HUGE}}, "timings.wall_s is no number"),
        ({"memory": {"peak_rss_bytes": HUGE}}, "memory.peak_rss_bytes is no number"),
        ({"settings": {"primary_metric": "precision@5", "n_items": "inf"}}, "settings: Expected `int`, got `str`"),
        ({"settings": {"primary_metric": "precision@5", "protocol": "time-split"}}, "settings: Expected `object`"),
        ({"settings": {"primary_metric": 5}}, "settings: Expected `str`"),
        ({"scores": {"values": [1.0], "weights": []}}, "scores have no weight for each value"),
        ({"scores": {"values": [1.0], "weights": [0.0]}}, "scores have no weight for each value"),
        ({"kind": "map", "map": {"method": "PCA", "x": [0], "y": [], "category": None, "categories": None}}, "the map"),
        (
            {"kind": "map", "map": {"method": "PCA", "x": [0], "y": [0], "category": [1], "categories": ["a"]}},
            "the map",
        ),
    ],
)
def test_a_record_that_no_table_can_hold_is_a_failed_cell_that_says_why(changes, where):
    (broken,) = (r for r in readable([trained("mf-bpr", 0.15, **changes)]))
    assert broken["status"] == "failed"
    assert broken["reason"].startswith(f"its record cannot be read: {where}")
    boards = build([trained("mf-logloss", 0.1), trained("mf-bpr", 0.15, **changes)], [])
    assert [row.reason for row in boards.failures] == [broken["reason"]]


def test_a_seed_of_26_digits_is_shown_as_it_is():
    seed = 12345678901234567890123456
    pages = pages_of([trained("mf-bpr", 0.15, seed=seed), failed("oom", "no room", seed=seed)])
    assert sum(str(seed).encode() in page for page in pages) >= 4


def test_timings_below_zero_and_indexes_without_queries_make_pages():
    slow = timed("torch", "eager", [-1.0, 0.0]), timed("jax", "eager", [-2.0, 5.0])
    none = indexed("exact", 0.0, []), indexed("annoy", 0.0, [0.0, -1.0], timings={"p50_s": -1.0, "build_s": 0.0})
    assert all(pages_of([*slow, *none]))


def test_what_is_read_twice_stays_as_it_is():
    found = readable(
        [trained("mf-bpr", 0.1, dataset="file:/home/me/a.csv"), trained("mf-bpr", 0.1, seed=2.0, metrics={"a": HUGE})]
    )
    assert readable(found) == found


def test_commands_can_be_pasted_whatever_a_model_is_called():
    records = [record(kind="agreement", model="x; rm -rf ~", rungs=suite()[-2].get("rungs", []))]
    assert all("; rm" not in command.replace("'x; rm -rf ~'", "") for command in commands(records).of_cell.values())
