"""What a cluster costs beside one machine, how many cells a run may have, and how long a large sweep would take.

Run with `python -m pytest benchmarks/cluster/bench_cluster.py -s`. Cells are real but for their interpreter: `true`,
which ends at once, so that what is left is what is ours: the order, Ray's placing, a process, its end, the way back.
"""

from __future__ import annotations

import heapq
import itertools
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import store
from benchmarks.harness.executors import Task
from benchmarks.harness.groups import stages
from benchmarks.harness.plan import Options, Prepared, cells, refuse_alike
from benchmarks.harness.run import Run
from benchmarks.harness.teams import Here, Team
from benchmarks.suites import Block, ModelRow

PUBLISHED = Path(__file__).resolve().parents[2] / "reports" / "published"
PROTOCOL = {"name": "leave-k-out", "k": 1, "min_items": 5, "period": "test", "ks": [5], "primary_metric": "ndcg@5"}
N_VARIANTS, N_BACKENDS, N_MODES = 25, 4, 2
N_PLANNED = 100_000
N_SHORT, N_COMPARED = 1_000, 40
N_SWEPT, N_NODES, N_CPUS = 10_000, 100, 16


def said(benchmark, **figures):
    """Figures on the screen and in what pytest-benchmark keeps."""
    benchmark.extra_info.update(figures)
    print(*(f"{name}: {value:.4g}" for name, value in figures.items()), sep="\n")  # noqa: T201 - it is the answer


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes of two CPUs on this machine, and a results folder."""
    ray_nodes = pytest.importorskip("ray.cluster_utils").Cluster()
    from benchmarks.cluster.executor import Asked, connected

    for head in (True, False):
        more = {"include_dashboard": False} if head else {}
        ray_nodes.add_node(num_cpus=2, object_store_memory=80 << 20, **more)
    results = tmp_path_factory.mktemp("results")
    with connected(Asked(ray_nodes.address, results)) as made:
        yield results, made
    ray_nodes.shutdown()


def teams(results, n, numbers=itertools.count()):  # noqa: B008 - no two folders have one number
    for number in itertools.islice(numbers, n):
        folder = results / "work" / f"{number:016x}"
        folder.mkdir(parents=True)
        job = {"kind": "train", "model": "none", "backend": "torch", "threads": 1, "device": "cpu"}
        yield Team((Task(job, folder, python="/bin/true"),))


def ended(executor, made):
    """Seconds, and seconds of this process, in which so many cells come to their end."""
    start, cpu = time.perf_counter(), time.process_time()
    results = [result for _, (result,) in executor.run(made, 60.0)]
    assert {result["reason"] for result in results} == {"exit status 0 without a result: nothing on stderr"}
    return time.perf_counter() - start, time.process_time() - cpu


def test_cells_a_second(benchmark, cluster):
    results, made = cluster
    ended(made, teams(results, 20))
    wall_s, cpu_s = benchmark.pedantic(lambda: ended(made, teams(results, N_SHORT)), rounds=1)
    said(benchmark, cells_a_second=N_SHORT / wall_s, driver_cpu_s_a_cell=cpu_s / N_SHORT)


def test_overhead_a_cell(benchmark, cluster):
    """One cell at a time, here and there by turns."""
    results, made = cluster
    ended(made, teams(results, 20))
    taken = {"here": [], "there": []}

    def compare():
        for _ in range(N_COMPARED):
            for name, executor in (("here", Here()), ("there", made)):
                taken[name].append(ended(executor, teams(results, 1))[0])

    benchmark.pedantic(compare, rounds=1)
    here, there = (float(np.median(taken[name])) for name in ("here", "there"))
    said(benchmark, here_s=here, there_s=there, overhead_s=there - here)


def planned():
    rows = tuple(ModelRow("mf-bpr", {"variant": f"v{n}", "epochs": n + 1}) for n in range(N_VARIANTS))
    prepared = Prepared("shop", PROTOCOL, Path("unused"), {"dataset": "d" * 16, "split": "s" * 16}, ())
    seeds = tuple(range(N_PLANNED // (N_VARIANTS * N_BACKENDS * N_MODES)))
    made = cells(Block("shop", PROTOCOL, rows, modes=("eager", "compiled")), prepared, Options(seeds=seeds))
    refuse_alike(made)
    return prepared, made


def test_a_hundred_thousand_cells_are_planned_and_looked_up(benchmark, tmp_path):
    def plan_and_look():
        prepared, made = planned()
        session = Run(tmp_path, 60.0)
        session.expect(made)
        return sum(session.unfinished(group) for stage in stages([(prepared, made)]) for group, _ in stage)

    cpu = time.process_time()
    assert benchmark.pedantic(plan_and_look, rounds=1) == N_PLANNED
    said(benchmark, cpu_s=time.process_time() - cpu)


def test_a_record_is_on_the_disk(benchmark, tmp_path):
    (record, *_) = (record for record in store.read(PUBLISHED / "quick") if record.kind == "train")
    line = store.as_line(record)
    benchmark(lambda: store.append_lines(tmp_path, [line]))


def swept_s(walls_s, n_slots, driver_s):
    """How long cells take one after the other on so many slots, where the driver is needed a while for each of them."""
    free = [0.0] * n_slots
    driver = 0.0
    for wall_s in walls_s:
        driver = max(driver, heapq.heappop(free)) + driver_s
        heapq.heappush(free, driver + wall_s)
    return max(free)


@pytest.mark.parametrize("driver_s", [0.0, 0.01, 0.02, 0.1, 0.5])
def test_a_sweep_of_ten_thousand_cells(benchmark, driver_s):
    """By the published trainings' own times, drawn with replacement: what Ray or a network add is not in it."""
    folders = [folder for folder in store.folders(PUBLISHED) if folder.name != "site"]
    known = [record for folder in folders for record in store.read(folder) if record.kind == "train"]
    walls_s = [wall_s for record in known if record.status == "ok" and (wall_s := record.single("wall_s"))]
    drawn = np.random.default_rng(0).choice(walls_s, N_SWEPT)
    total_s = benchmark.pedantic(lambda: swept_s(drawn, N_NODES * N_CPUS, driver_s), rounds=1)
    bounds = {"work_s": drawn.sum() / (N_NODES * N_CPUS), "longest_s": drawn.max(), "driver_s": N_SWEPT * driver_s}
    said(
        benchmark,
        n_trainings=len(walls_s),
        total_s=total_s,
        **{f"bound_{name}": value for name, value in bounds.items()},
    )
