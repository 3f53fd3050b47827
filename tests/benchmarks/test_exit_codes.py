"""How commands end: in processes of their own, as a shell sees them, and by errors that are raised on purpose."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cli
from benchmarks.cli import report
from benchmarks.exit_codes import BROKEN_PIPE, INTERRUPTED, MACHINE_FAILED, MEANINGS, OUR_FAULT, WRONG_INPUT
from datasets.errors import InputError, MachineError

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "benchmarks")


@pytest.fixture
def ending(monkeypatch, capsys):
    """Calls a command that raises this error; gives its exit code and what is said on stderr."""

    def ending(error, *arguments):
        def raising(_):
            raise error

        monkeypatch.setattr(report, "call", raising)
        code = cli.main(["report", *arguments])
        return code, capsys.readouterr().err

    return ending


def of_the_system(number, *path):
    return OSError(number, os.strerror(number), *path)


class TestErrors:
    def test_a_wrong_input_is_told_by_its_own_sentence(self, ending):
        assert ending(InputError("x is y, expected z; give z.")) == (
            WRONG_INPUT,
            "error: x is y, expected z; give z.\n",
        )

    def test_what_was_given_neither_ends_the_line_nor_steers_the_terminal(self, ending):
        code, said = ending(InputError("a\nb is \x1b[31mé, expected z; give z."))
        assert (code, said) == (WRONG_INPUT, "error: a\\nb is \\x1b[31mé, expected z; give z.\n")

    def test_a_machine_that_failed_is_told_by_its_own_sentence(self, ending):
        assert ending(MachineError("the disk is full; make room.")) == (
            MACHINE_FAILED,
            "error: the disk is full; make room.\n",
        )

    @pytest.mark.parametrize(
        "name", ["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EMFILE", "EFBIG", "EIO", "ENOENT"]
    )
    def test_an_error_of_the_system_names_the_file_what_it_says_and_what_to_do(self, ending, name):
        number = getattr(errno, name)
        code, said = ending(of_the_system(number, "/var/results/records.jsonl"))
        assert code == MACHINE_FAILED
        assert said.startswith(f"error: /var/results/records.jsonl cannot be read or written: {os.strerror(number)}; ")
        assert said.endswith("goes on where it stopped.\n")
        assert said.count("\n") == 1

    @pytest.mark.parametrize("name", ["ENOENT", "EISDIR", "ENOTDIR", "ENAMETOOLONG", "ELOOP"])
    @pytest.mark.parametrize("below", ["", "/records.jsonl"])
    def test_a_path_that_the_user_gave_is_their_input(self, ending, name, below, tmp_path):
        code, said = ending(
            of_the_system(getattr(errno, name), f"{tmp_path}/there{below}"), "--results", f"{tmp_path}/there"
        )
        assert code == WRONG_INPUT
        assert said.startswith(f"error: {tmp_path}/there{below} cannot be used: ")

    def test_an_error_of_writing_names_the_file_that_was_open(self, monkeypatch, capsys):
        def filling(_):
            with Path("/dev/full").open("wb", buffering=0) as file:
                file.write(b"x")

        monkeypatch.setattr(report, "call", filling)
        assert cli.main(["report"]) == MACHINE_FAILED
        assert (
            "error: /dev/full cannot be read or written: No space left on device; make room" in capsys.readouterr().err
        )

    def test_an_error_without_any_name_is_the_machines_too(self, ending):
        code, said = ending(OSError("Error writing bytes to file"))
        assert code == MACHINE_FAILED
        assert "Error writing bytes to file" in said

    def test_no_memory_is_the_machines(self, ending):
        assert ending(MemoryError()) == (
            MACHINE_FAILED,
            "error: the memory did not suffice; close other programs, or take a machine with more memory, "
            "and give the same command again, which goes on where it stopped.\n",
        )
        code, said = ending(ImportError("libarrow.so: failed to map segment from shared object"))
        assert code == MACHINE_FAILED
        assert said.startswith("error: the memory did not suffice for a library (libarrow.so: failed to map segment")
        with pytest.raises(MemoryError) as too_large:
            np.empty(2**60, np.uint8)
        code, said = ending(too_large.value)
        assert code == MACHINE_FAILED
        assert "Unable to allocate 1.00 EiB" in said

    @pytest.mark.parametrize(
        ("error", "named"),
        [
            (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero;"),
            (RecursionError("too deep"), "RecursionError: too deep;"),
            (KeyError("a\nb"), "KeyError: 'a\\nb';"),
            (AssertionError(), "AssertionError;"),
        ],
    )
    def test_what_nobody_foresaw_is_our_fault_and_no_verdict(self, ending, error, named):
        code, said = ending(error)
        assert code == OUR_FAULT
        assert said == f"error: this is a fault in recallbench: {named} run again with --debug and report it.\n"
        code, said = ending(error, "--debug")
        assert code == OUR_FAULT
        assert said.startswith("Traceback (most recent call last):")
        assert said.splitlines()[-1].endswith("; report it with this traceback.")

    def test_an_interrupt_says_how_to_go_on(self, ending):
        code, said = ending(KeyboardInterrupt())
        assert code == INTERRUPTED
        assert said == "interrupted; the same command goes on where it stopped\n"

    def test_a_reader_who_went_away_is_told_nothing(self, ending):
        assert ending(BrokenPipeError()) == (BROKEN_PIPE, "")

    def test_every_code_is_documented(self):
        assert all(f"{code} {meaning}" in cli.parser().epilog for code, meaning in MEANINGS.items())
        assert all(f" {code} " in cli.__doc__.replace("\n", " ") for code in MEANINGS)


def called(arguments, shell, **variables):
    """Exit code of a command line in which `$@` is a command of ours, and what came on stderr."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "", **variables}
    command = ["bash", "-c", f"set -o pipefail; {shell}", "sh", *COMMAND, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


WRONG = ("lst",)
SHELLS = {
    '"$@" | true': (BROKEN_PIPE, WRONG_INPUT),
    '"$@" > /dev/full': (MACHINE_FAILED, WRONG_INPUT),
    '"$@" > /dev/full 2> /dev/full': (MACHINE_FAILED, WRONG_INPUT),
    '"$@" <&- >&-': (0, WRONG_INPUT),
    '"$@" <&- >&- 2>&-': (0, WRONG_INPUT),
    '"$@" 2>&- > /dev/null': (0, WRONG_INPUT),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_streams_that_are_gone_or_full(shell):
    expected, of_wrong_use = SHELLS[shell]
    code, said = called(["list"], shell)
    assert code == expected
    if expected == MACHINE_FAILED and "2>" not in shell:
        assert said.startswith("error: the standard output cannot be read or written: No space left on device; make")
        assert said.count("\n") == 1
    else:
        assert said == ""
    code, said = called(WRONG, shell)
    assert code == of_wrong_use
    assert "Traceback" not in said
    assert "Exception ignored" not in said


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_that_nobody_reads(unbuffered):
    assert called(["--help"], '"$@" | true', PYTHONUNBUFFERED=unbuffered) == (BROKEN_PIPE, "")
    assert called(["--help"], '"$@" > /dev/full', PYTHONUNBUFFERED=unbuffered)[0] == MACHINE_FAILED


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict", "TERM": "dumb", "COLUMNS": "20"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_terminals_that_are_not_utf_8(variables, tmp_path):
    assert called(["list"], '"$@"', **variables) == (0, "")
    code, said = called(["audit", "--datasets", f"{tmp_path}/数.csv"], '"$@"', **variables)
    assert code == WRONG_INPUT
    assert "does not exist" in said
    assert "\\u6570.csv" in said or "\\udce6" in said


def test_a_name_that_is_no_text_is_shown_by_its_bytes(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.csv"
    for code, said in (called(["audit", "--datasets", path], '"$@"'), called(["run", "--suite", path], '"$@"')):
        assert code == WRONG_INPUT
        assert "udcff.csv" in said
        assert "Traceback" not in said


def test_a_warning_is_a_sentence_and_no_line_of_code(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("user_id,item_id,timestamp\n1,2,1400000000\n")
    _, said = called(["audit", "--train", path, "--test", path], '"$@"', RECALLBENCH_CACHE="/dev/null")
    assert said.startswith("warning: a.csv is not cached: ")
    assert "to a folder\n" in said
    assert "UserWarning" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_who_ends_a_run_frees_its_folder_and_ends_its_workers(number, tmp_path):
    results = tmp_path / "results"
    arguments = ["run", "--suite", "quick", "--models", "mf-bpr", "--results", str(results)]
    command = subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509 - a background job ignores some
    )  # fmt: skip
    with contextlib.closing(command.stdout), contextlib.closing(command.stderr):
        assert _until(lambda: list(results.glob("work/*/job.json"))), "no worker was started"
        command.send_signal(number)
        assert command.wait(60) == INTERRUPTED
        assert command.stderr.read().splitlines()[-1] == "interrupted; the same command goes on where it stopped"
    assert _until(lambda: not _workers(results))
    code, said = called([*arguments, "--dry-run"], '"$@"')
    assert (code, said) == (0, "")


def _until(holds, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def _workers(results):
    """Processes that work in a folder of results."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes()
            found += [path.parent.name] * (b"benchmarks.harness.worker" in words and os.fsencode(results) in words)
    return found
