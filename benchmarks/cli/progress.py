"""Progress of a run: a bar on a terminal, plain lines elsewhere, nothing when quiet; and how long it will take."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from benchmarks.cli.console import Console
from benchmarks.harness.estimates import UNTIMED, Estimate, Span, Total
from benchmarks.harness.groups import Group
from benchmarks.harness.plan import Cell, lines
from benchmarks.harness.run import HERE
from benchmarks.harness.teams import Executor
from benchmarks.records import Index, Map, Record, Throughput

MANY = 500
"""Cells of which what they take is reckoned at once, and of which it is each second where there are more."""
COLOURS = {"ok": "green", "kept": "dim", "skipped": "yellow", "unsupported": "yellow"}
"""Of a status on a terminal that has them; of a failure red."""


def about(seconds: float) -> str:
    """A duration in words, no more exact than an estimate is."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def between(span: Span) -> str:
    """A range of durations in words: "40 s to 2 min", "up to 2 s", or one of them where both are the same."""
    low, high = about(span.low), about(span.high)
    if span.low < 0.5:
        return f"up to {about(max(1.0, span.high))}"
    return f"about {low}" if low == high else f"{low} to {high}"


def in_all(total: Total) -> str:
    """What cells take together, and what of it nobody knows."""
    if not total.n_unknown:
        return between(total.span)
    if not total.n_known:
        return "for how long is not known, since nothing like it has been recorded"
    return f"{between(total.span)} without {total.n_unknown} that are like nothing recorded yet"


class Board:
    """Is told of every group that begins and of every cell that ends."""

    def __init__(
        self,
        options: argparse.Namespace,
        planned: Sequence[Cell],
        records: Iterable[Record],
        published: Sequence[Record] = (),
        executor: Executor = HERE,
    ) -> None:
        records = list(records)
        done = {record.cell for record in records if record.status == "ok"}
        self._quiet, self._executor = options.quiet, executor
        self._estimate = Estimate(records, published)
        self._waiting = {cell.key: cell for cell in planned if options.force or cell.key not in done}
        self._n_cells, self._n_done = len(planned), 0
        self._running: dict[str, dict[str, Record | None]] = {}  # each cell that runs -> its group's records
        self._began = time.monotonic()  # the group that has been begun last
        self._left = Total(Span(0.0, 0.0), 0, 0)
        self._left_until = 0.0  # when it is reckoned again
        self._reckon()
        self._where, self._shown = _shortened(planned)
        self._progress = _Display(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _Left(self),
            console=Console(stderr=True),
            disable=options.quiet or not sys.stderr.isatty(),
            expand=True,
            refresh_per_second=2,  # it shares the machine with what is timed
        )
        self._bar = self._progress.add_task("starting", total=self._n_cells)

    def __enter__(self) -> Board:
        self._progress.start()
        total = self._left
        self._say(f"{self._n_cells} cell{'s' * (self._n_cells != 1)}, {in_all(total)}{self._where}")
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def left(self) -> str:
        """How long it takes until the end, as far as one can tell."""
        if not self._left.n_known and self._left.n_unknown:
            return "time left unknown"
        return f"{'over' if self._left.n_unknown else 'about'} {about(self.left_s)} left"

    @property
    def left_s(self) -> float:
        """Seconds until the end of all cells of which anything is known."""
        running = [self._waiting[key] for key in self._running if key in self._waiting]
        expected_s = self._total(running).span.middle
        return self._left.span.middle - min(time.monotonic() - self._began, expected_s)

    def doing(self, group: Group) -> None:
        self._began = time.monotonic()
        together: dict[str, Record | None] = dict.fromkeys(cell.key for cell in group.cells)
        self._running |= dict.fromkeys(together, together)
        self._waiting |= {cell.key: cell for cell in group.cells}
        self._reckon()
        n_more = len(group.cells) - 1
        self._progress.update(
            self._bar, description=self._shown[group.cells[0].key] + f" and {n_more} more" * bool(n_more)
        )

    def kept(self, group: Group) -> None:
        for cell in group.cells:
            self._ended(cell, "kept", "")

    def done(self, cell: Cell, record: Record) -> None:
        together = self._running[cell.key]
        together[cell.key] = record
        if cell.kind in UNTIMED:
            self._began = time.monotonic()
        ended = [record for record in together.values() if record is not None]
        if len(ended) == len(together):
            self._estimate.learn(ended)
            for key in together:
                del self._running[key]
        what = headline(record) if record.status == "ok" else str(record.reason)
        self._ended(cell, record.status, what)

    def _total(self, cells: Iterable[Cell]) -> Total:
        return self._estimate.total(cells, self._executor.at_once, self._executor.timed_at_once)

    def _reckon(self) -> None:
        """Reckons what is left; of very many cells once a while, since that takes longer than a short one of them."""
        now = time.monotonic()
        if len(self._waiting) <= MANY or now >= self._left_until:
            self._left = self._total(self._waiting.values())
            self._left_until = now + len(self._waiting) / MANY

    def _ended(self, cell: Cell, status: str, what: str) -> None:
        self._waiting.pop(cell.key, None)
        self._reckon()
        self._n_done += 1
        self._progress.update(self._bar, completed=self._n_done)
        if self._progress.disable:
            self._say(f"{status:8} {self._shown[cell.key]}  {what}".rstrip())
            return
        line = Text.assemble((f"{status:8} ", COLOURS.get(status, "red")), self._shown[cell.key])
        width = self._progress.console.width
        if what and len(line) + 2 + len(what) > width:  # what has come out is told, and the cell's name cut short
            line.truncate(max(width // 2, width - 2 - len(what)), overflow="ellipsis")
        line.append(f"  {what}")
        line.truncate(width, overflow="ellipsis")
        self._progress.console.print(line)

    def _say(self, text: str) -> None:
        if self._quiet:
            return
        if not self._progress.disable:
            self._progress.console.print(Text(text, style="bold"), no_wrap=True, overflow="ellipsis")
            return
        left = self.left if self._n_done < self._n_cells else "done"
        sys.stderr.write(f"[{self._n_done} of {self._n_cells}, {left}] {text}\n")


class _Display(Progress):
    """The bar, and above it the whole width for what is being done."""

    def get_renderables(self) -> Iterator[RenderableType]:
        for task in self.tasks:
            yield Text(task.description, no_wrap=True, overflow="ellipsis")
        yield self.make_tasks_table(self.tasks)


class _Left(TextColumn):
    """What is left, beside the bar."""

    def __init__(self, board: Board) -> None:
        super().__init__("", table_column=Column(no_wrap=True))
        self._board = board

    def render(self, task: Task) -> Text:
        return Text("" if task.finished else self._board.left, style="progress.remaining")


def _shortened(planned: Sequence[Cell]) -> tuple[str, dict[str, str]]:
    """What data set, protocol and seed all cells share, and the lines of the cells without it."""
    shown = lines(planned)
    shared = {shown[cell.key].removeprefix(cell.what) for cell in planned}
    if len(shared) != 1:
        return "", shown
    return shared.pop(), {cell.key: cell.what for cell in planned}


def headline(record: Record) -> str:
    """What a good cell has come to."""
    match record:
        case Throughput():
            return f"{_median(record, 'window_samples_per_s'):,.0f} samples/s"
        case Map(map=drawn) if drawn is not None:
            return f"{drawn.method} of {len(drawn.x):,} items"
    words = f"{record.primary_metric} {record.metrics[str(record.primary_metric)]:.4f}"
    if isinstance(record, Index):
        return f"{words}, {_median(record, 'batch_qps'):,.0f} queries/s"
    return f"{words}, {record.single('wall_s') or 0:.1f} s"


def _median(record: Record, name: str) -> float:
    rates = sorted(record.samples(name))
    return rates[len(rates) // 2]
