"""`advise` from the outside: which records it reads, what it prints, how it ends, and what it refuses."""

import json
import shutil

import pytest

from benchmarks import cli
from benchmarks.cli import advise
from benchmarks.harness import store

FINE, FAILED, WRONG_INPUT, NOTHING_MEASURED = range(4)
NEEDS = ["--recall", "0.95", "--items", "4_000", "--dim", "128"]


@pytest.fixture
def say(capsys):
    """Calls the command line; gives its exit code, what it printed and what it complained about."""

    def say(*arguments):
        code = cli.main(["advise", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return say


PUBLISHED = advise.PUBLISHED


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory, and of what is published a part, which is read sooner."""
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "online-retail").symlink_to(PUBLISHED / "online-retail")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(advise, "PUBLISHED", tmp_path / "published")
    return tmp_path


def test_the_published_records_give_a_recommendation_that_names_them(say, monkeypatch):
    monkeypatch.setattr(advise, "PUBLISHED", PUBLISHED)
    code, out, err = say(*NEEDS, "--memory", "2.5MB")
    assert (code, err) == (FINE, "")
    sentence, *others = out.splitlines()
    assert sentence.startswith("Take ")
    assert sentence.count(". ") == 0
    folders = [path.parent for path in PUBLISHED.glob(f"*/{store.FILE_NAME}")]
    published = {record["cell"] for folder in folders for record in store.read(folder) if record["kind"] == "index"}
    (records,) = [line for line in others if line.startswith("Records: ")]
    cells = [part.split()[0] for part in records.removeprefix("Records: ").split("; ")]
    assert cells
    assert set(cells) <= published


def test_quiet_is_the_one_sentence(say):
    _, whole, _ = say(*NEEDS)
    code, out, _ = say(*NEEDS, "--quiet")
    assert (code, out) == (FINE, whole.splitlines()[0] + "\n")


def test_json_is_one_object_that_says_the_same(say):
    _, text, _ = say(*NEEDS, "--latency", "5ms", "--build-time", "10min")
    code, out, _ = say(*NEEDS, "--latency", "5ms", "--build-time", "10min", "--json")
    given = json.loads(out)
    assert (code, given["outcome"]) == (FINE, "recommended")
    assert given["sentences"] == text.splitlines()
    assert given["needs"] == {
        "recall": 0.95,
        "n_items": 4000,
        "dim": 128,
        "memory_bytes": None,
        "build_s": 600,
        "latency_s": 0.005,
        "threads": "1",
    }
    assert given["index"]["queries_per_s"]["n"] == 5


def test_needs_that_nothing_meets_are_exit_code_1(say):
    code, out, _ = say(*NEEDS, "--memory", "1kB")
    assert code == FAILED
    assert "the memory would have to be" in out.splitlines()[0]


def test_a_size_that_is_too_far_from_all_measured_ones_is_exit_code_3(say):
    code, out, _ = say("--recall", 0.9, "--items", "1e12", "--dim", 64)
    assert code == NOTHING_MEASURED
    assert out.startswith("Cannot tell for 1,000,000,000,000 items of 64 dimensions: the nearest")


def test_no_records_at_all_are_exit_code_3(say, folder, monkeypatch):
    monkeypatch.setattr(advise, "PUBLISHED", folder / "none")
    code, out, _ = say(*NEEDS)
    assert code == NOTHING_MEASURED
    assert "run `python -m benchmarks run --suite ann`" in out


def test_ones_own_results_are_read_beside_the_published_ones_or_alone(say, folder, monkeypatch):
    (folder / "RESULTS").mkdir()
    shutil.copy(PUBLISHED / "quick" / store.FILE_NAME, folder / "RESULTS")
    monkeypatch.setattr(advise, "PUBLISHED", folder / "none")
    small = ["--recall", "0.95", "--items", "1000", "--dim", "32"]
    assert say(*small)[:2] == say(*small, "--results", "RESULTS")[:2] == say(*small, "--results", folder)[:2]
    assert say(*small)[0] == FINE


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--recall", "95"], "--recall: '95' is not a share"),
        (["--items", "1.5"], "--items: '1.5' is not a whole number"),
        (["--dim", "0"], "--dim: '0' is not a whole number"),
        (["--memory", "2"], "--memory: '2' is not a number of bytes"),
        (["--build-time", "10"], "--build-time: '10' is not a duration"),
        (["--latency", "fast"], "--latency: 'fast' is not a duration"),
        (["--threads", "3"], "--threads"),
        (["--results", "nowhere"], "nowhere"),
        (["--suite", "quick"], "--suite"),
    ],
)
def test_wrong_input_is_one_sentence(say, arguments, named):
    code, out, err = say(*NEEDS, *arguments)
    assert (code, out) == (WRONG_INPUT, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert named in err


def test_recall_items_and_dim_have_to_be_given(say):
    code, _, err = say("--recall", 0.9)
    assert code == WRONG_INPUT
    assert "--items, --dim" in err
