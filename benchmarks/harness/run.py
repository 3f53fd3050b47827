"""The main job: from blocks of suites to records, cell by cell, so that it can be interrupted anywhere."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec

from benchmarks import records, specs
from benchmarks.harness import answers, environment, executors, files, mixture, privacy, sources, store
from benchmarks.harness.estimates import UNTIMED, Estimate
from benchmarks.harness.groups import Group
from benchmarks.harness.plan import MADE_UP, Cell, Options, Prepared, cells, refuse_alike
from benchmarks.harness.prepare import prepare_all
from benchmarks.harness.teams import Executor, Here, Team
from benchmarks.records import Record
from benchmarks.specs.base import digest
from benchmarks.suites import Block
from datasets import durable

Listener: TypeAlias = Callable[[Path, str], None]
"""Is told each line that a process prints, and the folder of its job."""
HERE = Here()
FAILURES = frozenset({"failed", "timeout", "oom", "diverged"})
SHARED = digest("what the reference has found out")
OF_NO_DATA = frozenset({"agreement", "mutation"})
"""Cells that read no split."""
BESIDE = "it ran among up to {} cells side by side, so its times are not those of a machine of its own"
UNTIMEABLE = "no node of the cluster has said that it is a machine of its own, on which speed can be measured"
UNKNOWN_BYTES = 2 << 30
"""Memory that a cell is taken to need of which nothing like it has been recorded: a framework and a small model do."""
LEFT = ("users.npy", "items.npy")
"""The vectors that a training leaves to those who search them or map them."""


def plan(
    blocks: Sequence[Block], options: Options, results: Path, data_dir: Path | None, *, accept_download: bool = True
) -> list[tuple[Prepared, list[Cell]]]:
    """The cells of each block, each once; loads and cuts the data, so that bad input is known before anything runs.

    Where nothing may be downloaded, the cells of data that are not on this machine are listed and cannot be run.

    Raises:
        InputError: for bad input; see `prepare_all`.
    """
    planned, keys = [], set[str]()
    for block, prepared in prepare_all(
        blocks, results, data_dir, keep_paths=options.keep_paths, accept_download=accept_download
    ):
        fresh = [cell for cell in cells(block, prepared, options) if cell.key not in keys]
        keys.update(cell.key for cell in fresh)
        planned.append((prepared, fresh))
    refuse_alike(cell for _, of_block in planned for cell in of_block)
    return planned


class Wanted(NamedTuple):
    """A group to be run, what its cells read, and who hears what their processes print."""

    group: Group
    prepared: Prepared
    listener: Listener | None = None


class Run:
    """One call of `run`: knows what is finished, runs the rest, and records it."""

    def __init__(
        self,
        results: Path,
        timeout_s: float,
        report: Callable[[Cell, Record], None] = lambda *_: None,
        executor: Executor = HERE,
    ) -> None:
        self.results = results
        self.executor = executor
        self.timeout_s = timeout_s
        self.report = report
        self.run_id = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
        self.commit = environment.commit()
        self.sources = sources.tree_hash()
        existing = store.read(results) if store.file_of(results) else []
        self.records: dict[str, Record] = {record.cell: record for record in existing}
        self._healed: dict[str, str] = {}
        self._read_here = frozenset[str]()

    @property
    def shared(self) -> Path:
        """Where the climbs of a run keep what the reference has found out, for those of other frameworks."""
        return self.results / "work" / SHARED

    def expect(self, planned: Iterable[Cell]) -> None:
        """Takes in what is to be run: a training whose vectors are still to be read has to have left them here."""
        searching = (cell for cell in planned if "source" in cell.inputs and not self.finished(cell))
        self._read_here = frozenset(cell.inputs["source"] for cell in searching)

    def unfinished(self, group: Group) -> bool:
        """Whether any of a group's cells is not finished; what is timed by turns is timed again as a whole."""
        return not all(self.finished(cell) for cell in group.cells)

    def finished(self, cell: Cell) -> bool:
        """Whether a cell has a good record, and what it has left behind is what it was.

        A cell that cannot run is finished with the record that says so.
        """
        record = self.records.get(cell.key)
        if record is None or cell.refusal is not None:
            return record is not None
        if record.status != "ok" or cell.key in self._healed:
            return False
        if "source" in cell.inputs and record.hashes.get("vectors") != self._seal_of_source(cell):
            return False  # they are of an earlier training, or nobody said whose they were
        fault = self._fault(cell, record)
        if fault is not None:
            self._healed[cell.key] = f"{fault}, so it is trained again"
            files.say(f"{cell.describe()}: {self._healed[cell.key]}.")
        return fault is None

    def _fault(self, cell: Cell, record: Record) -> str | None:
        """What of a training's vectors and checkpoint is not as it was left; another machine may have kept them."""
        if cell.kind != "train":
            return None
        folder, checkpoint = self._vectors(cell.key), self._checkpoint(cell.key)
        is_wanted = folder.exists() or checkpoint.exists() or cell.key in self._read_here
        if not is_wanted and not mixture.same_machine(record.machine, environment.machine()):
            return None
        fault = self._fault_of_vectors(cell.key) if _serves_vectors(cell) else None
        if fault is not None:
            return f"its vectors in {folder.parent.name}/{folder.name} are not what their hashes say ({fault})"
        said = record.hashes.get("checkpoint")
        if said is not None and (not checkpoint.is_file() or files.hash_file(checkpoint) != said):
            return f"its checkpoint {checkpoint.name} is missing or not what its hash says"
        return None

    def _fault_of_vectors(self, key: str) -> str | None:
        """What of vectors is not as the training of that key left them, by their manifest and by its record."""
        record = self.records.get(key)
        fault = files.fault(self._vectors(key))
        if fault is None and record is not None and record.hashes.get("vectors") != files.seal(self._vectors(key)):
            fault = "they are not those of its record"
        return fault

    def _seal_of_source(self, cell: Cell) -> str | None:
        """The seal of the vectors that a cell searches or maps; made-up ones are told apart by their key."""
        source = self.records.get(cell.inputs["source"])
        return None if source is None else source.hashes.get("vectors")

    def execute(self, group: Group, prepared: Prepared) -> None:
        """Runs a group and records its cells, those that cannot run with the reason."""
        self.follow([Wanted(group, prepared)])

    def follow(self, wanted: Iterable[Wanted]) -> None:
        """Runs groups and records the cells of each process when it ends; those that cannot run with the reason.

        What takes turns is compared inside its group, and so is recorded as a whole or not at all.

        Args:
            wanted: each is asked for when there is room for it, with all recorded that have ended by then.
        """
        at_once = self.executor.at_once
        running: dict[Team, tuple[list[tuple[Cell, ...]], Prepared]] = {}
        estimate = Estimate(self.records.values() if at_once > 1 else ())

        def teams() -> Iterator[Team]:
            for group, prepared, listener in wanted:
                for processes in [group.processes] if group.turns else [(process,) for process in group.processes]:
                    able = [process for process in processes if self._is_able(process, prepared)]
                    if able:
                        tasks = tuple(self._weighed(process, prepared, estimate, listener) for process in able)
                        team = Team(tasks, group.turns)
                        running[team] = (able, prepared)
                        yield team

        for team, results in self.executor.run(teams(), self.timeout_s):
            processes, prepared = running.pop(team)
            cells = [cell for process in processes for cell in process]
            beside = [BESIDE.format(at_once)] if at_once > 1 and cells[0].kind in UNTIMED else []
            outcomes = [
                outcome
                for process, task, result in zip(processes, team.tasks, results, strict=True)
                for outcome in self._outcomes(process, task, answers.noted(result, beside), prepared)
            ]
            name = digest([self.run_id, *sorted(cell.key for cell in cells)]) if team.turns else None
            self._record(outcomes, prepared, name)
            if at_once > 1:
                estimate.learn([self.records[cell.key] for cell in cells])
            for task in team.tasks:
                files.remove(task.folder)

    def _weighed(
        self, process: tuple[Cell, ...], prepared: Prepared, estimate: Estimate, listener: Listener | None
    ) -> executors.Task:
        """The task of a process, with the memory that it is likely to need where others run beside it."""
        is_weighed = self.executor.at_once > 1 and process[0].kind in UNTIMED
        needs_bytes = (estimate.peak_bytes(process[0]) or UNKNOWN_BYTES) if is_weighed else 0
        return self.task(process, prepared, needs_bytes, listener)

    def _is_able(self, process: tuple[Cell, ...], prepared: Prepared) -> bool:
        """Whether a process can run; of one that cannot the reason is recorded."""
        refused = self._refusal(process[0], prepared)
        if refused is not None:
            self._record([(cell, {**refused, "wall_s": 0.0}) for cell in process], prepared, None)
        return refused is None

    def _refusal(self, cell: Cell, prepared: Prepared) -> executors.Result | None:
        """Why a cell is not run, as its result."""
        if "source" in cell.inputs and cell.model != MADE_UP:
            source = self.records.get(cell.inputs["source"])
            if source is None or source.status != "ok":
                use = "searches" if cell.kind == "index" else "maps"
                reason = f"the training whose vectors it {use} is {source.status if source else 'missing'}"
                return {"status": "skipped", "reason": reason}
        if cell.refusal is not None:
            return {"status": "unsupported", "reason": cell.refusal}
        if cell.kind in records.TIMED and not self.executor.timed_at_once:
            return {"status": "skipped", "reason": UNTIMEABLE}
        return self._changed(cell, prepared)

    def _changed(self, cell: Cell, prepared: Prepared) -> executors.Result | None:
        """A failure, where files that a cell reads are not what they were: asked before it reads them, and after."""
        faults = {prepared.folder: files.fault(prepared.folder)} if cell.kind not in OF_NO_DATA else {}
        if "source" in cell.inputs:
            source = cell.inputs["source"]
            faults[self._vectors(source)] = self._fault_of_vectors(source)
        for folder, fault in faults.items():
            if fault is not None:
                where = f"{folder.parent.name}/{folder.name}"
                reason = f"{where} has changed since the run prepared it ({fault}); run again, which makes it anew"
                return {"status": "failed", "reason": reason}
        return None

    def task(
        self, process: tuple[Cell, ...], prepared: Prepared, needs_bytes: int = 0, listener: Listener | None = None
    ) -> executors.Task:
        cell = process[0]
        folder = self.results / "work" / cell.key
        files.remove(folder)
        folder.mkdir(parents=True)
        job = cell.asked()
        if cell.kind == "trial":
            job |= {"cap_s": cell.inputs["search"]["cap_s"]}
        if cell.kind == "mutation":
            job |= {"inputs": cell.inputs, "kept": str((self.results / "mutants").resolve())}
        elif cell.model != MADE_UP:
            job |= {
                "adapter": cell.adapter,
                "split": str(prepared.folder.resolve()),
                "split_hash": prepared.hashes["split"],
            }
        if "source" in cell.inputs:
            job["vectors"] = str(self._vectors(cell.inputs["source"]).resolve())
        if cell.kind in {"throughput", "index"}:
            job["loads_first"] = True  # as workers of earlier revisions do not
        if cell.kind == "agreement":
            job["shared"] = str(self.shared.resolve())
            job["climbs"] = [
                {"settings": other.settings, "mode": other.mode, "climb": other.protocol["climb"]} for other in process
            ]
        if cell.index is not None:
            job |= {
                "index": cell.index["name"],
                "build": cell.index["build"],
                "queries": [other.index["query"] for other in process if other.index is not None],
            }
        kept = environment.KEEPS_MEMORY if cell.kind == "agreement" else {}
        heard = None if listener is None else partial(listener, folder)
        return executors.Task(job, folder.resolve(), listener=heard, environment=kept, needs_bytes=needs_bytes)

    def _outcomes(
        self, process: tuple[Cell, ...], task: executors.Task, result: executors.Result, prepared: Prepared
    ) -> Iterator[tuple[Cell, executors.Result]]:
        if result["status"] == "ok":
            result = self._taken(process[0], task.folder, {**result, **(self._changed(process[0], prepared) or {})})
        answered = result.pop("answers", None)
        if answered is None:
            answered = [{} for _ in process]
        if len(answered) != len(process):
            result |= {"status": "failed", "reason": f"{len(answered)} answers, expected {len(process)}"}
            answered = [{} for _ in process]
        self._log(process, task.folder, result)
        for cell, answer in zip(process, answered, strict=True):
            yield cell, {**result, **answer, "timings": {**result.get("timings", {}), **answer.get("timings", {})}}

    def _taken(self, cell: Cell, folder: Path, result: executors.Result) -> executors.Result:
        """The result of a cell whose vectors and checkpoint have been moved to where others look for them."""
        if cell.kind != "train" or result["status"] != "ok":
            return result
        hashes = dict(result.get("hashes", {}))
        if _serves_vectors(cell):
            missing = [name for name in LEFT if not (folder / name).is_file()]
            if missing:
                return {**result, "status": "failed", "reason": f"the worker has left no {missing[0]}"}

            def move(partial: Path) -> None:
                partial.mkdir()
                for name in LEFT:
                    (folder / name).replace(partial / name)

            files.fill(self._vectors(cell.key), move)
            hashes["vectors"] = files.seal(self._vectors(cell.key))
        parameters, checkpoint = folder / "parameters.npz", self._checkpoint(cell.key)
        if parameters.is_file() and not checkpoint.is_dir():
            checkpoint.parent.mkdir(exist_ok=True)
            durable.flush(parameters)
            parameters.replace(checkpoint)
            hashes["checkpoint"] = files.hash_file(checkpoint)
        elif parameters.is_file():
            return {**result, "status": "failed", "reason": f"{checkpoint} is a folder, move it away and run again"}
        return {**result, "hashes": hashes}

    def _log(self, process: tuple[Cell, ...], folder: Path, result: executors.Result) -> None:
        """Keeps the end of a failed worker's stderr, until its cells succeed."""
        logs = [self.results / "logs" / f"{cell.key}.txt" for cell in process]
        with contextlib.suppress(OSError):  # without a log a result is still a result
            if result["status"] in FAILURES:
                logs[0].parent.mkdir(exist_ok=True)
                (folder / "stderr").replace(logs[0])
            elif result["status"] == "ok":
                for log in logs:
                    log.unlink(missing_ok=True)

    def _vectors(self, key: str) -> Path:
        return self.results / "vectors" / key

    def _checkpoint(self, key: str) -> Path:
        return self.results / "checkpoints" / f"{key}.npz"

    def _record(self, outcomes: Sequence[tuple[Cell, executors.Result]], prepared: Prepared, group: str | None) -> None:
        recorded = [self._recordable(cell, result, prepared, group) for cell, result in outcomes]
        store.append_lines(self.results, [line for _, line in recorded])
        for (cell, _), (record, _) in zip(outcomes, recorded, strict=True):
            self._healed.pop(cell.key, None)
            self.records.pop(cell.key, None)  # the order is that of the file
            self.records[cell.key] = record
            self.report(cell, record)

    def _recordable(
        self, cell: Cell, result: executors.Result, prepared: Prepared, group: str | None
    ) -> tuple[Record, bytes]:
        """A cell's record and its line; of one that does not fit, a failure that says what in it does not."""
        try:
            record = records.of(self._fields(cell, result, prepared, group))
            answers.refuse_partial(record)
            return record, store.as_line(record)
        except ValueError as error:
            failure = {"status": "failed", "reason": f"it cannot be recorded: {error}", "wall_s": result["wall_s"]}
            record = records.recordable(self._fields(cell, failure, prepared, group))
            return record, store.as_line(record)

    def _fields(self, cell: Cell, result: executors.Result, prepared: Prepared, group: str | None) -> dict[str, Any]:
        """The fields of the record of a cell that ended so, which nobody has looked at yet."""
        (commit, dirty), notes = self.commit, [*prepared.notes, *result.get("notes", [])]
        ran = result.get("sources") or [sources.tree_hash()]
        if ran != [self.sources]:
            # Recorded rather than refused: a night's run is not lost for an edit, and nobody takes it for the commit's.
            dirty = None if commit is None else True
            notes.append(f"the sources changed during the run, from {self.sources} to {', '.join(ran)}")
        seal = self._seal_of_source(cell) if "source" in cell.inputs else None
        if cell.key in self._healed:
            notes.append(f"{cell.describe()}: {self._healed[cell.key]}")
        timed = {"group": group} if cell.kind in records.TIMED else {}
        return {
            **cell.described(),
            **timed,
            **{name: result[name] for name in records.FOUND if name in result},
            "settings": {
                **cell.settings,
                **result.get("settings", {}),
                "primary_metric": cell.protocol["primary_metric"],
                "protocol": cell.protocol,
            },
            "status": result["status"],
            "run_id": self.run_id,
            "reason": result["reason"] and privacy.text(result["reason"], self.results.resolve(), environment.ROOT),
            "timings": answers.with_overhead(cell.kind, result.get("timings", {}), result["wall_s"]),
            "hashes": {
                **({"vectors": seal} if seal is not None else {}),
                **result.get("hashes", {}),
                **prepared.hashes,  # what it was given, whatever a worker says
                "sources": "+".join(ran),
            },
            "versions": {
                **environment.versions(cell.backend),
                **cell.inputs.get("indexes", {}),
                **cell.inputs.get("maps", {}),
            },
            "machine": result.get("machine") or msgspec.structs.asdict(environment.machine()),
            "notes": notes,
            "rows": msgspec.to_builtins(prepared.counts),
            "warning": prepared.warning or None,
            "commit": commit,
            "dirty": dirty,
        }


def _serves_vectors(cell: Cell) -> bool:
    return bool(specs.make(cell.model, cell.settings).serves == "vectors")
