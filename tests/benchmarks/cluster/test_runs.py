"""Whole runs on a cluster of two nodes: their records are those of one machine, also after the driver was killed."""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest
from scripted_workers import slow

from benchmarks import cli, suites
from benchmarks.cli import gate
from benchmarks.cluster.executor import Asked, connected
from benchmarks.gate import holding
from benchmarks.harness import store
from benchmarks.harness.groups import stages
from benchmarks.harness.plan import Options
from benchmarks.harness.run import Run, Wanted, plan
from benchmarks.harness.teams import Here

ROOT = Path(__file__).resolve().parents[3]
BY_CHANCE = ("run_id", "timings", "memory", "group", "notes", "commit", "dirty")

SUITE = """
title = "what is run on one machine and on two nodes"

[[block]]
dataset = "synthetic-tiny"
protocol = { name = "time-split", train_until = 0.8, validation_until = 0.9, per = "user", unknown_users = "drop", \
period = "test", ks = [20], primary_metric = "recall@20" }
modes = ["eager"]
models = [
    { model = "popularity" },
    { model = "als", settings = { embedding_dim = 8, iterations = 2 } },
]
indexes = [{ name = "exact" }]
"""

SEARCHED = """
[[block]]
vectors = { n_items = 300, dim = 8, n_queries = 50 }
protocol = { name = "search", k = 5 }
indexes = [{ name = "exact" }]

[[block]]
dataset = "synthetic-tiny"
modes = ["eager"]
backends = ["torch"]
protocol = { name = "leave-k-out", k = 1, period = "test", ks = [5], primary_metric = "recall@5" }
models = [{ model = "mf-bpr" }]
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SUITE)
    return path


def arguments(nodes, results, *more):
    return [*map(str, more), "--executor", "ray", "--address", nodes.address, "--results", str(results)]


def lasting(results):
    """What of each record does not differ from run to run."""
    made = {}
    for record in store.read(results):
        made[record.cell] = {k: v for k, v in msgspec.to_builtins(record).items() if k not in BY_CHANCE}
        made[record.cell]["settings"].pop("batch_queries", None)  # as many as fit into a window of time
    return made


def lines(results):
    path = results / store.FILE_NAME
    return path.read_bytes().splitlines() if path.exists() else []


def ended(nodes, results, *more, after, by):
    """Starts a command, ends it once it has so many records, and returns its exit code.

    An interrupt reaches it also where the tests themselves ignore it, as what a shell runs in the background does.
    """
    unignored = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = f"{unignored}runpy.run_module('benchmarks', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", code, *arguments(nodes, results, *more)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while len(lines(results)) < after and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(by)
        process.stderr.read()
    return process.returncode


def workers():
    """Processes on any node that work for a run."""
    return [
        process for process in psutil.process_iter(["cmdline"])
        if "benchmarks.harness.worker" in (process.info["cmdline"] or ())
        and any(f"recallbench-{os.getuid()}-" in word for word in process.info["cmdline"])
    ]  # fmt: skip


def is_quiet(within_s=60.0):
    deadline = time.monotonic() + within_s
    while workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not workers()


def run(suite, results, executor):
    """What the command does, without the pages."""
    with store.locked(results):
        planned = plan(suites.for_datasets((), str(suite)), Options(machine=executor.machine.id), results, None)
        session = Run(results, 60.0, executor=executor)
        for stage in stages(planned):
            session.follow(Wanted(*one) for one in stage if session.unfinished(one[0]))


@slow
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_goes_on_and_its_records_are_those_of_one_machine(nodes, suite, tmp_path, by):
    here, there = tmp_path / "here", tmp_path / "there"
    run(suite, here, Here(4))
    code = ended(nodes, there, "run", "--suite", suite, "--quiet", after=1, by=by)
    assert code == (-by if by == signal.SIGKILL else 130)
    assert is_quiet()
    assert 1 <= len(lines(there)) < len(lines(here))
    with connected(Asked(nodes.address, there)) as cluster:
        run(suite, there, cluster)
    assert lasting(there) == lasting(here)
    assert {record.status for record in store.read(there)} == {"ok"}
    counted = collections.Counter(record.kind for record in store.read(there))
    assert counted == {"train": 2, "index": 1}
    assert len(lines(there)) == len(lines(here))
    assert {path.name for path in there.iterdir()} == {path.name for path in here.iterdir()}


def test_what_is_not_there_is_a_sentence(suite, tmp_path, capsys, monkeypatch):
    command = ["run", "--suite", str(suite), "--results", str(tmp_path / "results")]
    assert cli.main([*command, "--address", "10.0.0.1:6379"]) == 2
    assert "--address 10.0.0.1:6379 names a Ray cluster; add --executor ray" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "benchmarks.cluster.executor", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "benchmarks.cluster.nodes", raising=False)
    monkeypatch.delitem(sys.modules, "benchmarks.cluster.node", raising=False)
    assert cli.main([*command, "--executor", "ray"]) == 2
    assert "install it with `python -m pip install -c constraints.txt ray==2.60.0`." in capsys.readouterr().err


@slow
@pytest.mark.timeout(3600)  # two runs of some minutes, longer on a machine with other work
def test_the_quick_suite_comes_out_the_same(nodes, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    command = ["run", "--suite", "quick", "--quiet"]
    cli.main([*command, "--jobs", "auto", "--results", str(here)])
    cli.main(arguments(nodes, there, *command))
    assert lasting(there) == lasting(here)


@slow
def test_a_search_is_ended_and_goes_on(nodes, suite, tmp_path):
    there = tmp_path / "there"
    drawn = "search = { embedding_dim = [4, 8, 16], regularization = { low = 0.001, high = 1.0, log = true } } }"
    suite.write_text(SUITE.replace("iterations = 2 } }", f"iterations = 2 }}, {drawn}"))
    search = ("tune", "--suite", suite, "--trials", "6", "--quiet")
    assert ended(nodes, there, *search, after=2, by=signal.SIGKILL) == -signal.SIGKILL
    assert is_quiet()
    assert cli.main(arguments(nodes, there, *search)) == 0
    trials = [record for record in store.read(there) if record.kind == "trial"]
    assert sorted(record.number for record in trials) == list(range(1, 7))


@slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git repository, so it has no revisions")
def test_a_gate_on_a_cluster_says_what_it_says_on_one_machine(nodes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(holding, "LOCK", tmp_path / "lock")
    (tmp_path / "own.toml").write_text(SEARCHED, encoding="utf-8")
    words = ["gate", "HEAD", "HEAD", "--suite", str(tmp_path / "own.toml"), "--pairs", "2", "--margin", "0.9"]
    on_cluster = ["--executor", "ray", "--address", nodes.address]
    assert cli.main([*words, *on_cluster, "--results", str(tmp_path / "results")]) == 0
    said = capsys.readouterr().out
    assert {line.split(" · ")[0] for line in said.splitlines() if line.startswith("the same: ")} == {
        "the same: index", "the same: train", "the same: agreement",
    }  # fmt: skip
    assert len((tmp_path / "results" / "gate" / "pairs.jsonl").read_bytes().splitlines()) == 4
    assert not (tmp_path / "results" / "gate" / "trees").exists()


def test_a_gate_on_nodes_of_which_none_can_be_timed_on_is_a_sentence(tmp_path, monkeypatch, capsys):
    class Nowhere(Here):
        timed_at_once = 0

    monkeypatch.setattr(holding, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(gate, "executor", lambda *_: contextlib.nullcontext(Nowhere()))
    assert cli.main(["gate", "HEAD", "--results", str(tmp_path)]) == 2
    assert "no node of the cluster has said that it is a machine of its own" in capsys.readouterr().err
