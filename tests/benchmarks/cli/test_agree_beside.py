"""A port of the user's own beside files that are called as our packages are: each side gets its own."""

import sys
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.agreement import own

SOUND = (Path(__file__).resolve().parents[3] / "examples" / "my_bpr.py").read_text(encoding="utf-8")
FINE, WRONG_INPUT = 0, 2
OURS = ("backends", "benchmarks", "datasets", "reports")
ROOT_OF = "import numpy as np\n\n\ndef root(v):\n    return np.sqrt(v)\n"
USED = ("np.sqrt(v_hat)", "root(v_hat)")


def importing(statement):
    return ("import numpy as np\n", f"import numpy as np\n{statement}\n")


@pytest.fixture
def agree(tmp_path, capsys):
    """Climbs with the sound port after these edits; gives the exit code and what was said."""

    def agree(*edits):
        source = SOUND
        for old, new in edits:
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        (tmp_path / "port.py").write_text(source, encoding="utf-8")
        code = cli.main(["agree", "--quick", "--models", "mf-bpr", "--adapter", str(tmp_path / "port.py")])
        return code, "".join(capsys.readouterr())

    return agree


@pytest.mark.parametrize(
    ("name", "imported"),
    [
        *((name, f"from {name} import root") for name in OURS),
        ("datasets", "import datasets; root = datasets.root"),
        ("datasets", "from .datasets import root"),
    ],
)
def test_a_file_beside_the_port_is_what_its_name_means_there(agree, tmp_path, name, imported):
    (tmp_path / f"{name}.py").write_text(ROOT_OF)
    code, said = agree(importing(imported), USED)
    assert code == FINE, said


def test_a_package_beside_the_port_and_its_parts(agree, tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("from datasets import errors\n")
    (tmp_path / "datasets" / "errors.py").write_text(ROOT_OF)
    assert agree(importing("from datasets.errors import root"), USED)[0] == FINE


def test_an_import_inside_a_function_a_dynamic_one_and_one_of_a_helper(agree, tmp_path):
    (tmp_path / "datasets.py").write_text(ROOT_OF)
    (tmp_path / "helper.py").write_text(
        "import datasets\n\n\ndef root(v):\n    import datasets as d\n\n    return d.root(v)\n"
    )
    late = "(__import__('importlib').import_module('datasets').root(v_hat) + __import__('helper').root(v_hat)) / 2"
    code, said = agree(("np.sqrt(v_hat)", late))
    assert code == FINE, said


def test_what_the_file_beside_lacks_is_said(agree, tmp_path):
    (tmp_path / "datasets.py").write_text("rows = 3\n")
    code, said = agree(importing("from datasets import load"))
    assert code == WRONG_INPUT
    assert "cannot be imported, ImportError: cannot import name 'load' from 'datasets'" in said


def test_ours_are_there_where_nothing_beside_the_port_is_called_like_them(agree, tmp_path):
    (tmp_path / "datasets").mkdir()  # a folder of data is no package
    (tmp_path / "datasets" / "rows.csv").write_text("1\n")
    assert agree(importing("from datasets.errors import InputError"))[0] == FINE


def test_ours_are_ours_again_after_a_port_was_loaded_and_called(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "modules", sys.modules)
    (tmp_path / "datasets.py").write_text("mine = True\n")
    (tmp_path / "port.py").write_text(
        f"import datasets\n{SOUND}\n\ndef export(state):\n    import datasets\n    return datasets\n"
    )
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in OURS}
    adapter = own.load(tmp_path / "port.py")
    assert adapter.export(None).mine
    after = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in OURS}
    assert after == before
    for name in [name for name in sys.modules if name.startswith("own_adapter")]:
        del sys.modules[name]
