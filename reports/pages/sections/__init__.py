"""Leaderboards to the sections of a page: one file a section."""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts.drawing import Chart
from reports.pages.blocks import Section
from reports.pages.sections import (
    accuracy,
    agreement,
    curves,
    environment,
    failures,
    items,
    overview,
    published,
    retrieval,
    throughput,
    tuning,
)
from reports.tables.leaderboard import Leaderboards

_IN_ORDER = (
    overview,
    accuracy,
    throughput,
    retrieval,
    agreement,
    curves,
    tuning,
    items,
    published,
    failures,
    environment,
)
ANCHORS = tuple(part.ANCHOR for part in _IN_ORDER)


def sections(leaderboards: Leaderboards, charts: Sequence[Chart]) -> tuple[Section, ...]:
    """All sections that there is something to show in, from top to bottom."""
    made = (Section(part.ANCHOR, part.TITLE, part.LEAD, tuple(part.blocks(leaderboards, charts))) for part in _IN_ORDER)
    return tuple(section for section in made if section.blocks)
