"""A little repository of one module and its tests, whose mutants are judged."""

import multiprocessing
from pathlib import Path

import pytest

from benchmarks.mutation import by_tests
from benchmarks.mutation.mutants import mutants
from datasets.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
PATH = "benchmarks/little.py"

SOURCE = """import os
import signal

from numba import njit

LIMIT = 7


def larger(a, b):
    return a if a > b else b


def down(n):
    while n > 0:
        n -= 1
    return n


def ended(now=False):
    if now:
        os.kill(os.getpid(), signal.SIGSEGV)


def unread():
    return 5


@njit(cache=True)
def third():
    return 3
"""

TESTS = """
import time

import pytest

from benchmarks import little


@pytest.fixture(scope="module")
def limit():
    time.sleep(0.2)
    return little.larger(little.LIMIT, 1)


def test_larger():
    assert [little.larger(1, 2), little.larger(2, 1)] == [2, 2]


def test_limit(limit):
    assert limit


def test_limit_again(limit):
    assert limit == 7


def test_down():
    assert little.down(3) == 0


def test_ended():
    little.ended()


def test_third_takes_too_long_for_the_quick_run():
    time.sleep(1.2)
    assert little.third() == 3


def test_third_is_an_integer():
    little.third()
"""


@pytest.fixture(scope="module")
def little(tmp_path_factory):
    root = tmp_path_factory.mktemp("little")
    (root / "benchmarks").mkdir()
    (root / "benchmarks" / "__init__.py").touch()
    (root / PATH).write_text(SOURCE)
    (root / "tests").mkdir()
    (root / "tests" / "test_little.py").write_text(TESTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_tests, "ROOT", root)
        patch.setattr(by_tests, "TESTS", {PATH: ("tests/test_little.py",)})
        yield root


@pytest.fixture(scope="module")
def verdicts(little):  # noqa: ARG001 - it stands in the place of the repository
    wanted = {
        ("a > b", "a >= b"), ("1", "2"), ("n -= 1", "n += 1"), ("now", "not now"), ("5", "6"), ("7", "8"),
        ("3", "4"),
    }  # fmt: skip
    chosen = [mutant for mutant in mutants(PATH, SOURCE) if (mutant.old, mutant.new) in wanted]
    return {verdict.mutant.new: verdict for verdict in by_tests.judged(PATH, chosen, timeout_s=10)}


def fate(verdict):
    return verdict.fate, verdict.how, verdict.by.rpartition("::")[2]


def test_a_wrong_value_is_caught_by_the_test_that_asserts_another(verdicts):
    assert fate(verdicts["2"]) == ("caught", "difference", "test_down")


def test_what_no_test_tells_apart_survives_all_that_execute_it(verdicts):
    assert fate(verdicts["a >= b"]) == ("survived", None, "")
    assert verdicts["a >= b"].n_tests == 3


def test_what_no_test_executes_survives_at_once(verdicts):
    assert fate(verdicts["6"]) == ("survived", None, "")
    assert verdicts["6"].n_tests == 0


def test_a_loop_without_end_is_a_timeout(verdicts):
    assert fate(verdicts["n += 1"]) == ("caught", "timeout", "")


def test_the_death_of_the_process_is_a_crash(verdicts):
    assert fate(verdicts["not now"]) == ("caught", "crash", "")


def test_a_constant_that_is_read_when_the_file_is_imported_is_held_to_all_tests(verdicts):
    assert fate(verdicts["8"]) == ("caught", "difference", "test_limit_again")


def test_a_constant_of_a_compiled_function_is_not_taken_from_what_was_compiled_without_the_mutant(verdicts):
    assert fate(verdicts["4"]) == ("caught", "difference", "test_third_takes_too_long_for_the_quick_run")


@pytest.mark.usefixtures("verdicts")
def test_the_time_of_a_fixture_counts_for_every_test_that_needs_it():
    seconds = by_tests._surveyed(PATH, None).compiled
    needing, others = ({name for name in seconds if ("limit" in name) == needs} for needs in (True, False))
    assert len(needing) == 2
    assert all(seconds[name] > 0.2 for name in needing)
    assert min(seconds[name] for name in others) < 0.2


ROOM = by_tests._Room({"t::a": 0.5}, {"t::a": 0.25, "t::b": 4.0}, {PATH: {3: ["t::a", ""], 17: ["t::b"]}})


@pytest.fixture
def surveys(monkeypatch):
    """The names of what was surveyed, which takes minutes, and here nothing."""
    named = []
    monkeypatch.setattr(by_tests, "_survey", lambda name: named.append(name) or ROOM)
    return named


def surveyed(kept):
    """As another process would have it."""
    return by_tests._surveyed("benchmarks/protocols/", kept)


def test_what_is_known_of_the_tests_serves_the_other_files_that_they_judge(surveys, tmp_path):
    kept = tmp_path / "mutants" / "survey-1.json"
    assert surveyed(kept) == ROOM == surveyed(kept)
    assert surveys == ["benchmarks/protocols/"]
    assert surveyed(kept).reaching(PATH, range(17, 18)) == ["t::b"]
    assert [path.name for path in kept.parent.iterdir() if path.is_file()] == [kept.name]
    surveyed(tmp_path / "mutants" / "survey-2.json")
    surveyed(None)
    assert len(surveys) == 3


def test_a_survey_of_sources_that_changed_meanwhile_is_not_kept(surveys, tmp_path):
    def unchanged():
        raise InputError("changed")

    kept = tmp_path / "survey-1.json"
    with pytest.raises(InputError, match="changed"):
        by_tests._surveyed("benchmarks/protocols/", kept, unchanged)
    assert surveys == ["benchmarks/protocols/"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b'{"as_python": {}', b'{"as_python": {}, "compiled": {}}', b"\xff"])
def test_a_survey_that_cannot_be_read_is_made_anew(surveys, tmp_path, content):
    kept = tmp_path / "survey-1.json"
    kept.write_bytes(content)
    assert surveyed(kept) == ROOM == surveyed(kept)
    assert len(surveys) == 1


@pytest.mark.usefixtures("verdicts")
def test_nothing_is_left_running():
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("verdicts")
def test_the_source_itself_is_untouched(little):
    assert (little / PATH).read_text() == SOURCE
    assert [path.name for path in little.rglob("*.nbi")] == []


def test_tests_that_fail_as_the_sources_stand_judge_nothing(little):
    by_tests.TESTS["benchmarks/other.py"] = ("tests/test_other.py",)
    (little / "benchmarks" / "other.py").write_text("ONE = 1\n")
    (little / "tests" / "test_other.py").write_text("def test_wrong():\n    assert False\n")
    with pytest.raises(RuntimeError, match=r"fail without any mutant: tests/test_other.py::test_wrong"):
        list(by_tests.judged("benchmarks/other.py", mutants("benchmarks/other.py", "ONE = 1\n"), timeout_s=20))


def test_a_file_without_tests_is_refused():
    with pytest.raises(ValueError, match=r"nothing.py has no tests"):
        list(by_tests.judged("nothing.py", [], timeout_s=20))


@pytest.mark.parametrize(("name", "files"), list(by_tests.TESTS.items()))
def test_what_can_be_judged_and_its_tests_are_there(name, files):
    assert (ROOT / name).exists()
    assert all((ROOT / path).is_file() for path in files)
