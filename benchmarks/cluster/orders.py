"""What travels between the driver and the nodes of a cluster, whichever way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.harness import files
from benchmarks.harness.executors import Result, Task
from benchmarks.records import Machine
from datasets.errors import MachineError

BLOCK_BYTES = 4 << 20
"""Of a file, in one message: so much of it is in Ray's object store at a time."""
READS = ("split", "vectors")
"""What of a job names a sealed folder of the results folder that the worker reads."""
LEAVES = ("users.npy", "items.npy", "parameters.npz", "stderr")
"""What a worker may leave beside its result."""


@dataclass(frozen=True)
class Facts:
    """What a node is, and what would run on it.

    Attributes:
        machine: that it is.
        sources: hash of the tree.
        versions: of each backend's interpreter and packages, as that interpreter sees them, and of the harness's.
    """

    machine: Machine
    sources: str
    versions: Mapping[str, Mapping[str, str]]

    def departs(self, other: Facts) -> str | None:
        """What would not run as it does at another's, as a clause; None where all would."""
        if self.sources != other.sources:
            return f"its sources have the hash {self.sources}, expected {other.sources}"
        for backend, expected in other.versions.items():
            found = self.versions.get(backend, {})
            for name in sorted({*expected, *found}):
                if found.get(name) != expected.get(name):
                    here, there = found.get(name, "not there"), expected.get(name, "nothing")
                    return f"its {name} for {backend} is {here}, expected {there}"
        return None


@dataclass(frozen=True)
class Sealed:
    """A sealed folder of the driver's results folder: what is read anywhere else is what has this seal.

    Attributes:
        path: relative to the results folder.
        seal: of all its files.
        sizes: bytes of each.
    """

    path: str
    seal: str
    sizes: Mapping[str, int]

    @staticmethod
    def of(folder: Path, results: Path) -> Sealed:
        """The folder as it lies there now.

        Raises:
            MachineError: it is not sealed any more.
        """
        seal, sizes = files.seal(folder), files.sizes(folder)
        if seal is None or sizes is None:
            raise MachineError(f"{folder} is damaged, expected what the run has prepared; give the same command again.")
        return Sealed(str(folder.relative_to(results)), seal, sizes)


@dataclass(frozen=True)
class Order:
    """A team, as the node is told of it.

    Attributes:
        place: name of the folder that nodes keep the run's files in.
        tasks: with the driver's paths, and without listeners.
        reads: of each task, which of the values of `READS` in its job is which sealed folder.
        trees: of each task the packed sources that it runs, None where they are those that every node has.
        stops: of each task the file, relative to the results folder, that ends it early once it is there; or None.
    """

    place: str
    tasks: tuple[Task, ...]
    reads: tuple[Mapping[str, Sealed], ...]
    trees: tuple[Sealed | None, ...]
    stops: tuple[str | None, ...]
    turns: int
    timeout_s: float


@dataclass(frozen=True)
class Begun:
    """The team has its place on a node."""

    node: str


@dataclass(frozen=True)
class Line:
    """What a worker has printed."""

    task: int
    text: str


@dataclass(frozen=True)
class Piece:
    """The next bytes of a file that a worker has left."""

    task: int
    name: str
    content: bytes


@dataclass(frozen=True)
class Ended:
    """All tasks have ended, and this is what they came to; `hashes` are those of the files that were sent."""

    results: tuple[Result, ...]
    hashes: tuple[Mapping[str, str], ...]


Event: TypeAlias = Begun | Line | Piece | Ended
"""What a node says while it runs a team, in this order: one `Begun`, lines, pieces, one `Ended`."""
