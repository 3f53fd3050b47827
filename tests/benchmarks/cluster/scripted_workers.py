"""Workers that are scripts, which take no time to start: what they do stands in their job."""

import contextlib
import os
import sys
import textwrap

import pytest

from benchmarks.cluster.executor import Asked, connected
from benchmarks.cluster.nodes import WHOLE
from benchmarks.harness.environment import ROOT
from benchmarks.harness.executors import Task
from benchmarks.harness.teams import Team

slow = pytest.mark.skipif(
    not os.environ.get("RECALLBENCH_SLOW"),
    reason="depends on how fast processes start and end; set RECALLBENCH_SLOW=1 on a quiet machine to run it",
)
N_CPUS = 2
NODE = {"num_cpus": N_CPUS, "resources": {WHOLE: 1}, "object_store_memory": 80 << 20}

WORKER = """\
    #!{python} -S
    import json, os, pathlib, sys, time
    folder = pathlib.Path(sys.argv[-1])
    job = json.loads((folder / "job.json").read_text())
    began, found = time.time(), {{}}
    for n, _ in enumerate(sys.stdin if job["turns"] and not print("ready", flush=True) else ()):
        exec(job["does"])
        print("done", flush=True)
    if not job["turns"]:
        exec(job["does"])
    said = {{"status": "ok", "reason": None, "metrics": found}}
    (folder / "result.partial").write_text(json.dumps(said))
    (folder / "result.partial").rename(folder / "result.json")
"""


class Bench:
    """Teams of such workers, in a results folder of their own."""

    def __init__(self, folder, cluster):
        self.results, self.cluster = folder, cluster
        self.script = folder / "interpreter"
        self.script.write_text(textwrap.dedent(WORKER).format(python=sys.executable))
        self.script.chmod(0o755)
        self.n_made = 0

    def team(self, *deeds, turns=0, listener=None, root=ROOT, **more):
        tasks = []
        for does in deeds:
            self.n_made += 1
            folder = self.results / "work" / f"{self.n_made:016x}"
            folder.mkdir(parents=True)
            common = {"kind": "train", "model": "script", "backend": "torch", "threads": 1, "device": "cpu"}
            heard = None if listener is None else lambda line, folder=folder: listener(folder, line)
            job = {**common, "turns": turns, "does": does, **more}
            tasks.append(Task(job, folder, heard, root=root, python=str(self.script)))
        return Team(tuple(tasks), turns)

    def run(self, *teams, timeout_s=60.0):
        """Each team's results, in the order in which the teams were given."""
        ended = dict(self.cluster.run(iter(teams), timeout_s))
        assert len(ended) == len(teams)
        return [ended[team] for team in teams]


@contextlib.contextmanager
def bench_of(nodes, folder, **asked):
    with connected(Asked(nodes.address, folder, **asked)) as cluster:
        yield Bench(folder, cluster)
