"""Records made ready for tables: the last of each, of one version of the data, in a fixed order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from benchmarks import protocols
from benchmarks.harness import mixture
from benchmarks.records import TIMED, Agreement, AnyRecord, Index, Mutation, Throughput, Trial
from datasets.errors import InputError
from reports.tables.readable import without_folders

Key = TypeVar("Key")
Row = TypeVar("Row")


def prepare(records: Iterable[AnyRecord]) -> list[AnyRecord]:
    """The last record of each cell, and of what is called the same, in canonical order.

    What is last is said by the order in which they are given, which is that of their file: a clock may go back. Other
    than that the order in which cells finished leaves no trace.

    A name that stands for several settings is told apart by them: "tuned" becomes "tuned (epochs=5)" and
    "tuned (epochs=8)", and so do protocols. What has been prepared stays as it is.

    Raises:
        InputError: there are no records, or they come from several versions of one dataset.
    """
    by_cell: dict[str, AnyRecord] = {}
    for record in without_folders(list(records)):
        by_cell.pop(record.cell, None)  # so that it stands where its last record stands
        by_cell[record.cell] = record
    latest = {_identity(record): record for record in _told_apart(list(by_cell.values()))}
    if not latest:
        raise InputError("there are no records to report: run `python -m benchmarks run` first")
    chosen = sorted(latest.values(), key=lambda record: (record.backend, record.cell))
    _refuse_other_data(chosen)
    return chosen


def newest(records: Sequence[AnyRecord]) -> tuple[list[AnyRecord], tuple[str, ...]]:
    """Of a folder's records those that its leaderboards show, prepared, and sentences on what that leaves out.

    Raises:
        InputError: as `prepare`.
    """
    kept, left_out = mixture.newest(without_folders(records))
    return prepare(kept), left_out


def grouped(records: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Records, or parts of them, by key, both in the order in which they come."""
    groups: dict[Key, list[Row]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups


def _identity(record: AnyRecord) -> tuple[object, ...]:
    """What a record's row in the tables is called; a later record under other versions replaces it."""
    index = msgspec.json.encode(record.index, order="sorted") if isinstance(record, Index) else b""
    threads = record.threads if isinstance(record, Throughput | Index | Agreement) else 0
    place = (record.kind, record.model, record.variant, record.backend, record.mode, record.device, record.dataset)
    trial = record.cell if isinstance(record, Trial) else ""
    repeat = record.hashes.get("repeat", "")
    machine = record.machine.id if record.kind in TIMED else ""
    return (*place, record.protocol, record.seed, index, threads, climb_of(record), trial, repeat, machine)


def climb_of(record: AnyRecord) -> str:
    """Which of the model's climbs a record is of, "" where it is of none."""
    return record.climb if isinstance(record, Agreement) else ""


def _told_apart(records: Sequence[AnyRecord]) -> list[AnyRecord]:
    """Records whose protocol and variant each mean one thing within a dataset.

    A climb has settings of its own and says by its name which; a file of mutants has none. The trials of a search
    differ in settings because they are to.
    """
    named = [record for record in records if isinstance(record, Agreement | Mutation | Trial)]
    settled = {record.cell for record in named}
    others = [record for record in records if record.cell not in settled]
    labelled: list[AnyRecord] = []
    for of_protocol in grouped(others, lambda r: (r.dataset, r.protocol)).values():
        labelled += _labelled(of_protocol, "protocol", _protocol_settings)
    told: list[AnyRecord] = []
    for of_variant in grouped(labelled, lambda r: (r.dataset, r.protocol, r.model, r.variant)).values():
        told += _labelled(of_variant, "variant", lambda record: spec_settings(record.settings))
    # Grouping has moved them; what comes later still has to count.
    place = {record.cell: place for place, record in enumerate(records)}
    return sorted([*named, *told], key=lambda record: place[record.cell])


def _labelled(
    records: Sequence[AnyRecord], name: str, settings_of: Callable[[AnyRecord], dict[str, Any]]
) -> list[AnyRecord]:
    values: dict[str, set[object]] = {}
    for record in records:
        for key, value in settings_of(record).items():
            single = isinstance(value, str | int | float)
            values.setdefault(key, set()).add((type(value), value) if single else json.dumps(value))
    telling = sorted(key for key, seen in values.items() if len(seen) > 1)
    if not telling:
        return list(records)
    labels = []
    for record in records:
        own = settings_of(record)
        said = own if name == "variant" else {key: value for key, value in own.items() if value is not None}
        label = ", ".join(f"{key}={said[key]}" for key in telling if key in said)
        told = f"{getattr(record, name)} ({label})" if label else getattr(record, name)
        labels.append(msgspec.structs.replace(record, **{name: told}))
    return labels


def _protocol_settings(record: AnyRecord) -> dict[str, Any]:
    """How a record was judged, with what its protocol leaves unsaid: what it does not set."""
    given = record.settings.get("protocol", {})
    return dict.fromkeys(protocols.optional(given.get("name", ""))) | given


def spec_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the model was asked to be: not what was found while it ran, nor how it was judged."""
    others = {"protocol", "primary_metric", "source", "n_items", "dim", "n_queries", "n_interests"}
    others |= {"threads_all", "batch_queries"}
    return {key: value for key, value in settings.items() if key not in others}


def _refuse_other_data(records: Sequence[AnyRecord]) -> None:
    for dataset, of_one in sorted(grouped(records, lambda r: r.dataset).items()):
        hashes = sorted({record.hashes["dataset"] for record in of_one if "dataset" in record.hashes})
        if len(hashes) > 1:
            raise InputError(
                f"records of {dataset} come from different data (hashes {' and '.join(hashes)}): use one "
                "results folder for each version of a dataset"
            )
