"""The site in a real browser, from files: what a reader does with the mouse, the keyboard and a link."""

from __future__ import annotations

import os
import shutil

import pytest
from made_records import searched, suite, suite_verdicts, trained

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
    large = [searched("exact", 1.0, [9.0, 8.0]), searched("annoy", 0.96, [90.0, 91.0])]
    alike = [trained("mf-bpr", 0.15, variant="alike", backend=backend, mode=mode)
             for backend in ("torch", "jax") for mode in ("eager", "compiled")]  # fmt: skip
    publish({
        folder / "everything": build([*suite(), *large, *alike], suite_verdicts()),
        folder / "little": build([trained("als", 0.12, variant="a long name " * 9, backend="classic")], []),
        folder / "search": build([trained("mf-bpr", 0.12, variant="tuned", backend="jax")], []),
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


def opened(page):
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")


def test_every_page_opens_quietly_and_is_within_three_megabytes(visit, site, record_property):
    assert len(names(site)) == 11
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
        assert max(page.locator("main :is(.scroll, figure, p, h2, h3, .notes li)").evaluate_all(edges)) <= width, name


def test_the_first_column_stays_while_a_table_is_scrolled(visit):
    page = visit("retrieval.html", viewport={"width": 390, "height": 800})
    box = page.locator(".scroll").last
    before = box.locator("tbody tr > :first-child").first.bounding_box()["x"]
    box.evaluate("box => box.scrollLeft = 400")
    assert box.evaluate("box => box.scrollLeft") > 0
    assert box.locator("tbody tr > :first-child").first.bounding_box()["x"] == before


def test_a_column_of_figures_sorts_by_value_with_a_click(visit):
    page = visit("throughput.html")
    table = page.locator("table").nth(1)
    opened(page)
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
    everything = page.locator("tbody tr").count()
    page.get_by_role("searchbox").fill("ALS everything")
    assert shown_rows(page) == 1
    assert page.locator(".filter output").inner_text() == f"1 of {everything} rows"
    assert page.locator("h2:visible").all_inner_texts() == ["everything"]
    assert page.url.endswith("#?words=ALS+everything")
    page.get_by_role("searchbox").fill("")
    page.locator(".filter [name=framework]").select_option("jax")
    assert page.url.endswith("#?framework=jax")
    assert shown_rows(page) > 1
    assert all("jax" in row.inner_html() for row in page.locator("tbody tr:visible").all())
    page.locator(".filter [name=model]").select_option("als")
    assert shown_rows(page) == 0
    assert page.get_by_text("Nothing on this page fits.").is_visible()
    page.get_by_role("button", name="Clear").click()
    assert page.locator("tbody tr[hidden]").count() == 0


def test_rows_of_closed_blocks_are_counted_whether_they_are_shown_or_not(visit):
    page = visit("throughput.html")
    everything = page.locator("tbody tr").count()
    page.get_by_role("searchbox").fill("no such word")
    assert page.locator(".filter output").inner_text() == f"0 of {everything} rows"


def test_an_address_that_was_cut_short_is_an_address_of_the_page(visit, site):
    for name in ("accuracy.html", "index.html"):
        page = visit(name)
        page.goto(f"{(site / name).as_uri()}?#%E0%A4%A")
        assert page.locator("h1").is_visible()


def test_charts_are_filtered_with_their_models(visit):
    page = visit("curves.html")
    assert page.locator(".filter output").inner_text() == "4 charts"
    page.locator(".filter [name=model]").select_option("mf-logloss")
    assert page.locator("figure:visible").count() == 1
    assert page.locator(".filter output").inner_text() == "1 of 4 charts"


def test_a_permanent_link_leads_to_its_row_whatever_was_filtered_away(visit):
    page = visit("accuracy.html")
    row = page.locator("[id='everything-online-retail-time-split-als-as_published-classic-eager']")
    row.hover()
    row.get_by_role("link", name="Link to this row").click()
    link = page.url
    assert link.endswith("#everything-online-retail-time-split-als-as_published-classic-eager")
    page.evaluate("location.hash = ''")
    page.get_by_role("searchbox").fill("mf-bpr")
    assert not row.is_visible()
    page.evaluate(f"location.href = {link!r}")
    row.wait_for(state="visible")
    assert page.get_by_role("searchbox").input_value() == ""
    assert page.locator(".filter output").inner_text() == f"{page.locator('tbody tr').count()} rows"
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
    opened(page)
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
    page.locator(".filter [name=set]").select_option(index=1)
    figure = page.locator("figure:visible").first
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
    page.wait_for_url("**/accuracy.html")
    assert page.locator(".theme").inner_text() == "Theme: dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"


def test_a_rows_command_opens_in_its_row_and_closes(visit):
    page = visit("agreement.html")
    cell = page.locator("td.how").first
    cell.get_by_role("link", name="command").click()
    assert cell.locator("code").inner_text().startswith("python -m benchmarks agree --models")
    assert cell.get_by_role("button", name="copy").is_visible()
    cell.get_by_role("link", name="command").click()
    assert cell.locator("code").count() == 0


CHOICES = {
    "run": "everything",
    "dataset": "online-retail",
    "metric": "precision@5",
    "model": "mf-bpr",
    "framework": "jax",
}


def test_what_is_selected_stands_in_the_address_and_a_link_and_the_back_button_restore_it(visit):
    page = visit("accuracy.html")
    counts = [shown_rows(page)]
    for name, value in CHOICES.items():
        if name not in {"dataset", "metric"}:  # of which there is one
            page.locator(f".filter [name={name}]").select_option(value)
            counts.append(shown_rows(page))
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] >= 1
    link = page.url
    other = visit("accuracy.html")
    other.goto(link)
    other.reload()
    assert shown_rows(other) == counts[-1]
    assert other.locator(".filter [name=model]").input_value() == "mf-bpr"
    page.go_back()
    page.wait_for_function("document.querySelector('.filter [name=framework]').value === ''")
    assert shown_rows(page) == counts[-2]


def test_one_set_of_vectors_is_shown_at_a_time(visit):
    page = visit("retrieval.html")
    sets = page.locator(".set[data-group]")
    assert [box.is_visible() for box in sets.all()] == [True, False]
    assert "1,000,000 items" in sets.first.inner_text()
    assert sets.first.locator("table:visible").count() == 2
    page.locator(".filter [name=set]").select_option(label="mf-bpr as_published, torch compiled on online-retail")
    assert [box.is_visible() for box in sets.all()] == [False, True]
    assert sets.last.locator("figure").is_visible()
    sets.last.get_by_text("All settings (").click()
    assert sets.last.locator("table:visible").count() == 3
    page.go_back()
    page.wait_for_function("!document.querySelector('.set').hidden")
    page.locator(".first a:has-text('mf-bpr')").click()
    assert [box.is_visible() for box in sets.all()] == [False, True]


def test_a_row_that_stands_for_others_opens(visit):
    page = visit("accuracy.html")
    fold = page.locator(".fold", has_text="identical in all 4").first
    assert fold.locator("li:visible").count() == 0
    fold.locator("summary").click()
    assert [text.split(" command")[0] for text in fold.locator("li").all_inner_texts()] == [
        "jax compiled", "jax eager", "torch compiled", "torch eager",
    ]  # fmt: skip


def test_a_table_that_is_wider_than_its_box_says_so(visit):
    page = visit("retrieval.html", viewport={"width": 390, "height": 800})
    box = page.locator(".box:has(table)").first
    shade = "box => ['::before', '::after'].map(side => getComputedStyle(box, side).opacity)"
    page.wait_for_timeout(300)
    assert box.evaluate(shade) == ["0", "1"]
    box.locator(".scroll").evaluate("scroll => scroll.scrollLeft = 1e6")
    page.wait_for_timeout(300)
    assert box.evaluate(shade) == ["1", "0"]


LANDED = """id => {
  const target = document.getElementById(id), box = target.getBoundingClientRect();
  const at = [Math.max(box.left, 0) + Math.min(box.width, 60) / 2, box.top + Math.min(3, box.height / 2)];
  return target.contains(document.elementFromPoint(...at));
}"""


@pytest.mark.parametrize("width", [390, 1440])
def test_every_link_lands_where_its_target_is_seen(visit, site, width):
    missed = []
    for name in names(site):
        page = visit(name, viewport={"width": width, "height": 900})
        targets = page.locator("main [id]").evaluate_all(
            "all => all.filter(each => /^(TR|LI|H2|H3|DETAILS)$/.test(each.tagName)).map(each => each.id)"
        )
        for target in targets[:: max(1, len(targets) // 25)]:
            page.evaluate("id => { location.hash = id; }", target)
            page.wait_for_timeout(30)
            if not page.evaluate(LANDED, target):
                missed.append(f"{name}#{target}")
        page.goto(f"{(site / name).as_uri()}?again#{targets[-1]}" if targets else page.url)
        if targets and not page.evaluate(LANDED, targets[-1]):
            missed.append(f"{name}?again#{targets[-1]}")
    assert missed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, site, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = {}
    for name in names(site):
        page = visit(name, color_scheme=scheme)
        opened(page)
        for violation in axe.run(page).response["violations"]:
            found[name, violation["id"]] = [node["html"][:200] for node in violation["nodes"][:3]]
    assert found == {}


def test_the_keyboard_reaches_the_content_first(visit):
    page = visit("accuracy.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_pages_are_whole_without_scripts_and_on_paper(visit):
    page = visit("accuracy.html", java_script_enabled=False)
    in_main = page.locator("main > .run tbody tr")
    assert (
        page.locator("main > .run tbody tr:visible").count() + page.locator("main .more tbody tr").count()
        >= in_main.count()
        > 5
    )
    page.locator(".details > summary").click()
    assert page.locator(".details tbody tr").first.is_visible()
    assert not page.locator(".filter").is_visible()
    page.emulate_media(media="print")
    assert not page.locator(".top nav").is_visible()
    assert not page.locator("td.how").first.is_visible()
