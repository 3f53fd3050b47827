"""A results folder's records to its pages: leaderboard.md, leaderboard.html and charts/*.svg beside them."""

from __future__ import annotations

import os
from pathlib import Path

from reports.charts import SECTIONS, draw
from reports.leaderboard import Leaderboards, build
from reports.records import prepare
from reports.render import html, markdown


def load(results: Path) -> Leaderboards:
    """The leaderboards of a results folder.

    Raises:
        InputError: a record is invalid, or the records cannot stand in one leaderboard.
    """
    # Judging loads the metrics and their compiler, which who only renders does not need.
    from benchmarks.agreement import verdict
    from benchmarks.harness import store

    # Prepared first, so that verdicts and tables call everything by the same names.
    records = prepare(store.read(results))
    return build(records, verdict.verdicts(records))


def write(results: Path) -> list[Path]:
    """Read RESULTS/records.jsonl and write the pages; returns their paths, the HTML page first."""
    return publish(load(results), results)


def publish(leaderboards: Leaderboards, results: Path) -> list[Path]:
    """Write the pages of these leaderboards; each file appears whole or not at all."""
    charts = draw(leaderboards)
    pages = {
        results / "leaderboard.html": html(leaderboards, charts),
        results / "leaderboard.md": markdown(leaderboards, charts),
    } | {results / "charts" / f"{chart.name}.svg": chart.file_text for chart in charts}
    for path, content in pages.items():
        _replace(path, content)
    _remove_stale(results / "charts", keep=set(pages))
    return list(pages)


def _replace(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since only a rename inside one file system is atomic.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content.encode("utf-8"))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_stale(folder: Path, keep: set[Path]) -> None:
    """Pictures of cells that are gone would still look like results."""
    for section in SECTIONS:
        for path in folder.glob(f"{section}-*.svg"):
            if path not in keep:
                path.unlink()
