"""Leaderboards to text: a Markdown page, and a short summary for the terminal."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

import jinja2

from reports.charts import text
from reports.charts.drawing import Chart
from reports.pages.sections import sections
from reports.tables.answers import RECALL, TableAnswers
from reports.tables.leaderboard import Leaderboards
from reports.tables.overview import OverviewRow
from reports.tables.throughput import ThroughputTable

_LINES_A_SECTION = 6  # with three heads and the counts at most 25


def markdown(leaderboards: Leaderboards, charts: Sequence[Chart]) -> str:
    """The page for a repository; its pictures are expected in `charts/` beside it."""
    return _template().render(
        headline=leaderboards.headline,
        commits=leaderboards.environment.commits,
        machine=leaderboards.environment.machine,
        left_out=leaderboards.left_out,
        sections=sections(leaderboards, charts),
    )


@functools.cache
def _template() -> jinja2.Template:
    """Compiled once for all folders."""
    environment = jinja2.Environment(  # noqa: S701
        # Whatever the template prints is escaped; only what stands in the template itself is Markdown.
        finalize=text.markdown,
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("leaderboard.md.j2")


def summary(leaderboards: Leaderboards) -> str:
    """The three leaderboards in short, at most 25 lines of plain text."""
    accuracy = [_accuracy_line(row) for row in leaderboards.overview]
    throughput = [line for table in leaderboards.throughput for line in _throughput_lines(table)]
    retrieval = [line for answered in leaderboards.answers for line in _retrieval_lines(answered)]
    parts = [
        ("Accuracy: range over frameworks, agreement", accuracy),
        ("Training throughput: the fastest over the slowest, smallest and largest window", throughput),
        (f"Retrieval: Faiss against Annoy, queries a second at index recall of {RECALL} and more", retrieval),
    ]
    lines = [_counts(leaderboards)]
    for title, rows in parts:
        lines += ["", title, *_columns(rows)] if rows else []
    return "\n".join(lines) + "\n"


def _counts(leaderboards: Leaderboards) -> str:
    headline = leaderboards.headline
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in headline.verdicts)
    return f"{headline.n_cells - headline.n_failed} of {headline.n_cells} runs completed; agreement: {verdicts}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """At most a handful of rows, padded to columns."""
    shown = [[text.plain(cell) for cell in row] for row in rows]
    if len(shown) > _LINES_A_SECTION:
        left_out = len(shown) - _LINES_A_SECTION + 1
        shown = [*shown[: _LINES_A_SECTION - 1], [f"… {left_out} more in the leaderboard"]]
    full = [row for row in shown if len(row) > 1]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)] if full else []
    for row in shown:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)] if len(row) > 1 else row
        yield ("  " + "  ".join(cells)).rstrip()


def _accuracy_line(row: OverviewRow) -> tuple[str, ...]:
    """The range of a model's means over frameworks."""
    figure = row.status if row.low is None or row.high is None else text.metrics(row.low, row.high)
    told = f"published {row.published.value:g}" if row.published else ""
    badge = row.badge.verdict if row.role == "model" else "reference"
    return row.dataset, f"{row.model} {row.variant}", row.metric or "", figure, told, badge


def _throughput_lines(table: ThroughputTable) -> list[tuple[str, ...]]:
    """One line a model: its fastest cell against its slowest."""
    fastest = table.fastest
    if fastest is None:
        return []
    rate = f"{text.median(fastest.samples_per_s, text.rate)} samples/s"
    against = f"{text.both(fastest.to_slowest, text.ratio)} of {table.slowest}"
    against += f"; {', '.join(table.missing)}" if table.missing else ""
    return [(table.dataset, f"{table.model} {table.variant}", f"{fastest.backend} {fastest.mode}", rate, against)]


def _retrieval_lines(answered: TableAnswers) -> list[tuple[str, ...]]:
    table, duel = answered.table, answered.duel
    sides = [
        f"{row.name} {text.median(row.qps, text.rate)}" if row else table.failed(family) or f"no {family}"
        for family, row in (("faiss", duel.faiss), ("annoy", duel.annoy))
    ]
    return [(table.dataset, table.source, *sides, text.both(duel.lead.ratio, text.ratio))]
