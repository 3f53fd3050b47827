"""Completion with Tab: what is offered for a half-written command, and that the shells' scripts ask for it."""

import os
import shutil
import subprocess
import sys

import pytest

from benchmarks import cli, suites
from benchmarks.cli import completion
from benchmarks.harness.environment import ROOT


def offered(line, tmp_path):
    """What argcomplete answers, in the way in which the scripts ask."""
    answer = tmp_path / "answer"
    asked = {"_ARGCOMPLETE": "3", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_SHELL": "bash",
             "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}  # fmt: skip
    command = [sys.executable, "-m", "benchmarks"]
    subprocess.run(command, cwd=ROOT, env=os.environ | asked, check=True, timeout=60, capture_output=True)
    return [name.strip() for name in answer.read_text().split("\v")]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("run --models sas", ["sasrec"]),
        ("run --models sasrec --backends p", ["paddle"]),
        ("run --indexes hnsw", ["hnswlib"]),
        ("run --suite two", [name for name in suites.names() if name.startswith("two")]),
        ("prepare --datasets ml", ["ml-100k", "ml-1m", "ml-20m", "ml-32m"]),
        ("ag", ["agree"]),
        ("list proto", ["protocols"]),
        ("show la", ["latest"]),
        ("run --metric nd", ["ndcg@10", "ndcg_by_target@10"]),
        ("run --dr", ["--dry-run"]),
    ],
)
def test_what_is_offered(line, names, tmp_path):
    assert offered(f"python -m benchmarks {line}", tmp_path) == names


def test_bash_completes_by_the_script(tmp_path):
    line = "python -m benchmarks run --models sas"
    (tmp_path / "script").write_text(completion.SCRIPTS["bash"])
    typed = (
        f"source {tmp_path}/script; complete -p python >&2; COMP_WORDS=({line}); COMP_CWORD=5; COMP_LINE='{line}'; "
        f"COMP_POINT=${{#COMP_LINE}}; _recallbench {sys.executable}; "
        "printf '[%s]\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", typed], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[sasrec]\n"
    assert "-F _recallbench python" in done.stderr


def test_bash_leaves_other_calls_of_python_alone(tmp_path):
    (tmp_path / "script").write_text(completion.SCRIPTS["bash"])
    typed = f"source {tmp_path}/script; COMP_WORDS=(python run.py s); COMP_CWORD=2; _recallbench false; "
    typed += "echo ${#COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0\n"


@pytest.mark.parametrize("shell", completion.SCRIPTS)
def test_the_script_is_printed_and_the_shell_can_read_it(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
