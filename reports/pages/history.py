"""The page of a folder's gates: each figure over them, where it has changed, and with which commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style

from benchmarks.gate.history import Gated, Series, series
from reports.charts import history as drawing
from reports.charts.drawing import STYLE
from reports.pages import shell
from reports.tables.records import grouped

FILE = "history.html"


@dataclass(frozen=True)
class ChangeRow:
    """A change in words: since which gate and commit, and by how much."""

    machine: str
    cell: str
    figure: str
    since: str
    commit: str
    ratio: str
    p: str


def write(folder: Path, gates: Sequence[Gated]) -> Path:
    """Writes the page beside the history, and returns its path."""
    return shell.write(folder / FILE, page(gates))


def page(gates: Sequence[Gated]) -> str:
    """HTML of a history, at least one gate."""
    found = series(gates)
    with matplotlib.style.context(STYLE, after_reset=True):  # a user's own matplotlibrc must not show
        charts = [
            drawing.draw(of[2], own) for of, own in grouped(found, lambda s: (s.machine, s.suite, s.cell)).items()
        ]
    newest = gates[-1]
    return shell.render(
        "history.html.j2",
        ["site.css"],
        ["site.js"],
        charts=charts,
        changes=change_rows(found),
        gates=list(enumerate(gates, 1)),
        machines=len({gate.machine for gate in gates}),
        newest=newest,
        regressed=[one for one in newest.figures if one.verdict == "regressed"],
    )


def change_rows(found: Sequence[Series]) -> list[ChangeRow]:
    """All changes, those of the last gates first."""
    rows = [(one.gates[change.place].at, one, change) for one in found for change in one.changes]
    rows.sort(key=lambda row: row[0], reverse=True)
    return [
        ChangeRow(
            one.machine,
            one.cell,
            one.figure,
            at,
            commit_of(one.gates[change.place]),
            f"{change.ratio:.3f}",
            f"{change.p:.3f}",
        )
        for at, one, change in rows
    ]


def commit_of(gate: Gated) -> str:
    """What was judged: a revision by its name, the working tree by the commit that it stood on."""
    if gate.head != "working tree":
        return gate.head
    return f"{(gate.commit or 'unknown')[:12]}{' with local changes' if gate.dirty else ''}"
