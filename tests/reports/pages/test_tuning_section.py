"""The page of searches: what was tried, what was chosen, and what each setting mattered."""

import re

import pytest
from made_records import HOSTILE, search_of, suite, trained, tried
from test_site import Page

from reports.charts.draw import draw
from reports.pages.markdown import markdown, summary
from reports.pages.sections import ANCHORS, sections
from reports.pages.site import Run, files
from reports.tables.leaderboard import build

CHOSEN, MATTERED, EVERY = (
    f"{name} on online-retail, time-split" for name in ("What was chosen", "What each setting mattered", "Every trial")
)


def section_of(*records):
    boards = build(records, [])
    return next((one for one in sections(boards, draw(boards)) if one.anchor == "tuning"), None)


def tables_of(*records):
    (block,) = section_of(*records).blocks
    return {table.caption.partition(":")[0]: table for table in block.tables}


def words(table):
    names = [column.name for column in table.columns]
    return [dict(zip(names, (cell.text for cell in row.cells), strict=True)) for row in table.rows]


def html(*records):
    boards = build(records, [])
    return files([Run("", "..", boards, draw(boards))]).get("tuning.html", "")


MANY = [0.1, 0.2, 0.15, 0.3, 0.25, None, 0.12, 0.31, 0.28, 0.05]


def test_a_page_without_trials_says_nothing_of_them():
    assert section_of(trained("als", 0.1)) is None
    assert html(trained("als", 0.1)) == ""
    assert "tuning" in ANCHORS


def test_every_search_has_a_row_that_says_what_was_chosen():
    found = [*search_of(MANY), tried(11, 0.05, ended="pruned"), tried(12, 0.2, ended="capped")]
    table = tables_of(*found, *search_of([0.2], model="mf-bpr"))[CHOSEN]
    assert table.caption == f"{CHOSEN}: 13 trials, 0.125 CPU hours in all"
    assert words(table)[1] == {
        "model": "sasrec", "variant": "sampled softmax", "backend": "torch", "trials": "12", "pruned": "1",
        "capped": "1", "failed": "1", "validation precision@5, first trial": "0.1000", "best": "0.3100", "trial": "8",
        "settings": "learning_rate=0.008, dim=32, dropout=0.25", "CPU hours": "0.115",
    }  # fmt: skip
    assert [row["trials"] for row in words(table)] == ["1", "12"]


def test_what_mattered_is_a_share_of_each_setting_and_explained():
    (block,) = section_of(*search_of(MANY), *search_of([0.2], model="mf-bpr")).blocks
    (row,) = words(block.tables[1])
    shares = {name: float(row[name].removesuffix(" %")) for name in ("learning_rate", "dim", "dropout")}
    assert sum(shares.values()) == pytest.approx(100, abs=0.2)
    assert "fANOVA" in block.notes[0]
    assert block.notes[1].endswith(": mf-bpr sampled softmax, torch.")


def test_every_trial_is_there_for_who_asks():
    table = tables_of(tried(1, 0.2), tried(2, None), tried(3, 0.1, ended="pruned"))[EVERY]
    assert table.is_detail
    rows = words(table)
    assert [(row["trial"], row["validation precision@5"], row["ended"], row["epochs"]) for row in rows] == [
        ("1", "0.2000", "complete, chosen", "3"), ("2", "–", "failed", "–"), ("3", "0.1000", "pruned", "3"),
    ]  # fmt: skip
    assert (rows[1]["settings"], rows[1]["CPU seconds"]) == ("learning_rate=0.002, dim=32, dropout=0.25", "18.0")
    assert [row.role for row in table.rows] == ["", "failed", ""]
    assert table.rows[1].cells[6].title == "out of luck"


@pytest.mark.parametrize("figures", [[0.2], [None, None, None]], ids=["one", "failed"])
def test_a_search_of_one_trial_and_one_that_failed_have_a_page(figures):
    found = search_of(figures)
    tables = tables_of(*found)
    assert list(tables) == [CHOSEN, EVERY]
    assert words(tables[CHOSEN])[0]["best"] == ("0.2000" if figures[0] else "failed")
    page = Page(html(*found))
    assert page.open == []
    boards = build(found, [])
    assert summary(boards)
    assert markdown(boards, draw(boards)).count("out of luck") == len(figures) * (figures[0] is None)


def test_the_page_has_the_tables_and_the_pictures_beside_all_else():
    page = html(*suite(), *search_of(MANY))
    assert "<h1>Search for settings</h1>" in page
    for caption in (CHOSEN, MATTERED, EVERY):
        assert caption in page
    assert page.count('<svg role="img"') == 2
    assert "Chosen: trial 8: precision@5 0.3100" in page
    for term in ("trial", "pruned", "capped"):
        assert f'href="glossary.html#term-{term}"' in page
    shown = Page(page)
    assert shown.open == []
    assert len(shown.ids) == len(set(shown.ids))


def test_searches_told_apart_have_rows_and_links_of_their_own():
    page = html(*search_of([0.1, 0.2]), *search_of([0.2, 0.1], seed=1))
    ids = re.findall(r'<tr id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 6
    assert "sampled softmax (seed 1)" in page


def test_a_suite_of_somebodys_own_has_no_command():
    table = tables_of(*search_of([0.1]))[CHOSEN]
    assert [row.command for row in table.rows] == [""]


def test_names_with_odd_characters_are_text():
    found = search_of(
        [0.1, 0.2], model=HOSTILE, variant=HOSTILE, dataset=HOSTILE, drawn={HOSTILE: HOSTILE},
        space={HOSTILE: {"values": [HOSTILE, "b"]}},
    )  # fmt: skip
    page = html(*found)
    assert "<script>alert" not in page
    assert Page(page).open == []
    boards = build(found, [])
    assert "<script>" not in markdown(boards, draw(boards))
