"""Where on the site a table stands: page and anchor, made of what the table is of, so that it lasts."""

from __future__ import annotations

from reports.charts import text
from reports.tables.accuracy import AccuracyTable
from reports.tables.retrieval import IndexTable
from reports.tables.throughput import ThroughputTable


def block(page: str, run: str, title: str) -> str:
    """A part of a page; titles are those that its section gives to its blocks."""
    return f"{page}.html#{anchor(run, title)}"


def anchor(run: str, title: str) -> str:
    """The id of a block on its page."""
    return text.slug(*filter(None, ("part", run, title)))


def accuracy(run: str, table: AccuracyTable) -> str:
    return block("accuracy", run, f"{table.dataset} / {table.protocol}")


def throughput(run: str, table: ThroughputTable) -> str:
    return block("throughput", run, f"{table.model} {table.variant} on {table.dataset}")


def retrieval(run: str, table: IndexTable) -> str:
    return f"retrieval.html#{text.slug(*filter(None, ('set', run, *set_key(table))))}"


def set_key(table: IndexTable) -> tuple[str, ...]:
    """What a set of vectors is called, whenever it is measured."""
    return table.dataset, table.protocol, table.source, str(table.seed), table.device, str(table.threads)
