"""The how-to pages, followed to the letter: each page's own commands, in a copy of the repository."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from how_to_pages import EXAMPLES, ROOT, shell

from benchmarks.agreement.verdict import verdicts
from benchmarks.harness import store

COPIED = ("backends", "benchmarks", "datasets", "examples", "reports", "tests")
FRAMEWORKS = ("torch", "paddle", "tensorflow", "jax")
# The tests of the house that see what the pages add; those that train in four frameworks take minutes.
HOUSE = (
    "tests/test_architecture.py",
    "tests/backends/ann/test_indexes.py",
    "tests/backends/test_adapters.py",
    "tests/benchmarks/test_agreement.py",
    "tests/benchmarks/test_injection.py",
    "tests/benchmarks/test_specs.py",
)
SEEN = "architecture or hyperplanes or numpy or every_framework_and_family or (mf-ssm and not keeps_the_contract)"


class Followed(NamedTuple):
    """A copy in which a page was followed, and what its commands printed."""

    tree: Path
    printed: str

    def records(self, results):
        return store.read(self.tree / "RESULTS" / results)

    def page(self, results, name="leaderboard.md"):
        return (self.tree / "RESULTS" / results / name).read_text(encoding="utf-8")

    def call(self, *command):
        done = subprocess.run([sys.executable, *command], cwd=self.tree, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


def copy_to(folder, *others):
    """A copy of the repository, with what numba has compiled here or in other copies: again, it takes ten seconds."""
    ignored = shutil.ignore_patterns("*.pyc", "published", "RESULTS")
    for package in COPIED:
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for other in others:
        for compiled in other.rglob("*.nb[ic]"):
            beside = folder / compiled.relative_to(other)
            beside.parent.mkdir(exist_ok=True)
            shutil.copy2(compiled, beside)
    return folder


def follow(tree, lines):
    """Runs the lines as a reader's shell would, with this Python, and stops at the first that fails."""
    script = "\n".join(['set -euo pipefail; python() { "$PYTHON" "$@"; }', *lines])
    environment = {**os.environ, "PYTHON": sys.executable, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tree, env=environment, capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Followed(tree, done.stdout)


@pytest.fixture(scope="module")
def another_copy(tmp_path_factory):
    made = []

    def copy(name):
        made.append(copy_to(tmp_path_factory.mktemp(name), *made))
        return made[-1]

    return copy


@pytest.fixture(scope="module")
def followed(another_copy):
    """Page -> what came of it, followed when a test first asks."""
    return functools.cache(
        lambda name: follow(another_copy(name), [line for line in shell(name) if " -m pytest " not in line])
    )


def trained(records, model, **wanted):
    rows = [record for record in records if (record.kind, record.model) == ("train", model)]
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]


class TestModel:
    @pytest.fixture
    def done(self, followed):
        return followed("adding-a-model")

    def test_it_is_listed(self, done):
        _, listed = done.call("-m", "benchmarks", "list", "--json")
        assert json.loads(listed)["models"]["mf-ssm"]["backends"] == dict.fromkeys(FRAMEWORKS, "native")

    def test_every_adapter_holds_to_the_reference(self, done):
        held = re.findall(r"^agrees +mf-ssm +plain +whole +(\w+) .* holds to the last rung", done.printed, re.MULTILINE)
        assert sorted(held) == sorted(FRAMEWORKS)

    def test_the_mistake_is_caught(self, done):
        assert "kill rate: 1 of 1 injected bugs caught (100%)" in done.printed

    def test_frameworks_agree_on_a_model_that_beats_popularity(self, done):
        records = done.records("ssm")
        (verdict,) = verdicts(records)
        assert (verdict.model, verdict.verdict) == ("mf-ssm", "agrees")
        rows = trained(records, "mf-ssm", status="ok")
        assert {row.backend for row in rows} == set(FRAMEWORKS)
        popular = max(row.metrics["recall_micro@10"] for row in trained(records, "popularity"))
        assert min(row.metrics["recall_micro@10"] for row in rows) > popular + 0.02

    def test_it_stands_on_the_leaderboard(self, done):
        assert re.search(r"\| mf-ssm \| small \| [^|]+ \| eager \| 0\.\d{4} ", done.page("ssm"))
        for name in FRAMEWORKS:
            # Those that say the same are one row, in which each has its own place.
            assert re.search(rf'id="[^"]*mf-ssm-small-{name}-eager"', done.page("ssm", "site/accuracy.html"))


class TestDataSet:
    @pytest.fixture
    def done(self, followed):
        return followed("adding-a-data-set")

    def test_it_is_listed_with_its_terms(self, done):
        _, listed = done.call("-m", "benchmarks", "list", "--json")
        assert json.loads(listed)["datasets"]["playlists"]["terms"] == "CC0; nobody to cite, it is made up"

    def test_it_is_read_and_cut(self, done):
        assert "playlists: 6,000 interactions, 150 users, 120 items" in done.printed

    def test_what_is_run_on_it_stands_on_the_leaderboard(self, done):
        records = done.records("playlists")
        assert {record.status for record in records} == {"ok"}
        (als,) = trained(records, "als")
        popular = max(row.metrics["recall_micro@20"] for row in trained(records, "popularity"))
        assert als.metrics["recall_micro@20"] > popular + 0.1
        assert "playlists / time-split" in done.page("playlists")

    def test_the_publishers_archive_needs_no_note_and_another_edition_has_one(self, done, tmp_path):
        assert not any("SHA-256" in note for record in done.records("playlists") for note in record.notes)
        self.rewrite(done.tree / "archives" / "playlists.zip", tmp_path, lambda rows: rows[:-1])
        code, printed = self.prepare(done, tmp_path)
        assert (code, "not the publisher's 343e5cdc" in printed) == (0, True), printed

    def test_a_bad_time_is_refused_with_its_row(self, done, tmp_path):
        self.rewrite(done.tree / "archives" / "playlists.zip", tmp_path, lambda rows: [*rows[:7], b"soon\ta\tb\tc"])
        code, printed = self.prepare(done, tmp_path)
        assert code == 2
        assert re.search(r"column time, row 7 .*'soon' is not a time such as", printed)

    @staticmethod
    def rewrite(archive, folder, change):
        member = "playlists/added.log"
        with zipfile.ZipFile(archive) as old, zipfile.ZipFile(folder / archive.name, "w") as new:
            new.writestr(member, b"\n".join(change(old.read(member).splitlines())) + b"\n")

    @staticmethod
    def prepare(done, data_dir):
        where = ("--data-dir", str(data_dir), "--results", str(data_dir / "results"))
        return done.call("-m", "benchmarks", "prepare", "--datasets", "playlists", *where)


class TestIndex:
    @pytest.fixture
    def done(self, followed):
        return followed("adding-an-index")

    def test_it_is_listed_with_its_parameters(self, done):
        _, listed = done.call("-m", "benchmarks", "list", "--json")
        assert (
            json.loads(listed)["indexes"]["hyperplanes"].items()
            >= {"build": {"bits": 256}, "query": {"candidates": 100}}.items()
        )

    def test_it_finds_more_the_more_it_looks_at(self, done):
        records = [record for record in done.records("hyperplanes") if record.kind == "index"]
        assert {record.status for record in records} == {"ok"}
        recall = {
            (record.index.build["bits"], record.index.query["candidates"]): record.metrics["index_recall@10"]
            for record in records
            if record.index.name == "hyperplanes"
        }
        assert len(recall) == 4
        assert recall[64, 10] < recall[64, 30]
        assert 0.9 < recall[256, 30] <= 1
        assert recall[256, 10] < recall[256, 30]

    def test_it_stands_on_the_leaderboard(self, done):
        assert "| hyperplanes | " in done.page("hyperplanes")
        assert "hyperplanes" in done.page("hyperplanes", "site/retrieval.html")


class TestBackend:
    @pytest.fixture
    def done(self, followed):
        return followed("adding-a-backend")

    def test_what_it_has_and_lacks_is_listed(self, done):
        _, listed = done.call("-m", "benchmarks", "list", "--json")
        listed = json.loads(listed)
        assert listed["backends"]["numpy"].items() >= {"modes": ["eager"], "devices": ["cpu"]}.items()
        assert listed["models"]["mf-bpr"]["backends"]["numpy"] == "native"
        assert listed["models"]["gru4rec"]["backends"]["numpy"].startswith("unsupported: backends/numpy has no adapter")

    def test_its_adapter_holds_to_the_reference(self, done):
        assert re.search(
            r"^agrees +mf-bpr +\w+ +whole +numpy +eager +cpu +holds to the last rung", done.printed, re.MULTILINE
        )
        assert "1 of 1 adapters and modes agree with their reference" in done.printed

    def test_it_is_part_of_the_verdict_and_of_the_leaderboard(self, done):
        assert {row.backend for row in trained(done.records("numpy"), "mf-bpr", status="ok")} == {"numpy", "torch"}
        assert re.search(r"^agrees +mf-bpr \(small\): recall_micro@10 of seed 0 ", done.printed, re.MULTILINE)
        assert re.search(r"\| mf-bpr \| small \| [^|]+ \| eager \| 0\.\d{4} .*\| agrees \|", done.page("numpy"))

    def test_its_throughput_is_measured_against_another(self, done):
        (group,) = {record.group for record in done.records("numpy") if record.kind == "throughput"}
        assert group
        assert re.search(r"\| numpy \| eager \| .*×", done.page("numpy"))

    def test_its_versions_are_recorded(self, done):
        (row,) = trained(done.records("numpy"), "mf-bpr", backend="numpy")
        assert {"autograd", "numpy", "python"} <= set(row.versions)


class TestPage:
    @pytest.fixture
    def done(self, followed):
        return followed("adding-a-page")

    def test_it_stands_in_the_menu_and_shows_its_figures(self, done):
        assert 'href="memory.html"' in done.page("memory", "site/index.html")
        rows = re.findall(r"<tr\b.*?</tr>", done.page("memory", "site/memory.html"), re.DOTALL)
        (row,) = (row for row in rows if ">torch" in row)
        assert re.search(r">eager<.*>\d+<", row, re.DOTALL)

    def test_it_is_a_section_of_the_markdown_page(self, done):
        _, _, section = done.page("memory").partition("\n## Memory\n")
        assert re.search(r"^\| torch \| eager \| \d+ \|$", section.partition("\n## ")[0], re.MULTILINE)


class TestChart:
    @pytest.fixture
    def done(self, followed):
        return followed("adding-a-chart")

    def test_it_is_a_file_and_stands_beside_its_table(self, done):
        (drawn,) = (done.tree / "RESULTS" / "memory-chart" / "charts").glob("memory-*.svg")
        said = r"Peak memory: torch eager [\d,]+ MiB\."
        assert re.search(said, drawn.read_text(encoding="utf-8"))
        assert re.search(said, done.page("memory-chart", "site/throughput.html"))
        assert drawn.name in done.page("memory-chart").partition("## Training throughput")[2]


class TestCommand:
    @pytest.fixture
    def done(self, followed):
        return followed("adding-a-command")

    def test_it_is_listed(self, done):
        assert re.search(
            r"^ +best +the model with the highest score", done.call("-m", "benchmarks", "--help")[1], re.MULTILINE
        )

    def test_it_names_the_best_model(self, done):
        best = max(trained(done.records("best"), "popularity"), key=lambda row: row.metrics["recall_micro@10"])
        found = f"popularity {best.variant}, recall_micro@10 {best.metrics['recall_micro@10']:.4f}"
        assert re.search(rf"^synthetic-tiny, time-split: {found}$", done.printed, re.MULTILINE)

    def test_a_folder_without_records_is_refused_in_a_sentence(self, done, tmp_path):
        code, printed = done.call("-m", "benchmarks", "best", "--results", str(tmp_path / "nothing"))
        assert (code, printed.count("\n")) == (2, 1), printed


def test_the_tests_of_the_house_hold_with_all_of_them_in_place(another_copy):
    placing = [line for name in EXAMPLES for line in shell(name) if line.startswith(("cp ", "git apply "))]
    assert len(placing) == 2 * len(EXAMPLES)
    run = f'python -m pytest -q -p no:cacheprovider --durations=0 -k "{SEEN}" {" ".join(HOUSE)}'
    printed = follow(another_copy("house"), [*placing, run]).printed
    assert int(re.search(r"(\d+) passed", printed)[1]) > 100
