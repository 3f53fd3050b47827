"""The table of injected bugs, and the injection itself, on a backend without a framework."""

import dataclasses
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from families import WHOLE

import backends
from backends.registry import FAMILIES, TRAINABLE
from benchmarks.agreement import climbs, injection, ladder
from benchmarks.agreement.tolerances import LADDER

ROOT = Path(__file__).resolve().parents[2]
BUGS = injection.bugs()
EDITS = [pytest.param(bug, name, id=f"{bug.model}, {name}: {bug.name}") for bug in BUGS for name in bug.edits]


@pytest.mark.parametrize(("bug", "backend"), EDITS)
def test_bug_finds_its_text_exactly_once(bug, backend):
    edit = bug.edits[backend]
    module = FAMILIES[bug.model].adapters[backend].removeprefix(f"backends.{backend}.")
    assert edit.module in {*injection.SHARED, module}
    climb = bug.at()
    assert climb.spec.model == bug.model
    assert bug.rung in climb.rungs
    source = (ROOT / "backends" / backend / f"{edit.module}.py").read_text(encoding="utf-8")
    assert source.count(edit.old) == 1
    mutant = source.replace(edit.old, edit.new)
    assert mutant != source
    compile(mutant, edit.module, "exec")


def test_bugs_are_due_at_rungs_of_the_ladder_and_in_known_modes():
    assert {bug.rung for bug in BUGS} <= set(LADDER)
    assert {edit.mode for bug in BUGS for edit in bug.edits.values()} <= {"eager", "compiled"}
    assert len({(bug.model, bug.name) for bug in BUGS}) == len(BUGS)


def test_bugs_are_shown_by_the_climb_of_their_variant_and_name():
    edits = {"torch": injection.Edit("mf_bpr", "old", "new")}
    plain = injection.Bug("a bug", "loss", "dssm", "", edits)
    assert plain.at() == climbs.of("dssm", quick=True)[0]
    triplet = dataclasses.replace(plain, variant="triplet", climb="extreme rows")
    assert (triplet.at().spec.variant, triplet.at().start) == ("triplet", "extreme")
    with pytest.raises(LookupError, match="dssm has no climb 'long' of 'in-batch'"):
        dataclasses.replace(plain, climb="long").at()


def test_bugs_are_injected_climb_by_climb(monkeypatch):
    """So that a reference that takes long is worked out once, and then let go of."""
    table = [injection.Bug(name, "loss", "mf-bpr", "", {"torch": injection.Edit("decoder", "old", "new")}, (), name)
             for name in ("whole", "wide", "extreme rows", "wide")]  # fmt: skip
    monkeypatch.setattr(injection, "bugs", lambda: table)
    sound = ladder.Outcome((ladder.Rung("loss", True, 0.0, 0.0, ""),), np.empty(0), "")
    monkeypatch.setattr(ladder, "climb", lambda *_: sound)
    monkeypatch.setattr(injection, "_fate", lambda bug, *_: bug.name)
    assert injection.inject_all("torch", "json.decoder", "mf-bpr", "cpu") == ["extreme rows", "wide", "wide", "whole"]


def test_every_framework_and_family_has_its_bugs():
    assert len(BUGS) >= 12
    for backend in WHOLE:
        assert sum(backend in bug.edits for bug in BUGS) >= 12, backend
        for family in TRAINABLE:
            assert any(backend in bug.edits and bug.model == family for bug in BUGS)


def test_adams_mistakes_are_among_the_bugs_of_every_framework():
    for backend in WHOLE:
        assert any(re.search(r"Adam|bias correction|step count", bug.name) for bug in BUGS if backend in bug.edits)
    names = " ".join(bug.name for bug in BUGS)
    for words in ("epsilon inside the root", "without bias correction", "lazy Adam"):
        assert words in names


PRETENDED = {
    "optimizers": "RATE = 1\n",
    "layers": "from backends.pretended import optimizers\n\n\ndef scale():\n    return 10 * optimizers.RATE\n",
    "contract": "from backends.pretended.layers import scale\n\n\ndef train():\n    return 10 * scale()\n",
    "model": "from backends.pretended.contract import train\n\n\ndef result():\n    return train() + 1000\n",
}


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """A backend without a framework: a model over the three shared modules, each of which uses the one before."""
    folder = tmp_path / "pretended"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name, source in PRETENDED.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path)])
    yield
    delattr(backends, "pretended")
    for name in [name for name in sys.modules if name.startswith("backends.pretended")]:
        del sys.modules[name]


INJECTIONS = [
    injection.Edit("optimizers", "RATE = 1", "RATE = 2"),
    injection.Edit("layers", "10 * optimizers", "20 * optimizers"),
    injection.Edit("contract", "10 * scale", "20 * scale"),
    injection.Edit("model", "train() + 1000", "train() + 1100"),
]


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize("edit", INJECTIONS, ids=lambda edit: edit.module)
def test_bug_in_any_module_reaches_the_adapter_and_is_gone_afterwards(edit):
    with injection.injected("backends.pretended.model", edit) as mutant:
        assert mutant.result() == 1200
    sound = importlib.import_module("backends.pretended.model")
    assert sound.result() == 1100
    for name, source in PRETENDED.items():
        module = sys.modules[f"backends.pretended.{name}"]
        assert module is getattr(sys.modules["backends.pretended"], name)
        assert Path(module.__file__).read_text() == source


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize(("old", "n"), [("no such text", 0), ("optimizers", 2)])
def test_text_that_is_not_there_exactly_once_is_refused(old, n):
    edit = injection.Edit("layers", old, "")
    with (
        pytest.raises(ValueError, match=f"{n} times, expected once"),
        injection.injected("backends.pretended.model", edit),
    ):
        pass
    assert importlib.import_module("backends.pretended.model").result() == 1100


@pytest.mark.usefixtures("pretended")
def test_the_original_is_not_imported_for_a_copy():
    """Where it does more than define things, what it does would be done already."""
    sources = {"backends.pretended.optimizers": "RATE = 3\n"}
    with injection.replaced("backends.pretended.model", sources) as module:
        assert module.result() == 1300
    assert not [name for name in sys.modules if name.startswith("backends.pretended.")]
    assert not hasattr(sys.modules["backends.pretended"], "optimizers")


def test_bugs_prove_nothing_in_an_adapter_that_breaks_by_itself(monkeypatch):
    bug = injection.Bug("a bug", "loss", "mf-bpr", "", {"torch": injection.Edit("decoder", "old", "new")})
    monkeypatch.setattr(injection, "bugs", lambda: (bug,))
    broken = ladder.Outcome((ladder.Rung("gradients", False, 1.0, 0.0, "everywhere"),), np.empty(0), "")
    monkeypatch.setattr(ladder, "climb", lambda *_: broken)
    with pytest.raises(
        ValueError, match=r"json\.decoder, as_published, whole, eager, breaks at gradients without any bug"
    ):
        injection.inject_all("torch", "json.decoder", "mf-bpr", "cpu")
