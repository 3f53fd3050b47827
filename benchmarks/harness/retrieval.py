"""What an index costs the recommender: recall against exact search, the task's own metric, speed, time and memory."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from backends import ann
from backends.ann import bare, interests
from backends.ann.exact import QUERY_TILE
from benchmarks.harness import environment
from benchmarks.harness.evaluation import Exclusions, Items, exact_lists
from benchmarks.metrics import Evaluation, retrieved_recall
from benchmarks.resampling import interval, resampled

Floats = npt.NDArray[np.float32]

WINDOW_S = 0.1
"""What one timing of a turn aims at; a batch that takes longer is timed once."""
BATCHES = (256, 1024)
"""Users in a batch; the larger one where several fit into a window, so that a fast index is not timed by its calls."""
BATCHES_A_WINDOW = 3
SINGLE_QUERIES = (20, 200)
"""Fewest and most single queries a turn: their latencies are pooled over the turns."""
N_RESAMPLES = 1_000


def measure(job: Any, alone: Callable[[], None], turns: Callable[[], Iterator[None]]) -> None:
    """Builds once, alone, then gives every query setting its share of each turn; one result a query setting."""
    folder = Path(job.asked["vectors"])
    users, items = (np.asarray(np.load(folder / f"{name}.npy", mmap_mode="c")) for name in ("users", "items"))
    task = _Task.of(job, users, items)
    alone()
    served, memory = _serve(job, task)
    settings = [_Setting(query) for query in job.asked["queries"]]
    _judge(task, served, settings, job.asked["seed"])
    clock = _Clock(task, served)
    for setting in settings:
        clock.calibrate(setting)
    loads = []
    for turn, _ in enumerate(turns()):
        loads.append(served.load_s())
        first = turn % len(settings)
        for setting in settings[first:] + settings[:first]:
            clock.turn(setting)
    facts = {
        "n_items": len(items),
        "dim": items.shape[1],
        "n_queries": len(users),
        "n_interests": users.shape[1] if users.ndim == 3 else 1,
        "threads_all": clock.threads_all,
    }
    job.finish(status="ok", memory=memory, answers=[setting.summary(facts, loads) for setting in settings])


@dataclass(frozen=True)
class _Task:
    """What is looked for, and how the answers are judged.

    Attributes:
        users: float32[q, d], or float32[q, interests, d].
        items: float32[n_items, d].
        k: items that are wanted.
        n_asked: items that an index is asked for.
        exclude: each user's seen items, where those are left out.
        primary: name of the primary metric.
        evaluate: the task's own evaluation of int32[q, k]; None of made-up vectors, which have no task.
    """

    users: Floats
    items: Floats
    k: int
    n_asked: int
    exclude: Exclusions | None
    primary: str
    evaluate: Callable[[Items], Evaluation] | None

    @classmethod
    def of(cls, job: Any, users: Floats, items: Floats) -> _Task:
        primary = job.asked["protocol"]["primary_metric"]
        if "split" not in job.asked:
            k = job.asked["protocol"]["k"]
            return cls(users, items, k, k, None, primary, None)
        judge = job.judge()
        period = judge.protocol.period
        asked = judge.asked(job.spec, period)
        exclude = asked.seen if job.spec.filter_seen else None

        def evaluate(lists: Items) -> Evaluation:
            return judge.judge(judge.spread(lists, asked), period)

        return cls(users, items, judge.k, n_to_ask(judge.k, exclude), exclude, primary, evaluate)

    def lists(self, found: Items) -> Items:
        """int32[q, k], what is recommended, from int32[q, n_asked], what an index has found."""
        return found[:, : self.k] if self.exclude is None else drop_seen(found, self.exclude, self.k)


@dataclass(frozen=True)
class _Served:
    """A built index that was saved, forgotten and restored, as one is served; with its file."""

    adapter: ann.Adapter
    index: ann.Index
    path: Path
    task: _Task

    def search(self, users: Floats, query: Any, threads: int) -> Items:
        """int32[q, n_asked]; the lists of several interests are merged."""
        n_asked = self.task.n_asked
        return interests.search(
            users,
            self.task.items,
            n_asked,
            lambda vectors: self.adapter.search(self.index, vectors, n_asked, query, threads),
        )

    def search_one(self, user: Floats, query: Any) -> Items:
        """An index answers one vector at a time, whichever user it is of."""
        n_asked = self.task.n_asked
        if user.ndim == 1:
            return self.adapter.search_one(self.index, user, n_asked, query)
        return interests.search(
            user[None],
            self.task.items,
            n_asked,
            lambda vectors: np.stack(
                [self.adapter.search_one(self.index, vector, n_asked, query) for vector in vectors]
            ),
        )

    def load_s(self) -> float:
        """Seconds to restore it once more; the file has been read before, so it comes from memory, not from disk."""
        start = time.perf_counter()
        self.adapter.restore(self.index.name, self.path, self.index.n_items, self.index.dim)
        return time.perf_counter() - start


def _serve(job: Any, task: _Task) -> tuple[_Served, dict[str, int]]:
    """Builds, saves, forgets and restores an index: what is timed and measured from then on was read from its file."""
    name, path = job.asked["index"], job.folder / "index"
    adapter = ann.load(name)
    with job.clock("build_s"):
        index = adapter.build(
            name, task.items, job.asked["build"], threads=job.asked["threads"], seed=job.asked["seed"]
        )
    with job.clock("save_s"):
        adapter.save(index, path)
    some = np.array(task.users[:QUERY_TILE]).reshape(-1, task.items.shape[1])

    def answer(index: ann.Index) -> None:
        for query in job.asked["queries"]:
            adapter.search(index, some, task.n_asked, query, threads=1)

    answer(index)  # what a library, or a compiler, takes up at its first search is none of the index's
    del index
    before = _rss_bytes()
    index = adapter.restore(name, path, len(task.items), task.items.shape[1])
    answer(index)
    memory = {"index_bytes": path.stat().st_size, "resident_bytes": max(0, _rss_bytes() - before)}
    return _Served(adapter, index, path, task), memory


def _rss_bytes() -> int:
    """Resident memory of this process, after what is free has been given back.

    A difference of two is good to some hundred kilobytes: pages that stay half full between two moments count for
    neither, and a file that is mapped into memory (Annoy's) counts with the pages that searches have touched.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc keeps freed memory to itself until told otherwise
    if trim is not None:
        trim(0)
    return int(psutil.Process().memory_info().rss)


@dataclass
class _Setting:
    """One query setting with what has been measured of it.

    Attributes:
        metrics, intervals: what its answers are worth.
        batch: float32[q, …], the users of a batch.
        calls: of a batch in a window, with one thread, and with all; and single queries a turn.
        single_s: seconds of single queries, of all turns.
        rates: queries a second, one a turn; "call_overhead" is a share.
    """

    query: Any
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    batch: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))
    calls: tuple[int, int, int] = (1, 1, 1)
    single_s: list[float] = field(default_factory=list)
    rates: dict[str, list[float]] = field(default_factory=dict)

    def rate(self, name: str, value: float) -> None:
        self.rates.setdefault(name, []).append(value)

    def summary(self, facts: dict[str, int], loads: list[float]) -> dict[str, Any]:
        """Its share of the result; the percentiles of no latencies are 0."""
        p50, p95, p99 = np.percentile(self.single_s or [0.0], [50, 95, 99]).tolist()
        return {
            "query": self.query,
            "settings": {**facts, "batch_queries": len(self.batch)},
            "metrics": self.metrics,
            "intervals": self.intervals,
            "timings": {"p50_s": p50, "p95_s": p95, "p99_s": p99, "load_s": loads, **self.rates},
        }


def _judge(task: _Task, served: _Served, settings: list[_Setting], seed: int) -> None:
    """Recall against exact search; of a task, its metrics, those of exact search, and what is lost between them."""
    threads = environment.usable_cores()
    truth = exact_lists(task.users, task.items, task.k, None, threads)
    evaluations = []
    for setting in settings:
        found = served.search(task.users, setting.query, threads)
        recall = retrieved_recall(found[:, : task.k], truth, task.users, task.items)
        if task.evaluate is not None:
            evaluations.append(task.evaluate(task.lists(found)))
            setting.metrics = evaluations[-1].metrics
        setting.metrics[f"index_recall@{task.k}"] = recall
    if task.evaluate is None:
        return
    if task.exclude is not None:
        truth = exact_lists(task.users, task.items, task.k, task.exclude, threads)
    exact = task.evaluate(truth)
    for setting, bounds in zip(settings, _lost(exact, evaluations, task.primary, seed), strict=True):
        ours = exact.metrics[task.primary]
        setting.metrics |= {
            f"exact/{task.primary}": ours,
            f"lost/{task.primary}": ours - setting.metrics[task.primary],
        }
        setting.intervals[f"lost/{task.primary}"] = bounds


def _lost(exact: Evaluation, evaluations: list[Evaluation], primary: str, seed: int) -> list[tuple[float, float]]:
    """Paired bootstrap over the queries: the 95 % interval of exact search's metric less each evaluation's."""
    scores = [evaluation.scores(primary) for evaluation in (exact, *evaluations)]
    values, weights = (np.column_stack([score[what] for score in scores]) for what in ("values", "weights"))
    ratios = resampled(values, weights, seed, N_RESAMPLES)
    low, high = interval(ratios[:, :1] - ratios[:, 1:])
    return list(zip(low.tolist(), high.tolist(), strict=True))


class _Clock:
    """Times the query settings of one index, each a little in every turn.

    Attributes:
        users: float32[q, …], drawn once, the same for every index; batches are the first of them.
        threads_all: all cores that this process may use.
    """

    def __init__(self, task: _Task, served: _Served) -> None:
        self.task, self.served = task, served
        self.threads_all = environment.usable_cores()
        # Exact search gives a tile to a thread at a time: a batch has one for every core, at least.
        self.sizes = [max(size, QUERY_TILE * self.threads_all) for size in BATCHES]
        rng = np.random.Generator(np.random.Philox(0))
        self.users = np.ascontiguousarray(task.users[rng.integers(0, len(task.users), self.sizes[-1])])
        self._next = 0

    def calibrate(self, setting: _Setting) -> None:
        """Warms up, and sees how large a batch is, and how many calls make a window."""
        for size in self.sizes:
            setting.batch = self.users[:size]
            self._batch_s(setting, 1)
            taken = self._batch_s(setting, 1)
            if taken * self.sizes[-1] / size > WINDOW_S / BATCHES_A_WINDOW:
                break
        self._batch_s(setting, self.threads_all)
        every = self._batch_s(setting, self.threads_all)
        single = float(np.median([self._single_s(setting) for _ in range(5)]))
        setting.calls = (
            max(1, round(WINDOW_S / taken)),
            max(1, round(WINDOW_S / every)),
            int(np.clip(WINDOW_S / single, *SINGLE_QUERIES)),
        )

    def turn(self, setting: _Setting) -> None:
        one, every, singles = setting.calls
        self._one_thread(setting, one)
        taken = sum(self._batch_s(setting, self.threads_all) for _ in range(every))
        setting.rate("batch_qps_all", every * len(setting.batch) / taken)
        setting.single_s.extend(self._single_s(setting) for _ in range(singles))

    def _one_thread(self, setting: _Setting, n_calls: int) -> None:
        """Batches through the adapter, in turn with direct calls of the library: what disturbs one disturbs the other.

        Several interests are merged by us, not by the library, so they have no direct call.
        """
        n_queries = n_calls * len(setting.batch)
        one_vector = setting.batch.ndim == 2
        direct = bare.call(self.served.index, setting.batch, self.task.n_asked, setting.query) if one_vector else None
        if direct is None:
            taken = sum(self._batch_s(setting, 1) for _ in range(n_calls))
            setting.rate("batch_qps", n_queries / taken)
            return
        direct()  # others have had their turns since, so the first call finds nothing in the caches
        ours, theirs = [], []
        for at in range(n_calls):
            if at % 2:
                theirs.append(_seconds(direct))
            ours.append(self._batch_s(setting, 1))
            if not at % 2:
                theirs.append(_seconds(direct))
        setting.rate("batch_qps", n_queries / sum(ours))
        setting.rate("bare_qps", n_queries / sum(theirs))
        # Of the calls that nothing interrupted: what is looked for is smaller than what else a machine is doing.
        setting.rate("call_overhead", 1 - min(theirs) / min(ours))

    def _batch_s(self, setting: _Setting, threads: int) -> float:
        return _seconds(lambda: self.served.search(setting.batch, setting.query, threads))

    def _single_s(self, setting: _Setting) -> float:
        user = self.users[self._next % len(self.users)]
        self._next += 1
        return _seconds(lambda: self.served.search_one(user, setting.query))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def n_to_ask(k: int, exclude: Exclusions | None) -> int:
    """An index cannot leave out seen items, so it is asked for as many more, and they are dropped afterwards."""
    return k if exclude is None else k + int(np.diff(exclude[0]).max(initial=0))


def drop_seen(found: Items, exclude: Exclusions, k: int) -> Items:
    """The first k of each list that are not excluded: int32[q, k] from int32[q, more], -1 where they run out."""
    indptr, items = exclude
    width = int(max(found.max(initial=0), items.max(initial=0))) + 1
    seen = np.repeat(np.arange(len(found), dtype=np.int64), np.diff(indptr)) * width + items
    rows = np.arange(len(found), dtype=np.int64)[:, None]
    dropped = (found < 0) | np.isin(rows * width + found, seen)
    order = np.argsort(dropped, axis=1, kind="stable")[:, :k]
    kept = np.take_along_axis(np.where(dropped, -1, found), order, 1)
    return kept.astype(np.int32)
