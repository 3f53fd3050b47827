"""`compare` from the outside: what it prints of two folders, and how it ends."""

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks import cli
from benchmarks.harness import store

QUICK = Path(__file__).resolve().parents[3] / "reports" / "published" / "quick"
FINE, WRONG_INPUT = 0, 2


@pytest.fixture
def compare(capsys):
    def compare(*arguments):
        code = cli.main(["compare", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return compare


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """The published records with one framework slower, one model worse, one cell failed and another one gone."""
    folder = tmp_path_factory.mktemp("changed")
    records = []
    for made in store.read(QUICK):
        changes = {}
        if made.kind == "throughput" and made.backend == "jax":
            rates = [0.7 * rate for rate in made.timings["window_samples_per_s"]]
            changes = {"timings": {**made.timings, "window_samples_per_s": rates}}
        if made.kind == "train" and made.model == "als":
            changes = {"metrics": {**made.metrics, "recall_micro@20": 0.8 * made.metrics["recall_micro@20"]}}
        if made.kind == "train" and made.backend == "paddle":
            changes = {"status": "failed", "reason": "it was killed", "metrics": {}, "intervals": {}}
        if made.model != "oracle":
            records.append(msgspec.structs.replace(made, **changes))
    store.append(folder, records)
    return folder


def test_a_folder_is_as_itself(compare):
    code, out, err = compare(QUICK, QUICK)
    assert (code, err) == (FINE, "")
    assert "0 of 114 figures changed beyond noise: 0 better, 0 worse; 114 are identical." in out


def test_a_folder_without_records_is_not_compared(compare, tmp_path):
    (tmp_path / store.FILE_NAME).touch()
    for sides in ((tmp_path, QUICK), (QUICK, tmp_path)):
        code, out, err = compare(*sides)
        assert (code, out) == (WRONG_INPUT, "")
        assert "has no records yet" in err


def test_what_changed_is_named_and_is_no_failure_of_the_command(compare, changed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = compare(QUICK, changed)
    assert (code, err) == (FINE, "")
    assert max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    for said in (
        "5 of 109 figures changed beyond noise: 0 better, 5 worse",
        "all on synthetic-small · time-split · seed 0",
        "samples/s: mf-bpr (tuned)",
        "0.70× (",
        "recall_micro@20: als",
        "4 cells failed in B alone",
        "failed: it was killed",
        "In A only train · oracle",
    ):
        assert said in words, said


def test_quiet_is_the_summary(compare, changed):
    assert "samples/s" not in compare(QUICK, changed, "--quiet")[1]


def test_json_has_every_figure(compare, changed):
    code, out, _ = compare(QUICK, changed, "--json")
    said = json.loads(out)
    assert code == FINE
    assert len(said["changes"]) == 109
    assert {change["verdict"] for change in said["changes"]} == {"worse", "identical"}
    assert [len(said[name]) for name in ("failures", "mended", "only_a", "only_b")] == [4, 0, 1, 0]


@pytest.mark.parametrize("arguments", [[QUICK], [QUICK, "nowhere"]])
def test_wrong_input(compare, arguments):
    code, out, err = compare(*arguments)
    assert (code, out) == (WRONG_INPUT, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_many_commits_are_counted_and_few_are_named(compare, tmp_path):
    made = store.read(QUICK)[:7]
    for n, said in ((1, "1 result, commit 000000000000, machine"), (7, "7 results, 7 commits, machine")):
        folder = tmp_path / str(n)
        folder.mkdir()
        store.append(
            folder, [msgspec.structs.replace(one, commit=f"{i:x}".ljust(40, "0")) for i, one in enumerate(made[:n])]
        )
        assert said in " ".join(compare(folder, folder)[1].split())
