"""The site's pages: well formed, escaped, closed to the network, with links that last, and a command in each row."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from made_records import (
    changed,
    failed,
    hostile_suite,
    indexed,
    searched,
    shuffle,
    suite,
    suite_verdicts,
    timed,
    trained,
)

from reports.charts.draw import draw
from reports.pages import glossary
from reports.pages.badges import badges
from reports.pages.site import Run, files
from reports.tables.leaderboard import build
from reports.write import publish

VOID = {"meta", "link", "br", "path", "use", "image", "rect", "input"}
PAGES = {
    "index.html", "accuracy.html", "throughput.html", "retrieval.html", "agreement.html", "curves.html", "items.html",
    "published.html", "failures.html", "environment.html", "glossary.html",
}  # fmt: skip


class Page(HTMLParser):
    """Open elements must be closed in order; keeps what a test asks about."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.heads = [], set(), [], [], []
        self.attributes, self.policy, self.sources = set(), "", []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.add(tag)
        self.attributes |= set(values)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        self.heads += [values.get("scope")] if tag == "th" else []
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"style", "script"} and "svg" not in self.open:
            self.sources.append(data)


def run_of(records, verdicts=(), name="", home=".."):
    boards = build(records, list(verdicts))
    return Run(name, home, boards, draw(boards))


@pytest.fixture(scope="module")
def run():
    return run_of(suite(), suite_verdicts())


@pytest.fixture(scope="module")
def site(run):
    return files([run])


def html(site):
    return {name: content for name, content in site.items() if name.endswith(".html")}


def rows(page):
    """Id -> the row's markup."""
    return dict(re.findall(r'<tr id="([^"]+)"(.*?)</tr>', page, re.DOTALL))


def test_one_page_a_section(site):
    assert set(html(site)) == PAGES


def test_a_section_without_anything_to_show_has_no_page():
    assert set(html(files([run_of([trained("als", 0.1, variant="mine", backend="classic")])]))) == {
        *("index.html", "accuracy.html", "throughput.html", "failures.html", "environment.html", "glossary.html")
    }


@pytest.mark.parametrize("name", sorted(PAGES))
def test_pages_are_well_formed_with_scoped_heads_and_live_links(site, name):
    page = Page(site[name])
    assert ">dataset</th>" not in site[name]  # readers know it as a data set, on all pages
    assert page.open == []
    assert set(page.heads) <= {"col", "row"}
    assert len(page.ids) == len(set(page.ids))
    inside = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    outside = {link.partition("#")[0] for link in page.links if not link.startswith("#")}
    records = {f"../{file}" for file in ("leaderboard.md", "leaderboard.csv", "leaderboard.parquet", "records.jsonl")}
    assert {link.partition("#")[0] for link in outside} <= PAGES | records
    anchors = set(Page(site["glossary.html"]).ids)
    assert {link.partition("#")[2] for link in outside if "#" in link} <= anchors


@pytest.mark.parametrize("name", sorted(PAGES))
def test_pages_ask_the_network_for_nothing_and_run_nothing_but_their_own(site, name):
    page = Page(site[name])
    assert not {"link", "img", "iframe", "object", "base"} & page.tags
    assert not {"style", "src", "srcset", *(a for a in page.attributes if a.startswith("on"))} & page.attributes
    # Names of XML vocabularies are not fetched.
    addresses = set(re.findall(r"https?://[^\s\"']+", site[name]))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in page.sources]
    assert len(hashes) == 2
    style, script = hashes
    expected = f"default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'"
    assert page.policy == expected


@pytest.mark.parametrize("name", ["index.html", "accuracy.html", "throughput.html", "failures.html"])
def test_what_comes_from_outside_is_text(name):
    page = files([run_of(*hostile_suite())])[name]
    parsed = Page(page)
    assert parsed.open == []
    assert "b" not in parsed.tags
    assert "onload" not in parsed.attributes
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page


def test_order_of_records_leaves_no_trace(site):
    records, verdicts = suite(), suite_verdicts()
    shuffle(records, 4)
    shuffle(verdicts, 4)
    assert files([run_of(records, verdicts)]) == site


def test_every_row_has_an_id_that_is_made_of_what_it_is(site):
    # The front page's rows are on other pages too, and are linked to there.
    for name, page in html(site).items() - {("index.html", site["index.html"])}:
        bodies = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
        assert sum(body.count("<tr") for body in bodies) == len(rows(page)), name
    assert "online-retail-time-split-mf-bpr-as_published-jax-compiled" in rows(site["accuracy.html"])
    # What is too long for an address is a hash of it.
    assert all(len(row_id) < 80 for row_id in rows(site["retrieval.html"]))


def test_a_command_stands_once_below_its_table(site):
    page = site["agreement.html"]
    command = "python -m benchmarks agree --models mf-logloss --backends torch --mode eager"
    assert page.count(f"<code>{command}</code>") == 1
    (item,) = re.findall(rf'<li id="([^"]+)"><code>{command}</code>', page)
    assert page.count(f'class="how" href="#{item}"') == 1


def test_links_stay_when_figures_and_neighbours_change(site):
    others = [
        changed(record, metrics={name: value * 1.1 for name, value in record.metrics.items()})
        if record.kind == "train"
        else record
        for record in suite()
    ]
    others += [trained("als", 0.2, variant="tuned", backend="classic"), indexed("annoy", 0.3, [9e4], {"search_k": 7})]
    again = files([run_of(others, suite_verdicts())])
    for name in PAGES - {"environment.html"}:
        # A row may stand for others, or no longer: what is linked to is there either way.
        assert set(rows(site[name])) <= set(Page(again[name]).ids), name


def test_rows_can_be_selected_by_model_framework_and_index(site):
    assert '<th scope="col" data-facet="model">model</th>' in site["accuracy.html"]
    assert '<th scope="col" data-facet="framework">backend</th>' in site["accuracy.html"]
    assert 'data-dataset="online-retail" data-metric="precision@5">' in site["accuracy.html"]
    assert 'data-model="mf-logloss" data-dataset="online-retail">' in site["throughput.html"]
    assert '<th scope="col" data-facet="index">index</th>' in site["retrieval.html"]


def test_rows_say_the_command_that_measures_them(site):
    command = "python -m benchmarks run --suite online-retail"
    records = [trained("als", 0.14, settings=als_settings(), backend="classic")]
    assert f"<code>{command} --models als</code>" in files([run_of(records)])["accuracy.html"]
    assert "with a suite of one's own" in site["accuracy.html"]  # made-up settings are in no suite
    assert "agree --models mf-logloss --backends torch --mode eager" in site["agreement.html"]


def als_settings():
    protocol = {"train_until": "2011-10-09", "validation_until": "2011-11-09", "per": "session"}
    protocol |= {"unknown_users": "popular", "period": "validation", "ks": [5, 10, 20, 50]}
    protocol |= {"name": "time-split", "primary_metric": "precision@5"}
    return {"primary_metric": "precision@5", "protocol": protocol}


def test_charts_carry_the_places_of_their_values(run, site):
    for chart in run.charts:
        left, top, width, height = map(float, re.search(r'viewBox="([^"]+)"', chart.svg)[1].split())
        assert (left, top) == (0, 0)
        assert chart.points
        for _, at in chart.points:
            assert all(0 <= x <= width for x in at[::2])
            assert all(0 <= y <= height for y in at[1::2])
    found = [json.loads(points) for points in re.findall(r"data-points='([^']*)'", site["throughput.html"])]
    shown = [chart for chart in run.charts if chart.name.startswith("throughput")]
    assert found == [[[label, list(at)] for label, at in chart.points] for chart in shown]


def test_a_value_is_read_where_it_is_drawn(run):
    """The first bar ends where its value is; bars are drawn as rectangles of their own."""
    (chart,) = (c for c in run.charts if c.name.startswith("throughput") and "mf-bpr" in c.name)
    bars = re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)H\1z", chart.svg)
    ends = {(round(float(right), 1), round((float(top) + float(bottom)) / 2, 1)) for _, top, right, bottom in bars}
    assert len(chart.points) == 4
    for label, (x, y) in chart.points:
        assert min(abs(x - a) + abs(y - b) for a, b in ends) < 0.3, label


def test_several_runs_are_told_apart_on_one_page():
    runs = [run_of(suite(), suite_verdicts(), name, f"../{name}") for name in ("first", "second")]
    site = files(runs)
    for name, page in html(site).items():
        parsed = Page(page)
        assert len(parsed.ids) == len(set(parsed.ids)), name
        for target in re.findall(r'(?:url\(|xlink:href=")#([^)"]+)', page):
            assert target in parsed.ids
    assert "second-online-retail-time-split-als-as_published-classic-eager" in rows(site["accuracy.html"])
    assert "· run second</span></caption>" in site["accuracy.html"]
    assert "Run second.</figcaption>" in site["curves.html"]
    assert 'href="../second/leaderboard.csv"' in site["index.html"]


def parts(page):
    """Names of the runs on a page, those under its details behind them."""
    shown, _, below = page.partition('<details class="details">')
    return [re.findall(r'id="(?:run|more)-(\w+)"', part) for part in (shown, below)]


def test_runs_that_compare_frameworks_come_first():
    runs = [run_of(suite(), (), "a"), run_of(suite(), suite_verdicts(), "b")]
    site = files(runs)
    assert parts(site["accuracy.html"]) == [["b", "a"], []]
    assert re.findall(r"<li><strong>(\w+)</strong>", site["index.html"]) == ["b", "a"]


def test_real_data_come_before_made_data_and_many_frameworks_before_one():
    def made(name, backends, dataset):
        return run_of([trained("mf-bpr", 0.1, backend=b, dataset=dataset) for b in backends], (), name)

    four, one = ("jax", "torch", "paddle", "tensorflow"), ("jax",)
    runs = [made("a", one, "ml-1m"), made("b", four, "synthetic-small"), made("c", four[:2], "ml-1m"),
            made("d", four, "ml-1m")]  # fmt: skip
    assert parts(files(runs)["accuracy.html"]) == [["d", "c", "b"], ["a"]]
    assert parts(files(runs[:1])["accuracy.html"]) == [["a"], []]  # a search alone is what there is


def test_what_all_runs_open_a_page_with_is_one_table():
    runs = [run_of(suite(), suite_verdicts(), name, f"../{name}") for name in ("first", "second")]
    page = files(runs)["agreement.html"]
    assert page.count("<span>Verdicts</span>") == 1
    assert page.index("<span>Verdicts</span>") < page.index('id="run-first"')
    for name in ("first", "second"):  # links to either last
        assert any(found.startswith(f"part-{name}-verdicts") for found in Page(page).ids)
    assert {'data-run="first"', 'data-run="second"'} <= set(re.findall(r'data-run="\w+"', page))


def test_sets_of_vectors_are_closed_and_say_their_answer():
    large = [searched("exact", 1.0, [9.0, 8.0]), searched("faiss-hnsw", 0.97, [900.0, 901.0]),
             searched("annoy", 0.96, [90.0, 90.1])]  # fmt: skip
    page = files([run_of(suite(), suite_verdicts(), "a"), run_of(large, (), "b")])["retrieval.html"]
    names = re.findall(r'<summary><span class="name">([^<]+)</span> <span class="answer">([^<]+)', page)
    assert names == [
        ("synthetic vectors 64-d, 1,000,000 items on vectors-1m",
         "1,000,000 items × 64, 1 thread; fastest at recall ≥ 0.95: faiss-hnsw, 900 queries/s; "
         "Faiss answers 10.00× as many as Annoy"),
        ("mf-bpr as_published, torch compiled on online-retail", names[1][1]),
    ]  # fmt: skip
    assert 'data-group="1,000,000 items, vectors-1m"' in page
    anchors = re.findall(r'<details class="block set" id="([^"]+)"', page)
    assert [page.count(f'<a href="#{anchor}">') for anchor in anchors] == [1, 1]


@pytest.mark.parametrize("n", [2, 4])
def test_rows_that_say_the_same_are_one_row_that_can_be_opened(n):
    names = ("torch", "paddle", "tensorflow", "jax")
    records = [trained("mf-bpr", 0.15 if place < n else 0.16 + place / 100, backend=b) for place, b in enumerate(names)]
    page = files([run_of(records)])["accuracy.html"]
    found = rows(page)
    assert len([row for row in found.values() if "mf-bpr" in row]) == 5 - n
    (one,) = (row for row in found.values() if 'class="fold"' in row)
    assert f"<summary>identical in {'all 4' if n == 4 else '2 of 4'}</summary>" in one
    assert set(re.findall(r'data-framework="([^"]+)"', one)[0].split()) == set(names[:n])
    # Each can still be linked to.
    for name in names:
        assert page.count(f'id="online-retail-time-split-mf-bpr-as_published-{name}-eager"') == 1


def test_text_between_backticks_is_code_and_nothing_else_is():
    assert glossary.coded("run `a <b>` now") == "run <code>a &lt;b&gt;</code> now"


def test_the_first_use_of_a_term_leads_to_the_glossary(site):
    for name, page in html(site).items():
        links = re.findall(r'class="term" href="glossary.html#([^"]+)"', page)
        assert len(links) == len(set(links)), name
    assert 'href="glossary.html#term-agreement-ladder">agreement ladder</a>' in site["agreement.html"]
    for term in (term for of_kind in glossary.terms().values() for term in of_kind):
        assert f'<div id="{term.anchor}"><dt>{term.term}</dt>' in site["glossary.html"]


def test_what_has_no_more_to_say_is_said_in_one_line():
    runs = [run_of([trained("als", 0.1, backend="classic")], (), name) for name in ("a", "b")]
    assert '<p class="quiet">Every run completed: a, b.</p>' in files(runs)["failures.html"]


def test_publishing_several_folders_makes_one_site_of_them(tmp_path):
    boards = {
        tmp_path / name: build([trained("als", 0.1 + 0.1 * n, backend="classic")], []) for n, name in enumerate("ab")
    }
    written = publish(boards)
    assert written[0] == tmp_path / "site" / "index.html"
    assert {path.relative_to(tmp_path).parts[0] for path in written} == {"a", "b", "site"}
    assert "run b" in (tmp_path / "site" / "accuracy.html").read_text(encoding="utf-8")


def test_badges_count_and_parse(run):
    made = {badge.name: badge for badge in badges([run.leaderboards])}
    assert {name: (badge.value, badge.mark) for name, badge in made.items()} == {
        "agreement": ("1 of 2", "differs"),
        "ladder": ("3 of 4", "differs"),
        "mutants-ladder": ("16 of 20 (80.0 %; 4 equivalent left out)", "differs"),
        "mutants-tests": ("19 of 19 (100.0 %; 1 equivalent left out)", "agrees"),
        "runs": (f"{len(suite()) - 2} of {len(suite())}", "undecided"),
    }
    for badge in made.values():
        root = ET.fromstring(badge.svg)  # noqa: S314 - our own picture
        assert root.get("aria-label") == f"{badge.label}: {badge.value}"


def test_a_failure_says_how_to_try_again():
    settings = als_settings()
    broken = failed("oom", "out of memory", model="als", backend="classic", settings=settings)
    page = files([run_of([broken, timed("torch", "eager", [1.0])])])["failures.html"]
    assert "<code>python -m benchmarks run --suite online-retail --models als</code>" in page
