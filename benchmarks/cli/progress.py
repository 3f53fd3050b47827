"""Progress of a run: a bar on a terminal, plain lines elsewhere, nothing when quiet; and how long it will take."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from benchmarks.cli.console import Console
from benchmarks.harness.plan import Cell, lines
from benchmarks.harness.run import Group
from benchmarks.records import Index, Map, Record, Throughput

GUESSED_S = {"train": 15.0, "throughput": 10.0, "index": 2.0, "map": 10.0}
"""What a cell is guessed to take before one of its kind has been recorded."""
COLOURS = {"ok": "green", "kept": "dim", "skipped": "yellow", "unsupported": "yellow"}
"""Of a status on a terminal that has them; of a failure red."""


class Estimate:
    """Seconds that cells take, by the records of those that are most like them: of the same data set first.

    Args:
        records: of this results folder.
        published: what is known of others, of another machine maybe; it counts on the same data set alone.
    """

    def __init__(self, records: Iterable[Record], published: Iterable[Record] = ()) -> None:
        self._known: dict[tuple[str, ...], list[float]] = defaultdict(list)
        self._published = Estimate(published)._known if published else {}
        together: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            group = record.group if isinstance(record, Throughput | Index) else None
            together[group or record.cell].append(record)
        for of_one in together.values():
            self.learn(of_one)

    def learn(self, together: Sequence[Record]) -> None:
        """Takes in records of cells that ran by turns, or the record of one alone; each has its share of the time."""
        good = [record for record in together if record.status == "ok" and record.kind in GUESSED_S]
        longest = max((each.single("wall_s") or each.single("worker_s") or 0.0 for each in good), default=0.0)
        for record in good:
            for like in _likenesses(record.cell, record.kind, record.dataset, record.model, record.backend):
                self._known[like].append(longest / len(good))

    def seconds(self, cell: Cell) -> float:
        likenesses = tuple(_likenesses(cell.key, cell.kind, cell.dataset, cell.model, cell.backend))
        for like in likenesses:
            known = self._known.get(like) or (self._published.get(like) if like in likenesses[:_SAME_DATA] else None)
            if known:
                return statistics.median(known)
        return GUESSED_S[cell.kind]


_SAME_DATA = 3
"""Of the likenesses of a cell, those of the same data set."""


def _likenesses(key: str, kind: str, dataset: str, model: str, backend: str) -> Iterator[tuple[str, ...]]:
    """What cells can have in common, the most first."""
    yield (key,)
    yield (kind, "on", dataset, model, backend)
    yield (kind, "on", dataset, model)
    yield (kind, model, backend)
    yield (kind, model)
    yield (kind,)


def about(seconds: float) -> str:
    """A duration in words, no more exact than an estimate is."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Board:
    """Is told of every group that begins and of every cell that ends."""

    def __init__(
        self,
        options: argparse.Namespace,
        planned: Sequence[Cell],
        records: Iterable[Record],
        published: Sequence[Record] = (),
    ) -> None:
        records = list(records)
        done = {record.cell for record in records if record.status == "ok"}
        self._quiet = options.quiet
        self._estimate = Estimate(records, published)
        self._waiting = {cell.key: cell for cell in planned if options.force or cell.key not in done}
        self._left_s = self._in_all()
        self._n_cells, self._n_done = len(planned), 0
        self._running: dict[str, Record | None] = {}  # the cells of the group that runs
        self._began = time.monotonic()
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
        self._say(f"{self._n_cells} cell{'s' * (self._n_cells != 1)}, about {about(self._left_s)}{self._where}")
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def left_s(self) -> float:
        """Seconds until the end, as far as one can tell."""
        running_s = sum(self._estimate.seconds(self._waiting[key]) for key in self._running if key in self._waiting)
        return self._left_s - min(time.monotonic() - self._began, running_s)

    def doing(self, group: Group) -> None:
        self._began = time.monotonic()
        self._running = dict.fromkeys(cell.key for cell in group.cells)
        self._waiting |= {cell.key: cell for cell in group.cells}
        self._left_s = self._in_all()
        n_more = len(group.cells) - 1
        self._progress.update(
            self._bar, description=self._shown[group.cells[0].key] + f" and {n_more} more" * bool(n_more)
        )

    def kept(self, group: Group) -> None:
        for cell in group.cells:
            self._ended(cell, "kept", "")

    def done(self, cell: Cell, record: Record) -> None:
        self._running[cell.key] = record
        if None not in self._running.values():
            self._estimate.learn([record for record in self._running.values() if record is not None])
            self._running = {}
        what = headline(record) if record.status == "ok" else str(record.reason)
        self._ended(cell, record.status, what)

    def _in_all(self) -> float:
        return sum(map(self._estimate.seconds, self._waiting.values()))

    def _ended(self, cell: Cell, status: str, what: str) -> None:
        self._waiting.pop(cell.key, None)
        self._left_s = self._in_all()
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
        left = f"about {about(self.left_s)} left" if self._n_done < self._n_cells else "done"
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
        return Text("" if task.finished else f"about {about(self._board.left_s)} left", style="progress.remaining")


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
