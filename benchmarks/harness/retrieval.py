"""What an index costs the recommender: recall against exact search, the task's own metric, speed, time and bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from backends import ann
from backends.ann import interests
from benchmarks.harness.evaluation import exact_lists
from benchmarks.metrics import retrieved_recall

N_SINGLE_QUERIES = 200
"""Single queries a turn: their latencies are pooled over the turns."""


def measure(job: Any, turns: Callable[[], Iterator[None]]) -> None:
    """Builds once, then gives every query setting its share of each turn; one result a query setting."""
    judge = job.judge()
    period = judge.protocol.period
    users, items = (np.load(Path(job.asked["vectors"]) / f"{name}.npy") for name in ("users", "items"))
    adapter = ann.load(job.asked["index"])
    with job.clock("build_s"):
        index = adapter.build(
            job.asked["index"], items, job.asked["build"], threads=job.asked["threads"], seed=job.asked["seed"]
        )
    asked = judge.asked(job.spec, period)
    exclude = asked.seen if job.spec.filter_seen else None
    k = judge.k
    n_asked = n_to_ask(k, exclude)
    results = []
    truth = exact_lists(users, items, k, None)

    def search(query: Any) -> Any:
        threads = job.asked["threads"]
        return interests.search(
            users, items, n_asked, lambda vectors: adapter.search(index, vectors, n_asked, query, threads)
        )

    def search_one(user: Any, query: Any) -> Any:
        """An index answers one vector at a time; the lists of several interests are merged."""
        if users.ndim == 2:
            return adapter.search_one(index, user, n_asked, query)
        return interests.search(
            user[None],
            items,
            n_asked,
            lambda vectors: np.stack([adapter.search_one(index, vector, n_asked, query) for vector in vectors]),
        )

    for query in job.asked["queries"]:
        found = search(query)
        lists = found[:, :k] if exclude is None else drop_seen(found, exclude, k)
        metrics = judge.judge(judge.spread(lists, asked), period).metrics
        metrics[f"index_recall@{k}"] = retrieved_recall(found[:, :k], truth, users, items)
        results.append({"query": query, "metrics": metrics, "single_s": [], "batch_qps": []})

    rng = np.random.Generator(np.random.Philox(0))  # which users' latencies are taken: the same for every index
    picked = users[rng.integers(0, len(users), N_SINGLE_QUERIES)]
    for _ in turns():
        for result in results:
            start = time.perf_counter()
            search(result["query"])
            result["batch_qps"].append(len(users) / (time.perf_counter() - start))
            for user in picked:
                start = time.perf_counter()
                search_one(user, result["query"])
                result["single_s"].append(time.perf_counter() - start)
    with TemporaryDirectory() as folder:
        adapter.save(index, Path(folder) / "index")
        index_bytes = (Path(folder) / "index").stat().st_size
    job.finish(
        status="ok",
        memory={"index_bytes": index_bytes},
        settings={"n_items": len(items), "dim": items.shape[1]},
        answers=[_summary(result) for result in results],
    )


def n_to_ask(k: int, exclude: Any) -> int:
    """An index cannot leave out seen items, so it is asked for as many more, and they are dropped afterwards."""
    return k if exclude is None else k + int(np.diff(exclude[0]).max(initial=0))


def drop_seen(found: Any, exclude: tuple[Any, Any], k: int) -> Any:
    """The first k of each list that are not excluded: int32[q, k] from int32[q, more], -1 where they run out."""
    indptr, items = exclude
    width = int(max(found.max(initial=0), items.max(initial=0))) + 1
    seen = np.repeat(np.arange(len(found), dtype=np.int64), np.diff(indptr)) * width + items
    rows = np.arange(len(found), dtype=np.int64)[:, None]
    dropped = (found < 0) | np.isin(rows * width + found, seen)
    order = np.argsort(dropped, axis=1, kind="stable")[:, :k]
    kept = np.take_along_axis(np.where(dropped, -1, found), order, 1)
    return kept.astype(np.int32)


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    single = np.array(result["single_s"])
    p50, p95, p99 = (float(value) for value in np.percentile(single, [50, 95, 99])) if len(single) else (0.0,) * 3
    return {
        "query": result["query"],
        "metrics": result["metrics"],
        "timings": {"p50_s": p50, "p95_s": p95, "p99_s": p99, "batch_qps": result["batch_qps"]},
    }
