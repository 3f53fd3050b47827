"""Where on the site something stands: page and anchor, made of what it is, so that it lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from reports.charts import text
from reports.tables.retrieval import IndexTable

Where: TypeAlias = Callable[[object], str]
"""Page and anchor of the block that shows a table of figures; a KeyError where none does."""


def block(page: str, run: str, title: str) -> str:
    """A part of a page; titles are those that its section gives to its blocks."""
    return f"{page}.html#{anchor(run, title)}"


def anchor(run: str, title: str) -> str:
    """The id of a block on its page."""
    return text.slug(*filter(None, ("part", run, title)))


def set_key(table: IndexTable) -> tuple[str, ...]:
    """What a set of vectors is called, whenever it is measured."""
    return table.dataset, table.protocol, table.source, str(table.seed), table.device, str(table.threads)
