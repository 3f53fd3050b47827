"""`mutate` as a user calls it, on the backend of the examples: it is killed, and goes on where it was."""

import json
import re
import signal
import subprocess
import sys
import time

import psutil

PATH = "backends/numpy/mf_bpr.py"


def started(repository, results):
    command = [sys.executable, "-m", "benchmarks", "mutate", PATH, "--results", str(results), "--sample", "24"]
    return subprocess.Popen([*command, "--seed", "a"], cwd=repository, stdout=subprocess.PIPE, text=True)


def tried(results):
    """The mutants whose fates are kept, in the order in which they were tried."""
    files = list((results / "mutants").glob("*.jsonl"))
    return [mutant for path in files for line in path.read_text().splitlines() for mutant in json.loads(line)]


def waited(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_that_was_killed_tries_no_mutant_twice_but_the_one_that_it_was_at(repository, tmp_path):
    first = started(repository, tmp_path)
    waited(lambda: len(tried(tmp_path)) >= 3)
    children = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    waited(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    kept = tried(tmp_path)
    assert 3 <= len(kept) < 24

    second = started(repository, tmp_path)
    printed, _ = second.communicate(timeout=300)
    again = tried(tmp_path)
    assert again[: len(kept)] == kept
    assert len(again) == len(set(again)) == 24
    line, *survivors, rate = [line for line in printed.splitlines() if not line.startswith("written")]
    n_caught, n_survived = map(
        int, re.fullmatch(rf"{PATH}: (\d+) of 24 caught, 0 equivalent, (\d+) survived", line).groups()
    )
    assert n_caught + n_survived == 24
    assert n_caught >= 18
    assert len(survivors) == n_survived
    assert rate.startswith(f"kill rate: {n_caught} of 24 mutants caught")
    assert second.returncode == (0 if n_caught >= 0.95 * 24 else 1)
