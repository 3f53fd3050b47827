"""Learning curves: the metric by epoch, all frameworks of a model in one picture."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts.drawing import Chart
from reports.pages.blocks import Block
from reports.pages.order import real_first
from reports.tables.leaderboard import Leaderboards

ANCHOR = "curves"
TITLE = "Learning curves"
LEAD = (
    "How the metric grows from epoch to epoch. Frameworks that agree lie on one line and take turns in marking its "
    "epochs; dotted lines are popularity, seen-kept and seen-filtered."
)


def blocks(leaderboards: Leaderboards, charts: Sequence[Chart]) -> list[Block]:
    of_table = [(table, tuple(c for c in charts if c.table is table)) for table in real_first(leaderboards.accuracy)]
    titles = ((f"{table.dataset} / {table.protocol}", table.dataset, own) for table, own in of_table if own)
    return [Block(title, (), own, dataset=dataset) for title, dataset, own in titles]
