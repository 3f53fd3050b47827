"""What others report for the same task, beside the nearest of ours."""

import dataclasses

import pytest

from benchmarks import suites
from reports.charts.draw import draw
from reports.pages.sections import sections
from reports.tables import published
from reports.tables.leaderboard import build
from tests.reports.made_records import changed, record

PROTOCOL = {"name": "leave-k-out", "k": 1, "period": "test", "primary_metric": "ndcg@10"}


def sasrec(recall, interval=(0.26, 0.28), variant="every position", **changes):
    made = {
        "model": "sasrec",
        "variant": variant,
        "dataset": "ml-1m",
        "protocol": "leave-k-out",
        "settings": {"primary_metric": "ndcg@10", "protocol": PROTOCOL, "variant": variant},
        "metrics": {"recall@10": recall, "ndcg@10": 0.15},
        "intervals": {"recall@10": list(interval), "ndcg@10": [0.1403, 0.16]},
    }
    return record(**made | changes)


def reported(*records):
    return build(records, []).reported


def rows_of(*records, metric="recall@10"):
    (table,) = reported(*records)
    return [row for row in table.rows if (row.model, row.variant, row.metric) == ("sasrec", "every position", metric)]


def test_ours_are_the_means_over_frameworks_and_seeds():
    other = sasrec(0.25, (0.24, 0.26), backend="jax")
    for row in rows_of(sasrec(0.27), other):
        assert (row.model, row.mean, row.mean_low, row.mean_high) == ("sasrec", 0.26, 0.25, 0.27)


def test_what_we_have_not_measured_stands_there_without_a_figure():
    (table,) = reported(sasrec(0.27))
    missing = [row for row in table.rows if (row.model, row.variant) != ("sasrec", "every position")]
    assert {row.model for row in missing} >= {"", "bert4rec"}
    assert all(row.mean is None and row.mean_low is None and not row.is_within for row in missing)


@pytest.mark.parametrize("changes", [
    {"dataset": "ml-100k"},
    {"settings": {"primary_metric": "ndcg@10", "protocol": PROTOCOL | {"k": 2}, "variant": "every position"}},
    {"settings": {"primary_metric": "ndcg@10", "protocol": PROTOCOL | {"period": "validation"}}},
    {"status": "failed", "reason": "it ended", "metrics": {}, "intervals": {}},
    {"variant": "another", "settings": {"primary_metric": "ndcg@10", "protocol": PROTOCOL, "variant": "another"}},
])  # fmt: skip
def test_nothing_is_shown_where_nothing_of_ours_stands_beside_it(changes):
    assert reported(sasrec(0.27, **changes)) == ()


def test_a_metric_that_a_run_lacks_is_not_measured():
    short = changed(sasrec(0.27), metrics={"ndcg@10": 0.15}, intervals={})
    assert {row.mean for row in rows_of(short)} == {None}
    assert {row.mean for row in rows_of(short, metric="ndcg@10")} == {0.15}


def test_settings_that_share_a_name_are_two_rows():
    other = {"primary_metric": "ndcg@10", "protocol": PROTOCOL, "variant": "every position", "length": 50}
    own = other | {"length": 200}
    (table,) = reported(sasrec(0.27, settings=own), sasrec(0.2, settings=other))
    found = {row.variant: row.mean for row in table.rows if row.metric == "recall@10"}
    assert found["every position (length=200)"] == 0.27
    assert found["every position (length=50)"] == 0.2


def test_a_remark_is_said_where_its_figure_is():
    leaky = record(
        kind="train", model="lstm", variant="as_published", protocol="next-item", metrics={"hit_rate@5": 0.2},
        settings={"primary_metric": "hit_rate@5", "variant": "as_published", "protocol": {
            "name": "next-item", "train_until": "2011-10-09", "validation_until": "2011-11-09", "per": "session",
            "period": "validation",
        }},
    )  # fmt: skip
    boards = build([leaky], [])
    for anchor in ("accuracy", "published"):
        (section,) = (one for one in sections(boards, draw(boards)) if one.anchor == anchor)
        assert any("through the leak" in note for block in section.blocks for note in block.notes), anchor


def test_a_range_is_within_where_it_meets_the_interval():
    (row,) = (row for row in rows_of(sasrec(0.27)) if row.source.name.startswith("Zhai"))
    for low, high, is_within in [(0.1, 0.2599, False), (0.1, 0.26, True), (0.28, 0.3, True), (0.2801, 0.3, False)]:
        assert dataclasses.replace(row, low=low, high=high).is_within == is_within


def test_the_page_says_where_each_figure_is_from_and_on_which_side_it_lies():
    boards = build([sasrec(0.27)], [])
    (section,) = (one for one in sections(boards, draw(boards)) if one.anchor == "published")
    (block,) = section.blocks
    (table,) = block.tables
    shown = {row.cells[1].text + " " + row.cells[2].text: [cell.text for cell in row.cells] for row in table.rows}
    of_zhai = shown["Zhai et al. 2024, 128 negatives recall@10"]
    assert of_zhai[3:] == ["0.2853", "sasrec, every position", "0.2700", "0.2600 – 0.2800", "above"]
    assert shown["Zhai et al. 2024, 128 negatives ndcg@10"][-1] == "above"
    assert any(row.cells[3].text == "0.106 to 0.292" for row in table.rows)
    (of_zhai,) = (
        note for note in block.notes if note.startswith("Zhai et al. 2024: J. Zhai and others, “Actions Speak")
    )
    assert of_zhai.endswith("(table: github.com/facebookresearch/generative-recommenders), arxiv.org/abs/2402.17152.")
    assert not any("https:" in note for note in block.notes)
    assert "42 % of the users" in block.notes[-1]


def test_every_figure_has_a_source_and_every_nearest_model_a_row_in_the_suite():
    known = published._known()
    assert {figure["source"] for figure in known["figure"] + known["report"]} == set(published.sources())
    assert {figure["under"] for figure in known["figure"] + known["report"]} == set(known["under"])
    suite = suites.load("leave-one-out")
    rows = {
        (row.model, row.settings.get("variant"))
        for block in suite.blocks
        if block.dataset == "ml-1m"
        for row in block.models
    }
    assert {(model, variant) for r in known["report"] for model, of in r["ours"].items() for variant in of} <= rows
