"""Pages of a repository: the same bytes from the same records, everything escaped, nothing left out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_records import changed, hostile_suite, record, shuffle, suite, suite_verdicts, timed, trained

import benchmarks.agreement
import benchmarks.harness
from reports.charts import text
from reports.charts.draw import draw
from reports.pages.markdown import markdown, summary
from reports.tables.leaderboard import build
from reports.write import publish, write


def page_of(records, verdicts=()):
    boards = build(records, list(verdicts))
    return markdown(boards, draw(boards))


@pytest.fixture(scope="module")
def rendered():
    return page_of(suite(), suite_verdicts())


def test_every_section_and_what_it_promises_is_shown(rendered):
    for expected in (
        "Accuracy",
        "Agreement",
        "Training throughput",
        "Retrieval",
        "Overhead",
        "Model summary",
        "Learning curves",
        "Published against measured",
        "Failures",
        "Environment",
    ):
        assert expected in rendered
    for expected in (
        "seen-kept",
        "seen-filtered",
        "oracle (upper reference)",
        "t, 3 seeds",
        "bootstrap",
        "0.152",
        "differs",
        "first step, s",
        "speed-up over PyTorch eager",
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
        assert expected in rendered, expected


def test_a_gpus_memory_and_energy_stand_in_its_own_table_alone():
    memory = {"peak_rss_bytes": 512 << 20, "peak_device_bytes": 3 << 30}
    drawn = {"first_step_s": 1.0, "window_samples_per_s": [100.0], "joules_per_sample": 0.25}
    on_gpu = record(kind="throughput", backend="jax", mode="compiled", device="gpu", memory=memory, timings=drawn)
    of_both = page_of([timed("torch", "eager", [100.0]), on_gpu])
    (heading,) = (line for line in of_both.splitlines() if "peak GPU memory, MiB" in line)
    assert "mJ/sample" in heading
    assert "| 3070 | 250 |" in of_both
    assert "over None" not in of_both, "it was not timed by turns"
    assert "GPU memory" not in page_of([timed("torch", "eager", [100.0])])


def test_what_becomes_of_the_rows_and_a_warning_stand_with_the_table_that_they_are_about(rendered):
    fates = [
        {"period": "test", "use": "asked", "reason": "", "rows": 11, "users": 6, "items": 9},
        {
            "period": "test",
            "use": "dropped",
            "reason": "user without training rows",
            "rows": 33,
            "users": 9,
            "items": 7,
        },
        {
            "period": "test",
            "use": "unreachable",
            "reason": "item without training rows",
            "rows": 2,
            "users": 1,
            "items": 1,
        },
    ]
    warning = "only 11 of 44 test rows are asked for (25%)"
    page = page_of([changed(trained("mf-bpr", 0.1), rows=fates, warning=warning)])
    assert f"Warning: {warning}." in page
    assert "| test | left out | user without training rows | 33 | 75.0 % | 9 | 7 |" in page
    assert "| test | of those asked for: no model can find them | item without training rows | 2 |" in page
    assert "What becomes of the rows" not in rendered
    assert "Warning" not in rendered


def test_markdown_escapes_everything_and_keeps_its_tables():
    page = page_of(*hostile_suite())
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
    assert page_of(records, verdicts) == rendered


def test_processes_with_other_hash_seeds_write_the_same_bytes(tmp_path):
    program = (
        "import sys, pathlib; sys.path[:0] = ['.', 'tests/reports']\n"
        "from made_records import suite, suite_verdicts\n"
        "from reports.tables.leaderboard import build\n"
        "from reports.write import publish\n"
        "publish({pathlib.Path(sys.argv[1]): build(suite(), suite_verdicts())})\n"
    )
    found = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": f"UTC{seed}"}
        subprocess.run([sys.executable, "-c", program, str(tmp_path / seed)], check=True, env=environment, timeout=300)
        found.append({p.relative_to(tmp_path / seed): p.read_bytes() for p in (tmp_path / seed).rglob("*.*")})
    assert found[0] == found[1]
    assert len(found[0]) == 31
    assert {path.suffix for path in found[0]} == {".md", ".html", ".svg", ".csv", ".parquet", ".json"}


def test_publish_writes_whole_files_and_removes_stale_pictures(tmp_path):
    more = build([*suite(), trained("mf-bpr", 0.15, variant="gone", backend="jax", mode="compiled")], [])
    before = publish({tmp_path: more})
    (tmp_path / "charts" / "mine.svg").write_text("kept")
    (tmp_path / "charts" / "curve-mine.svg").write_text("kept too")
    (tmp_path / "site" / "about.html").write_text("and this")
    mine = {tmp_path / "charts" / "mine.svg", tmp_path / "charts" / "curve-mine.svg", tmp_path / "site" / "about.html"}
    written = publish({tmp_path: build(suite(), suite_verdicts())})
    assert written[0] == tmp_path / "site" / "index.html"
    assert {path.name for path in set(before) - set(written)} == {
        "curve-online-retail-time-split-mf-bpr-gone.svg",
    }
    assert {p for p in tmp_path.rglob("*") if p.is_file()} == {*written, *mine}
    page = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\((charts/[^)]+)\)", page):
        assert tmp_path / name in written


def test_write_reads_the_store_and_judges_the_records(tmp_path, monkeypatch):
    asked = []

    def read(path: Path):
        asked.append(path)
        return suite()

    store, judge = (
        SimpleNamespace(read=read, folders=lambda folder: [folder], file_of=lambda folder: folder / "records.jsonl"),
        SimpleNamespace(verdicts=lambda _: suite_verdicts()),
    )
    monkeypatch.setattr(benchmarks.harness, "store", store, raising=False)
    monkeypatch.setattr(benchmarks.agreement, "verdict", judge, raising=False)
    written = write([tmp_path])
    assert asked == [tmp_path]
    assert "1 of 2" in written[0].read_text(encoding="utf-8")


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
