"""Who is missing is said wherever something is said of the others: no count and no colour hides a failed cell."""

from __future__ import annotations

import pytest
from made_records import failed, indexed, mutated, record, suite, timed, trained

from benchmarks.agreement import INJECTED
from benchmarks.agreement.verdict import verdicts
from reports.charts.draw import draw
from reports.pages.badges import badges
from reports.pages.markdown import markdown, summary
from reports.pages.site import Run, files
from reports.tables.leaderboard import build
from reports.tables.records import prepare

FOUR = ("jax", "paddle", "tensorflow", "torch")
SAME = {"split": "s", "parameters": "p", "batches": "b"}


def boards_of(records):
    prepared = prepare(records)
    return build(prepared, verdicts(prepared))


def page_of(boards, name="index.html"):
    return files([Run("", "..", boards, draw(boards))])[name]


def badge_of(boards, name):
    return next(badge for badge in badges(boards if isinstance(boards, list) else [boards]) if badge.name == name)


def four(model, *, without=(), status="failed", **changes):
    """A model in four frameworks that agree, of which those `without` failed."""
    made = [trained(model, 0.15, backend=b, hashes=SAME, **changes) for b in FOUR if b not in without]
    return made + [failed(status, "it fell over", model=model, backend=b, **changes) for b in without]


@pytest.fixture(scope="module")
def both_paddle_cells_failed():
    return boards_of([*four("mf-bpr", without=["paddle"]), *four("mf-logloss", without=["paddle"])])


def test_the_badge_is_not_green_and_names_who_is_missing(both_paddle_cells_failed):
    badge = badge_of(both_paddle_cells_failed, "agreement")
    assert (badge.value, badge.mark) == ("0 of 2 (2 incomplete: paddle failed)", "agrees-incomplete")
    whole = badge_of(boards_of(four("mf-bpr")), "agreement")
    assert (whole.value, whole.mark) == ("1 of 1", "agrees")
    assert whole.svg.count("#1a6b34") == 1
    assert "#1a6b34" not in badge.svg
    assert "paddle failed" in badge.svg


def test_every_page_says_it(both_paddle_cells_failed):
    overview = page_of(both_paddle_cells_failed)
    assert overview.count('class="badge agrees-incomplete"') >= 3
    assert 'class="badge agrees"' not in overview
    assert overview.count("agrees (3 of 4; paddle failed)") == 2
    assert "0 of 2 (2 incomplete: paddle failed)" in overview
    page = markdown(both_paddle_cells_failed, ())
    assert page.count("agrees (3 of 4; paddle failed)") >= 4
    assert "2 agrees, incomplete" in page
    assert "agrees (3 of 4; paddle failed)" in summary(both_paddle_cells_failed)
    assert "agrees (3 of 4; paddle failed)" in page_of(both_paddle_cells_failed, "agreement.html")


def test_a_model_of_which_one_framework_is_left_is_counted_as_one_that_was_to_agree():
    boards = boards_of([*four("mf-bpr"), *four("mf-logloss", without=FOUR[1:], status="oom")])
    badge = badge_of(boards, "agreement")
    assert badge.value.startswith("1 of 2 (1 incomplete: paddle out of memory")
    assert badge.mark == "agrees-incomplete"


def test_a_model_that_only_one_framework_was_asked_for_is_not():
    boards = boards_of([*four("mf-bpr"), trained("mf-logloss", 0.1)])
    assert badge_of(boards, "agreement").value == "1 of 1"


def test_a_framework_with_fewer_seeds_is_named():
    records = [record for seed in range(3) for record in four("mf-bpr", seed=seed)]
    boards = boards_of([r for r in records if (r.backend, r.seed) not in {("paddle", 1), ("paddle", 2)}])
    assert "agrees (3 of 4; paddle 1 of 3 seeds)" in page_of(boards)


def test_failed_seeds_are_marked_in_the_accuracy_table():
    page = page_of(
        boards_of([trained("mf-bpr", 0.15), failed("oom", "no room", model="mf-bpr", seed=1)]), "accuracy.html"
    )
    assert '<span class="badge failed">0; failed: 1</span>' in page


def climbed(backend, **changes):
    rungs = [{"rung": "loss", "holds": True, "difference": 0.1, "tolerance": 1.0, "where": "step 1"}]
    return record(kind="agreement", backend=backend, rungs=rungs, **changes)


def fell(backend, status="failed", **changes):
    return failed(status, "it fell over", kind="agreement", backend=backend, **changes)


def test_an_adapter_that_crashed_does_not_hold():
    boards = boards_of([climbed("torch"), climbed("jax"), fell("paddle"), fell("tensorflow", "timeout")])
    badge = badge_of(boards, "ladder")
    assert (badge.value, badge.mark) == ("2 of 4 (2 failed)", "differs")
    page = page_of(boards, "agreement.html")
    assert '<span class="badge differs">failed</span>' in page
    assert "2 of 4 adapters and modes hold to the last rung; 2 failed." in page


def test_an_adapter_of_which_one_climb_crashed_does_not_hold():
    boards = boards_of([climbed("torch"), fell("torch", seed=1)])
    (row,) = boards.ladder
    assert (row.holds, row.failed, row.n_climbs, row.n_held) == (False, "1 of 2 climbs failed", 2, 1)
    assert badge_of(boards, "ladder").value == "0 of 1 (1 failed)"


def test_an_adapter_that_cannot_run_is_no_failure():
    boards = boards_of([climbed("torch"), fell("paddle", "unsupported")])
    badge = badge_of(boards, "ladder")
    assert (badge.value, badge.mark) == ("1 of 1", "agrees")
    assert "unsupported" in page_of(boards, "agreement.html")


def test_no_picture_is_drawn_of_climbs_that_all_crashed():
    assert draw(boards_of([fell("torch"), fell("jax")])) == ()


def test_of_an_adapter_in_several_folders_the_worst_counts():
    fine, broken = boards_of([climbed("torch")]), boards_of([fell("torch")])
    assert badge_of([broken, fine], "ladder").value == badge_of([fine, broken], "ladder").value == "0 of 1 (1 failed)"


def injected(backend, *, caught=True, **changes):
    bug = {"bug": "double sigmoid", "mode": "eager", "due": "loss", "broke": "loss" if caught else None}
    settings = {"primary_metric": "recall@10", "bugs": [bug | {"caught": caught}]}
    return record(kind="agreement", variant=INJECTED, backend=backend, settings=settings, **changes)


def test_bugs_that_were_never_injected_are_not_all_caught():
    boards = boards_of([injected("torch"), fell("jax", variant=INJECTED)])
    page = page_of(boards, "agreement.html")
    caption = "Mistakes of real ports, injected into adapters: 1 of 1 caught; not injected: mf-logloss jax failed"
    assert caption in page
    assert boards.ladder == ()
    assert [badge.name for badge in badges([boards])] == ["runs"]


FILES = ("backends/torch/gru4rec.py", "backends/jax/mf_bpr.py")


def lost_file(path, status="timeout"):
    place = {"variant": "all mutants", "dataset": "the ladder's own data", "protocol": "mutants"}
    return failed(status, "it fell over", kind="mutation", model=path, backend=path.split("/")[1], **place)


def test_mutants_that_were_never_tried_are_not_all_caught():
    boards = boards_of([mutated(FILES[0], "difference", "equivalent"), lost_file(FILES[1])])
    badge = badge_of(boards, "mutants-ladder")
    assert (badge.value, badge.mark) == ("1 of 1 (100.0 %; 1 equivalent left out; 1 file failed)", "differs")
    page = page_of(boards, "agreement.html")
    assert f"Mutants: 1 of 1 caught (100.0 %); 1 more is equivalent; not tried: {FILES[1]} timeout" in page
    alone = boards_of([lost_file(FILES[1]), lost_file(FILES[0])])
    assert badge_of(alone, "mutants-ladder").value == "0 of 0 (2 files failed)"
    assert [badge.name for badge in badges([boards_of([lost_file(FILES[0], "skipped")])])] == ["runs"]


@pytest.mark.parametrize(
    ("n_caught", "n_survived", "value", "mark"),
    [
        (98, 2, "98 of 100 (98.0 %; 3 equivalent left out)", "agrees"),
        (979, 20, "979 of 999 (97.9 %; 3 equivalent left out)", "differs"),
        (1200, 0, "1,200 of 1,200 (100.0 %; 3 equivalent left out)", "agrees"),
    ],
)
def test_the_badge_is_green_from_98_percent_and_leaves_out_what_nothing_could_catch(n_caught, n_survived, value, mark):
    ends = ["difference"] * n_caught + ["survived"] * n_survived + ["equivalent"] * 3
    badge = badge_of(boards_of([mutated(FILES[0], *ends)]), "mutants-ladder")
    assert (badge.value, badge.mark) == (value, mark)


def test_what_tests_catch_has_a_badge_of_its_own():
    of_tests = mutated("benchmarks/metrics.py", *["error"] * 19, "survived")
    boards = boards_of([mutated(FILES[0], "difference"), of_tests])
    assert badge_of(boards, "mutants-ladder").value == "1 of 1 (100.0 %)"
    badge = badge_of(boards, "mutants-tests")
    assert (badge.label, badge.value, badge.mark) == ("mutants caught by the tests", "19 of 20 (95.0 %)", "agrees")


def test_of_a_file_in_several_folders_the_worst_counts():
    fine, worse = (boards_of([mutated(FILES[0], "error", end)]) for end in ("error", "survived"))
    for order in ([fine, worse], [worse, fine]):
        assert badge_of(order, "mutants-ladder").value == "1 of 2 (50.0 %)"


def test_the_fastest_is_said_together_with_who_was_not_timed():
    broken = failed("timeout", "too slow", kind="throughput", backend="paddle")
    boards = boards_of([*four("mf-logloss"), timed("torch", "eager", [100.0]), timed("jax", "eager", [300.0]), broken])
    assert "JAX eager (paddle eager timeout)" in page_of(boards)
    assert "of torch eager; paddle eager timeout" in summary(boards)


def lost_index(name, **changes):
    index = {"name": name, "build": {}, "query": changes}
    changes = {"settings": {"primary_metric": "precision@5"}, "index": index}
    return failed("oom", "no room", kind="index", model="mf-bpr", mode="compiled", group="g-2", **changes)


def test_an_index_that_failed_is_not_one_that_reaches_no_recall():
    boards = boards_of([indexed("exact", 1.0, [9.0]), indexed("faiss-flat", 1.0, [90.0]), lost_index("annoy")])
    page = page_of(boards, "retrieval.html")
    assert "the best of the others; without annoy out of memory" in page
    assert page.count("<td>annoy out of memory</td>") == 3  # Faiss against Annoy, at three recalls
    assert "annoy out of memory" in summary(boards)
    assert "In no contest on mf-bpr as_published, torch compiled, online-retail: annoy out of memory." in page


def test_settings_of_an_index_that_failed_are_counted():
    swept = [indexed("exact", 1.0, [9.0]), indexed("annoy", 0.97, [90.0], {"search_k": 1})]
    boards = boards_of([*swept, lost_index("annoy", search_k=2), lost_index("annoy", search_k=3)])
    assert "without annoy out of memory in 2 of 3" in page_of(boards, "retrieval.html")


def test_a_picture_of_curves_says_who_has_none():
    curves = [chart for chart in draw(boards_of(four("mf-bpr", without=["paddle"]))) if chart.name.startswith("curve")]
    assert "Without figures: paddle eager failed." in curves[0].description


def test_where_nothing_failed_nothing_is_said():
    records = [record for record in suite() if record.status == "ok"]
    page = page_of(boards_of(records))
    assert "incomplete" not in page.partition("</style>")[2]
