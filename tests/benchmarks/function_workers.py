"""Runs whose workers are functions in place of processes."""

import numpy as np

from benchmarks import suites
from benchmarks.harness import sources, store
from benchmarks.harness.groups import groups
from benchmarks.harness.plan import Options, cells
from benchmarks.harness.prepare import prepare
from benchmarks.harness.run import Run
from benchmarks.suites import Block, IndexRow
from datasets import vectors

PROTOCOL = {"name": "search", "k": 10, "primary_metric": "index_recall@10"}
MADE_UP = Block(
    "vectors-600",
    PROTOCOL,
    models=(),
    indexes=(IndexRow("exact"),),
    vectors=vectors.Settings(n_items=600, dim=8, n_queries=40),
)


def trained_block():
    """One training of a small model, and exact search of its vectors."""
    (block,) = suites.for_datasets((), "doctor")
    return Block(block.dataset, block.protocol, block.models, indexes=(IndexRow("exact"),))


class Workers:
    """Stands for `executors.run`: writes what a worker would, and remembers what it was asked for."""

    def __init__(self):
        self.kinds = []
        self.meanwhile = lambda _: None
        self.changes = {}
        self.left = ("users", "items")
        self.value = 0.5

    def __call__(self, tasks, *_):
        for task in tasks:
            self.kinds.append(task.job["kind"])
            self.meanwhile(task)
            if task.job["kind"] == "train":
                for name in self.left:
                    np.save(task.folder / f"{name}.npy", np.full((4, 2), self.value, np.float32))
                np.savez(task.folder / "parameters.npz", table=np.zeros(3, np.float32))
            (task.folder / "stderr").write_text("the end")
            answers = {"answers": [{} for _ in task.job["queries"]]} if task.job["kind"] == "index" else {}
            metrics = {"metrics": {task.job["protocol"]["primary_metric"]: 0.5}}
            said = {"status": "ok", "reason": None, "wall_s": 1.0, "sources": [sources.tree_hash()]}
            result = {**said, **metrics, **answers}
            yield task, {**result, **self.changes}


class Bench:
    def __init__(self, results, workers):
        self.results, self.workers = results, workers
        self.session = None

    def run(self, block, *, force=False):
        """Runs what is unfinished, or all; returns the kinds of the workers that were started."""
        self.workers.kinds.clear()
        with store.locked(self.results):
            self.prepared = prepare(block, self.results, None)
            self.session = Run(self.results, 60.0, lambda *_: None)
            options = Options(backends=("torch",), modes=("eager",))
            planned = cells(block, self.prepared, options)
            self.session.expect(planned)
            for group in groups(planned):
                if force or self.session.unfinished(group):
                    self.session.execute(group, self.prepared)
        return list(self.workers.kinds)

    def records(self):
        return {r.kind: r for r in store.read(self.results)} if store.file_of(self.results) else {}

    def inside(self, name):
        (folder,) = (self.results / name).iterdir()
        return folder
