"""Pages: the same bytes from the same records, everything escaped, nothing left out, no address inside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_records import failed, shuffle, suite, suite_verdicts, timed, trained, verdict

import benchmarks.agreement
import benchmarks.harness
from reports import text
from reports.charts import draw
from reports.leaderboard import build
from reports.render import html, markdown, summary
from reports.write import publish, write

HOSTILE = "<script>alert(1)</script>|x`*_[a](b)"
VOID = {"meta", "link", "br", "path", "use", "image"}


class Page(HTMLParser):
    """Open elements must be closed in order; keeps what a test asks about."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.heads = [], set(), [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.add(tag)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        self.heads += [values.get("scope")] if tag == "th" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def pages(records, verdicts=()):
    boards = build(records, list(verdicts))
    charts = draw(boards)
    return html(boards, charts), markdown(boards, charts)


@pytest.fixture(scope="module")
def rendered():
    return pages(suite(), suite_verdicts())


def hostile_suite():
    records = [
        trained("mf-bpr", 0.15, dataset=HOSTILE, notes=[HOSTILE + "\n# heading"]),
        timed("torch", "eager", [100.0, 120.0], dataset=HOSTILE, group=HOSTILE),
        failed("failed", HOSTILE + "\n\x1b[31mred & <b>bold</b>", dataset=HOSTILE, backend="jax"),
    ]
    verdicts = [verdict("mf-bpr", "differs", HOSTILE)]
    return records, verdicts


def test_html_is_well_formed_with_scoped_heads_and_live_anchors(rendered):
    page = Page(rendered[0])
    assert page.open == []
    assert set(page.heads) == {"col", "row"}
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert "caption" in page.tags


def test_html_asks_the_network_for_nothing(rendered):
    assert not {"script", "link", "img", "iframe", "object"} & Page(rendered[0]).tags
    # Names of XML vocabularies are not fetched.
    addresses = set(re.findall(r"https?://[^\s\"']+", rendered[0]))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "url(http" not in rendered[0]
    assert "@import" not in rendered[0]


@pytest.mark.parametrize("place", [0, 1])
def test_every_section_and_what_it_promises_is_shown(rendered, place):
    page = rendered[place]
    for expected in (
        "Accuracy",
        "Agreement",
        "Training throughput",
        "Retrieval",
        "Overhead",
        "Failures",
        "Environment",
    ):
        assert expected in page
    for expected in (
        "seen-kept",
        "seen-filtered",
        "oracle (upper reference)",
        "t, 3 seeds",
        "bootstrap",
        "0.152",
        "differs",
        "first step, s",
        "ratio to slowest",
        "peak memory, MiB",
        "faiss-hnsw",
        "annoy",
        "no CINN in the CPU wheel",
        "took longer than 600 s",
        "Example CPU at 2.0 GHz",
        "implicit 0.7.3",
        "abc1234",
        "stopped while it still rose",
        "plain sum of the item biases",
    ):
        assert expected in page, expected


def test_html_escapes_everything():
    page = pages(*hostile_suite())[0]
    parsed = Page(page)
    assert parsed.open == []
    assert "script" not in parsed.tags
    assert "b" not in parsed.tags
    assert "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page


def test_markdown_escapes_everything_and_keeps_its_tables():
    page = pages(*hostile_suite())[1]
    assert "<script" not in page
    assert "\x1b" not in page
    assert not re.search(r"^# heading", page, re.MULTILINE)
    assert r"\|x\`\*\_\[a\](b)" in page
    for in_table, lines in groupby(page.splitlines(), key=lambda line: line.startswith("|")):
        if in_table:
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_order_of_records_leaves_no_trace_in_the_bytes(rendered):
    records, verdicts = suite(), suite_verdicts()
    shuffle(records, 3)
    shuffle(verdicts, 3)
    assert pages(records, verdicts) == rendered


def test_processes_with_other_hash_seeds_write_the_same_bytes(tmp_path):
    program = (
        "import sys, pathlib; sys.path[:0] = ['.', 'tests/reports']\n"
        "from made_records import suite, suite_verdicts\n"
        "from reports.leaderboard import build\n"
        "from reports.write import publish\n"
        "publish(build(suite(), suite_verdicts()), pathlib.Path(sys.argv[1]))\n"
    )
    found = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": f"UTC{seed}"}
        subprocess.run([sys.executable, "-c", program, str(tmp_path / seed)], check=True, env=environment, timeout=300)
        found.append({p.relative_to(tmp_path / seed): p.read_bytes() for p in (tmp_path / seed).rglob("*.*")})
    assert found[0] == found[1]
    assert len(found[0]) == 10


def test_publish_writes_whole_files_and_removes_stale_pictures(tmp_path):
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "curve-of-a-model-that-is-gone.svg").write_text("old")
    (tmp_path / "charts" / "mine.svg").write_text("kept")
    written = publish(build(suite(), suite_verdicts()), tmp_path)
    assert written[0] == tmp_path / "leaderboard.html"
    assert {p for p in tmp_path.rglob("*") if p.is_file()} == {*written, tmp_path / "charts" / "mine.svg"}
    for name in re.findall(r"\]\((charts/[^)]+)\)", written[1].read_text(encoding="utf-8")):
        assert tmp_path / name in written


def test_write_reads_the_store_and_judges_the_records(tmp_path, monkeypatch):
    asked = []

    def read(path: Path):
        asked.append(path)
        return suite()

    store, judge = SimpleNamespace(read=read), SimpleNamespace(verdicts=lambda _: suite_verdicts())
    monkeypatch.setattr(benchmarks.harness, "store", store, raising=False)
    monkeypatch.setattr(benchmarks.agreement, "verdict", judge, raising=False)
    written = write(tmp_path)
    assert asked == [tmp_path]
    assert "1 agrees" in written[0].read_text(encoding="utf-8")


def test_summary_fits_a_terminal_and_names_all_three_leaderboards():
    records = suite() + [trained("mf-bpr", 0.1, variant=f"tuned {n}") for n in range(20)]
    lines = summary(build(records, suite_verdicts())).splitlines()
    assert len(lines) <= 25
    assert [line.partition(":")[0] for line in lines if line and not line.startswith(" ")][1:] == [
        "Accuracy",
        "Training throughput",
        "Retrieval",
    ]
    assert any("more in the leaderboard" in line for line in lines)
    assert any("4.63× (4.63× – 4.63×)" in line for line in lines)


def test_summary_sends_no_control_characters_to_the_terminal():
    boards = build([trained("mf-bpr", 0.15, dataset="a\x1b[2Jb")], [])
    assert "\x1b" not in summary(boards)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0.0000"), (0.2, "0.200"), (0.00012345, "0.000123"), (1.5, "1.50"), (99.96, "100"), (12345.6, "12300")],
)
def test_significant_digits(value, expected):
    assert text.significant(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(870, "870"), (999.9, "1.00k"), (14_100, "14.1k"), (2.43e6, "2.43M")])
def test_rates(value, expected):
    assert text.rate(value) == expected


def test_names_that_had_to_change_stay_apart():
    names = {text.slug("a", part) for part in ("<x>", "x", "X", "x/", "x y", "x|y", "..", "")}
    assert len(names) == 8
    assert all(re.fullmatch(r"[a-z0-9._-]+", name) for name in names)
    assert len(text.slug("x" * 500)) < 150
