"""Runs that did not complete, and why."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts.drawing import Chart
from reports.pages.blocks import Block, Table, named, rows_of
from reports.tables.leaderboard import Leaderboards

ANCHOR = "failures"
TITLE = "Failures"
LEAD = "What did not complete, and why. A run that fails, diverges, or runs out of time or memory stops no other."
_NAMES = ("model", "variant", "backend", "mode", "kind", "device", "dataset", "protocol", "index", "seed")
_COLUMNS = named(*_NAMES, "status", "reason")


def blocks(leaderboards: Leaderboards, _charts: Sequence[Chart]) -> list[Block]:
    if not leaderboards.failures:
        return [Block("", (), notes=("Every run completed.",))]
    commands = leaderboards.commands.of_cell
    rows = rows_of(_COLUMNS, leaderboards.failures, lambda _: "failed", lambda row: commands[row.cell])
    return [Block("", (Table("Runs without figures", _COLUMNS, rows, ("failures",), len(_NAMES)),))]
