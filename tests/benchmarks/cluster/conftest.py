"""A cluster of two nodes on this machine."""

import pytest

pytest.importorskip("ray", reason="Ray is not installed; it is in the group `ray`")

from ray.cluster_utils import Cluster as Nodes
from scripted_workers import NODE, bench_of

from benchmarks.harness import load


@pytest.fixture(scope="session")
def nodes():
    """Two nodes, the first of them the head."""
    made = Nodes()
    made.add_node(**NODE, include_dashboard=False)
    made.add_node(**NODE)
    yield made
    made.shutdown()


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch):
    """Both nodes are this machine, so that what one does is load to the other."""
    monkeypatch.setattr(load, "MOST", dict.fromkeys(load.MOST, float("inf")))


@pytest.fixture(scope="module")
def bench(nodes, tmp_path_factory):
    with bench_of(nodes, tmp_path_factory.mktemp("results")) as made:
        yield made
