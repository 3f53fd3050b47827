"""`show`: which record is found, what is said of it, and what is said where none or several are meant."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from benchmarks import cli, records
from benchmarks.harness import store

QUICK = Path(__file__).resolve().parents[3] / "reports" / "published" / "quick"
RECORDS = store.read(QUICK)
TRAINED = next(record for record in RECORDS if (record.kind, record.model) == ("train", "mf-bpr"))
FINE, WRONG_INPUT = 0, 2


@pytest.fixture
def results(tmp_path):
    """A folder of a few of the published records, and of what one of them left behind."""
    few = [TRAINED, *(record for record in RECORDS if record.kind in {"throughput", "index"})][:6]
    store.append(tmp_path, few)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / f"{TRAINED.cell}.npz").touch()
    return tmp_path


@pytest.fixture
def show(capsys, results):
    def show(*arguments):
        code = cli.main(["show", *map(str, arguments), "--results", str(results)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return show


@pytest.mark.parametrize("asked", ["latest", "failed", "abc"])
def test_a_folder_whose_run_was_ended_before_its_first_cell_has_nothing_to_show(capsys, tmp_path, asked):
    (tmp_path / store.FILE_NAME).touch()
    assert cli.main(["show", asked, "--results", str(tmp_path)]) == WRONG_INPUT
    assert f"{tmp_path} has no records yet, expected those of a run" in capsys.readouterr().err


def failed(record, reason):
    return msgspec.structs.replace(record, status="failed", reason=reason, metrics={}, timings={}, intervals={})


def test_the_beginning_of_a_key_shows_the_whole_record(show, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = show(TRAINED.cell[:7])
    assert (code, err) == (FINE, "")
    assert max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    primary = TRAINED.settings["primary_metric"]
    low, high = TRAINED.intervals[primary]
    assert f"{primary} {TRAINED.metrics[primary]:.4f} (95 %: {low:.4f} to {high:.4f}) primary" in words
    for said in (
        "mf-bpr (tuned) · torch · eager · synthetic-small",
        "run again python -m benchmarks run --suite quick --models mf-bpr",
        f"split {TRAINED.hashes['split']}",
        f"torch {TRAINED.versions['torch']}",
        TRAINED.machine.cpu,
        "learning rate 0.01",
        "files checkpoint: ",
        "peak rss",
    ):
        assert said in words, said


def test_json_is_the_record_with_its_command_and_files(show, results):
    code, out, _ = show(TRAINED.cell, "--json")
    said = json.loads(out)
    assert code == FINE
    assert records.of(said["record"]) == TRAINED
    assert said["command"].startswith("python -m benchmarks run --suite quick")
    assert said["files"] == {"checkpoint": str(results / "checkpoints" / f"{TRAINED.cell}.npz")}


def test_latest_is_the_last_of_the_file(show, results):
    store.append(results, [failed(TRAINED, "the last")])
    assert "the last" in show("latest")[1]


def test_failed_shows_the_one_or_lists_them(show, results):
    code, out, _ = show("failed")
    assert (code, out.startswith("0 cells of ")) == (FINE, True)
    store.append(results, [failed(TRAINED, "no loss is finite")])
    _, out, _ = show("failed")
    assert "reason" in out
    assert "no loss is finite" in out
    other = failed(RECORDS[0], "it was killed")
    store.append(results, [other])
    _, out, _ = show("failed")
    assert "no loss is finite" in out
    assert other.cell in out
    assert out.splitlines()[-1].startswith("2 cells of ")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("", "begins 6 keys, expected one: "),
        ("mf-bpr", "'mf-bpr' is no key of "),
        ("xyzzy", "no cell of "),
        (TRAINED.cell[:6] + "x" + TRAINED.cell[7:], f"the nearest is {TRAINED.cell}"),
    ],
)
def test_what_is_no_key_of_one_cell_gets_a_sentence_with_the_nearest(show, asked, said):
    code, out, err = show(asked)
    assert (code, out) == (WRONG_INPUT, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_cell_of_two_folders_asks_which(show, results, tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        shutil.copy(results / store.FILE_NAME, tmp_path / name)
    (results / store.FILE_NAME).unlink()
    code, _, err = show(TRAINED.cell)
    assert code == WRONG_INPUT
    assert "expected one folder" in err


@pytest.mark.parametrize("kind", ["quick", "agreement"])
def test_every_published_kind_of_record_is_shown(kind, capsys):
    folder = QUICK.parent / kind
    assert cli.main(["show", "latest", "--results", str(folder)]) == FINE
    assert "run again" in capsys.readouterr().out


def test_a_climb_is_named_and_of_mutants_those_that_were_not_caught(capsys, tmp_path):
    place = {name: getattr(TRAINED, name) for name in records.Record.__struct_fields__}
    place |= {"metrics": {}, "timings": {}, "settings": {}, "dataset": "the ladder's own data", "protocol": "ladder"}
    climb = records.Agreement(**{**place, "cell": "a" * 16}, climb="pairs 3")
    found = {"line": 7, "old": "a[1:]", "new": "a[2:]", "operator": "slice bound"}
    mutants = [
        records.Mutant(**found, fate="caught", how="error"),
        records.Mutant(**found, fate="survived", mode="compiled"),
        records.Mutant(**{**found, "line": 9}, fate="equivalent", reason="a is empty"),
    ]
    store.append(tmp_path, [climb, records.Mutation(**{**place, "cell": "b" * 16}, mutants=mutants)])
    assert cli.main(["show", "aaaa", "--results", str(tmp_path)]) == FINE
    assert " · climb pairs 3 · the ladder's own data" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["show", "bbbb", "--results", str(tmp_path)]) == FINE
    words = " ".join(capsys.readouterr().out.split())
    survived = "not caught line 7, slice bound: 'a[1:]' → 'a[2:]', in compiled mode; SURVIVED"
    assert f"{survived} line 9, slice bound: 'a[1:]' → 'a[2:]', in eager mode; equivalent: a is empty" in words
