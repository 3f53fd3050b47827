"""The site in a real browser, from files: what a reader does with the mouse, the keyboard and a link."""

from __future__ import annotations

import os
import shutil

import pytest
from made_records import suite, suite_verdicts, trained

from reports.tables.leaderboard import build
from reports.write import publish

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium here: install Debian's package `chromium` to try the site in it"
)
MEGABYTES = 3e6


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    publish({
        folder / "everything": build(suite(), suite_verdicts()),
        folder / "little": build([trained("als", 0.12, variant="a long name " * 9, backend="classic")], []),
    })  # fmt: skip
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
    """Opens a page of the site; fails on whatever the browser complains of or asks for."""
    contexts, complaints = [], []

    def open_page(name, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file://") or complaints.append(request.url))
        page.goto((site / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def names(site):
    return sorted(path.name for path in site.glob("*.html"))


def column(table, place):
    """The cells of a table's column, without the link in the first."""
    return [
        text.removesuffix("#").strip() for text in table.locator(f"tbody tr > :nth-child({place})").all_inner_texts()
    ]


def rate(text):
    return float(text.rstrip("kM")) * {"k": 1e3, "M": 1e6}.get(text[-1], 1)


def shown_rows(page):
    return page.locator("tbody tr:visible").count()


def test_every_page_opens_quietly_and_is_within_three_megabytes(visit, site, record_property):
    assert len(names(site)) == 10
    for name in names(site):
        page = visit(name)
        assert (site / name).stat().st_size <= MEGABYTES
        record_property(
            f"{name} loaded in, ms", page.evaluate("performance.getEntriesByType('navigation')[0].duration")
        )
        assert page.locator("nav [aria-current]").count() == 1
        assert page.locator("h1").count() == page.locator("main").count() == 1


@pytest.mark.parametrize("width", [360, 1400])
def test_no_page_scrolls_sideways(visit, site, width):
    for name in names(site):
        page = visit(name, viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        # What cannot be scrolled to must not be cut off either.
        edges = "all => all.map(each => each.getBoundingClientRect().right)"
        assert max(page.locator("main :is(.scroll, figure, p, h2, h3, li)").evaluate_all(edges)) <= width, name


def test_the_first_column_stays_while_a_table_is_scrolled(visit):
    page = visit("retrieval.html", viewport={"width": 390, "height": 800})
    box = page.locator(".scroll").last
    before = box.locator("tbody tr > :first-child").first.bounding_box()["x"]
    box.evaluate("box => box.scrollLeft = 400")
    assert box.evaluate("box => box.scrollLeft") > 0
    assert box.locator("tbody tr > :first-child").first.bounding_box()["x"] == before


def test_a_column_of_figures_sorts_by_value_with_a_click(visit):
    page = visit("throughput.html")
    table = page.locator("table").first
    first = column(table, 3)
    head = table.locator("thead th").nth(2)
    for state, reverse in (("descending", True), ("ascending", False)):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == state
        *shown, last = column(table, 3)
        assert last == "timeout"  # what has no figure comes last either way
        shown = list(map(rate, shown))
        assert shown == sorted(shown, reverse=reverse)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    assert column(table, 3) == first


def test_words_sort_with_the_keyboard_and_what_is_missing_stays_last(visit):
    page = visit("accuracy.html")
    table = page.locator("table").first
    head = table.locator("thead th").first
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(table, 1) == sorted(column(table, 1))
    place = table.locator("thead th").all_inner_texts().index("published") + 1
    for _ in range(2):
        table.locator("thead th").nth(place - 1).get_by_role("button").click()
        shown = column(table, place)
        assert shown == sorted(shown, key=lambda text: text == "–")
        assert {"–", "0.152"} <= set(shown)


def test_searching_and_selecting_keep_what_fits(visit):
    page = visit("accuracy.html")
    everything = shown_rows(page)
    page.get_by_label("Search").fill("JAX mf-bpr")
    assert shown_rows(page) == 1
    assert page.locator(".filter output").inner_text() == f"1 of {everything} rows"
    assert page.locator("h2:visible").all_inner_texts() == ["everything"]
    page.get_by_label("Search").fill("")
    page.get_by_label("Framework").select_option("jax")
    assert {row.get_attribute("data-framework") for row in page.locator("tbody tr:visible").all()} == {"jax"}
    page.get_by_label("Model").select_option("als")
    assert shown_rows(page) == 0
    assert page.get_by_text("Nothing on this page fits.").is_visible()
    page.get_by_role("button", name="Clear").click()
    assert shown_rows(page) == everything


def test_charts_are_filtered_with_their_models(visit):
    page = visit("curves.html")
    assert page.locator("figure:visible").count() == 2
    page.get_by_label("Model").select_option("mf-bpr")
    assert page.locator("figure:visible").count() == 1


def test_a_permanent_link_leads_to_its_row_whatever_was_filtered_away(visit):
    page = visit("accuracy.html")
    row = page.locator("tr[data-model='mf-bpr'][data-framework='torch']").first
    row.hover()
    row.get_by_role("link", name="Link to this row").click()
    link = page.url
    assert link.endswith("#everything-online-retail-time-split-mf-bpr-as_published-torch-eager")
    page.evaluate("location.hash = ''")
    page.get_by_label("Search").fill("als")
    assert not row.is_visible()
    page.evaluate(f"location.href = {link!r}")
    row.wait_for(state="visible")
    assert page.get_by_label("Search").input_value() == ""
    assert page.evaluate("document.activeElement.id") == link.partition("#")[2]
    colour = "el => getComputedStyle(el.firstElementChild).backgroundColor"
    assert row.evaluate(colour) != page.locator("tbody tr").last.evaluate(colour)


def test_a_link_from_elsewhere_shows_its_row(visit, site):
    page = visit("retrieval.html")
    row_id = page.locator("tbody tr").last.get_attribute("id")
    other = visit("retrieval.html")
    other.goto(f"{(site / 'retrieval.html').as_uri()}#{row_id}")
    box = other.locator(f"[id='{row_id}']").bounding_box()
    assert 0 <= box["y"] <= other.viewport_size["height"]


def test_a_charts_value_is_read_with_the_pointer(visit):
    page = visit("throughput.html")
    figure = page.locator("figure").first
    label, (x, y) = figure.evaluate("figure => JSON.parse(figure.dataset.points)[1]")
    figure.scroll_into_view_if_needed()
    box = figure.locator("svg").bounding_box()
    scale = box["width"] / figure.evaluate("figure => figure.querySelector('svg').viewBox.baseVal.width")
    page.mouse.move(box["x"] + x * scale + 3, box["y"] + y * scale - 2)
    tip = figure.locator(".tip")
    assert tip.inner_text() == label
    assert "samples/s" in label
    assert figure.locator("svg circle.mark").get_attribute("cx") == str(x)
    page.mouse.move(1, 1)
    assert not tip.is_visible()


def test_a_charts_values_are_read_with_the_keyboard_and_spoken(visit):
    page = visit("curves.html")
    figure = page.locator("figure").first
    figure.locator(".canvas").focus()
    tip = figure.locator(".tip")
    assert tip.get_attribute("aria-live") == "polite"
    read = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home"):
        page.keyboard.press(key)
        read.append(tip.inner_text())
    assert read[0] == read[2] == read[4] != read[1]
    assert "epoch 0" in read[0]
    assert "epoch 10" in read[3]
    assert read[0].count("\n") == 3  # four frameworks on one place are read together
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_all_values_of_a_chart_can_be_listed(visit):
    page = visit("retrieval.html")
    figure = page.locator("figure").first
    figure.get_by_text("Values of this chart").click()
    lines = figure.locator(".values li").all_inner_texts()
    assert len(lines) == len(figure.evaluate("figure => JSON.parse(figure.dataset.points)"))
    assert any(line.startswith("faiss-ivf nlist=64 nprobe=16: recall 0.9960") for line in lines)


def test_light_and_dark_follow_the_system_and_then_the_reader(visit):
    def background(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = "rgb(255, 255, 255)", "rgb(15, 19, 24)"
    assert background(visit("index.html", color_scheme="light")) == light
    page = visit("index.html", color_scheme="dark")
    assert background(page) == dark
    button = page.locator(".theme")
    shown = []
    for _ in range(3):
        button.click()
        shown.append((button.inner_text(), background(page)))
    assert shown == [("Theme: dark", dark), ("Theme: light", light), ("Theme: auto", dark)]


def test_a_chosen_theme_is_kept_from_page_to_page(visit):
    page = visit("index.html", color_scheme="light")
    page.locator(".theme").click()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Accuracy").click()
    assert page.url.endswith("accuracy.html")
    assert page.locator(".theme").inner_text() == "Theme: dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"


def test_a_rows_command_opens(visit):
    page = visit("agreement.html")
    details = page.locator(".how details").first
    assert not details.locator("code").is_visible()
    details.locator("summary").click()
    assert details.locator("code").inner_text().startswith("python -m benchmarks agree --models")
    assert details.get_by_role("button", name="copy").is_visible()


def test_the_keyboard_reaches_the_content_first(visit):
    page = visit("accuracy.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_pages_are_whole_without_scripts_and_on_paper(visit):
    page = visit("accuracy.html", java_script_enabled=False)
    assert page.locator("tbody tr:visible").count() == page.locator("tbody tr").count() > 5
    assert not page.locator(".filter").is_visible()
    page.emulate_media(media="print")
    assert not page.locator(".top nav").is_visible()
    assert not page.locator("td.how").first.is_visible()
