"""In a worker: trains with a learning curve, to the end, until it stops getting better, or until a search ends it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import checkpoints
from benchmarks.harness.evaluation import DivergedError, Judge, answers
from benchmarks.hashing import ArraysHash
from benchmarks.specs.base import Training
from datasets.errors import InputError

if TYPE_CHECKING:
    from benchmarks.harness.worker import Job

MOST_SCORES = 20_000
"""Queries whose scores a record holds; of more, even an interval without pairing is narrow."""
STOP = "stop"
"""The file that ends a trial, in the folder of its job."""
POINT = "point"
"""The word that a line with a point of a learning curve begins with: its epoch and its value follow."""


@dataclass(frozen=True)
class _Trained:
    """A model at the parameters that it is judged by, and the way there.

    Attributes:
        curve: one point an evaluation, as records hold it.
        best: the epoch that the parameters are of, {} where nothing was watched.
        ended: why it was ended from outside, "" where it was not.
    """

    adapter: Any
    state: Any
    curve: list[dict[str, Any]]
    best: dict[str, float]
    ended: str


def train(job: Job) -> None:
    """Trains until the end or until it stops getting better, and leaves vectors and parameters behind."""
    judge = job.judge()
    trained = _trained(job, judge, _watched(job.spec, judge))
    primary = judge.protocol.primary_metric
    with job.clock("evaluate_s"):
        metrics, reported = judge.all_periods(trained.adapter, trained.state, job.spec)
        intervals = reported.intervals(seed=job.asked["seed"])
        scores = reported.scores(primary) if len(reported.queries) <= MOST_SCORES else None
    with job.clock("write_s"):
        _leave(job, judge, trained.adapter, trained.state)
    job.finish(
        status="ok",
        metrics=metrics | trained.best,
        intervals=intervals,
        scores=scores,
        curve=trained.curve,
        notes=left_out(job.spec, judge.split),
        memory=job.accelerator.memory(),
    )


def trial(job: Job) -> None:
    """Trains on a split that has no test period, and prints each point, for as long as the search lets it.

    It is judged by the epoch that a training with these settings would go back to: the best where it watches for one,
    else the last.
    """
    judge = job.judge()
    primary, cap_s = judge.protocol.primary_metric, job.asked["cap_s"]
    start = time.perf_counter()

    def ended(point: dict[str, Any] | None) -> str:
        if (job.folder / STOP).exists():
            return "pruned"
        if point is None or not point["epoch"]:
            return ""
        sys.stdout.write(f"{POINT} {point['epoch']} {point['metrics'][primary]!r}\n")
        sys.stdout.flush()
        return "capped" if cap_s and time.perf_counter() - start >= cap_s else ""

    trained = _trained(job, judge, judge.protocol.period, ended)
    values = [point["metrics"][primary] for point in trained.curve]
    job.timings["cpu_s"] = time.process_time()
    job.finish(
        status="ok",
        metrics={primary: max(values[1:] or values) if job.spec.patience else values[-1], **trained.best},
        curve=trained.curve,
        ended=trained.ended or "complete",
        notes=left_out(job.spec, judge.split),
    )


def _trained(
    job: Job, judge: Judge, watched: str, ended: Callable[[dict[str, Any] | None], str] = lambda _: ""
) -> _Trained:
    """The model after its training.

    Args:
        job: what is trained.
        judge: of its split.
        watched: the period of the learning curve.
        ended: is asked after each chunk (None) and each point whether to go on, "", or why not.
    """
    adapter, state, has_parameters = job.start_model(judge.split)
    primary = judge.protocol.primary_metric
    batches_hash = ArraysHash()
    n_steps = n_samples = 0
    why = ""

    def point(epoch: int, losses: list[Any]) -> dict[str, Any]:
        with job.clock("evaluate_s"):
            value = judge.judge(judge.lists(adapter, state, job.spec, watched), watched).metrics[primary]
        loss = float(np.mean(np.concatenate(losses))) if sum(map(len, losses)) else None
        return {"epoch": epoch, "steps": n_steps, "loss": loss, "metrics": {primary: value}}

    curve = [point(0, [])] if has_parameters else []
    best = _Best(job.spec.patience, primary)
    for epoch in range(1, job.spec.epochs + 1):
        epoch_losses = []
        for chunk in _clocked(job, "batches_s", job.spec.batches(judge.split, job.key, epoch)):
            with job.clock("hash_s"):
                batches_hash.update(chunk)
            state, losses = _train_chunk(job, adapter, state, chunk, n_steps)
            n_steps += len(losses)
            n_samples += job.spec.n_samples(chunk)
            epoch_losses.append(losses)
            if why := ended(None):
                break
        if why:
            break
        curve.append(point(epoch, epoch_losses))
        stops = best.stops(curve, adapter, state)
        if stops or (why := ended(curve[-1])):
            break
    if best.parameters is not None:
        state = adapter.init(job.spec, best.parameters, job.asked["device"], job.asked["mode"])
    job.hashes["batches"] = batches_hash.hexdigest()
    job.timings["n_samples"] = n_samples
    return _Trained(adapter, state, curve, best.metrics, why)


def left_out(spec: Any, training: Training) -> list[str]:
    """A sentence on the training sequences that are too short for the model to learn from, if there are any."""
    shortest = getattr(spec, "shortest_sequence", 1)  # most models learn from rows
    n_items = np.diff(training.sequence_indptr)
    short = n_items < shortest
    if not short.any():
        return []
    return [
        f"{spec.model} ({spec.variant}): left out of training, with fewer than {shortest} items: {short.sum():,} of "
        f"{len(short):,} sequences, with {n_items[short].sum():,} of {n_items.sum():,} rows"
    ]


def _watched(spec: Any, judge: Judge) -> str:
    """The period of the learning curve: validation, or what is reported where nobody can be asked in it."""
    watched = "validation" if len(judge.split.period("validation")) else judge.protocol.period
    if spec.patience and watched == judge.protocol.period:
        raise InputError(
            f"patience is {spec.patience}, but training would be stopped by the {watched} period, whose metrics are "
            "reported; set patience = 0 in the suite, or report the test period and leave validation queries."
        )
    return watched


class _Best:
    """Early stopping: remembers the parameters of the best epoch, and says when `patience` epochs were no better.

    Attributes:
        parameters: those to go back to; None if the last epoch was the best, or nothing is watched.
        metrics: the epoch that was the best, {} if nothing is watched.
    """

    def __init__(self, patience: int, primary: str) -> None:
        self.patience, self.primary = patience, primary
        self.parameters: Any = None
        self.metrics: dict[str, float] = {}
        self._kept: Any = None

    def stops(self, curve: list[dict[str, Any]], adapter: Any, state: Any) -> bool:
        if not self.patience:
            return False
        last = curve[-1]
        trained = curve[1:]  # going back to untrained parameters is no way out
        best = max(trained, key=lambda point: point["metrics"][self.primary])
        self.metrics = {"best_epoch": best["epoch"]}
        if best is last:
            self._kept = adapter.export(state)
        self.parameters = None if best is last else self._kept
        return bool(last["epoch"] - best["epoch"] >= self.patience)


def _train_chunk(job: Job, adapter: Any, state: Any, chunk: Any, n_steps: int) -> tuple[Any, Any]:
    with job.clock("batches_s"):
        resident = job.accelerator.resident(chunk)
    start = time.perf_counter()
    state, losses = adapter.train(state, resident)
    adapter.sync(state)
    seconds = time.perf_counter() - start
    job.timings["train_s"] = job.timings.get("train_s", 0.0) + seconds
    job.timings.setdefault("first_step_s", seconds)
    check_finite(losses, n_steps + len(losses))
    return state, losses


def _leave(job: Job, judge: Judge, adapter: Any, state: Any) -> None:
    """The vectors of the reported period's questions and of all items, and the parameters as a checkpoint."""
    if job.spec.serves == "vectors":
        asked = judge.asked(job.spec, judge.protocol.period)
        np.save(job.folder / "users.npy", answers(job.spec, partial(adapter.embed_users, state), asked))
        np.save(job.folder / "items.npy", adapter.embed_items(state))
    if hasattr(adapter, "export"):
        learnt = {name: value for name, value in adapter.export(state).items() if name not in job.of_data}
        checkpoints.save(job.folder / "parameters.npz", learnt)


def _clocked(job: Job, name: str, chunks: Iterator[Any]) -> Iterator[Any]:
    while True:
        with job.clock(name):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def check_finite(losses: Any, n_steps: int) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        step = n_steps - len(losses) + int(bad[0]) + 1
        raise DivergedError(f"the loss of step {step} is {losses[bad[0]]}")
