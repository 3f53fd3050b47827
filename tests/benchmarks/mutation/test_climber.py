"""The process that climbs with mutants, on the backend of the examples, which is NumPy and so needs no framework."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.agreement.tolerances import LADDER
from benchmarks.mutation import by_ladder

ROOT = Path(__file__).resolve().parents[3]
OF_NO_CONSEQUENCE = {  # to a climb: names, records, what is asked of the system, files of data
    "backends/registry.py",
    "benchmarks/harness/environment.py",
    "benchmarks/harness/orphans.py",
    "benchmarks/harness/privacy.py",
    "benchmarks/records/kinds.py",
    "benchmarks/records/reading.py",
    "benchmarks/records/values.py",
    "benchmarks/surroundings.py",
    "datasets/durable.py",
    "datasets/errors.py",
    "datasets/interactions.py",
    "datasets/names.py",
}
ADAPTER = "backends.numpy.mf_bpr"


@pytest.fixture
def said(repository, tmp_path):
    def said(**asked):
        asked = {"backend": "numpy", "device": "cpu", "mode": "eager", "parent": os.getpid(), **asked}
        (tmp_path / "trial.json").write_text(json.dumps(asked))
        command = [sys.executable, "-m", "benchmarks.mutation.climber", str(tmp_path)]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=300, check=True)
        return list(map(json.loads, done.stdout.splitlines()))

    return said


@pytest.fixture
def fates(repository, said):
    """What becomes of changes of the adapter, each a text and the one in its place, in one process."""

    climbs = [["mf-bpr", "as_published", "whole"]]

    def fates(*changes):
        path = repository / "backends" / "numpy" / "mf_bpr.py"
        source = path.read_text()
        trials = []
        for old, new in changes:
            assert source.count(old) == 1
            start = source.index(old)
            trials.append({"start": start, "stop": start + len(old), "new": new, "mode": "eager", "climbs": climbs})
        lines = said(task="mutants", file=str(path), module=ADAPTER, trials=trials)
        return [line for line in lines if "begins" not in line]

    return fates


def test_mutants_are_caught_by_a_figure_or_by_an_exception_or_not(fates):
    *found, end = fates(
        ("np.logaddexp(0, -margin)", "np.logaddexp(0, margin)"),
        ('bias_positive = self.item_bias[batch["positive"]]', "pass"),
        ("import autograd.numpy as np", "import autograd.nothing as np"),
        ("self.l2 = spec.l2", "self.l2 = 1.0 * spec.l2"),
        ("import autograd.numpy as np", "import autograd.numpy as np\nprint('hello')"),
    )
    assert [fate["how"] for fate in found] == ["difference", "error", "error", None, None]
    assert found[0]["by"] == "mf-bpr as_published whole: gradients"
    assert found[1]["by"].removeprefix("mf-bpr as_published whole: ") in LADDER
    assert found[2]["by"] == "mf-bpr as_published whole: ModuleNotFoundError"
    assert end == {"is_clean": True}


def test_what_a_mutant_does_to_others_is_noticed_at_the_end(fates):
    breaking = "import autograd.numpy as np\nfrom benchmarks.agreement import ladder\nladder._Climber.loss = None"
    *_, end = fates(("import autograd.numpy as np", breaking), ("self.l2 = spec.l2", "self.l2 = 1.0 * spec.l2"))
    assert end == {"is_clean": False}


def test_it_says_what_it_is_about_to_do(said, repository):
    lines = said(
        task="mutants",
        file=str(repository / "backends" / "numpy" / "mf_bpr.py"),
        module=ADAPTER,
        trials=[
            {"start": 0, "stop": 0, "new": "oops(", "mode": "eager", "climbs": [["mf-bpr", "as_published", "whole"]]}
        ],
    )
    assert lines == [
        {"begins": "mf-bpr as_published whole"},
        {"how": "error", "by": "mf-bpr as_published whole: SyntaxError"},
    ]


def test_the_lines_that_run_are_those_of_each_climb(said, repository, tmp_path):
    begins, climbed, end = said(task="unchanged", models=["mf-bpr"], traced=str(tmp_path / "traced.log"))
    assert begins == {"begins": "mf-bpr as_published whole"}
    assert climbed["name"] == ["as_published", "whole"]
    assert climbed["seconds"] > 0
    assert end == {"climbed": "mf-bpr"}
    source = (repository / "backends" / "numpy" / "mf_bpr.py").read_text().splitlines()
    ran = {source[line - 1].strip() for line in climbed["lines"]["mf_bpr"]}
    assert "self.l2 = spec.l2" in ran
    assert "init = partial(initialise, Model)" not in ran  # it ran before the climb
    contract = (repository / "backends" / "numpy" / "contract.py").read_text().splitlines()
    ran = {contract[line - 1].strip() for line in climbed["lines"]["contract"]}
    assert "state.done += n_steps" in ran
    assert not [line for line in ran if line.startswith("raise UnavailableError")]


def test_lines_that_pytorchs_compiler_has_gone_through_count_as_run(tmp_path):
    """Which it writes to a log; here it is read again and again, as the climbs go on."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.mutation.climber import _Traced\n"
        "log = Path(sys.argv[1]); traced = _Traced(log); print(traced.new())\n"
        "line = 'V1 x.py:1] [0/0] [__trace_source] TRACE starts_line /tmp/a.py:{} in f (g) (inline depth: 1)\\n'\n"
        "log.write_text(line.format(5) + line.format(7) + '   return 5\\n'); print(sorted(traced.new()))\n"
        "log.open('a').write(line.format(9)); print(traced.new())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["set()", "[('/tmp/a.py', 5), ('/tmp/a.py', 7)]", "{('/tmp/a.py', 9)}"]


def test_an_adapter_that_breaks_as_it_is_proves_nothing(said, repository, tmp_path):
    path = repository / "backends" / "numpy" / "mf_bpr.py"
    sound = path.read_text()
    path.write_text(sound.replace("np.logaddexp(0, -margin)", "np.logaddexp(0, margin)"))
    try:
        *_, last = said(task="unchanged", models=["mf-bpr"], traced=str(tmp_path / "traced.log"))
    finally:
        path.write_text(sound)
    reason = f"ValueError: {ADAPTER}, mf-bpr as_published whole, eager, breaks at gradients as it is; mend it first."
    assert last == {"failed": reason}


def test_a_mutant_is_tried_again_when_any_source_that_a_climb_loads_has_changed(repository):
    code = (
        "import sys; from benchmarks.mutation import climber\n"
        "from benchmarks.harness.environment import ROOT\nfrom pathlib import Path\n"
        f"with climber.replaced('{ADAPTER}', {{}}) as module:\n"
        "    climb = climber.climbs.of('mf-bpr')[0]\n"
        "    climber._broken(module, climb, 'cpu', 'eager')\n"
        "for module in list(sys.modules.values()):\n"
        "    path = Path(getattr(module, '__file__', None) or '/')\n"
        "    if path.is_relative_to(ROOT): print(path.relative_to(ROOT))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    loaded = {line for line in done.stdout.splitlines() if not line.endswith("__init__.py")}
    loaded = {line for line in loaded if not line.startswith("backends/numpy/")}
    judges = [repository / path for path in by_ladder.LADDER]
    assert all(path.exists() for path in judges)
    others = {path for path in loaded if not any((repository / path).is_relative_to(judge) for judge in judges)}
    assert others <= OF_NO_CONSEQUENCE
