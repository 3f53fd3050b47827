"""Records of several machines in one folder, and of one version of each data set: what of them belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.harness import store
from benchmarks.records import AnyRecord, Machine, Record
from datasets.errors import InputError

Kept = TypeVar("Kept", bound=Record)

_SAME = ("cpu", "cores", "system", "gpu")
_MEMORY_APART = 50
"""A kernel keeps some memory for itself, another one a little more: such a part of it makes no other machine."""


def same_machine(one: Machine, other: Machine) -> bool:
    """Whether the machines of two records are one; ids differ too where a kernel leaves a little less memory."""
    if one.id == other.id:
        return True
    memory, others = one.memory_bytes, other.memory_bytes
    near = memory != others and abs(memory - others) * _MEMORY_APART <= max(memory, others)
    return near and all(getattr(one, name) == getattr(other, name) for name in _SAME)


def describe(machine: Machine) -> str:
    """A machine in words: its id, which results are held apart by, and what a reader knows it by."""
    gpu = f", {machine.gpu}" if machine.gpu else ""
    memory = f"{(machine.memory_bytes + 2**29) // 2**30:,} GiB"
    return f"{machine.id} ({machine.cpu}, {machine.cores} cores, {memory}{gpu})"


def newest(records: Sequence[Kept]) -> tuple[list[Kept], tuple[str, ...]]:
    """The records of the newest version of each data set, and what was left out, in words.

    The last record says which is the newest, whatever its clock. A machine that is the same but for a little memory
    is written as the newest of them writes it.
    """
    kept, said = _of_few_machines(records), []
    versions = _versions(kept)
    for dataset, seen in versions.items():
        for version in seen[:-1]:
            n = sum(_version(record) == (dataset, version) for record in kept)
            said.append(_left_out(n, f"of {dataset} with the hash {version}", f"of {dataset} with the hash {seen[-1]}"))
    return [r for r in kept if _version(r)[1] in {None, *versions[r.dataset][-1:]}], tuple(said)


def _of_few_machines(records: Sequence[Kept]) -> list[Kept]:
    """Records with one way to write each machine."""
    known: dict[str, Machine] = {}
    written: list[Machine] = []
    for machine in {record.machine.id: record.machine for record in reversed(records)}.values():
        known[machine.id] = next((one for one in written if same_machine(one, machine)), machine)
        written.append(known[machine.id])
    return [
        record
        if record.machine == known[record.machine.id]  # to make a record anew is to check it anew
        else msgspec.structs.replace(record, machine=known[record.machine.id])
        for record in records
    ]


def refuse_other_data(results: Path, hashes: Iterable[tuple[str, str | None]]) -> None:
    """Sees, before anything is measured, that a folder's figures are of the data (name, hash) that lie there now.

    Raises:
        InputError: a data set of the same name has another hash there.
    """
    now = dict(hashes)
    for record in _measured(results):
        dataset, version = _version(record)
        if version and now.get(dataset) not in {None, version}:
            raise InputError(
                f"{results} has records of {dataset} with the hash {version}, and {dataset} now has the hash "
                f"{now[dataset]}: figures on other data are not compared; name another folder with --results."
            )


def _measured(results: Path) -> list[AnyRecord]:
    """What has figures: a cell that failed is in nobody's way."""
    known = store.read(results) if store.file_of(results) else []
    return [record for record in known if record.status == "ok"]


def _version(record: Record) -> tuple[str, str | None]:
    return record.dataset, record.hashes.get("dataset")


def _versions(records: Sequence[Record]) -> dict[str, list[str]]:
    """Of each data set the hashes that it had, that of the newest record last."""
    seen: dict[str, dict[str, None]] = {}
    for record in records:
        dataset, version = _version(record)
        of_one = seen.setdefault(dataset, {})
        if version:
            of_one.pop(version, None)
            of_one[version] = None
    return {dataset: list(of_one) for dataset, of_one in seen.items()}


def _left_out(n: int, what: str, newest_is: str) -> str:
    cells = "1 cell is" if n == 1 else f"{n:,} cells are"
    return (
        f"{cells} left out, {what}, since the newest record is {newest_is}: to see them, move their lines of "
        f"{store.FILE_NAME} to a results folder of their own"
    )
