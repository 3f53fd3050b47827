"""A port of the user's own on the ladder: plain NumPy files, each climbing in a worker as a user's would."""

import importlib
import os
import re
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from backends.registry import TRAINABLE
from benchmarks import cli, specs
from benchmarks.agreement import climbs, injection, ladder, own, truths
from benchmarks.agreement.tolerances import LADDER
from benchmarks.specs.mf_bpr import MFBPR

FINE, FAILED, WRONG_INPUT, NOTHING_MEASURED = 0, 1, 2, 3
ROOT = Path(__file__).resolve().parents[3]
SOUND = (ROOT / "examples" / "my_bpr.py").read_text(encoding="utf-8")
RUNGS = list(LADDER)


class Said(NamedTuple):
    code: int
    lines: list[str]
    complaint: str

    @property
    def rungs(self):
        """The verdict on each rung that was reached: {"round trip": "ok", …}."""
        found = (re.match(rf"(ok|DEPARTS) +({'|'.join(RUNGS)})  ", line) for line in self.lines)
        return {match[2]: match[1] for match in found if match}

    @property
    def broken(self):
        """The line of the rung that broke, and what stands below it."""
        (at,) = [at for at, line in enumerate(self.lines) if line.startswith("DEPARTS")]
        return self.lines[at], [line.strip() for line in self.lines[at + 1 : -1]]


@pytest.fixture
def agree(tmp_path, capsys) -> Callable[..., Said]:
    def agree(adapter, *options, quick=True):
        options = options if "--models" in options else ("--models", "mf-bpr", *options)
        options = (*options, "--quick") if quick and "--quick" not in options else options
        code = cli.main(["agree", "--results", str(tmp_path / "results"), "--adapter", str(adapter), *options])
        captured = capsys.readouterr()
        return Said(code, captured.out.splitlines(), captured.err)

    return agree


@pytest.fixture
def port(tmp_path):
    """Writes the sound port with edits of its text, each of which must find its place exactly once."""

    def port(*edits, name="port.py"):
        source = SOUND
        for old, new in edits:
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        path = tmp_path / name
        path.write_text(source, encoding="utf-8")
        return path

    return port


def until(rung):
    """What is said of the rungs up to the first that breaks."""
    at = RUNGS.index(rung)
    return dict.fromkeys(RUNGS[:at], "ok") | {rung: "DEPARTS"}


def test_sound_port_holds_to_the_last_rung_and_leaves_nothing_behind(agree, port, tmp_path):
    path = port()
    said = agree(path)
    assert said.code == FINE, said.complaint
    assert said.rungs == dict.fromkeys(RUNGS, "ok")
    assert said.lines[0] == "mf-bpr (as_published), eager, cpu"
    assert said.lines[-1] == f"{path} holds to the last rung in 1 of 1 climbs of mf-bpr"
    assert not (tmp_path / "results").exists()
    for name, line in zip(RUNGS, said.lines[2:], strict=False):
        assert LADDER[name].meaning in line
        assert f" {LADDER[name].limit:g}  " in line
        assert float(line.removeprefix("ok").replace(name, "").split()[0]) <= LADDER[name].limit


TRANSPOSED = ("return {name: value.copy()", "return {name: value.T.copy()")
BIAS_IS_NOT_SERVED = ('model.values["item_bias"][:, None]]', '0 * model.values["item_bias"][:, None]]')
BIAS_HAS_NO_PENALTY = ('["item_bias"], i, slope + l2)', '["item_bias"], i, slope)')
LOSS_WITHOUT_PENALTY = (" + l2 * (squares + bias[i].sum() + bias[j].sum())", "")
EPSILON_OF_THE_FRAMEWORK = ("+ self.spec.epsilon", "+ 1e-8")
COUNT_STARTS_ANEW = ("    n_steps = len(", "    model.n_steps = 0\n    n_steps = len(")
SERVES_OTHERS_WHEN_TRAINED = (
    'user = model.values["user_factors"][inputs["user"]]',
    'user = model.values["user_factors"][inputs["user"]] * np.float32(1 + 1e-3 * (model.n_steps > 1))',
)
EXPORT_IS_STALE = (
    "    return {name: value.copy() for name, value in model.values.items()}",
    '    model.stale = model.stale if model.n_steps > 1 else model.values["item_bias"].copy()\n'
    '    return {**{name: value.copy() for name, value in model.values.items()}, "item_bias": model.stale.copy()}',
)
FAULTS = {
    "round trip": (TRANSPOSED, "user_factors is float32[8, 300], not float32[300, 8]", None),
    "forward": (BIAS_IS_NOT_SERVED, "embed_items", r"embed_items\[\d+, 8\]: -?0, expected -?\d"),
    "gradients": (BIAS_HAS_NO_PENALTY, "item_bias", r"item_bias\[\d+\]: -?\d\S*, expected -?\d"),
    "loss": (LOSS_WITHOUT_PENALTY, "step 1", r"step 1: \d\S*, expected \d"),
    "one step": (EPSILON_OF_THE_FRAMEWORK, "user_factors", r"user_factors\[\d+, \d\]: -?\d\S*, expected -?\d"),
    "trajectory": (COUNT_STARTS_ANEW, "step ", r"step 3: \d\S*, expected \d"),
    "parameters": (EXPORT_IS_STALE, "item_bias", r"item_bias\[\d+\]: -?\d\S*, expected -?\d"),
    "vectors": (SERVES_OTHERS_WHEN_TRAINED, "embed_users", r"embed_users\[\d+, \d\]: -?\d\S*, expected -?\d"),
}


@pytest.mark.parametrize("rung", FAULTS)
def test_wrong_port_departs_at_its_rung_and_is_shown_where(agree, port, rung):
    edit, where, entry = FAULTS[rung]
    said = agree(port(edit))
    assert said.code == FAILED
    assert said.rungs == until(rung)
    line, below = said.broken
    assert f"{LADDER[rung].meaning}: {where}" in line
    if entry is None:
        assert below == []
        return
    n_entries = 1 if rung == "loss" else 5
    assert re.match(entry, below[0])
    assert all(re.match(r"\w+[\[ ][\d, ]+\]?: \S+, expected \S+$", text) for text in below[:n_entries])
    mistakes = own.known_mistakes(MFBPR.for_ladder()[0], rung)
    assert bool(mistakes) == (rung not in {"parameters", "vectors"})
    assert [text.removeprefix("- ") for text in below[n_entries:]] == (
        ["mistakes that are known to show here, of those in benchmarks/agreement/bugs:", *mistakes] if mistakes else []
    )
    assert said.lines[-1].endswith("holds to the last rung in 0 of 1 climbs of mf-bpr")


def test_what_is_no_number_is_shown_first(agree, port):
    said = agree(port(("i, slope + l2)\n", 'i, slope + l2)\n        gradients["item_bias"][7] = np.nan\n')))
    line, below = said.broken
    assert re.match(r"DEPARTS  gradients   not finite +5e-06  .*: item_bias$", line)
    assert below[0].startswith("item_bias[7]: nan, expected ")


RAISED = {
    "an exception": ("raise ValueError('no\\n  gradient')", "ValueError: no gradient"),
    "a name that there is not": ("return model.loss_and_gradient(batch)", "AttributeError: 'Model' object has no"),
    "sys.exit": ("import sys; sys.exit(0)", "SystemExit: 0"),
}


@pytest.mark.parametrize("way", RAISED)
def test_what_a_port_raises_is_its_rungs_failure_with_the_line_of_the_file(agree, port, way):
    code, message = RAISED[way]
    said = agree(port(("return model.loss_and_gradients(batch)[1]", code)))
    assert said.code == FAILED
    assert said.rungs == until("gradients")
    line, below = said.broken
    assert message in line
    number = 1 + SOUND[: SOUND.index("return model.loss_and_gradients")].count("\n")
    assert below == [f"in port.py, line {number}, gradients: {code}"]


def test_of_a_long_traceback_the_innermost_lines_of_the_file_are_shown(agree, port):
    said = agree(port(("return np.sqrt(v_hat) + self.spec.epsilon", "return np.add(v_hat, np.ones(3))")))
    _, below = said.broken
    assert [text.split(", ")[2].split(":")[0] for text in below] == ["<listcomp>", "step", "root"]


def test_what_a_port_returns_amiss_is_shown_at_the_line_of_the_ladder_that_takes_it(agree, port):
    said = agree(port(("return model, np.array", "return np.array")))
    assert said.rungs == until("loss")
    line, below = said.broken
    assert "ValueError: too many values to unpack" in line or "ValueError: not enough values" in line
    assert re.fullmatch(r'in ladder\.py, line \d+, _train: self\.state, losses = self\._call\("train", chunk\)', *below)


def test_init_that_raises_breaks_the_first_rung(agree, port):
    said = agree(port(("    return Model(spec, parameters)", "    return Model(spec)")))
    assert said.rungs == until("round trip")
    line, below = said.broken
    assert "TypeError: Model.__init__() missing 1 required positional argument: 'parameters'" in line
    assert below[0].endswith("init: return Model(spec)")


WRITING = {
    "parameters": (
        ("self.values = {name: value.copy() for", "self.values = {name: value for"),
        "round trip",
        "init has kept its caller's arrays, where it has to copy them: user_factors, item_factors, item_bias",
    ),
    "a batch": (
        ('    n_steps = len(batches["user"])', '    n_steps = len(batches["user"])\n    batches["negative"][:] = 0'),
        "loss",
        "ValueError: train has written to 'negative', an array of its caller's",
    ),
    "the batch of a gradient": (
        (
            "return model.loss_and_gradients(batch)[1]",
            'batch["user"].sort(); return model.loss_and_gradients(batch)[1]',
        ),
        "gradients",
        "ValueError: gradients has written to 'user', an array of its caller's",
    ),
    "who is asked about": (
        ('    user = model.values["user_factors"]', '    inputs["user"] -= 1\n    user = model.values["user_factors"]'),
        "forward",
        "ValueError: embed_users has written to 'user', an array of its caller's",
    ),
}


@pytest.mark.parametrize("what", WRITING)
def test_port_that_writes_to_its_arguments_is_told_so(agree, port, what):
    edit, rung, message = WRITING[what]
    said = agree(port(edit))
    assert said.code == FAILED
    assert said.rungs == until(rung)
    assert said.broken[0].endswith(message)


def test_what_a_port_prints_comes_between_the_rungs_and_changes_nothing(agree, port):
    said = agree(port(("def export(model):\n", 'def export(model):\n    print("  ok       gradients?")\n')))
    assert said.code == FINE
    assert said.rungs == dict.fromkeys(RUNGS, "ok")
    at = [at for at, line in enumerate(said.lines) if line == "  ok       gradients?"]
    told = [line.split()[0] for line in said.lines if line != "  ok       gradients?"]
    assert len(at) > 3
    assert told[2:-1] == ["ok"] * len(RUNGS)


def test_each_rung_is_told_as_soon_as_it_is_reached(agree, port, tmp_path, monkeypatch):
    """The port goes on to train only once its caller has been told of the gradients."""
    sign = tmp_path / "told"
    waits = f"    import pathlib, time\n    while not pathlib.Path({str(sign)!r}).exists():\n        time.sleep(0.01)\n"
    say = own._say
    monkeypatch.setattr(own, "_say", lambda line: (say(line), "gradients" in line and sign.touch()))
    said = agree(port(("    n_steps = len(", f"{waits}    n_steps = len(")), "--timeout", "60")
    assert said.rungs == dict.fromkeys(RUNGS, "ok")


DEATHS = {
    "import os; os._exit(0)": "failed   exit status 0 without a result",
    "import os; os.kill(os.getpid(), 11)": "failed   killed by signal 11 (SIGSEGV)",
}


@pytest.mark.parametrize("deed", DEATHS)
def test_port_that_takes_its_process_with_it_has_failed(agree, port, deed):
    said = agree(port(("return model.loss_and_gradients(batch)[1]", deed)))
    assert said.code == FAILED
    assert said.rungs == {"round trip": "ok", "forward": "ok"}
    assert said.lines[-2].startswith(DEATHS[deed])
    assert "0 of 1 climbs" in said.lines[-1]


def test_port_that_hangs_is_ended_by_the_timeout(agree, port):
    start = time.monotonic()
    said = agree(port(("    n_steps = len(", "    import time; time.sleep(100)\n    n_steps = len(")), "--timeout", "4")
    assert said.code == FAILED
    assert said.lines[-2] == "timeout  not done within 4 s; see --timeout"
    assert time.monotonic() - start < 50


def test_port_that_refuses_the_device_is_skipped_with_its_reason(agree, port):
    refuses = (
        "    from backends.contract import UnavailableError\n\n"
        '    if device != "cpu" or mode != "eager":\n        raise UnavailableError(f"no {device}, no {mode}")\n'
    )
    path = port(("    return Model(spec, parameters)", f"{refuses}    return Model(spec, parameters)"))
    said = agree(path, "--mode", "compiled")
    assert said.code == NOTHING_MEASURED
    assert said.lines[0] == "mf-bpr (as_published), compiled, cpu"
    assert said.lines[-2:] == [
        "skipped  no cpu, no compiled",
        f"{path} holds to the last rung in 0 of 1 climbs of mf-bpr",
    ]


def test_every_climb_is_climbed_and_said_in_a_line(agree, port):
    said = agree(port(), quick=False)
    assert said.code == FINE
    short = [climb for climb in climbs.of("mf-bpr") if climb not in climbs.of("mf-bpr", quick=True)]
    assert said.lines[-1 - len(short) : -1] == [
        f"{'ok':8} {climb.name:12} holds to the last rung, {climb.rungs[-1]} ({climb.spec.variant})" for climb in short
    ]
    n = len(short) + 1
    assert said.lines[-1].endswith(f"holds to the last rung in {n} of {n} climbs of mf-bpr")


IDS_OF_16_BITS = (
    'model.values["user_factors"][inputs["user"]]',
    'model.values["user_factors"][inputs["user"].astype(np.int16)]',
)


def test_a_climb_that_departs_where_no_other_has_is_told_rung_by_rung_and_fails_them_all(agree, port):
    said = agree(port(IDS_OF_16_BITS), quick=False)
    assert said.code == FAILED
    n = len(climbs.of("mf-bpr"))
    assert said.lines[-1].endswith(f"holds to the last rung in {n - 1} of {n} climbs of mf-bpr")
    (wide,) = (climb for climb in climbs.of("mf-bpr") if climb.name == "wide")
    title = ", ".join(f"{name} = {value!r}" for name, value in wide.differs_by.items())
    at = said.lines.index(f"wide: {title}")
    assert [line.split("  ")[0] for line in said.lines[at + 2 : at + 4]] == ["ok", "DEPARTS"]
    assert said.lines[at + 3].startswith("DEPARTS  forward ")
    assert re.match(r" +embed_users\[\d+, \d+\]: \S+, expected \S+$", said.lines[at + 4])


def test_climbs_that_depart_where_another_has_are_said_in_a_line_with_their_settings(agree, port):
    said = agree(port(EPSILON_OF_THE_FRAMEWORK), quick=False)
    assert said.code == FAILED
    lines = [line for line in said.lines if line.startswith("DEPARTS  ") and " at one step, by " in line]
    assert [line.split()[1] for line in lines] == ["pairs", "pairs", "wide", "long"]
    assert lines[0].endswith("(l2 = 0.0)")
    assert said.lines[-1].endswith("holds to the last rung in 1 of 6 climbs of mf-bpr")


@pytest.mark.parametrize("imported", ["from beside import root", "from .beside import root"])
def test_what_lies_beside_the_file_can_be_imported(agree, port, tmp_path, imported):
    (tmp_path / "beside.py").write_text("import numpy as np\n\n\ndef root(v):\n    return np.sqrt(v)\n")
    path = port(("import numpy as np\n", f"import numpy as np\n{imported}\n"), ("np.sqrt(v_hat)", "root(v_hat)"))
    assert agree(path).code == FINE
    (tmp_path / "beside.py").write_text("def root(v):\n    raise OverflowError('v')\n")
    _, below = agree(path).broken
    assert below[-1] == "in beside.py, line 2, root: raise OverflowError('v')"


def test_a_relative_path_and_a_name_that_is_taken_will_do(agree, port, monkeypatch):
    path = port(name="numpy.datasets-2.py")
    monkeypatch.chdir(path.parent)
    said = agree(path.name)
    assert said.code == FINE, said.complaint
    assert said.lines[-1].startswith("numpy.datasets-2.py holds to the last rung")


def test_the_file_is_imported_in_a_process_of_its_own(agree, port, tmp_path):
    path = port(('"""BPR', f'open({str(tmp_path / "pid")!r}, "w").write(str(__import__("os").getpid()))\n"""BPR'))
    before = set(sys.modules)
    assert agree(path).code == FINE
    assert not any(name.startswith("own_adapter") for name in set(sys.modules) - before)
    assert int((tmp_path / "pid").read_text()) != os.getpid()


def test_the_file_may_have_an_interpreter_of_its_own(agree, port, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho from its own interpreter\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("RECALLBENCH_PYTHON_OWN", str(python))
    said = agree(port())
    assert said.code == FINE
    assert said.lines[0] == "from its own interpreter"


@pytest.fixture
def complaint(agree):
    """The one sentence with which a call is refused."""

    def complaint(*arguments):
        said = agree(*arguments)
        assert (said.code, said.lines) == (WRONG_INPUT, [])
        assert said.complaint.startswith("error: ")
        assert said.complaint.count("\n") == 1
        assert "Traceback" not in said.complaint
        return said.complaint

    return complaint


@pytest.fixture
def _no_worker(monkeypatch):
    def refuse(*_):
        raise AssertionError("a worker was started")

    monkeypatch.setattr(own.executors, "run", refuse)


VARIATION = """import dataclasses

import numpy as np
from benchmarks.specs.mf_bpr import MFBPR


class Varied(MFBPR):
    @classmethod
    def for_ladder(cls):
        return (dataclasses.replace(super().for_ladder()[0], l2=0.0),)
"""


def test_a_port_is_held_to_the_variation_that_it_says_itself(agree, port):
    path = port(("self.spec.l2", "0.0"), ("import numpy as np\n", VARIATION))
    said = agree(path)
    assert said.code == FAILED
    assert said.rungs == until("gradients")
    said = agree(path, "--varied")
    assert said.code == FINE, said.complaint
    assert said.rungs == dict.fromkeys(RUNGS, "ok")
    assert said.lines[-1] == f"{path} holds to the last rung in 1 of 1 climbs of its own Varied of mf-bpr"


@pytest.mark.parametrize("wrong", ["", "class Varied:\n    pass\n", "Varied = 3\n"])
def test_a_variation_that_is_none_of_the_models_is_refused(complaint, port, wrong):
    path = port(("import numpy as np\n", f"import numpy as np\n{wrong}"))
    assert f"{path} has no class Varied, expected a subclass of benchmarks.specs.mf_bpr.MFBPR" in complaint(
        path, "--varied"
    )


def test_a_variation_that_cannot_be_made_is_refused_with_its_error(complaint, port):
    path = port(("import numpy as np\n", VARIATION.replace("l2=0.0", "l3=0.0")))
    assert f"Varied.for_ladder() in {path} has failed, TypeError: " in complaint(path, "--varied")


def test_a_variation_is_of_a_file_of_ones_own(capsys):
    assert cli.main(["agree", "--varied"]) == WRONG_INPUT
    assert "--varied is about a file of your own; name it with --adapter" in capsys.readouterr().err


@pytest.mark.usefixtures("_no_worker")
@pytest.mark.parametrize("models", [("mf-bpr", "gru4rec"), ("als",)], ids=" ".join)
def test_the_file_ports_one_family_of_those_that_are_trained(complaint, port, models):
    said = complaint(port(), "--models", *models)
    assert f"--adapter is given with --models {' '.join(models)}, expected the one model" in said
    assert f"give one of {', '.join(TRAINABLE)}." in said


@pytest.mark.usefixtures("_no_worker")
def test_a_file_without_a_family_is_refused(port, capsys):
    assert cli.main(["agree", "--adapter", str(port())]) == WRONG_INPUT
    assert "--adapter is given with no --models, expected the one model" in capsys.readouterr().err


@pytest.mark.usefixtures("_no_worker")
@pytest.mark.parametrize("option", [("--bugs",), ("--backends", "torch")], ids=lambda option: option[0])
def test_options_about_the_adapters_of_the_repository_are_refused(complaint, port, option):
    assert f"{option[0]} is about the adapters of this repository" in complaint(port(), *option)


@pytest.mark.usefixtures("_no_worker")
@pytest.mark.parametrize("name", ["missing.py", ".", "notes.txt"])
def test_what_is_no_python_file_is_refused(complaint, tmp_path, name):
    (tmp_path / "notes.txt").write_text("x = 1\n")
    assert f"--adapter {tmp_path / name} is no Python file" in complaint(tmp_path / name)


UNIMPORTABLE = {
    "import numpi\n": "ModuleNotFoundError: No module named 'numpi' (in port.py, line 1, <module>: import numpi)",
    "x = 1\ndef init(:\n": "SyntaxError: invalid syntax (port.py, line 2)",
    "import sys\nsys.exit('no')\n": "SystemExit: no (in port.py, line 2, <module>: sys.exit('no'))",
}


@pytest.mark.parametrize("source", UNIMPORTABLE)
def test_a_file_that_cannot_be_imported_is_refused_with_its_line(complaint, tmp_path, source):
    path = tmp_path / "port.py"
    path.write_text(source)
    assert complaint(path) == f"error: {path} cannot be imported, {UNIMPORTABLE[source]}; mend that and try again.\n"


@pytest.mark.parametrize(("source", "end"), [("os.abort()", "killed by signal 6"), ("os._exit(3)", "exit status 3")])
def test_a_file_that_ends_its_process_when_imported_is_refused(complaint, tmp_path, source, end):
    path = tmp_path / "port.py"
    path.write_text(f"import os\n{source}\n")
    assert f"{path} cannot be imported, {end}" in complaint(path)


def test_an_interpreter_that_is_none_is_refused(complaint, port, monkeypatch):
    monkeypatch.setenv("RECALLBENCH_PYTHON_OWN", "/nowhere/python")
    assert "RECALLBENCH_PYTHON_OWN is '/nowhere/python', expected the path of a Python" in complaint(port())


SIGNATURES = {
    "init": "init(spec, parameters, device, mode)",
    "train": "train(state, batches)",
    "gradients": "gradients(state, batch)",
    "embed_users": "embed_users(state, inputs)",
    "embed_items": "embed_items(state)",
    "export": "export(state)",
}


@pytest.mark.parametrize("name", ["train", "export"])
def test_a_function_that_is_lacking_is_named_with_its_arguments(complaint, port, name):
    path = port((f"\ndef {name}(", f"\ndef my_{name}("))
    said = complaint(path)
    assert said == f"error: {path} lacks {SIGNATURES[name]}; write what backends/contract.py says that it does.\n"


def test_all_functions_that_are_lacking_are_named(complaint, tmp_path):
    (tmp_path / "port.py").write_text("train = 3\n")  # what cannot be called is none
    assert f"lacks {' and '.join(SIGNATURES.values())};" in complaint(tmp_path / "port.py")


@pytest.mark.parametrize("family", TRAINABLE)
def test_known_mistakes_are_a_few_of_the_rungs_own(family):
    table = injection.bugs()
    spec = type(specs.make(family, {})).for_ladder()[-1]
    for rung in RUNGS:
        names = own.known_mistakes(spec, rung)
        assert len(names) <= 5
        assert len(set(names)) == len(names)
        assert set(names) <= {bug.name for bug in table if bug.rung == rung}
        of_family = {bug.name for bug in table if (bug.rung, bug.model) == (rung, family)}
        assert all(name in of_family for name in names[: len(of_family)])


def test_known_mistakes_begin_with_what_the_spec_shows_and_end_with_its_optimizers():
    *_, last = type(specs.make("dssm", {})).for_ladder()
    shown = {
        bug.name for bug in injection.bugs() if (bug.model, bug.variant, bug.rung) == ("dssm", last.variant, "forward")
    }
    assert shown
    assert set(own.known_mistakes(last, "forward")[: len(shown)]) == shown
    assert any("Adam" in name for name in own.known_mistakes(last, "one step"))
    (lstm,) = type(specs.make("lstm", {})).for_ladder()
    assert not any("Adam" in name for rung in RUNGS for name in own.known_mistakes(lstm, rung))


def test_gradient_that_only_slopes_contradict_is_shown_too(monkeypatch):
    monkeypatch.setattr(truths, "directional_slope", lambda *_: 1e6)
    monkeypatch.setattr(ladder, "truth", lambda climb: truths.Truth(climb, 0))  # the others' is worked out once
    monkeypatch.syspath_prepend(ROOT / "examples")
    (whole,) = climbs.of("mf-bpr", quick=True)
    *_, (rung, difference) = ladder.climbing(importlib.import_module("my_bpr"), whole, "cpu", "eager")
    assert (rung.rung, rung.holds) == ("gradients", False)
    name, words = rung.where.split(", ")
    assert words == "against finite differences"
    assert [entry.place.partition("[")[0] for entry in difference.entries] == [name] * 5


COMMAND = re.compile(r"^(?:\$ )?python -m (benchmarks agree --adapter examples/my_wrong_bpr\.py .*)$", re.MULTILINE)


def without_figures(line):
    return re.sub(r"-?\d[\d.]*(e[+-]\d+)?", "#", " ".join(line.split()))


def test_the_examples_do_what_the_page_shows(agree, monkeypatch):
    """Names of rungs and of parameters; figures of rounding differ from machine to machine."""
    page = (ROOT / "docs" / "agreement.md").read_text(encoding="utf-8")
    command = COMMAND.search(page)
    shown = page[command.end() :].partition("```")[0].strip().splitlines()
    monkeypatch.chdir(ROOT)
    _, _, _, adapter, *options = shlex.split(command[1])
    wrong = agree(adapter, *options, quick=False)
    assert wrong.code == FAILED
    assert wrong.rungs == until("one step")
    pasted = Said(FAILED, shown, "")
    assert pasted.rungs == wrong.rungs
    assert list(map(without_figures, shown[len(wrong.rungs) + 1 :])) == [
        without_figures(line) for line in wrong.lines[len(wrong.rungs) + 1 :]
    ]
    assert agree("examples/my_bpr.py", *options, quick=False).code == FINE
