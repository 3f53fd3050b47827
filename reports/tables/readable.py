"""Records that tables can be made of: what one of them cannot hold makes a failed cell, and never ends a report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any

import msgspec

from benchmarks.specs.base import digest

_LARGEST = 1e18  # no metric, no number of seconds and no rate is beyond it
_EMPTY: Mapping[str, Any] = {
    "metrics": {}, "intervals": {}, "scores": None, "curve": [], "rungs": [], "divergence": None, "map": None,
    "timings": {}, "memory": {},
}  # fmt: skip
_FOLDERS = re.compile(r"(?<![\w/.<~])~?/(?:[^/\s'\"]+/)+(?=[^/\s'\"])")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Bug(msgspec.Struct):
    bug: str
    due: str
    caught: bool
    broke: str | None = None
    seen: list[str] = []


class _Settings(msgspec.Struct):
    """What is read of a record's settings, of which the schema only says that they are an object."""

    primary_metric: str = ""
    variant: str = ""
    protocol: dict[str, Any] = {}
    bugs: list[_Bug] = []
    n_items: Count = 0
    dim: Count = 0
    n_queries: Count = 0
    n_interests: Count = 0
    threads_all: Count = 0


def readable(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records with what cannot be read taken out of them, and without the folders of the machine that ran them.

    A record that holds a number which is none, or parts that do not fit each other, is that of a failed cell.
    """
    names = _short_names([record["dataset"] for record in records])
    return [_without_folders(_mended(record), names) for record in records]


def _mended(record: dict[str, Any]) -> dict[str, Any]:
    fault = _fault(record)
    if not fault:
        return record
    reason = f"its record cannot be read: {fault}; run that cell again"
    failed = {**record, **_EMPTY, "status": "failed", "reason": reason}
    return failed | {"settings": {} if _settings_fault(record) else record["settings"]}


def _fault(record: dict[str, Any]) -> str:
    """What is wrong with a record that the schema lets pass, or ""."""
    for where, value in _numbers(record):
        if value is not None and not abs(value) <= _LARGEST:  # NaN is not either
            return f"{where} is no number up to {_LARGEST:g}"
    return _settings_fault(record) or _misfit(record)


def _settings_fault(record: dict[str, Any]) -> str:
    try:
        msgspec.convert(record["settings"], _Settings)
    except msgspec.ValidationError as error:
        return f"settings: {error}"
    return ""


def _numbers(record: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name in ("metrics", "memory"):
        yield from ((f"{name}.{key}", value) for key, value in record[name].items())
    for name in ("intervals", "timings"):
        for key, value in record[name].items():
            yield from ((f"{name}.{key}", one) for one in (value if isinstance(value, list) else [value]))
    for point in record["curve"]:
        yield from (("curve", value) for value in (point["epoch"], point["steps"], *point["metrics"].values()))
    yield from (("rungs", rung["difference"]) for rung in record["rungs"] if rung["holds"])
    yield from (("rungs", rung["tolerance"]) for rung in record["rungs"])
    for name in ("values", "weights"):
        yield from ((f"scores.{name}", value) for value in (record.get("scores") or {}).get(name, ()))


def _misfit(record: dict[str, Any]) -> str:
    drawn, scores = record.get("map"), record.get("scores")
    if any(rung["holds"] and rung["difference"] is None for rung in record["rungs"]):
        return "a rung holds and has no difference"
    if scores and (len(scores["values"]) != len(scores["weights"]) or not sum(scores["weights"]) > 0):
        return "scores have no weight for each value"
    if drawn:
        codes, categories = drawn["category"] or [], drawn["categories"] or []
        if len(drawn["x"]) != len(drawn["y"]) or (categories and len(codes) != len(drawn["x"])):
            return "the map has not two places and a category for each item"
        if any(code >= len(categories) for code in codes):
            return "the map has an item of a category that is none"
    return ""


def _short_names(datasets: Sequence[str]) -> dict[str, str]:
    """A file's name in place of its path; files of one name in several folders are told apart by a hash."""
    of_path = {name: _short(name) for name in datasets}
    several = {short for short in of_path.values() if len({n for n, s in of_path.items() if s == short}) > 1}
    return {n: f"{short} ({digest(n)[:6]})" if short in several and short != n else short
            for n, short in of_path.items()}  # fmt: skip


def _short(dataset: str) -> str:
    kind, path = ("file:", dataset[5:]) if dataset.startswith("file:") else ("", dataset)
    return kind + PurePosixPath(path).name if "/" in path and (kind or path[0] in "/~") else dataset


def _without_folders(record: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    dataset = record["dataset"]

    def short(text: str) -> str:
        return _FOLDERS.sub("", text.replace(dataset, names[dataset]) if names[dataset] != dataset else text)

    machine = record["machine"]
    return record | {
        # The schema takes 1.0 for a whole number.
        **{name: int(record[name]) for name in ("seed", "threads")},
        "machine": machine | {name: int(machine[name]) for name in ("cores", "memory_bytes")},
        "dataset": names[dataset],
        "reason": record["reason"] and short(record["reason"]),
        "notes": [short(note) for note in record["notes"]],
        "versions": {name: short(version) for name, version in record["versions"].items()},
    }
