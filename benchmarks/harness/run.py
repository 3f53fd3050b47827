"""The main job: from blocks of suites to records, cell by cell, so that it can be interrupted anywhere."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import resource
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import protocols, specs
from benchmarks.harness import environment, executors, item_map, store
from benchmarks.harness.plan import MADE_UP, Cell, Options, Prepared, cells, refuse_alike
from benchmarks.hashing import hash_arrays
from benchmarks.protocols import sequences
from benchmarks.specs.base import digest
from benchmarks.suites import Block
from datasets import load, vectors
from datasets.errors import InputError
from datasets.interactions import Interactions

FAILURES = frozenset({"failed", "timeout", "oom", "diverged"})
TURNS = {"throughput": 7, "index": 5}
"""Windows of each member of a group that is timed by turns."""
LAYOUT = 4
"""Raised with every change in the files of a split, so that those of an older results folder are not found."""


@dataclass(frozen=True)
class Group:
    """Cells that are run together: one training, all that are timed by turns against each other, or all climbs.

    Attributes:
        processes: the cells of each process; an index built once answers for all its query settings, and an adapter
            imported once climbs in all its forms and modes.
        turns: how many turns each process gets; 0 where nothing is timed.
        at_once: how many processes run at a time, where nothing is timed.
    """

    processes: tuple[tuple[Cell, ...], ...]
    turns: int
    at_once: int = 1

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for process in self.processes for cell in process)


def prepare(block: Block, results: Path, data_dir: Path | None) -> Prepared:
    """What a block's cells read: the files of a split, or those of made-up vectors."""
    if block.vectors is not None:
        return prepare_vectors(block.vectors, block.protocol, results)
    return prepare_split(block.dataset, protocols.make(block.protocol), results, data_dir)


def prepare_vectors(made_from: vectors.Settings, protocol: Mapping[str, Any], results: Path) -> Prepared:
    """Draws made-up vectors into the files that a training would leave, once, and completely or not at all."""
    start = time.perf_counter()
    folder = results / "vectors" / digest([vectors.VERSION, dataclasses.asdict(made_from)])
    if not folder.exists():
        partial = _partial(folder)
        partial.mkdir(parents=True)
        shape = (made_from.n_items, made_from.dim)
        items = np.lib.format.open_memmap(partial / "items.npy", "w+", np.float32, shape)
        vectors.items(made_from, out=items)
        items.flush()
        users = vectors.queries(made_from)
        np.save(partial / "users.npy", users)
        (partial / "hash").write_text(hash_arrays({"items": items, "users": users}), encoding="ascii")
        (partial / "preparation").write_text(f"drawn {_cost(time.perf_counter() - start)}", encoding="utf-8")
        partial.rename(folder)
    what = f"{made_from.n_items:,} items and {made_from.n_queries:,} queries of {made_from.dim} columns"
    notes = (
        f"{made_from.name}: {what}, made up, seed {made_from.seed}",
        f"{made_from.name}: {(folder / 'preparation').read_text(encoding='utf-8')}",
    )
    hashes = {"dataset": (folder / "hash").read_text(encoding="ascii")}
    return Prepared(made_from.name, protocol, folder, hashes, notes)


def prepare_split(dataset: str, protocol: Any, results: Path, data_dir: Path | None) -> Prepared:
    """Loads and cuts a data set; the split's files are written once, and complete or not at all."""
    start = time.perf_counter()
    data = load(dataset, data_dir)
    described = protocol_settings(protocol)
    folder = results / "splits" / digest([LAYOUT, data.content_hash, described])
    if not folder.exists():
        partial = _partial(folder)
        split = protocol.split(data)
        if not len(split.period(protocol.period)):
            raise InputError(
                f"{data.name}: no user of the {protocol.period} period has training rows, so there is nothing to ask; "
                "move the cuts of the protocol."
            )
        split.save(partial)
        item_map.save_categories(data, partial)
        (partial / "hash").write_text(split.content_hash(), encoding="ascii")
        preparation = f"loaded, cut and written {_cost(time.perf_counter() - start)}"
        (partial / "preparation").write_text(preparation, encoding="utf-8")
        (partial / "order").write_text(sequences.note_of_order(data, protocol), encoding="utf-8")
        partial.rename(folder)
    hashes = {"dataset": data.content_hash[:16], "split": (folder / "hash").read_text(encoding="ascii")}
    cut = f"{data.name}, {protocols.in_words(described)}"
    notes = (f"{cut}: {(folder / name).read_text(encoding='utf-8')}" for name in ("order", "preparation"))
    return Prepared(data.name, described, folder, hashes, (*_notes(data), *notes))


def _partial(folder: Path) -> Path:
    """Where a folder is filled before it is given its name; empty of what a killed run left."""
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    return partial


def _cost(seconds: float) -> str:
    peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return f"in {seconds:.1f} s, in at most {peak_rss_bytes / 2**30:.2f} GiB of memory"


def protocol_settings(protocol: Any) -> dict[str, Any]:
    """A protocol as a suite writes it: its name and its fields, in JSON's types.

    What is not set is not named, so that a setting which is new leaves finished cells finished.
    """
    fields = {name: value for name, value in dataclasses.asdict(protocol).items() if value is not None}
    return {"name": protocol.name, **{k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}}


def _notes(data: Interactions) -> tuple[str, ...]:
    return (f"{data.name}: {len(data):,} interactions, {data.n_users:,} users, {data.n_items:,} items", *data.notes)


def plan(
    blocks: Sequence[Block], options: Options, results: Path, data_dir: Path | None
) -> list[tuple[Prepared, list[Cell]]]:
    """The cells of each block; loads and cuts the data, so that bad input is known before anything runs."""
    planned = [
        (prepared, cells(block, prepared, options))
        for block in blocks
        for prepared in [prepare(block, results, data_dir)]
    ]
    refuse_alike(cell for _, of_block in planned for cell in of_block)
    return planned


def groups(planned: Iterable[Cell]) -> list[Group]:
    """Cells in the order in which they are run: trainings one by one, what is timed by turns, maps one by one."""
    trained: list[Group] = []
    mapped: list[Group] = []
    timed: dict[tuple[str, ...], list[tuple[Cell, ...]]] = defaultdict(list)
    searched: dict[str, dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for cell in planned:
        if cell.kind == "train":
            trained.append(Group(((cell,),), turns=0))
        elif cell.kind == "map":
            mapped.append(Group(((cell,),), turns=0))
        elif cell.kind == "throughput":
            timed[cell.model, digest(dict(cell.settings)), cell.dataset].append((cell,))
        else:
            build = dataclasses.replace(cell, index={**(cell.index or {}), "query": {}}).key
            searched[cell.inputs["source"]][build].append(cell)
    return [
        *trained,
        *(Group(tuple(processes), TURNS["throughput"]) for processes in timed.values()),
        *(Group(tuple(tuple(p) for p in builds.values()), TURNS["index"]) for builds in searched.values()),
        *mapped,
    ]


class Run:
    """One call of `run`: knows what is finished, runs the rest, and records it."""

    def __init__(self, results: Path, timeout_s: float, report: Callable[[Cell, store.Record], None]) -> None:
        self.results = results
        self.timeout_s = timeout_s
        self.report = report
        self.run_id = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
        existing = store.read(results) if (results / store.FILE_NAME).exists() else []
        self.records = {record["cell"]: record for record in existing}

    def unfinished(self, group: Group) -> bool:
        """Whether any of a group's cells has no good record; what is timed by turns is timed again as a whole.

        A cell that cannot run is finished with the record that says so.
        """
        return any(
            cell.key not in self.records or (cell.refusal is None and not self._finished(cell)) for cell in group.cells
        )

    def _finished(self, cell: Cell) -> bool:
        record = self.records.get(cell.key)
        if record is None or record["status"] != "ok":
            return False
        return cell.kind != "train" or not _serves_vectors(cell) or (self._vectors(cell.key) / "items.npy").exists()

    def execute(self, group: Group, prepared: Prepared) -> None:
        """Runs a group and records its cells, those that cannot run with the reason."""
        able = [process for process in group.processes if self._refusal(process[0]) is None]
        able_keys = {cell.key for process in able for cell in process}
        refused = [cell for cell in group.cells if cell.key not in able_keys]
        for cell in refused:
            status = "unsupported" if cell.refusal else "skipped"
            self._record([(cell, {"status": status, "reason": self._refusal(cell), "wall_s": 0.0})], prepared, None)
        if not able:
            return
        name = digest([self.run_id, *sorted(able_keys)]) if group.turns else None
        tasks = [self._task(process, prepared) for process in able]
        processes = {task.folder: process for task, process in zip(tasks, able, strict=True)}
        finished = executors.run(tasks, group.turns, self.timeout_s, group.at_once)
        # What is compared inside a group is recorded as a whole or not at all.
        for results in [list(finished)] if group.turns else ([one] for one in finished):
            outcomes = [
                outcome for task, result in results for outcome in self._outcomes(processes[task.folder], task, result)
            ]
            self._record(outcomes, prepared, name)
        for task in tasks:
            shutil.rmtree(task.folder, ignore_errors=True)

    def _refusal(self, cell: Cell) -> str | None:
        if "source" in cell.inputs and cell.model != MADE_UP:
            source = self.records.get(cell.inputs["source"])
            if source is None or source["status"] != "ok":
                use = "searches" if cell.kind == "index" else "maps"
                return f"the training whose vectors it {use} is {source['status'] if source else 'missing'}"
        return cell.refusal

    def _task(self, process: tuple[Cell, ...], prepared: Prepared) -> executors.Task:
        cell = process[0]
        folder = self.results / "work" / cell.key
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        job = {
            "kind": cell.kind,
            "model": cell.model,
            "settings": cell.settings,
            "backend": cell.backend,
            "mode": cell.mode,
            "device": cell.device,
            "threads": cell.threads,
            "seed": cell.seed,
            "protocol": cell.protocol,
        }
        if cell.model != MADE_UP:
            job |= {
                "adapter": cell.adapter,
                "split": str(prepared.folder.resolve()),
                "split_hash": prepared.hashes["split"],
            }
        if "source" in cell.inputs:
            job["vectors"] = str(self._vectors(cell.inputs["source"]).resolve())
        if cell.kind == "agreement":
            job["climbs"] = [{"settings": other.settings, "mode": other.mode} for other in process]
        if cell.index is not None:
            job |= {
                "index": cell.index["name"],
                "build": cell.index["build"],
                "queries": [other.index["query"] for other in process if other.index is not None],
            }
        return executors.Task(job, folder.resolve())

    def _outcomes(
        self, process: tuple[Cell, ...], task: executors.Task, result: executors.Result
    ) -> Iterator[tuple[Cell, executors.Result]]:
        cell = process[0]
        if result["status"] in FAILURES:
            logs = self.results / "logs"
            logs.mkdir(exist_ok=True)
            shutil.copyfile(task.folder / "stderr", logs / f"{cell.key}.txt")
        if cell.kind == "train" and (task.folder / "items.npy").exists() and result["status"] == "ok":
            target = self._vectors(cell.key)
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            for name in ("users.npy", "items.npy"):  # the items last: they say that both are there
                (task.folder / name).replace(target / name)
        if (task.folder / "parameters.npz").exists() and result["status"] == "ok":
            checkpoint = self.results / "checkpoints" / f"{cell.key}.npz"
            checkpoint.parent.mkdir(exist_ok=True)
            (task.folder / "parameters.npz").replace(checkpoint)
        answers = result.pop("answers", [{} for _ in process])
        for cell, answer in zip(process, answers, strict=True):
            yield cell, {**result, **answer, "timings": {**result.get("timings", {}), **answer.get("timings", {})}}

    def _vectors(self, key: str) -> Path:
        return self.results / "vectors" / key

    def _record(self, outcomes: Sequence[tuple[Cell, executors.Result]], prepared: Prepared, group: str | None) -> None:
        records = [self._as_record(cell, result, prepared, group) for cell, result in outcomes]
        store.append(self.results, records)
        for (cell, _), record in zip(outcomes, records, strict=True):
            self.records[cell.key] = record
            self.report(cell, record)

    def _as_record(self, cell: Cell, result: executors.Result, prepared: Prepared, group: str | None) -> store.Record:
        commit, dirty = environment.commit()
        return {
            "schema_version": store.SCHEMA_VERSION,
            "run_id": self.run_id,
            "cell": cell.key,
            "kind": cell.kind,
            "model": cell.model,
            "variant": cell.variant,
            "backend": cell.backend,
            "mode": cell.mode,
            "device": cell.device,
            "threads": cell.threads,
            "dataset": cell.dataset,
            "protocol": cell.protocol["name"],
            "index": cell.index,
            "seed": cell.seed,
            "status": result["status"],
            "reason": result["reason"],
            "settings": {
                **cell.settings,
                **result.get("settings", {}),
                "primary_metric": cell.protocol["primary_metric"],
                "protocol": cell.protocol,
            },
            "metrics": result.get("metrics", {}),
            "intervals": result.get("intervals", {}),
            "scores": result.get("scores"),
            "curve": result.get("curve", []),
            "rungs": result.get("rungs", []),
            "divergence": result.get("divergence"),
            "map": result.get("map"),
            "timings": _with_overhead(cell.kind, result.get("timings", {}), result["wall_s"]),
            "memory": result.get("memory", {}),
            "hashes": {**prepared.hashes, **result.get("hashes", {})},
            "group": group,
            "versions": {
                **environment.versions(cell.backend),
                **cell.inputs.get("indexes", {}),
                **cell.inputs.get("maps", {}),
            },
            "machine": environment.machine(),
            "notes": list(prepared.notes),
            "commit": commit,
            "dirty": dirty,
        }


def _serves_vectors(cell: Cell) -> bool:
    return bool(specs.make(cell.model, cell.settings).serves == "vectors")


def _with_overhead(kind: str, timings: dict[str, Any], wall_s: float) -> dict[str, Any]:
    """Adds a training's whole time, and what of it was neither the framework's import nor its own work."""
    if kind != "train":
        return timings
    own = timings.get("import_s", 0.0) + timings.get("init_s", 0.0) + timings.get("train_s", 0.0)
    return {**timings, "wall_s": wall_s, "overhead_s": wall_s - own}
