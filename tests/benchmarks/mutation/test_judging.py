"""From a cell to its record: what is tried, what is known already, and what nothing could notice."""

import pytest

from benchmarks import records
from benchmarks.harness import environment
from benchmarks.mutation import judging
from benchmarks.mutation.by_tests import Verdict
from benchmarks.mutation.equivalent import Equivalent
from benchmarks.mutation.mutants import mutants
from datasets.errors import InputError

PATH = "backends/torch/mf_bpr.py"
SOURCE = (environment.ROOT / PATH).read_text(encoding="utf-8")
MADE = mutants(PATH, SOURCE)
CAUGHT = {"mode": "eager", "how": "difference", "by": "mf-bpr as_published whole: loss"}
SURVIVED = {"mode": "compiled", "how": None, "by": ""}


@pytest.fixture
def asked(tmp_path):
    inputs = {**judging.inputs(PATH, "torch"), "chosen": [0, 2, 5], "timeout_s": None}
    return {"model": PATH, "backend": "torch", "threads": 1, "inputs": inputs, "kept": str(tmp_path / "kept")}


class Tried:
    """Stands for whoever tries mutants: each is caught, one survives, and one may end the run."""

    def __init__(self):
        self.mutants = []
        self.fatal = None

    def __call__(self, _asked, left, _folder):
        for mutant in left:
            if mutant == self.fatal:
                raise KeyboardInterrupt
            self.mutants.append(mutant)
            yield mutant, SURVIVED if mutant == MADE[5] else CAUGHT


@pytest.fixture
def tried(monkeypatch):
    tried = Tried()
    monkeypatch.setattr(judging, "_tried", tried)
    return tried


def test_a_record_says_what_became_of_each_mutant(asked, tried, tmp_path):
    result = judging.judged(asked, tmp_path)
    assert tried.mutants == [MADE[0], MADE[2], MADE[5]]
    assert result["metrics"] == {"n_mutants": 3, "n_caught": 2, "n_equivalent": 0, "n_survived": 1}
    lines = [records.Mutant(**line) for line in result["mutants"]]
    assert [(line.line, line.old, line.new, line.operator) for line in lines] == [
        (mutant.line, mutant.old, mutant.new, mutant.operator) for mutant in tried.mutants
    ]
    assert [line.fate for line in lines] == ["caught", "caught", "survived"]
    assert [line.mode for line in lines] == ["eager", "eager", "compiled"]


def test_what_nothing_could_notice_is_not_tried(asked, tried, tmp_path, monkeypatch):
    first = MADE[0]
    text = SOURCE.split("\n")[first.line - 1].strip()
    row = Equivalent(PATH, text, first.old, first.new, "it is only said")
    monkeypatch.setattr(judging.equivalent, "equivalents", lambda: (row,))
    result = judging.judged(asked, tmp_path)
    assert MADE[0] not in tried.mutants
    assert result["metrics"] == {"n_mutants": 3, "n_caught": 1, "n_equivalent": 1, "n_survived": 1}
    assert records.Mutant(**result["mutants"][0]).reason == "it is only said"


def test_what_is_said_to_be_equivalent_after_it_survived_is_and_what_was_caught_is_not(
    asked, tried, tmp_path, monkeypatch
):
    judging.judged(asked, tmp_path)
    tried.mutants.clear()
    rows = [
        Equivalent(PATH, SOURCE.split("\n")[made.line - 1].strip(), made.old, made.new, "it is only said")
        for made in (MADE[0], MADE[5])
    ]
    monkeypatch.setattr(judging.equivalent, "equivalents", lambda: rows)
    fates = [line["fate"] for line in judging.judged(asked, tmp_path)["mutants"]]
    assert fates == ["caught", "caught", "equivalent"]
    assert tried.mutants == []


def test_what_comes_out_after_a_source_has_changed_is_not_kept(asked, tried, tmp_path, monkeypatch):
    now = judging.inputs(PATH, "torch")
    monkeypatch.setattr(judging, "inputs", lambda *_: {**now, "judges": "edited"} if len(tried.mutants) > 1 else now)
    with pytest.raises(InputError, match="has changed since the run began"):
        judging.judged(asked, tmp_path)
    (path,) = (tmp_path / "kept").iterdir()
    assert len(path.read_text().splitlines()) == 1


def test_a_run_that_was_killed_goes_on_with_the_mutant_that_it_was_trying(asked, tried, tmp_path):
    tried.fatal = MADE[5]
    with pytest.raises(KeyboardInterrupt):
        judging.judged(asked, tmp_path)
    tried.fatal = None
    tried.mutants.clear()
    result = judging.judged(asked, tmp_path)
    assert tried.mutants == [MADE[5]]
    assert result["metrics"]["n_caught"] == 2


def test_what_one_sample_has_found_out_the_next_knows(asked, tried, tmp_path):
    judging.judged(asked, tmp_path)
    tried.mutants.clear()
    asked["inputs"]["chosen"] = [0, 1, 2]
    judging.judged(asked, tmp_path)
    assert tried.mutants == [MADE[1]]


def test_what_was_taken_back_is_tried_again(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "_tried", lambda *_: iter([(MADE[1], CAUGHT), (MADE[1], None), (MADE[1], SURVIVED)]))
    asked["inputs"]["chosen"] = [1]
    assert judging.judged(asked, tmp_path)["metrics"]["n_survived"] == 1


@pytest.mark.parametrize("name", ["file", "judges", "versions", "machine"])
def test_a_file_that_has_changed_since_is_refused(asked, tmp_path, name):
    asked["inputs"][name] = "another"
    with pytest.raises(InputError, match="has changed since the run began"):
        judging.judged(asked, tmp_path)


def test_the_files_that_the_same_tests_judge_share_what_is_known_of_these(tmp_path, monkeypatch):
    named = []

    def judged(path, left, *, timeout_s, survey, unchanged):  # noqa: ARG001 - as it is called
        named.append(survey)
        return (Verdict(mutant, "caught", "difference", "t::a", 1) for mutant in left)

    monkeypatch.setattr(judging.by_tests, "judged", judged)
    for path in ("benchmarks/protocols/base.py", "benchmarks/protocols/time_split.py", "benchmarks/metrics.py"):
        inputs = {**judging.inputs(path, "tests"), "chosen": [0], "timeout_s": None}
        asked = {"model": path, "backend": "tests", "threads": 1, "inputs": inputs, "kept": str(tmp_path / "kept")}
        assert judging.judged(asked, tmp_path)["metrics"]["n_caught"] == 1
    assert named[0] == named[1] != named[2]
    assert named[0].parent == tmp_path / "kept"
