"""How far figures move under another order of equal times."""

import pytest

from reports.charts.draw import draw
from reports.pages.sections import sections
from reports.tables.leaderboard import build
from tests.reports.made_records import record

PROTOCOL = {"name": "leave-k-out", "k": 1, "period": "test"}


def trained(value, order=None, model="mf-bpr", **changes):
    protocol = PROTOCOL | ({} if order is None else {"equal_times": order})
    made = {
        "model": model,
        "dataset": "ml-1m",
        "protocol": "leave-k-out",
        "settings": {"primary_metric": "ndcg@10", "protocol": protocol, "variant": "as_published"},
        "metrics": {"ndcg@10": value},
    }
    return record(**made | changes)


def test_each_model_has_its_figure_and_its_moves_over_the_runs_made_under_both_orders():
    other = [trained(0.3, model="sasrec"), trained(0.31, "reversed", "sasrec")]
    of_another_framework, of_another_seed = trained(0.5, backend="jax"), trained(0.2, "reversed", seed=1)
    given = [trained(0.1), of_another_framework, of_another_seed, trained(0.15, "reversed"), trained(0.05, "by item")]
    (table,) = build([*given, *other], []).ties
    assert table.orders == ("reversed", "by item")
    by_model = {row.model: row for row in table.rows}
    assert by_model["sasrec"].moves == (pytest.approx(0.01), None)
    assert by_model["mf-bpr"].figure == pytest.approx(0.3)
    assert by_model["mf-bpr"].moves == (pytest.approx(0.05), pytest.approx(-0.05))


def test_settings_that_share_a_name_are_not_held_against_each_other():
    slow, fast = ({"dataset": "d" * 16, "spec": name * 16} for name in "ab")
    assert build([trained(0.1, hashes=slow), trained(0.2, "reversed", hashes=fast)], []).ties == ()


def test_older_records_without_a_protocol_of_their_own_are_passed_over():
    others = [{"primary_metric": "recall@50"}, {"primary_metric": "ndcg@10"}]
    protocols = ["time-split", "user-split"]
    given = [
        trained(0.1, settings=settings, protocol=name, metrics={settings["primary_metric"]: 0.1})
        for settings, name in zip(others, protocols, strict=True)
    ]
    assert build(given, []).ties == ()


def test_tables_of_two_orders_are_two_and_the_plain_one_keeps_its_name():
    boards = build([trained(0.1), trained(0.15, "reversed")], [])
    assert {table.protocol for table in boards.accuracy} == {"leave-k-out", "leave-k-out (equal_times=reversed)"}
    assert boards.ties[0].protocol == "leave-k-out"


@pytest.mark.parametrize("others", [
    [],
    [trained(0.15, "reversed", status="failed", reason="it ended", metrics={})],
    [trained(0.15, "reversed", dataset="ml-100k")],
    [trained(0.15, "reversed", settings={
        "primary_metric": "ndcg@10", "variant": "as_published",
        "protocol": PROTOCOL | {"k": 2, "equal_times": "reversed"},
    })],
])  # fmt: skip
def test_one_order_alone_is_no_table(others):
    assert build([trained(0.1), *others], []).ties == ()


def test_a_model_that_was_measured_once_is_left_out():
    given = [trained(0.1), trained(0.15, "reversed"), trained(0.2, model="sasrec"), trained(0.1, "by item", "lstm")]
    (table,) = build(given, []).ties
    assert [row.model for row in table.rows] == ["mf-bpr"]


def test_figures_of_other_orders_are_not_held_against_what_was_published():
    given = [trained(0.1, "reversed", "sasrec", settings={
        "primary_metric": "ndcg@10", "variant": "every position", "protocol": PROTOCOL | {"equal_times": "reversed"},
    })]  # fmt: skip
    assert build(given, []).reported == ()


def test_the_page_shows_it():
    boards = build([trained(0.1), trained(0.15, "reversed")], [])
    (section,) = (one for one in sections(boards, draw(boards)) if one.anchor == "published")
    *_, block = section.blocks
    (table,) = block.tables
    assert [cell.text for cell in table.rows[0].cells] == ["mf-bpr", "as_published", "0.1000", "+0.0500"]
