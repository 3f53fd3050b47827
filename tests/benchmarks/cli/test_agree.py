"""`agree` from the command line: one framework's real adapters climb, and fall where they are broken."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from record_lines import record

from backends.registry import FRAMEWORKS, TRAINABLE
from benchmarks import cli
from benchmarks.agreement import climbs, injection
from benchmarks.cli import agree as command

ROOT = Path(__file__).resolve().parents[3]


def agree(folder, *options, root=ROOT):
    arguments = [sys.executable, "-m", "benchmarks", "agree", "--results", str(folder / "results"), *options]
    return subprocess.run(arguments, cwd=root, capture_output=True, text=True, timeout=500, check=False)


def test_real_adapter_climbs_to_the_last_rung(tmp_path):
    """Of the framework whose bugs are injected below: an adapter that breaks by itself would catch them all."""
    done = agree(tmp_path, "--quick", "--mode", "eager", "--backends", "paddle")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("agrees")]
    n, n_families = sum(len(climbs.of(family, quick=True)) for family in TRAINABLE), len(TRAINABLE)
    assert len(lines) == n
    assert all("holds to the last rung, metrics" in line for line in lines)
    assert f"{n} of {n} climbs hold; {n_families} of {n_families} adapters and modes agree" in done.stdout


def test_all_climbs_of_a_real_adapter_hold_and_those_to_the_end_are_said(tmp_path):
    done = agree(tmp_path, "--mode", "eager", "--backends", "paddle", "--models", "mf-bpr")
    assert done.returncode == 0, done.stdout + done.stderr
    n = len(climbs.of("mf-bpr"))
    assert f"{n} of {n} climbs hold; 1 of 1 adapters and modes agree with their reference in all" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("agrees"))
    assert re.match(r"agrees +mf-bpr +as_published +whole +paddle +eager +cpu +holds to the last rung, metrics", line)


@pytest.mark.parametrize(
    ("asked", "eager", "compiled"),
    [
        ((), True, False),
        (("--mode", "eager"), True, None),
        (("--mode", "compiled"), None, True),
        (("--quick",), False, False),
        (("--quick", "--mode", "compiled"), None, False),
    ],
)
def test_a_mode_that_is_named_takes_all_climbs(asked, eager, compiled):
    """Whether each mode takes more than whole trainings; None where it takes none at all."""
    options = cli.parser().parse_args(["agree", "--models", "mf-bpr", "lstm", "--backends", "jax", *asked])
    kinds = {"eager": set(), "compiled": set()}
    for cell in command._cells(options, {}):
        kinds[cell.mode].add(cell.protocol["climb"].rstrip(" 0123456789"))
    more = {"pairs", "wide", "extreme rows"}
    for mode, asked_for in (("eager", eager), ("compiled", compiled)):
        assert ("whole" in kinds[mode]) == (asked_for is not None)
        assert kinds[mode] & more == (more if asked_for else set())


def test_the_slowest_framework_climbs_first_and_each_mode_in_processes_of_its_own():
    options = cli.parser().parse_args(["agree", "--models", "dssm", "lstm", "--seeds", "0", "1"])
    cells = list(command._cells(options, {}))
    processes = command._processes(cells)
    assert sorted(cell.key for process in processes for cell in process) == sorted(cell.key for cell in cells)
    assert max(map(len, processes)) <= command.CLIMBS_AT_ONCE
    for process in processes:
        assert len({(cell.backend, cell.model, cell.mode, cell.seed) for cell in process}) == 1
    assert list(dict.fromkeys(process[0].backend for process in processes)) == [*reversed(FRAMEWORKS)]


def test_what_the_reference_has_found_out_is_not_left_behind(tmp_path):
    done = agree(tmp_path, "--quick", "--mode", "eager", "--backends", "paddle", "--models", "mf-bpr")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "results" / "work").exists()


def test_every_known_bug_of_a_real_adapter_is_caught(tmp_path):
    done = agree(tmp_path, "--bugs", "--backends", "paddle")
    assert done.returncode == 0, done.stdout + done.stderr
    n = sum("paddle" in bug.edits for bug in injection.bugs())
    assert f"kill rate: {n} of {n} injected bugs caught (100%)" in done.stdout
    assert sum(line.startswith("caught") for line in done.stdout.splitlines()) == n


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], ""),
        (["skipped", "unsupported"], ""),
        (["failed"], "; 1 adapter failed, and its bugs were not tried"),
        (["timeout", "oom"], "; 2 adapters failed, and their bugs were not tried"),
    ],
)
def test_a_kill_rate_does_not_hide_adapters_that_failed(others, said, capsys):
    caught = record(kind="agreement", metrics={"n_injected": 3, "n_caught": 3})
    lost = [record(kind="agreement", status=status, reason="it broke", metrics={}) for status in others]
    command._conclude([caught, *lost], injected=True)
    assert capsys.readouterr().out == f"kill rate: 3 of 3 injected bugs caught (100%){said}\n"


@pytest.fixture
def repository(tmp_path):
    """A copy that may be broken."""
    for package in ("datasets", "benchmarks", "backends", "reports"):
        shutil.copytree(ROOT / package, tmp_path / "copy" / package, ignore=shutil.ignore_patterns("*.pyc"))
    return tmp_path / "copy"


def _replace(path, old, new):
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1
    path.write_text(source.replace(old, new), encoding="utf-8")


def test_adapter_that_differs_is_named_with_its_rung_and_fails_the_command(tmp_path, repository):
    _replace(repository / "backends" / "paddle" / "mf_bpr.py", "F.softplus(-margin)", "F.softplus(margin)")
    options = ("--backends", "paddle", "--models", "mf-bpr", "--mode", "eager")
    done = agree(tmp_path, *options, root=repository)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(
        r"DIFFERS +mf-bpr +as_published +whole +paddle +eager .* holds to forward; breaks at gradients", done.stdout
    )
    n = len(climbs.of("mf-bpr"))
    assert done.stdout.count("breaks at gradients") == n  # what is wrong everywhere is said of every climb
    assert f"0 of {n} climbs hold; 0 of 1 adapters and modes agree" in done.stdout


def test_adapter_that_differs_in_a_climb_of_its_own_only_is_named_with_that(tmp_path, repository):
    _replace(repository / "backends" / "paddle" / "mf_bpr.py", 'F.embedding(inputs["user"], ',
             'F.embedding(inputs["user"].astype("int16").astype("int32"), ')  # fmt: skip
    options = ("--backends", "paddle", "--models", "mf-bpr", "--mode", "eager")
    done = agree(tmp_path, *options, root=repository)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("agrees", "DIFFERS"))]
    assert [line.split()[0:4:3] for line in lines] == [["DIFFERS", "wide"], ["agrees", "whole"]]
    n = len(climbs.of("mf-bpr"))
    assert f"{n - 1} of {n} climbs hold; 0 of 1 adapters and modes agree" in done.stdout


def test_adapter_that_dies_in_one_mode_leaves_the_other_its_climb(tmp_path, repository):
    """Both climb in one process, which dies; then each by itself."""
    dying = "def initialise(*given):\n    return os._exit(3) if given[-1] == 'compiled' else _initialise(*given)\n\n\n"
    contract = repository / "backends" / "paddle" / "contract.py"
    _replace(contract, "def initialise(", f"import os\n\n\n{dying}def _initialise(")
    done = agree(tmp_path, "--quick", "--backends", "paddle", "--models", "mf-bpr", root=repository)
    assert done.returncode == 1, done.stdout + done.stderr
    last = {words[5]: words[0] for words in map(str.split, done.stdout.splitlines()) if "mf-bpr" in words}
    assert last == {"eager": "agrees", "compiled": "failed"}
    assert "1 of 2 climbs hold; 1 of 2 adapters and modes agree with their reference" in done.stdout


def test_bug_that_is_caught_too_late_has_survived_and_fails_the_command(tmp_path, repository):
    bug = next(bug for bug in injection.bugs() if bug.name == "the pair is reversed")
    edit = bug.edits["paddle"]
    (repository / "benchmarks" / "agreement" / "bugs" / "mf_bpr.toml").write_text(
        f'[[bug]]\nname = "{bug.name}"\nrung = "forward"\n\n'
        f'[bug.paddle]\nmodule = "{edit.module}"\nold = "{edit.old}"\nnew = "{edit.new}"\n',
        encoding="utf-8",
    )
    done = agree(tmp_path, "--bugs", "--backends", "paddle", "--models", "mf-bpr", root=repository)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"SURVIVED paddle .*due by 'forward', broke at 'gradients'", done.stdout)
    assert "kill rate: 0 of 1 injected bugs caught (0%)" in done.stdout


def test_climbs_over_seeds_and_once_more_are_told_apart_and_shown_as_one_adapter(tmp_path):
    who = ("--backends", "paddle", "--models", "mf-bpr", "--mode", "eager")
    options = (*who, "--quick", "--seeds", "0", "3", "--repeats", "2")
    done = agree(tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 climbs hold; 1 of 1 adapters and modes agree with their reference" in done.stdout
    assert sum("cpu seed 3" in line for line in done.stdout.splitlines()) == 2
    page = (tmp_path / "results" / "leaderboard.md").read_text(encoding="utf-8")
    assert "| mf-bpr | as_published | paddle | eager | 4 | 10 | metrics | none |" in page
    assert "| paddle | eager | 2 | 2 | 0 | 0 |" in page  # the same bits again, in two seeds


def test_nothing_measured_has_an_exit_code_of_its_own(tmp_path):
    done = agree(tmp_path, "--device", "gpu", "--backends", "paddle", "--models", "mf-bpr", "--mode", "eager")
    if "agrees" in done.stdout:
        pytest.skip("PaddlePaddle has a GPU here")
    assert done.returncode == 3, done.stdout + done.stderr
    assert re.search(r"skipped +mf-bpr +as_published +whole +paddle +eager +gpu +PaddlePaddle", done.stdout)
