"""How adapters climb as they are, and what is kept of that."""

import json
import sys

import pytest

from benchmarks.mutation import children
from benchmarks.mutation.unchanged import Climbed, Unchanged

CHILD = """
import json, os, sys
with open(sys.argv[1] + "/trial.json") as file:
    asked = json.load(file)
with open(os.environ["CHILDREN"], "a") as file:
    file.write(json.dumps([asked["mode"], *asked["models"]]) + "\\n")
def say(**what):
    print(json.dumps(what), flush=True)
for model in asked["models"]:
    say(begins=f"{model} small whole")
    if model == "dies":
        os.abort()
    if model == "breaks":
        say(failed="it breaks as it is")
    say(name=["small", "whole"], seconds=2.5, lines={"contract": [3, 5]})
    say(climbed=model)
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The mode and the families that each process was asked for."""
    monkeypatch.setattr(children, "COMMAND", (sys.executable, "-c", CHILD))
    monkeypatch.setenv("CHILDREN", str(tmp_path / "children"))
    return lambda: [json.loads(line) for line in (tmp_path / "children").read_text().splitlines()]


@pytest.fixture
def unchanged(tmp_path):
    return Unchanged("torch", tmp_path / "kept", lambda model, mode: f"{model}-{mode}", tmp_path)


def climbed(model, mode="eager"):
    return Climbed(model, ("small", "whole"), mode, 2.5, {"contract": frozenset({3, 5})})


def test_what_is_known_is_not_climbed_again(unchanged, asked):
    assert unchanged.climbs(["a", "b"], "eager") == [climbed("a"), climbed("b")]
    assert unchanged.climbs(["b", "c", "a"], "eager") == [climbed("b"), climbed("c"), climbed("a")]
    assert unchanged.climbs(["a"], "compiled") == [climbed("a", "compiled")]
    assert asked() == [["eager", "a", "b"], ["eager", "c"], ["compiled", "a"]]


@pytest.mark.parametrize("damaged", ["", "[{}]", "{", "5", "[]"])
def test_what_is_damaged_is_climbed_again(unchanged, asked, tmp_path, damaged):
    unchanged.climbs(["a", "b"], "eager")
    (tmp_path / "kept" / "a-eager.json").write_text(damaged)
    assert unchanged.climbs(["a", "b"], "eager") == [climbed("a"), climbed("b")]
    assert asked() == [["eager", "a", "b"], ["eager", "a"]]


@pytest.mark.usefixtures("asked")
def test_an_adapter_that_breaks_is_no_ground_for_mutants_and_those_before_it_are_known(unchanged, tmp_path):
    with pytest.raises(RuntimeError, match="it breaks as it is"):
        unchanged.climbs(["a", "breaks"], "eager")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["a-eager.json"]


@pytest.mark.usefixtures("asked")
def test_one_that_ends_its_process_is_named(unchanged):
    with pytest.raises(RuntimeError, match="dies small whole, eager, as it is: the process died"):
        unchanged.climbs(["dies"], "eager")
