"""Which cells are run together, and in which order."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.harness.plan import Cell, Prepared
from benchmarks.specs.base import digest

TURNS = {"throughput": 7, "index": 5, "pieces": 1}
"""Windows of each member of a group that is timed by turns."""


@dataclass(frozen=True)
class Group:
    """Cells that are run together: one training, all that are timed by turns against each other, or all climbs.

    Attributes:
        processes: the cells of each process; an index built once answers for all its query settings, and an adapter
            imported once climbs in all its forms and modes.
        turns: how many turns each process gets; 0 where nothing is timed.
    """

    processes: tuple[tuple[Cell, ...], ...]
    turns: int

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for process in self.processes for cell in process)


def groups(planned: Iterable[Cell]) -> list[Group]:
    """Cells in the order in which they are run: trainings one by one, what is timed by turns, maps one by one."""
    trained: list[Group] = []
    mapped: list[Group] = []
    timed: dict[tuple[str, ...], list[tuple[Cell, ...]]] = defaultdict(list)
    searched: dict[str, dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for cell in planned:
        if cell.kind == "train":
            trained.append(Group(((cell,),), turns=0))
        elif cell.kind == "map":
            mapped.append(Group(((cell,),), turns=0))
        elif cell.kind == "throughput":
            timed[cell.model, digest(dict(cell.settings)), cell.dataset].append((cell,))
        else:
            build = dataclasses.replace(cell, index={**(cell.index or {}), "query": {}}).key
            searched[cell.inputs["source"]][build].append(cell)
    return [
        *trained,
        *(Group(tuple(processes), TURNS["throughput"]) for processes in timed.values()),
        *(Group(tuple(tuple(p) for p in builds.values()), TURNS["index"]) for builds in searched.values()),
        *mapped,
    ]


def stages(planned: Iterable[tuple[Prepared, Iterable[Cell]]]) -> list[list[tuple[Group, Prepared]]]:
    """All groups in the order in which they are run, those that read what trainings leave after all trainings."""
    every = [(group, prepared) for prepared, cells in planned for group in groups(cells)]
    return [
        [one for kind in kinds for one in every if one[0].cells[0].kind == kind]
        for kinds in (("train", "throughput"), ("index", "map"))
    ]
