"""The nodes of a cluster as the driver sees them: which of them run what it does, and which may be timed on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from benchmarks.cluster import node
from benchmarks.cluster.orders import Facts
from benchmarks.harness.environment import ROOT
from benchmarks.records import Machine
from datasets.errors import InputError, MachineError

WHOLE = "whole_node"
"""The resource of which a node has one that is a machine of its own: whatever is timed takes it, with all CPUs."""
LOOK_S = 120.0
"""Seconds in which a node says what it is."""


@dataclass(frozen=True)
class Node:
    """A node that runs what the driver would.

    Attributes:
        id: Ray's.
        name: its host and address.
        resources: what it was started with, as Ray counts it.
        machine: that it is.
    """

    id: str
    name: str
    resources: Mapping[str, float]
    machine: Machine

    def amount(self, resource: str) -> int:
        return int(self.resources.get(resource, 0))

    @property
    def kind(self) -> tuple[str, int]:
        """Nodes of the same kind may time the same cells: machine and CPUs."""
        return self.machine.id, self.amount("CPU")


def looked_at(own: Facts, place: str, say: Callable[[str], None]) -> list[Node]:
    """The nodes that would run cells as the driver does; each of the others is left out with a sentence.

    Args:
        own: what the driver itself would run.
        place: name of the folder that nodes keep the run's files in.
        say: is told who is left out, and why.
    """
    begin = ray.remote(node.begin)
    listed = [one for one in ray.nodes() if one["Alive"] and one["Resources"].get("CPU", 0) >= 1]
    asked = {one["NodeID"]: begin.options(**pinned(one["NodeID"]), max_retries=0).remote(place) for one in listed}
    if asked:
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=LOOK_S)
    kept = []
    for one in listed:
        name = f"{one['NodeManagerHostname']} ({one['NodeManagerAddress']})"
        found = _answer(asked[one["NodeID"]])
        why = found if isinstance(found, str) else found.departs(own)
        if why or isinstance(found, str):
            say(f"the node {name} is left out: {why}.")
        else:
            kept.append(Node(one["NodeID"], name, one["Resources"], found.machine))
    return kept


def _answer(asked: Any) -> Facts | str:
    """What a node is, or why nobody knows, as a clause."""
    try:
        found: Facts = ray.get(asked, timeout=0)
    except ray.exceptions.GetTimeoutError:
        return f"it has not said within {LOOK_S:g} s what it would run"
    except ray.exceptions.RayError as error:
        return f"it cannot run what lies at {ROOT} here ({reason(error)})"
    return found


def reason(error: BaseException) -> str:
    """The sentence of an error of Ray's, which comes with pages of text."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [""]
    return f"{type(cause).__name__}: {lines[-1] if cause is not error else lines[0]}"[:300]


def timed(nodes: Sequence[Node], own: Machine) -> list[Node]:
    """The nodes that are timed on, all of one kind: the driver's, where they are among them, else the most frequent."""
    of: dict[tuple[str, int], list[Node]] = defaultdict(list)
    for one in nodes:
        if one.amount(WHOLE) >= 1:
            of[one.kind].append(one)
    return max(of.values(), key=lambda alike: (alike[0].machine.id == own.id, len(alike), alike[0].kind), default=[])


def pinned(node_id: str) -> dict[str, Any]:
    """Options of what runs on one node, and takes nothing of it."""
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=False)}


def on_one_of(nodes: Sequence[Node]) -> dict[str, Any]:
    """The same for what Ray places on one of several."""
    return {"label_selector": {"ray.io/node-id": f"in({','.join(one.id for one in nodes)})"}}


def alive(nodes: Sequence[Node]) -> list[Node]:
    """Those that are still there."""
    there = {one["NodeID"] for one in ray.nodes() if one["Alive"]}
    return [one for one in nodes if one.id in there]


@dataclass(frozen=True)
class Share:
    """What one task without turns asks of its node.

    Attributes:
        cpus, gpus: as Ray counts them.
    """

    cpus: int
    gpus: int

    def fits(self, one: Node) -> int:
        """How many times a node has it."""
        by_gpu = one.amount("GPU") // self.gpus if self.gpus else one.amount("CPU")
        return min(one.amount("CPU") // self.cpus, by_gpu)

    def able(self, nodes: Sequence[Node]) -> list[Node]:
        """The nodes that have it.

        Raises:
            InputError: none does.
        """
        found = [one for one in nodes if self.fits(one)]
        if not found:
            wanted = f"{self.cpus} CPUs" + " and a GPU" * bool(self.gpus)
            raise InputError(
                f"no node of the cluster that can be used has {wanted}, as a cell of --threads {self.cpus} asks for; "
                "start one that does, or ask for less."
            )
        return found


def left_of(nodes: Sequence[Node]) -> list[Node]:
    """Those that are still there.

    Raises:
        MachineError: none is.
    """
    found = alive(nodes)
    if not found:
        raise MachineError(
            "no node that the run began with is left in the cluster; start nodes, and give the same command again, "
            "which goes on where it stopped."
        )
    return found


def described(nodes: Sequence[Node]) -> Iterator[str]:
    """The machines of a cluster, in words, each with how many nodes it is."""
    of: dict[str, list[Node]] = defaultdict(list)
    for one in nodes:
        of[one.machine.id].append(one)
    for alike in of.values():
        machine = alike[0].machine
        yield f"{len(alike)} × {machine.cpu}, {sum(one.amount('CPU') for one in alike)} CPUs in all"
