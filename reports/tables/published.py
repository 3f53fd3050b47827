"""What others published, from published.toml: held against ours, or beside ours where settings are not the same."""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import protocols
from reports.tables.forming import objects, own_variant, rows, trained


@dataclass(frozen=True)
class Source:
    """Where a figure was published: a short name, whose and what it is, and its address, "" where nobody knows it."""

    name: str
    what: str
    address: str = ""

    @property
    def words(self) -> str:
        """All of it in a line; addresses without a scheme, since pages name nothing that a browser could ask for."""
        name = "" if self.what.startswith(self.name) else f"{self.name}: "
        return f"{name}{self.what}{', ' * bool(self.address)}{self.address}".replace("https://", "")


@dataclass(frozen=True)
class Published:
    """A figure that somebody published for the same model, variant, dataset and metric."""

    value: float
    by_epoch: tuple[float, ...]
    source: Source
    remark: str = ""


@dataclass(frozen=True)
class ReportRow:
    """A figure that others report for the same task, with settings of their own, beside the nearest of ours.

    Attributes:
        name: the model, in their words.
        low, high: the figure; or the smallest and the largest of several implementations.
        model, variant: the nearest of ours, "" where we have none.
        mean: ours, the mean over frameworks and seeds; None where it was not measured.
        mean_low, mean_high: its 95 % interval over the users.
    """

    name: str
    source: Source
    remark: str
    metric: str
    low: float
    high: float
    model: str
    variant: str
    mean: float | None
    mean_low: float | None
    mean_high: float | None

    @property
    def is_within(self) -> bool:
        """Whether what they report lies in our interval, or that interval in their range, at least in part."""
        if self.mean_low is None or self.mean_high is None:
            return False
        return self.low <= self.mean_high and self.mean_low <= self.high


@dataclass(frozen=True)
class ReportTable:
    """What others report on one data set under one protocol, of which something of ours was measured."""

    dataset: str
    protocol: str
    rows: tuple[ReportRow, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(dict.fromkeys(row.source for row in self.rows))


def figure_of(row: Mapping[Any, Any], metric: str | None) -> Published | None:
    """The figure that was published for a row, under its protocol, in its metric."""
    wanted = {"model": row["model"], "variant": row["own_variant"], "dataset": row["dataset"], "metric": metric}
    for figure in _known()["figure"]:
        is_same = all(figure[name] == value for name, value in wanted.items())
        if is_same and _is_under(row["settings/protocol"], figure["under"]):
            by_epoch = tuple(figure.get("by_epoch", ()))
            return Published(figure["value"], by_epoch, sources()[figure["source"]], figure.get("remark", ""))
    return None


def faults() -> Iterator[tuple[str, str, str]]:
    """Of publications: model, variant, and what is wrong."""
    for fault in _known()["fault"]:
        yield fault["model"], fault["variant"], fault["text"]


def report_tables(cells: pd.DataFrame) -> tuple[ReportTable, ...]:
    """One for each dataset and protocol that others report on and any of our cells has trained on."""
    found = []
    for (dataset, protocol), own in trained(cells).groupby(["dataset", "protocol"]):
        settings = own["settings/protocol"].iloc[0]
        reports = [r for r in _known()["report"] if r["dataset"] == dataset and _is_under(settings, r["under"])]
        beside = tuple(row for report in reports for row in _beside(report, own))
        if any(row.mean is not None for row in beside):
            found.append(ReportTable(str(dataset), str(protocol), beside))
    return tuple(found)


def _beside(report: Mapping[str, Any], own: pd.DataFrame) -> Iterator[ReportRow]:
    """A row for each metric and each model of ours."""
    nearest = [(model, variant) for model, variants in report["ours"].items() for variant in variants]
    for metric, value in report["figures"].items():
        low, high = value if isinstance(value, list) else (value, value)
        named = {"name": report["model"], "remark": report.get("remark", ""), "metric": metric}
        for model, variant in nearest or [("", "")]:
            ours = own[(own["model"] == model) & (own_variant(own) == variant)]
            found = _means(ours, metric) if len(ours) else pd.DataFrame({"variant": [variant]})
            source = objects([sources()[report["source"]]] * len(found), found.index)
            made = found.assign(**named, low=low, high=high, source=source, model=model).reindex(columns=_FIELDS)
            yield from rows(made, ReportRow)


def _means(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row for each variant as the tables call it, which tells settings apart: means over frameworks and seeds."""
    names = {f"metrics/{metric}": "mean", f"low/{metric}": "mean_low", f"high/{metric}": "mean_high"}
    figures = cells.reindex(columns=["variant", *names]).rename(columns=names)
    return figures.astype(dict.fromkeys(names.values(), float)).groupby("variant").mean().reset_index()


_FIELDS = [field.name for field in dataclasses.fields(ReportRow)]


def _is_under(protocol: Any, name: str) -> bool:
    """Whether a protocol is the one of that name: a figure counts only under that which it was published for."""
    under = _known()["under"][name]
    if not isinstance(protocol, dict) or not under.items() <= protocol.items():
        return False
    return protocols.optional(under["name"]).isdisjoint(protocol.keys() - under.keys())


@functools.cache
def sources() -> dict[str, Source]:
    """All sources, by the names that the figures have for them."""
    return {name: Source(**source) for name, source in _known()["source"].items()}


@functools.cache
def _known() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
