"""How mutants are tried, with a child that imports no framework and does what the text of a mutant says."""

import json
import sys

import pytest

from backends.registry import FRAMEWORKS
from benchmarks.mutation import by_ladder, children
from benchmarks.mutation.by_ladder import Judge
from benchmarks.mutation.mutants import Mutant
from benchmarks.mutation.unchanged import Climbed

CHILD = """
import json, os, sys, time
with open(sys.argv[1] + "/trial.json") as file:
    asked = json.load(file)
with open(os.environ["CHILDREN"], "a") as file:
    file.write(json.dumps([[trial["new"], trial["mode"], *trial["climbs"]] for trial in asked["trials"]]) + "\\n")
def say(**what):
    print(json.dumps(what), flush=True)
dirty = False
for trial in asked["trials"]:
    new = trial["new"]
    if new == "no beginning":
        sys.exit(1)
    say(begins="a climb")
    if new == "dies":
        os.abort()
    if new == "hangs":
        time.sleep(60)
    if new == "fails":
        say(failed="the disk is full")
    dirty |= new == "leaves"
    say(how={"departs": "difference", "raises": "error"}.get(new) or ("error" if dirty and new != "leaves" else None),
        by="a rung" if new in {"departs", "raises"} else "")
if len(asked["trials"]) > 1:
    say(begins="as it is")
    say(is_clean=not dirty)
"""
SOURCE = """\
import library

library.setting = True


def eager(x):
    return x


def compiled(x):
    return x


def never(x):
    return x
"""
IN_EAGER, IN_COMPILED, IN_NEITHER, AT_IMPORT = 7, 11, 15, 3


def climbed(model, name, mode, seconds, *lines):
    return Climbed(model, (name,), mode, seconds, {"contract": frozenset(lines)})


class Known:
    """Stands for `Unchanged`: what runs in which climb."""

    def __init__(self):
        self.asked = []
        self.found = {
            "eager": [climbed("mf-bpr", "slow", "eager", 2.0, 7), climbed("lstm", "quick", "eager", 1.0, 7)],
            "compiled": [climbed("mf-bpr", "slow", "compiled", 2.0, 7, 11), climbed("lstm", "q", "compiled", 1.0, 7)],
        }

    def climbs(self, models, mode):
        self.asked.append((len(models), mode))
        return self.found[mode]


@pytest.fixture
def known():
    return Known()


@pytest.fixture
def trials(tmp_path):
    """The mutants of each process that was started, with their modes and climbs."""
    return lambda: [json.loads(line) for line in (tmp_path / "children").read_text().splitlines()]


@pytest.fixture
def judged(tmp_path, monkeypatch, known):
    """Tries mutants that are called by what they do, and gives all that is said of each."""
    (tmp_path / "backends" / "torch").mkdir(parents=True)
    (tmp_path / "backends" / "torch" / "contract.py").write_text(SOURCE)
    monkeypatch.setattr(by_ladder, "ROOT", tmp_path)
    monkeypatch.setenv("CHILDREN", str(tmp_path / "children"))
    monkeypatch.setattr(children, "COMMAND", (sys.executable, "-c", CHILD))

    def judged(*named, timeout_s=30.0):
        mutants = [
            Mutant("backends/torch/contract.py", line, at, at + 1, "x", new, "constant")
            for at, (new, line) in enumerate((one, IN_EAGER) if isinstance(one, str) else one for one in named)
        ]
        found = {}
        for mutant, outcome in Judge("backends/torch/contract.py", tmp_path, known, timeout_s).tried(mutants):
            found.setdefault(mutant.new, []).append(outcome)
        return found

    return judged


def outcome(how, by, mode="eager"):
    return {"mode": mode, "how": how, "by": by}


def test_a_mutant_is_caught_by_a_difference_or_an_error_or_survives(judged, trials):
    assert judged("departs", "raises", "holds") == {
        "departs": [outcome("difference", "a rung")],
        "raises": [outcome("error", "a rung")],
        "holds": [outcome(None, "")],
    }
    assert len(trials()) == 1


def test_one_that_ends_the_process_is_tried_again_by_itself_and_the_others_go_on(judged, trials):
    assert judged("holds", "dies", "departs") == {
        "holds": [outcome(None, "")],
        "dies": [outcome("crash", "a climb")],
        "departs": [outcome("difference", "a rung")],
    }
    assert [[new for new, *_ in process] for process in trials()] == [
        ["holds", "dies", "departs"],
        ["dies"],
        ["departs"],
    ]


def test_one_that_does_not_end_is_stopped(judged):
    assert judged("hangs", timeout_s=3.0) == {"hangs": [outcome("timeout", "a climb")]}


def test_what_a_mutant_left_behind_is_not_held_against_the_others(judged):
    found = judged("leaves", "holds")
    assert found["holds"] == [outcome("error", ""), None, outcome(None, "")]
    assert found["leaves"] == [outcome(None, ""), None, outcome(None, "")]


def test_a_process_that_does_not_begin_is_no_catch(judged):
    with pytest.raises(RuntimeError, match=r"mutants of contract\.py did not begin"):
        judged("no beginning")


def test_what_a_process_says_that_failed_is_passed_on(judged):
    with pytest.raises(RuntimeError, match="the disk is full"):
        judged("fails")


def test_processes_are_renewed(judged, trials, monkeypatch):
    monkeypatch.setattr(by_ladder, "LOT", 2)
    judged("a", "b", "c", "d", "e")
    assert [[new for new, *_ in process] for process in trials()] == [["a", "b"], ["c", "d"], ["e"]]


def test_one_that_reaches_beyond_its_file_has_a_process_of_its_own_and_one_compiled_where_it_survives(judged, trials):
    found = judged("a", ("sets", AT_IMPORT), ("departs", AT_IMPORT), "b")
    assert [[(new, mode) for new, mode, *_ in process] for process in trials()] == [
        [("sets", "eager")],
        [("sets", "compiled")],
        [("departs", "eager")],
        [("a", "eager"), ("b", "eager")],
    ]
    assert found["sets"] == [outcome(None, "", "compiled")]
    assert found["departs"] == [outcome("difference", "a rung")]


def test_climbs_are_those_that_run_the_line_the_cheapest_first_and_eager_where_it_runs_there(judged, trials, known):
    judged("eager")
    assert trials() == [[["eager", "eager", ["lstm", "quick"], ["mf-bpr", "slow"]]]]
    assert [mode for _, mode in known.asked] == ["eager"]


def test_a_line_that_runs_only_compiled_is_tried_there(judged, trials):
    assert judged(("departs", IN_COMPILED)) == {"departs": [outcome("difference", "a rung", "compiled")]}
    assert trials() == [[["departs", "compiled", ["mf-bpr", "slow"]]]]


def test_a_line_that_nobody_saw_run_is_tried_in_all_climbs_compiled(judged, trials):
    judged(("hidden", IN_NEITHER))
    assert trials() == [[["hidden", "compiled", ["lstm", "q"], ["mf-bpr", "slow"]]]]


def test_of_families_that_run_the_same_lines_the_cheapest_three_are_tried_and_others_too(judged, trials, known):
    known.found["eager"] = [
        *(climbed(f"model {n}", "whole", "eager", 9.0 - n, 7) for n in range(5)),
        climbed("other", "whole", "eager", 99.0, 7, 15),
    ]
    judged("eager")
    ((_, _, *climbs),) = trials()[0]
    assert [model for model, _ in climbs] == ["model 4", "model 3", "model 2", "other"]


def test_without_a_limit_the_slowest_climb_says_how_long_is_too_long(tmp_path, known):
    trial = by_ladder.Trial(Mutant("p", 1, 0, 1, "a", "b", "c"), "eager", tuple(known.found["eager"]), alone=False)
    judge = Judge("backends/torch/contract.py", tmp_path, known, None)
    assert judge._limit_s([trial]) == by_ladder.LEAST_S
    known.found["eager"].append(climbed("mf-bpr", "long", "eager", 50.0, 7))
    trial = by_ladder.Trial(trial.mutant, "eager", tuple(known.found["eager"]), alone=False)
    assert judge._limit_s([trial]) == 500.0


def test_files_are_the_adapters_and_what_they_share():
    files = by_ladder.files()
    for framework in FRAMEWORKS:
        assert files[f"backends/{framework}/contract.py"] == framework
        assert files[f"backends/{framework}/gru4rec.py"] == framework
    assert not [path for path in files if "__init__" in path or "classic" in path]


def test_an_adapter_is_judged_by_its_own_sources_and_what_is_shared_by_those_of_all():
    own, shared = by_ladder.judges("backends/jax/mind.py"), by_ladder.judges("backends/jax/layers.py")
    assert "backends/jax/mind.py" in own
    assert "backends/jax/contract.py" in own
    assert "backends/jax/lstm.py" not in own
    assert {"backends/jax/mind.py", "backends/jax/lstm.py"} < set(shared)
