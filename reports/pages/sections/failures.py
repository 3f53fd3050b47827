"""Runs that did not complete, and why."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Row, Table, cells, words
from reports.tables.leaderboard import Leaderboards

ANCHOR = "failures"
TITLE = "Failures"
LEAD = "What did not complete, and why. A run that fails, diverges, or runs out of time or memory stops no other."
_NAMES = ("model", "variant", "backend", "mode", "kind", "device", "dataset", "protocol", "index", "seed")


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    if not leaderboards.failures:
        return [Block("", (), notes=("Every run completed.",))]
    commands = leaderboards.commands.of_cell
    rows = tuple(
        Row(cells(*(str(getattr(row, name)) for name in _NAMES), row.status, row.reason), "failed", commands[row.cell])
        for row in leaderboards.failures
    )
    columns = words(*(name.replace("dataset", "data set") for name in _NAMES), "status", "reason")
    return [Block("", (Table("Runs without figures", columns, rows, ("failures",), len(_NAMES)),))]
