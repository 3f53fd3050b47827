"""What goes wrong on a cluster of two nodes: nothing is lost, nothing is doubled, and what arrives is what was sent."""

import contextlib
import hashlib
import itertools
import tempfile
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
from scripted_workers import NODE, slow

from benchmarks.cluster import node
from benchmarks.cluster.orders import BLOCK_BYTES, Facts
from benchmarks.harness import files

SIZE = 2 * BLOCK_BYTES + 1000
READS = """
content = pathlib.Path(job["vectors"], "items.npy").read_bytes()
found["inode"] = pathlib.Path(job["vectors"], "items.npy").stat().st_ino
(folder / "users.npy").write_bytes(content[::-1])
(folder / "items.npy").write_bytes(b"")
"""
ONCE = "mark = pathlib.Path({!r})\nif not mark.exists(): mark.touch(); {}"
KILLS_ITS_SUPERVISOR = "os.kill(os.getppid(), 9); time.sleep(60)"
numbers = itertools.count(1)


@pytest.fixture
def content():
    return np.random.default_rng(0).bytes(SIZE)


@pytest.fixture
def vectors(bench, content):
    """A sealed folder with a file of several blocks and an empty one."""

    def write(partial):
        partial.mkdir()
        (partial / "items.npy").write_bytes(content)
        (partial / "users.npy").write_bytes(b"")

    folder = bench.results / "vectors" / f"{next(numbers):016x}"
    files.fill(folder, write)
    return folder


def read_by(bench, vectors, n):
    """What so many tasks that read vectors have found, the files that they sent having been looked at."""
    teams = [bench.team(READS, vectors=str(vectors)) for _ in range(n)]
    results = [result for (result,) in bench.run(*teams)]
    assert {result["status"] for result in results} == {"ok"}
    for team in teams:
        (task,) = team.tasks
        content = (vectors / "items.npy").read_bytes()
        assert (task.folder / "users.npy").read_bytes() == content[::-1]
        assert (task.folder / "items.npy").read_bytes() == b""
        assert not [*task.folder.glob("*.partial")]
    return [result["metrics"]["inode"] for result in results]


def fetched(bench, vectors):
    """Where nodes keep a folder of that seal for this run."""
    kept = f"recallbench-*-{bench.cluster._place}-*/{files.seal(vectors)}/{vectors.name}"
    return [*Path(tempfile.gettempdir()).glob(kept)]


def test_files_are_fetched_once_a_node_and_what_is_sent_arrives(bench, vectors):
    assert 1 <= len(set(read_by(bench, vectors, 8))) == len(fetched(bench, vectors)) <= 2


def test_what_is_damaged_on_a_node_is_fetched_again(bench, vectors):
    before = set(read_by(bench, vectors, 4))
    for folder in fetched(bench, vectors):
        (folder / "items.npy").write_bytes(b"damaged")
    again = set(read_by(bench, vectors, 4))
    assert again
    for folder in fetched(bench, vectors):
        assert hashlib.sha256((folder / "items.npy").read_bytes()).digest() != hashlib.sha256(b"damaged").digest()
    assert len(before) <= 2


def test_what_is_not_as_it_was_sealed_is_refused_on_arrival(bench, vectors):
    (vectors / "items.npy").write_bytes(b"x" * SIZE)
    ((result,),) = bench.run(bench.team(READS, vectors=str(vectors)))
    assert result["status"] == "failed"
    assert f"vectors/{vectors.name} has not arrived as it was sealed" in result["reason"]
    assert fetched(bench, vectors) == []


def test_a_full_object_store_loses_nothing(bench, vectors):
    taken = [ray.put(np.ones(10 << 20, np.uint8)) for _ in range(9)]  # more than it holds
    read_by(bench, vectors, 6)
    assert [int(ray.get(one).sum()) for one in taken] == [10 << 20] * 9


@pytest.mark.parametrize("turns", [0, 2])
def test_a_team_whose_supervisor_is_killed_is_run_again_and_that_is_said(bench, tmp_path, capsys, turns):
    lost = bench.team(ONCE.format(str(tmp_path / "mark"), KILLS_ITS_SUPERVISOR), turns=turns)
    fine = bench.team("pass", turns=turns)
    (result,), (other,) = bench.run(lost, fine)
    assert (result["status"], other["status"]) == ("ok", "ok")
    (note,) = (note for note in result["notes"] if "run again" in note)
    assert note.startswith("it was lost with its node or its supervisor (WorkerCrashedError: ")
    assert not any("run again" in note for note in other["notes"])
    assert capsys.readouterr().err.count("so it is run again") == 1


def test_one_that_is_lost_every_time_is_a_failed_cell(bench):
    lost, fine = bench.team(KILLS_ITS_SUPERVISOR), bench.team("pass")
    (result,), (other,) = bench.run(lost, fine)
    assert result["status"] == "failed"
    assert result["reason"].startswith("run 3 times on the cluster, and each time it was lost with its node or its")
    assert other["status"] == "ok"


def test_a_node_that_departs_is_named_with_what_departs():
    own = node.facts()
    assert own.departs(own) is None
    other = Facts(own.machine, "0" * 16, own.versions)
    assert other.departs(own) == f"its sources have the hash {'0' * 16}, expected {own.sources}"
    versions = {**own.versions, "torch": {**own.versions["torch"], "numpy": "1.0"}}
    expected = own.versions["torch"]["numpy"]
    assert Facts(own.machine, own.sources, versions).departs(own) == f"its numpy for torch is 1.0, expected {expected}"
    del versions["torch"]["numpy"]
    assert "numpy for torch is not there, expected" in Facts(own.machine, own.sources, versions).departs(own)


@slow
def test_of_a_node_that_is_killed_all_is_run_again_elsewhere(bench, nodes):
    """The last one, since it takes a node away."""
    head, other = nodes.list_all_nodes()
    release = bench.results / "release"
    heard = []

    def listener(_, line):
        heard.append(line)
        if other.node_id[:8] in line and not release.exists():
            nodes.remove_node(other, allow_graceful=False)
            with contextlib.suppress(psutil.Error):  # until then it might still tell of an end
                psutil.Process(int(line.split()[-1])).wait(30)
            release.touch()

    waits = (
        f"print(folder, os.getppid(), flush=True)\nwhile not pathlib.Path({str(release)!r}).exists(): time.sleep(0.01)"
    )
    try:
        ended = bench.run(*(bench.team(waits, listener=listener) for _ in range(8)))
        assert release.exists()
        assert [result["status"] for (result,) in ended] == ["ok"] * 8
        n_again = sum(any("run again" in note for note in result["notes"]) for (result,) in ended)
        assert 1 <= n_again <= 2
        assert all(head.node_id[:8] in result["notes"][0] for (result,) in ended)
    finally:
        release.touch()
        nodes.add_node(**NODE)
