"""What the commands do; benchmarks/cli.py says how they are called."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

import datasets
from backends.ann import INDEXES
from backends.registry import BACKENDS, FAMILIES, FRAMEWORKS, Unsupported
from benchmarks import protocols, suites
from benchmarks.exit_codes import FAILED, FINE, NOTHING_MEASURED
from benchmarks.harness import mixture, store
from benchmarks.harness.plan import Cell, Options, Prepared, lines
from benchmarks.harness.prepare import prepare as prepare_block
from benchmarks.harness.run import FAILURES, Group, Run, groups, plan
from benchmarks.records import Index, Map, Record, Throughput
from datasets.errors import InputError

if TYPE_CHECKING:
    from benchmarks.agreement.verdict import Verdict
    from benchmarks.audit.report import Report


def list_all(options: argparse.Namespace) -> int:
    """Prints everything that can be named on the command line."""
    contents: dict[str, Any] = {
        "models": {
            name: {
                backend: f"unsupported: {adapter.reason}" if isinstance(adapter, Unsupported) else "native"
                for backend, adapter in family.adapters.items()
            }
            for name, family in FAMILIES.items()
        },
        "backends": {
            name: {"modes": list(backend.modes), "devices": list(backend.devices)} for name, backend in BACKENDS.items()
        },
        "datasets": {
            n: {"origin": d.origin, "what": d.description, "terms": d.terms} for n, d in datasets.DATASETS.items()
        },
        "indexes": {name: {"build": dict(row.build), "query": dict(row.query)} for name, row in INDEXES.items()},
        "protocols": list(protocols.PROTOCOLS),
        "suites": {name: suites.load(name).title for name in suites.names()},
    }
    if options.json:
        sys.stdout.write(json.dumps(contents, indent=2) + "\n")
        return FINE
    console = _Console(width=None if sys.stdout.isatty() else 120)
    for title, rows in contents.items():
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
        for name in rows:
            table.add_row(name, _words(rows[name]) if isinstance(rows, dict) else "")
        console.print(table)
    return FINE


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(item)}" for name, item in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def prepare(options: argparse.Namespace) -> int:
    """Loads, checks and cuts the data sets of a run."""
    blocks = suites.for_datasets(tuple(options.datasets), options.suite)
    with store.locked(options.results):
        said: dict[str, None] = {}
        for block in blocks:
            notes = dict.fromkeys(prepare_block(block, options.results, options.data_dir).notes)
            _say(options, *(note for note in notes if note not in said))  # what several blocks share once
            said |= notes
    return FINE


def run(options: argparse.Namespace) -> int:
    """Runs the matrix, writes the leaderboards, and ends with the verdicts."""
    blocks = suites.for_datasets(tuple(options.datasets), options.suite)
    chosen = Options(
        models=tuple(options.models),
        backends=tuple(options.backends),
        indexes=tuple(options.indexes),
        seeds=tuple(options.seeds),
        modes=(options.mode,) if options.mode else (),
        device=options.device,
        threads=options.threads,
        keep_paths=options.keep_paths,
    )
    with store.locked(options.results):
        mixture.refuse_other_machine(options.results)
        planned = plan(blocks, chosen, options.results, options.data_dir)
        data = ((prepared.dataset, prepared.hashes.get("dataset")) for prepared, _ in planned)
        mixture.refuse_other_data(options.results, data)
        if not any(cells for _, cells in planned):
            raise InputError("no cell fits these options; `python -m benchmarks list` shows what there is.")
        if options.dry_run:
            return _dry_run(options, planned)
        with _Board(options, [cell for _, cells in planned for cell in cells]) as board:
            session = Run(options.results, options.timeout, board.done)
            for prepared, cells in planned:
                for group in groups(cells):
                    if options.force or session.unfinished(group):
                        board.doing(group)
                        session.execute(group, prepared)
                    else:
                        board.kept(group)
        store.restore(options.results, session.records.values())
        keys = {cell.key for _, cells in planned for cell in cells}
        records = [record for key, record in session.records.items() if key in keys]
    return _conclude(options, records)


def _conclude(options: argparse.Namespace, records: Sequence[Record]) -> int:
    # Here, because it brings all of SciPy's statistics with it.
    from benchmarks.agreement.verdict import ending, verdicts
    from reports import write
    from reports.pages import markdown

    leaderboards = write.load(options.results)
    reached = verdicts(records)
    if options.json:
        for record in records:
            sys.stdout.write(store.as_line(record).decode())
    else:
        sys.stdout.write(markdown.summary(leaderboards) + "\n")
        for verdict in reached:
            sys.stdout.write(f"{verdict.badge:12} {verdict.model} ({verdict.variant}): {verdict.reason}\n")
        statuses = Counter(record.status for record in records)
        sys.stdout.write("cells: " + ", ".join(f"{n} {status}" for status, n in sorted(statuses.items())) + "\n")
    # Pages come after what was measured: one that was edited by hand is refused, and the run has not been for nothing.
    written = write.publish({options.results: leaderboards}, [options.results])
    if not options.json:
        sys.stdout.writelines(f"written: {line}\n" for line in _entrances(written))
        sys.stdout.writelines(f"{sentence}\n" for sentence in leaderboards.left_out)
        if against := ending(reached, records):
            sys.stdout.write(f"exit code {_code(reached, records)}: {against}\n")
    return _code(reached, records)


def _code(reached: Sequence[Verdict], records: Sequence[Record]) -> int:
    if not any(record.status == "ok" for record in records):
        return NOTHING_MEASURED
    disagree = any(verdict.verdict in {"differs", "undecided"} for verdict in reached)
    return FAILED if disagree or any(record.status in FAILURES for record in records) else FINE


GUESSED_S = {"train": 15.0, "throughput": 10.0, "index": 2.0, "map": 10.0}
"""What a cell is guessed to take before one like it has been recorded."""


def _dry_run(options: argparse.Namespace, planned: Sequence[tuple[Prepared, list[Cell]]]) -> int:
    session = Run(options.results, options.timeout, lambda *_: None)
    known = session.records.values()
    walls = {record.cell: record.single("wall_s") for record in known if record.status == "ok"}
    total, shown = 0.0, lines(cell for _, cells in planned for cell in cells)
    for _, cells in planned:
        for cell in cells:
            finished = cell.key in walls and session.finished(cell)
            seconds = 0.0 if finished and not options.force else walls.get(cell.key) or GUESSED_S[cell.kind]
            total += seconds
            sys.stdout.write(f"{shown[cell.key]}  {'finished' if not seconds else f'about {seconds:.0f} s'}\n")
    n_cells = sum(len(cells) for _, cells in planned)
    sys.stdout.write(f"{n_cells} cells, about {total / 60:.0f} min\n")
    return FINE


def agree(options: argparse.Namespace) -> int:
    """Climbs the ladder with every adapter or the known bugs, and writes the pages; or with a file of the user's."""
    from benchmarks.agreement import command, own

    if options.adapter:
        return own.agree(options)
    code = command.agree(options)
    _report(options, [options.results])
    return code


def audit(options: argparse.Namespace) -> int:
    """Looks for leaks in every block of a suite, or between the files of somebody's own split."""
    found_any = leaking = unjudged = False
    for found in _audited(options):
        found_any, leaking = True, leaking or found.is_leaking
        unjudged = unjudged or not (found.is_clean or found.is_leaking)
        if options.json:
            sys.stdout.write(json.dumps({**dataclasses.asdict(found), "is_clean": found.is_clean}) + "\n")
        else:
            sizes = ", ".join(f"{n:,} {what}" for what, n in found.sizes.items())
            sys.stdout.write(f"{found.audited}: {sizes}\n")
            sys.stdout.writelines(f"  {finding.verdict}: {finding.sentence}\n" for finding in found.findings)
            sys.stdout.writelines(f"  note: {note}\n" for note in found.notes)
        sys.stdout.flush()
    if not found_any:
        sys.stdout.write("nothing to judge: no block of the suite cuts a data set\n")
    if leaking:
        return FAILED
    return FINE if found_any and not unjudged else NOTHING_MEASURED


def _audited(options: argparse.Namespace) -> Iterator[Report]:
    from benchmarks.audit import files, splits  # here, because they bring a compiler with them

    given = {name: getattr(options, name) for name in ("train", "validation", "test")}
    written = " ".join(f"--{name} {path}" for name, path in given.items() if path)
    if not written:
        blocks = suites.for_datasets(tuple(options.datasets), options.suite)
        cut = [block for block in blocks if block.vectors is None]
        for dataset, protocol in dict.fromkeys((block.dataset, protocols.make(block.protocol)) for block in cut):
            yield splits.of_protocol(datasets.load(dataset, options.data_dir), protocol)
    elif options.suite or options.datasets:
        raise InputError(
            f"{written} is a split of its own, expected no --suite and no --datasets with it; leave them out."
        )
    elif not (given["train"] and given["test"]):
        raise InputError(f"{written} is no whole split, expected --train and --test; give the files of both.")
    else:
        yield files.of_files(**given)


def report(options: argparse.Namespace) -> int:
    """Writes the pages of results folders anew, and one site over all of them."""
    _report(options, options.results)
    return FINE


def _report(options: argparse.Namespace, folders: Sequence[Path]) -> None:
    from reports import write

    loaded = write.load_all(folders)
    written = write.publish(loaded, folders)
    _say(options, *(f"{folder}: {sentence}" for folder, boards in loaded.items() for sentence in boards.left_out))
    _say(options, *(f"written: {line}" for line in _entrances(written)))


def _entrances(written: Sequence[Path]) -> list[str]:
    """Of all files of the leaderboards those that a reader opens."""
    return [str(path) for path in written if path.name in {"index.html", "leaderboard.md", "leaderboard.csv"}]


def advise(options: argparse.Namespace) -> int:
    """Recommends an index for given needs from measured records, and says which."""
    from reports.advice import measured, words

    given = options.results or [folder for folder in (PUBLISHED, Path("RESULTS")) if _has_records(folder)]
    folders = [inside for folder in given for inside in store.folders(folder)]
    needs = measured.Needs(
        recall=options.recall,
        n_items=options.items,
        dim=options.dim,
        memory_bytes=options.memory,
        build_s=options.build_time,
        latency_s=options.latency,
        all_threads=options.threads == "all",
    )
    reached = measured.advise(measured.measured(store.read(folder) for folder in folders), needs)
    if options.json:
        sys.stdout.write(json.dumps(words.as_json(reached), indent=2, allow_nan=False) + "\n")
    else:
        said = words.lines(reached)
        sys.stdout.writelines(f"{line}\n" for line in (said[:1] if options.quiet else said))
    return {measured.RECOMMENDED: FINE, measured.NOTHING_FITS: FAILED, measured.CANNOT_TELL: NOTHING_MEASURED}[
        reached.outcome
    ]


PUBLISHED = Path(__file__).resolve().parent.parent / "reports" / "published"


def _has_records(folder: Path) -> bool:
    return any(store.file_of(inside) for inside in store.folders(folder))


def doctor(options: argparse.Namespace) -> int:
    """Trains a minute model in every backend and mode, on the CPU and on the GPU, and says what worked."""
    blocks = suites.for_datasets((), "doctor")
    n_working = 0
    with tempfile.TemporaryDirectory() as folder:
        for device in ("cpu", "gpu"):
            ((prepared, cells),) = plan(blocks, Options(device=device), Path(folder), None)
            session = Run(Path(folder), 120.0, lambda *_: None)
            for cell in cells:
                if device not in BACKENDS[cell.backend].devices or cell.backend not in FRAMEWORKS:
                    continue
                session.execute(Group(((cell,),), turns=0), prepared)
                record = session.records[cell.key]
                versions = " ".join(f"{name} {version}" for name, version in record.versions.items())
                n_working += record.status == "ok"
                outcome = versions if record.status == "ok" else record.reason
                sys.stdout.write(f"{record.status:8} {cell.backend} {cell.mode} {device}: {outcome}\n")
                sys.stdout.flush()
    _say(options, "a cell for what does not work here is recorded with this reason, and the rest of a run goes on")
    return FINE if n_working else NOTHING_MEASURED


class _Console(Console):
    """A console that leaves a broken pipe to benchmarks/exit_codes.py; rich's own ends with the code of a failure."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class _Board:
    """Progress: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

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
            console=_Console(stderr=True),
            disable=options.quiet or not sys.stderr.isatty(),
        )
        self._bar = self._progress.add_task("starting", total=self._n_cells)

    def __enter__(self) -> _Board:
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

    def done(self, cell: Cell, record: Record) -> None:
        what = _headline(record) if record.status == "ok" else record.reason
        self._line(f"{record.status:8} {self._shown[cell.key]}  {what}")

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


def _headline(record: Record) -> str:
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


def _say(options: argparse.Namespace, *lines: str) -> None:
    if not options.quiet:
        sys.stdout.writelines(f"{line}\n" for line in lines)
