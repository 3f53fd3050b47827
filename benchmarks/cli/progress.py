"""Progress of a run: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from benchmarks.cli.console import Console
from benchmarks.harness import store
from benchmarks.harness.plan import Cell, lines
from benchmarks.harness.run import Group


class Board:
    """Is told of every group that begins and of every cell that ends."""

    def __init__(self, options: argparse.Namespace, planned: Sequence[Cell]) -> None:
        self._quiet = options.quiet
        self._shown, self._n_cells = lines(planned), len(planned)
        self._n_done = 0
        self._start = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=options.quiet or not sys.stderr.isatty(),
        )
        self._bar = self._progress.add_task("starting", total=self._n_cells)

    def __enter__(self) -> Board:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def doing(self, group: Group) -> None:
        n_more = len(group.cells) - 1
        self._progress.update(
            self._bar, description=self._shown[group.cells[0].key] + f" and {n_more} more" * bool(n_more)
        )

    def kept(self, group: Group) -> None:
        for cell in group.cells:
            self._line(f"kept     {self._shown[cell.key]}")

    def done(self, cell: Cell, record: store.Record) -> None:
        what = headline(record) if record["status"] == "ok" else record["reason"]
        self._line(f"{record['status']:8} {self._shown[cell.key]}  {what}")

    def _line(self, text: str) -> None:
        self._n_done += 1
        self._progress.update(self._bar, completed=self._n_done)
        if self._quiet:
            return
        if self._progress.disable:
            seconds = time.monotonic() - self._start
            sys.stderr.write(f"[{self._n_done}/{self._n_cells} {seconds:4.0f} s] {text}\n")
        else:
            self._progress.console.print(text, markup=False, highlight=False)


def headline(record: store.Record) -> str:
    timings, primary = record["timings"], record["settings"]["primary_metric"]
    if record["kind"] == "throughput":
        rates = sorted(timings["window_samples_per_s"])
        return f"{rates[len(rates) // 2]:,.0f} samples/s"
    if record["kind"] == "map":
        return f"{record['map']['method']} of {len(record['map']['x']):,} items"
    words = f"{primary} {record['metrics'][primary]:.4f}"
    if record["kind"] == "index":
        rates = sorted(timings["batch_qps"])
        return f"{words}, {rates[len(rates) // 2]:,.0f} queries/s"
    return f"{words}, {timings['wall_s']:.1f} s"
