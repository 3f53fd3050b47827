"""One cell in one fresh process: reads job.json, writes result.json beside it.

The parent has set threads and devices in the environment before this interpreter started. Whatever goes wrong in here
ends as a result with a status and a reason, or, if the process is killed, as its exit status.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from backends.contract import UnavailableError
from benchmarks import protocols, sampling, specs
from benchmarks.harness import environment, orphans, sources, training
from benchmarks.harness.accelerator import Accelerator
from benchmarks.harness.evaluation import DivergedError, Judge
from benchmarks.hashing import hash_arrays
from benchmarks.protocols.base import Split
from benchmarks.specs.base import Sizes, digest
from datasets.errors import InputError, TooFewError


class Job:
    """What the parent asks for, with the clock and the result that grows while it is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: dict[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        self.timings: dict[str, Any] = {}
        self.hashes: dict[str, str] = {"spec": digest(self.asked["settings"])}
        self.of_data: set[str] = set()  # parameters that come with the data
        self._sources = sources.tree_hash()

    @functools.cached_property
    def spec(self) -> Any:
        """The model's spec; made-up vectors have none."""
        return specs.make(self.asked["model"], self.asked["settings"])

    @functools.cached_property
    def accelerator(self) -> Accelerator:
        """The device that its model is on."""
        return Accelerator.of(self.asked["backend"], self.asked["device"])

    def shared(self) -> Path | None:
        """The folder in which workers of one run and the same sources keep what the reference has found out, if any."""
        if "shared" not in self.asked:
            return None
        folder = Path(self.asked["shared"]) / self._sources
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Adds the seconds of the block to the timing of that name."""
        start = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start

    def judge(self) -> Judge:
        with self.clock("load_s"):
            split = Split.load(Path(self.asked["split"]))
        return Judge(split, protocols.make(self.asked["protocol"]))

    @property
    def key(self) -> tuple[object, ...]:
        """What all random draws of the cell are keyed by, the same for all backends."""
        return (self.asked["split_hash"], self.asked["seed"])

    def start_model(self, split: Split) -> tuple[Any, Any, bool]:
        """The imported adapter, its state at the initial parameters, and whether there are any parameters."""
        table = self.spec.parameters(Sizes.of(split))
        self.of_data = {row.name for row in table if row.is_data}
        with self.clock("draw_s"):
            parameters = sampling.initial_parameters(table, self.key)
        self.hashes["parameters"] = hash_arrays(parameters)
        with self.clock("import_s"):
            adapter = importlib.import_module(self.asked["adapter"])
        with self.clock("init_s"):
            state = adapter.init(self.spec, parameters, self.asked["device"], self.asked["mode"])
            adapter.sync(state)
        return adapter, state, bool(table)

    def finish(self, **result: Any) -> None:
        """Writes the result in one piece."""
        result = {
            "timings": {**self.timings, "worker_s": time.monotonic() - self.asked["spawned"]},
            "memory": {"peak_rss_bytes": environment.peak_rss_bytes(), **result.pop("memory", {})},
            "hashes": self.hashes,
            # Adapters are imported late: what lies there now, too, is what has been run.
            "sources": sorted({self._sources, sources.tree_hash()}),
            **result,
        }
        partial = self.folder / "result.partial"
        # What is no number is written as it is, so that the record's own check can say where it stands.
        partial.write_text(json.dumps(result), encoding="utf-8")
        partial.replace(self.folder / "result.json")


N_TIMED_STEPS = 20
WINDOW_S = 0.3
COUNTED_S = 1.0
"""A GPU's energy is counted every tenth of a second or so: where all windows take less than this, none is said."""


def throughput(job: Job) -> None:
    """Warms up, then trains one window whenever the parent gives it the turn."""
    judge = job.judge()
    adapter, state, _ = job.start_model(judge.split)
    batches = {name: values[:N_TIMED_STEPS] for name, values in next(job.spec.batches(judge.split, job.key, 1)).items()}
    job.hashes["batches"] = hash_arrays(batches)
    n_samples = job.spec.n_samples(batches)
    resident = job.accelerator.resident(batches)

    def call() -> float:
        nonlocal state
        start = time.perf_counter()
        state, losses = adapter.train(state, resident)
        adapter.sync(state)
        training.check_finite(losses, len(losses))
        return time.perf_counter() - start

    _wait_until_alone()
    job.timings["first_step_s"] = call()
    second = call()
    job.timings["warmup_s"] = second
    n_calls = max(1, round(WINDOW_S / second))
    rates, cpu, drawn_j, spent_s = [], [], [], 0.0
    for _ in _turns():
        start, before = time.process_time(), job.accelerator.joules()
        seconds = sum(call() for _ in range(n_calls))
        cpu.append(time.process_time() - start)
        after = job.accelerator.joules()
        if before is not None and after is not None:
            drawn_j.append(after - before)
        spent_s += seconds
        rates.append(n_calls * n_samples / seconds)
    # What the first call took beyond a warm one is tracing and compiling.
    job.timings["compile_s"] = max(0.0, job.timings["first_step_s"] - n_samples / float(np.median(rates)))
    windows = {"window_samples_per_s": rates, "window_cpu_s": cpu}
    n_trained = n_calls * n_samples * len(drawn_j)
    energy = {"joules_per_sample": sum(drawn_j) / n_trained} if drawn_j and spent_s >= COUNTED_S else {}
    job.finish(status="ok", timings={**job.timings, **windows, **energy}, memory=job.accelerator.memory())


def _wait_until_alone() -> None:
    """Says that it has loaded what it needs, and waits until no other one is loading beside it."""
    sys.stdout.write("loaded\n")
    sys.stdout.flush()
    sys.stdin.readline()


def _turns() -> Iterator[None]:
    """Says that it is ready, and then comes back once for every line from the parent, until there are no more.

    A worker that waits blocks on its pipe, so that the one whose turn it is has the machine to itself.
    """
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        yield
        sys.stdout.write("done\n")
        sys.stdout.flush()


def index(job: Job) -> None:
    """Builds an index over a model's vectors, then answers all queries under each query setting, by turns."""
    from benchmarks.harness import retrieval

    retrieval.measure(job, _wait_until_alone, _turns)


def show(job: Job) -> None:
    """Maps a model's item vectors onto a plane."""
    from benchmarks.harness import item_map

    item_map.measure(job)


def agreement(job: Job) -> None:
    """Climbs the ladder with one adapter in all forms and modes asked for, or with every bug that is known of it."""
    from benchmarks.agreement import INJECTED, climbs, injection, ladder

    model, device = job.asked["model"], job.asked["device"]
    if job.spec.variant == INJECTED:
        bugs = injection.inject_all(job.asked["backend"], job.asked["adapter"], model, device)
        metrics = {"n_injected": len(bugs), "n_caught": sum(bug["caught"] for bug in bugs)}
        job.finish(status="ok", metrics=metrics, bugs=bugs)
        return
    with job.clock("import_s"):
        adapter = importlib.import_module(job.asked["adapter"])
    shared = job.shared()
    answers = []
    for asked in job.asked["climbs"]:
        start = time.perf_counter()
        climb = climbs.named(model, asked["settings"]["variant"], asked["climb"])
        outcome = ladder.climb(adapter, climb, device, asked["mode"], job.asked["seed"], shared=shared)
        answers.append(
            {
                "rungs": [vars(rung) for rung in outcome.rungs],
                "divergence": [float(f"{value:.3g}") if np.isfinite(value) else None for value in outcome.divergence],
                "hashes": {**job.hashes, "spec": digest(asked["settings"]), "trained": outcome.trained},
                "timings": {"climb_s": time.perf_counter() - start},
            }
        )
    job.finish(status="ok", answers=answers)


def mutation(job: Job) -> None:
    """Tries the generated mutants of one source file, each by what checks that file."""
    from benchmarks.mutation import judging

    job.finish(**judging.judged(job.asked, job.folder))


def own(job: Job) -> None:
    """Climbs the ladder with an adapter from a file outside of this repository."""
    from benchmarks.agreement import own

    own.climb(job)


def pieces(job: Job) -> None:
    """Runs a file of the pieces' own benchmarks."""
    from benchmarks.gate import pieces

    pieces.measure(job, _turns)


def recommend(job: Job) -> None:
    """Lists for given users, from a checkpoint."""
    from benchmarks.harness import lists

    lists.answer(job)


KINDS = {
    "train": training.train,
    "trial": training.trial,
    "throughput": throughput,
    "index": index,
    "map": show,
    "agreement": agreement,
    "mutation": mutation,
    "own": own,
    "pieces": pieces,
    "recommend": recommend,
}


def _status(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}".lower()
    if isinstance(error, UnavailableError | TooFewError):
        return "skipped"
    if isinstance(error, DivergedError):
        return "diverged"
    if isinstance(error, MemoryError) or "out of memory" in text or "resource_exhausted" in text:
        return "oom"
    return "failed"


def main(folder: Path) -> None:
    job = Job(folder)
    orphans.end_with(job.asked["parent"])
    job.timings["start_s"] = time.monotonic() - job.asked["spawned"]
    try:
        KINDS[job.asked["kind"]](job)
    except Exception as error:  # whatever it is, it is this cell's result and nobody else's
        traceback.print_exc()
        is_sentence = isinstance(error, UnavailableError | DivergedError | InputError) and str(error)
        reason = str(error) if is_sentence else f"{type(error).__name__}: {error}"
        job.finish(status=_status(error), reason=" ".join(reason.split())[:500])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # frameworks' exit handlers take seconds, and some crash


if __name__ == "__main__":
    main(Path(sys.argv[1]))
