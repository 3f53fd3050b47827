"""The front page in a real browser: what a stranger sees first, and where the answers lead."""

from __future__ import annotations

import os
import shutil

import pytest
from made_records import searched, suite, suite_verdicts

from reports.tables.leaderboard import build
from reports.write import publish

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium here: install Debian's package `chromium` to try the site in it"
)
CARDS = ("which-framework", "which-model", "which-index")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    rates = (("exact", 1.0, 100.0), ("annoy", 0.97, 300.0), ("faiss-ivf", 0.96, 900.0))
    large = [searched(name, recall, [rate, rate]) for name, recall, rate in rates]
    publish({folder / "whole": build(suite(), suite_verdicts()), folder / "large": build(large, [])})
    return folder / "site"


@pytest.fixture(scope="module")
def chromium():
    # Chromium's own sandbox refuses to work for root, which is who runs tests in a container.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, site):
    """Opens the front page; fails on whatever the browser complains of."""
    contexts, complaints = [], []

    def open_page(fragment="", **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((site / "index.html").as_uri() + fragment)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def test_the_three_answers_are_in_the_first_screen(visit):
    page = visit(viewport={"width": 1440, "height": 900})
    for anchor in CARDS:
        answers = page.locator(f"section[aria-labelledby={anchor}] strong")
        assert answers.count() > 0
        for answer in answers.all():
            box = answer.bounding_box()
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= 900


def test_every_answer_leads_to_what_can_be_seen(visit, site):
    page = visit(viewport={"width": 1440, "height": 900})
    targets = page.locator(".answer a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert len(targets) >= 4
    for target in dict.fromkeys(targets):
        page.goto((site / "index.html").as_uri())
        page.locator(f".answer a[href='{target}']").first.click()
        assert page.url.endswith(target)
        target_id = target.partition("#")[2]
        page.wait_for_function(
            "id => document.getElementById(id).getBoundingClientRect().y < innerHeight", arg=target_id
        )
        box = page.locator(f"[id='{target_id}']").bounding_box()
        # What is in the middle of its first line must be itself, and not a bar that lies over it.
        seen = "([id, x, y]) => document.getElementById(id).contains(document.elementFromPoint(x, y))"
        assert page.evaluate(seen, [target_id, box["x"] + 5, box["y"] + min(12, box["height"] / 2)]), target


def test_one_catalogue_is_shown_and_the_address_says_which(visit):
    page = visit()
    shown = page.locator(".choice:visible")
    assert shown.count() == 1
    first = shown.get_attribute("id")
    assert "1000000" in first
    page.locator("fieldset").get_by_text("4,059 items").click()
    assert shown.count() == 1
    assert shown.get_attribute("id") != first
    assert page.url.endswith("#" + shown.get_attribute("id"))
    again = visit("#" + page.url.partition("#")[2])
    assert again.locator(".choice:visible").get_attribute("id") == shown.get_attribute("id")
    assert again.locator(".picker input:checked").get_attribute("value") == shown.get_attribute("id")


def test_without_scripts_every_picture_is_there(visit):
    page = visit(java_script_enabled=False)
    assert page.locator(".choice:visible").count() == 2
    assert page.locator("figure svg:visible").count() == page.locator("figure").count() >= 3
    assert not page.locator("fieldset").is_visible()


def test_a_dot_is_read_with_the_pointer(visit):
    page = visit()
    figure = page.locator(".plotted figure").first
    label, (x, y) = figure.evaluate("figure => JSON.parse(figure.dataset.points)[0]")
    figure.scroll_into_view_if_needed()
    box = figure.locator("svg").bounding_box()
    scale = box["width"] / figure.evaluate("figure => figure.querySelector('svg').viewBox.baseVal.width")
    page.mouse.move(box["x"] + x * scale, box["y"] + y * scale)
    assert label in figure.locator(".tip").inner_text()


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_scrolls_sideways_but_boxes_of_their_own(visit, width):
    page = visit(viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    edges = "all => all.map(each => each.getBoundingClientRect().right)"
    assert max(page.locator("main :is(section, figure, .scroll, p, h2, li)").evaluate_all(edges)) <= width


def test_on_a_phone_the_models_stay_while_the_heat_map_is_scrolled(visit):
    page = visit(viewport={"width": 390, "height": 844})
    box = page.locator(".scroll:has(.heat)")
    name = box.locator("tbody th").first
    before = name.bounding_box()["x"]
    box.evaluate("box => box.scrollLeft = 300")
    assert box.evaluate("box => box.scrollLeft") == 300
    assert name.bounding_box()["x"] == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing(visit, scheme, width):
    page = visit(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    found = axe.Axe().run(page)
    assert [(one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]] == []
