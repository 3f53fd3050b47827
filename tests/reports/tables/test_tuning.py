"""Searches of settings: what was tried and chosen, which settings mattered, and what leaves all other tables alone."""

import itertools
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from made_records import HOSTILE, PROTOCOL, SPACE, changed, record, search_of, shuffle, suite, trained, tried

from reports.tables.frame import frame_of
from reports.tables.leaderboard import build
from reports.tables.records import prepare
from reports.tables.tuning import in_words, search_tables, shown


def searches(*records):
    return [search for table in search_tables(prepare(records)) for search in table.searches]


def decided_by_rate(n=12):
    """Trials whose metric follows from one of their three settings alone."""
    draw = random.Random(3)  # noqa: S311 - figures, not secrets
    rates = [0.001 * 100 ** draw.random() for _ in range(n)]
    return [
        tried(place, 0.1 + rate, {"learning_rate": rate, "dim": draw.choice([8, 16, 32]), "dropout": draw.random() / 2})
        for place, rate in enumerate(rates, 1)
    ]


def test_a_search_has_what_its_trials_have():
    (search,) = searches(*search_of([0.1, None, 0.3, 0.2]))
    assert (search.model, search.variant, search.backend, search.mode) == (
        "sasrec", "sampled softmax", "torch", "eager",
    )  # fmt: skip
    assert (search.dataset, search.protocol, search.metric, search.seed) == (
        "online-retail", "time-split", "precision@5", 0,
    )  # fmt: skip
    assert (search.first, search.best.metric, search.best.number) == (0.1, 0.3, 3)
    assert search.best.drawn == {"learning_rate": 0.003, "dim": 8, "dropout": 0.25}
    assert (search.n_complete, search.n_pruned, search.n_capped, search.n_failed) == (3, 0, 0, 1)
    assert search.cpu_s == 3 * 36 + 18  # of the one that failed the seconds that it ran
    assert [(trial.number, trial.ended, trial.epochs) for trial in search.trials] == [
        (1, "complete", 3), (2, "failed", None), (3, "complete", 3), (4, "complete", 3),
    ]  # fmt: skip
    assert (search.trials[1].metric, search.trials[1].reason) == (None, "out of luck")
    assert search.told_apart == ""


def test_the_best_so_far_is_a_running_maximum_without_what_failed_or_was_pruned():
    figures = [0.2, 0.1, None, 0.3, 0.25, 0.4]
    found = search_of(figures)
    found[4] = tried(5, 0.9, ended="pruned")
    (search,) = searches(*found)
    assert search.so_far == ((1, 0.2), (2, 0.2), (4, 0.3), (6, 0.4))
    assert search.so_far[-1][1] == search.best.metric
    assert all(low <= high for (_, low), (_, high) in itertools.pairwise(search.so_far))


def test_where_all_were_pruned_one_of_them_is_chosen():
    (search,) = searches(*search_of([0.2, 0.3], ended="pruned"))
    assert (search.n_pruned, search.best.number, search.so_far) == (2, 2, ((1, 0.2), (2, 0.3)))


def test_a_capped_trial_can_be_chosen():
    (search,) = searches(tried(1, 0.2), tried(2, 0.3, ended="capped"))
    assert (search.n_capped, search.best.number, search.best.ended) == (1, 2, "capped")


def test_points_of_a_setting_are_those_of_all_trials():
    (search,) = searches(tried(1, 0.2), tried(2, 0.1, ended="pruned"), tried(3, None))
    assert search.points("dim") == ((16, 0.2, "complete"), (32, 0.1, "pruned"), (8, None, "failed"))
    assert search.points("no such") == ()


def test_importances_add_to_one_and_single_out_what_alone_decides():
    (search,) = searches(*decided_by_rate())
    shares = {setting.name: setting.importance for setting in search.settings}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["learning_rate"] > 0.8
    assert searches(*decided_by_rate()) == [search]


@pytest.mark.parametrize(
    "found",
    [
        decided_by_rate(7),
        search_of([0.2] * 12),
        search_of([0.1 * place for place in range(12)], ended="pruned"),
        search_of([None] * 12),
        search_of([0.1 * place for place in range(12)], space={"dim": {"values": [64, 128]}}),  # drawn from elsewhere
    ],
    ids=["few", "alike", "pruned", "failed", "odd"],
)
def test_of_too_little_nobody_says_what_mattered(found):
    (search,) = searches(*found)
    assert {setting.importance for setting in search.settings} == {None}


def test_a_search_whose_trials_all_failed_has_chosen_nothing():
    (search,) = searches(*search_of([None, None]))
    assert (search.first, search.best, search.so_far, search.n_failed) == (None, None, (), 2)
    assert search.metric == "precision@5"


def test_a_trial_that_ended_well_without_its_metric_counts_as_failed():
    (search,) = searches(tried(1, 0.2, metrics={"other": 1.0}), tried(2, 0.1))
    assert (search.n_failed, search.first, search.best.number) == (1, None, 2)
    assert search.trials[0].reason == "it has no metric"


def test_a_search_of_one_trial():
    (search,) = searches(tried(1, 0.2))
    assert (search.first, search.best.number, search.so_far) == (0.2, 1, ((1, 0.2),))


def test_true_and_false_are_values_as_any_others():
    space = {"filter_seen": {"values": [True, False]}}
    found = [tried(n, 0.1 + 0.2 * (n % 2), drawn={"filter_seen": n % 2 == 1}, space=space) for n in range(1, 11)]
    (search,) = searches(*found)
    assert [(s.name, s.choices, s.importance) for s in search.settings] == [("filter_seen", (True, False), 1.0)]
    assert in_words(search.best.drawn) == "filter_seen=true"


@pytest.mark.parametrize(
    ("value", "words"), [(True, "true"), (0.0012345, "0.001234"), (12345, "12345"), ("a b", "a b")]
)
def test_values_are_shown_in_four_digits(value, words):
    assert shown(value) == words


def test_a_search_that_was_made_anew_in_another_space_stands_beside_the_first():
    wider = {**SPACE, "dropout": {"low": 0.0, "high": 0.9}}
    again = [changed(one, search="b" * 16, cell=f"{n:016x}", space=wider) for n, one in enumerate(search_of([0.2]))]
    found = searches(*search_of([0.1]), *again)
    assert [(search.told_apart, search.first) for search in found] == [
        ("dropout 0 – 0.5", 0.1), ("dropout 0 – 0.9", 0.2),
    ]  # fmt: skip
    assert found[0].name == "sasrec sampled softmax (dropout 0 – 0.5)"


def test_searches_that_differ_in_nothing_that_is_known_are_told_apart_all_the_same():
    again = changed(tried(1, 0.2), search="b" * 16, cell="1" * 16)
    found = searches(tried(1, 0.1), again)
    assert len({search.told_apart for search in found}) == 2
    assert "search bbbbbb" in {search.told_apart for search in found}
    seeds = searches(tried(1, 0.1), tried(1, 0.2, seed=1))
    assert [search.told_apart for search in seeds] == ["seed 0", "seed 1"]


def test_a_protocol_of_one_name_and_two_meanings_makes_two_tables():
    other = {"primary_metric": "precision@5", "protocol": {**PROTOCOL, "per": "user"}}
    found = search_tables(prepare([tried(1, 0.1), tried(1, 0.2, settings=other, search="b" * 16)]))
    assert [table.protocol for table in found] == ["time-split (per=session)", "time-split (per=user)"]
    (one,) = search_tables(prepare([tried(1, 0.1), tried(1, 0.2, model="mf-bpr")]))
    assert (one.protocol, one.n_trials, one.cpu_s) == ("time-split", 2, 72.0)


def test_the_order_of_records_leaves_no_trace():
    found = [*search_of([0.1, None, 0.3]), *search_of([0.3, 0.2], model="mf-bpr"), *decided_by_rate(3)]
    first = search_tables(prepare(found))
    shuffle(found, 4)
    assert search_tables(prepare(found)) == first


def test_trials_are_not_told_apart_by_what_they_are_to_differ_in_and_none_replaces_another():
    settings = [{"primary_metric": "precision@5", "protocol": PROTOCOL, "dim": dim} for dim in (8, 16, 32)]
    found = prepare([tried(n, 0.1, settings=of) for n, of in enumerate(settings, 1)])
    assert [(one.variant, one.protocol) for one in found] == [("sampled softmax", "time-split")] * 3


def test_trials_do_not_change_what_trainings_are_called():
    settings = {"primary_metric": "precision@5", "protocol": {**PROTOCOL, "period": "test"}, "dim": 8}
    training = trained("sasrec", 0.1, variant="sampled softmax", settings=settings)
    (kept,) = (one for one in prepare([training, *search_of([0.1, 0.2])]) if one.kind == "train")
    assert kept == training


def test_a_trial_that_was_run_again_counts_as_it_was_last():
    first = tried(1, None)
    later = changed(tried(1, 0.4), cell=first.cell)
    (search,) = searches(first, later)
    assert (len(search.trials), search.first) == (1, 0.4)


def test_no_other_table_has_them_but_failures():
    trials, others = search_of([0.9, None, 0.8], model="mf-bpr", variant="as_published"), suite()
    boards, alone = build([*others, *trials], []), build(others, [])
    for name in ("overview", "accuracy", "paired", "ladder", "throughput", "retrieval", "item_maps", "overhead"):
        assert getattr(boards, name) == getattr(alone, name), name
    (lost,) = set(boards.failures) - set(alone.failures)
    assert (lost.kind, lost.model, lost.status, lost.reason) == ("trial", "mf-bpr", "failed", "out of luck")
    assert alone.searches == ()
    assert boards.headline.n_cells == alone.headline.n_cells + 3


def test_trials_are_rows_of_the_tidy_table():
    found = prepare([*search_of([0.2, None]), trained("als", 0.1)])
    cells = frame_of(found, {}).set_index("kind")
    trials, training = cells.loc["trial"], cells.loc["train"]
    assert trials["primary"].tolist()[0] == 0.2
    assert trials["number"].tolist() == [1, 2]
    assert trials["ended"].tolist()[0] == "complete"
    assert trials["search"].nunique() == 1
    assert trials["drawn"].iloc[0] == {"learning_rate": 0.001, "dim": 16, "dropout": 0.25}
    assert training[["search", "number", "ended"]].isna().all()


def test_names_with_odd_characters_are_kept_as_they_are():
    (search,) = searches(*search_of([0.1, 0.2], model=HOSTILE, drawn={HOSTILE: 3}, space={HOSTILE: {"values": [3]}}))
    assert (search.model, search.settings[0].name, in_words(search.best.drawn)) == (HOSTILE, HOSTILE, f"{HOSTILE}=3")


def test_records_without_trials_have_no_searches():
    assert search_tables(prepare([record(metrics={"precision@5": 0.1})])) == ()


def test_without_trials_optuna_is_not_loaded():
    code = "import sys, reports.write; from reports.tables.tuning import search_tables; search_tables([])"
    seen = subprocess.run(
        [sys.executable, "-c", f"{code}; print('optuna' in sys.modules)"],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert seen.stdout == "False\n"


def test_a_trial_without_a_space_is_shown():
    (search,) = searches(msgspec.structs.replace(tried(1, 0.1), drawn={}, space={}))
    assert (search.settings, search.so_far) == ((), ((1, 0.1),))
