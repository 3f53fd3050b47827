"""Leaderboards to the sections of a page: one file a section."""

from __future__ import annotations

from collections.abc import Sequence

from reports.blocks import Section
from reports.drawing import Chart
from reports.leaderboard import Leaderboards
from reports.sections import (
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
)

_IN_ORDER = (overview, accuracy, throughput, retrieval, agreement, curves, items, published, failures, environment)
ANCHORS = tuple(part.ANCHOR for part in _IN_ORDER)


def sections(leaderboards: Leaderboards, charts: Sequence[Chart]) -> tuple[Section, ...]:
    """All sections that there is something to show in, from top to bottom."""
    made = (Section(part.ANCHOR, part.TITLE, part.LEAD, tuple(part.blocks(leaderboards, charts))) for part in _IN_ORDER)
    return tuple(section for section in made if section.blocks)
