"""docs/api.md: its signatures are the code's, and its examples run."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys

import pytest
from how_to_pages import ROOT, blocks, page

from backends.contract import Adapter

API = page("api")
SIGNATURES = [line for language, text in blocks(API) if language == "py" for line in text.splitlines()]


def function(name):
    """What stands under that name; an adapter's functions are those of the contract."""
    module, _, attribute = name.rpartition(".")
    return getattr(Adapter if module == "adapter" else importlib.import_module(module), attribute)


def outline(text):
    """A signature as Python reads it, without quotes around types, `self` and `npt.`."""
    (node,) = ast.parse(f"def f{text}: ...").body
    arguments = [argument for argument in node.args.args if argument.arg != "self"]
    node.args.args = arguments
    return re.sub(r"\b(npt|pd)\.", "", ast.unparse(node).replace("'", ""))


@pytest.mark.parametrize("line", SIGNATURES)
def test_signature_is_the_codes(line):
    name, _, rest = line.partition("(")
    assert outline(f"({rest}") == outline(str(inspect.signature(function(name))))


def test_another_signature_would_be_found():
    with pytest.raises(AssertionError):
        test_signature_is_the_codes("datasets.load(name: str) -> Interactions")


def test_the_whole_contract_is_on_the_page():
    of_contract = {name for name in vars(Adapter) if not name.startswith("_")} - {"recommend"}  # of the classic models
    assert {line.partition("(")[0] for line in SIGNATURES} >= {f"adapter.{name}" for name in of_contract}


def test_the_examples_run_one_after_the_other(tmp_path):
    (tmp_path / "RESULTS").symlink_to(ROOT / "reports" / "published" / "online-retail")
    session = "\n".join(text for language, text in blocks(API) if language == "python")
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", session], cwd=tmp_path, env=path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
