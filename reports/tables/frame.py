"""One tidy table of everything: a row a cell, from which every other table is formed."""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks import collecting
from benchmarks.harness import store
from benchmarks.records import AnyRecord, fields
from benchmarks.records.kinds import Fate
from datasets.errors import InputError
from reports.tables.forming import fields_of, or_empty
from reports.tables.records import newest
from reports.tables.reproduce import commands

NAMES = ["kind", "model", "variant", "backend", "mode", "device", "threads", "dataset", "protocol", "seed"]
COLUMNS: dict[str, Any] = {
    "kind": "str", "model": "str", "variant": "str", "backend": "str", "mode": "str", "device": "str",
    "threads": "int64", "dataset": "str", "protocol": "str", "seed": "int64", "index": "str", "build": "str",
    "query": "str", "status": "str", "reason": "str", "primary_metric": "str", "primary": "float64",
    "primary_low": "float64", "primary_high": "float64", "index_recall_metric": "str", "index_recall": "float64",
    "exact": "float64", "lost": "float64", "lost_low": "float64", "lost_high": "float64", "samples_per_s": "float64",
    "samples_per_s_low": "float64", "samples_per_s_high": "float64", "first_step_s": "float64", "compile_s": "float64",
    "batch_qps": "float64", "batch_qps_low": "float64", "batch_qps_high": "float64", "batch_qps_all": "float64",
    "call_overhead": "float64", "p50_s": "float64", "p95_s": "float64", "p99_s": "float64", "build_s": "float64",
    "load_s": "float64", "wall_s": "float64", "train_s": "float64", "index_bytes": "Int64", "resident_bytes": "Int64",
    "peak_rss_bytes": "Int64", "climb": "str", "rungs_held": "Int64", "rungs": "Int64", "bugs_caught": "Int64",
    "bugs_injected": "Int64", "mutants_caught": "Int64", "mutants_equivalent": "Int64", "mutants_survived": "Int64",
    "mutants_tried": "Int64", "group": "str", "command": "str", "machine": "str", "commit": "str", "run_id": "str",
    "cell": "str",
}  # fmt: skip
"""The columns of leaderboard.csv and leaderboard.parquet in their order, and their dtypes."""
FIGURES = ("metrics/", "low/", "high/")
"""What the columns behind them begin with, one for each metric that any of the cells has."""
_TYPES = COLUMNS | {
    "save_s": "float64", "import_s": "float64", "init_s": "float64", "overhead_s": "float64", "evaluate_s": "float64",
    "batches_s": "float64", "peak_device_bytes": "Int64", "joules_per_sample": "float64", "dirty": "boolean",
    "search": "str", "number": "Int64", "ended": "str",
}  # fmt: skip
_NESTED = [
    "curve",
    "steps",
    "bugs",
    "mutants",
    "divergence",
    "drawn",
    "space",
    "map",
    "scores",
    "notes",
    "rows",
    "warning",
    "machine_facts",
]
_WINDOWS = [
    f"windows/{name}" for name in ("samples_per_s", "batch_qps", "batch_qps_all", "p95_s", "load_s", "call_overhead")
]
_WIDE: dict[str, tuple[Any, list[str]]] = {
    "settings": (object, ["variant", "protocol", "n_items", "dim", "n_queries", "n_interests", "threads_all"]),
    "hashes": ("str", ["dataset", "split", "trained"]),
    "versions": ("str", []),
}
"""Dictionaries of which each key is a column: its dtype, and the keys that are there in any case."""
_PARTS: tuple[Any, ...] = (
    ("median", str),
    ("min", "{}_low".format),
    ("max", "{}_high".format),
)


@collecting.paused()
def frame(*results: str | Path) -> pd.DataFrame:
    """The cells of results folders as one tidy table, a row a cell: `reports.frame("RESULTS")`.

    The cells are those that the leaderboards of each folder show: the last record of each, of the newest machine and
    the newest version of its data; sentences on what that leaves out are in `attrs["left_out"]`. A folder without
    records stands for the results folders in it.

    What was not measured, or does not apply to a kind of cell, is missing (NaN or <NA>). Of what was taken in several
    windows a column holds the median. Seeds are rows of their own: a mean over them is a `groupby` away, as in
    `reports.frame("RESULTS").query("kind == 'train'").groupby(["model", "backend"])["primary"].mean()`. Columns of
    dtype object hold what Parquet has no type for; `cells.loc[:, cells.dtypes != "object"].to_parquet("cells.parquet")`
    keeps all others.

    Columns:
        run: str, the name of the results folder, its whole path where two have the same name.
        kind, model, variant, backend, mode, device, dataset, protocol: str; kind is train, throughput, index, map,
            agreement, mutation or trial, mode is eager or compiled. The model of a mutation is the path of a file.
        threads, seed: int64.
        index, build, query: str, the index's name and its settings, as "M=16, efConstruction=200".
        status, reason: str; "ok", or what became of the cell and why.
        primary_metric, primary, primary_low, primary_high: str and float64, the metric that the protocol is judged by,
            its value and the ends of its 95 % interval.
        index_recall_metric, index_recall: str and float64, the index recall at the smallest K.
        exact, lost, lost_low, lost_high: float64, the primary metric through exact search, and what the index loses of
            it with its 95 % interval.
        samples_per_s, batch_qps: float64, training samples and queries a second; their smallest and largest windows
            are samples_per_s_low, samples_per_s_high, batch_qps_low, batch_qps_high. batch_qps_all: on all cores.
        first_step_s, compile_s, p50_s, p95_s, p99_s, build_s, save_s, load_s, wall_s, import_s, init_s, train_s,
            overhead_s, evaluate_s, batches_s: float64, seconds; p50_s to p99_s are of single queries.
        call_overhead: float64, the share of a query's time that the call from Python takes.
        index_bytes, resident_bytes, peak_rss_bytes, peak_device_bytes: Int64; the last is of a GPU's memory.
        joules_per_sample: float64, what a GPU's board drew for each training sample.
        climb: str, which of a model's climbs of the agreement ladder it is.
        rungs_held, rungs, bugs_caught, bugs_injected: Int64, counts of the agreement ladder.
        mutants_caught, mutants_equivalent, mutants_survived, mutants_tried: Int64, counts of generated mutants; the
            last is the sum of the others.
        search, number, ended: str, Int64 and str, of a trial the search that it is part of, its place in the order in
            which settings were drawn, and whether it is complete, pruned or capped. Its primary metric is that of the
            validation period.
        group, command, machine, commit, run_id, cell: str; only cells of one group were timed by turns, command
            measures the cell anew.
        dirty: boolean, whether there were changes beside the commit.
        metrics/NAME, low/NAME, high/NAME: float64, each metric that any cell has, as `metrics/ndcg@10`, and the ends
            of its 95 % interval where one was taken.
        hashes/NAME, versions/NAME: str, as `versions/torch`.
        settings/NAME: object, as recorded, as `settings/learning_rate`.
        windows/NAME: object, tuples of all samples of samples_per_s, batch_qps, batch_qps_all, p95_s, load_s and
            call_overhead in the order in which they were taken, () where none was.
        curve, steps, bugs, mutants, divergence, drawn, space, map, scores, notes, rows, warning, machine_facts: object,
            what is nested, as recorded: the learning curve, the rungs of the ladder, the bugs injected, the mutants
            generated, the differences of the loss trajectory, the settings that a trial has drawn and what from, the
            map of the items, each query's score, remarks, what became of the data's rows, the warning that few of them
            are asked for, and the machine; None where there is none.

    Raises:
        InputError: no folder is named, or one has no records, or invalid ones.
    """
    # A folder that is named twice, or beside the one that it lies in, counts once.
    folders = list(dict.fromkeys(folder.resolve() for named in results for folder in store.folders(Path(named))))
    if not folders:
        raise InputError("no results folder is named: name one or several, as in reports.frame('RESULTS')")
    names = [folder.name for folder in folders]
    cells: list[pd.DataFrame] = []
    left_out: list[str] = []
    for folder, name in zip(folders, names, strict=True):
        records, of_others = newest(store.read(folder))
        made = frame_of(records, commands(records).of_cell)
        made.insert(0, "run", name if names.count(name) == 1 else folder.as_posix())
        cells.append(made)
        left_out += of_others
    table = pd.concat(cells, ignore_index=True)
    table.attrs["left_out"] = tuple(left_out)
    return table


def frame_of(records: Sequence[AnyRecord], commands: Mapping[str, str]) -> pd.DataFrame:
    """The table of prepared records, but without `run`, in the order of the names that it begins with.

    Args:
        records: at least one.
        commands: cell -> the command that measures it anew.
    """
    raw = pd.DataFrame([fields(record) for record in records], dtype=object)
    index = fields_of(raw["index"], "name", "build", "query")
    named = raw.assign(
        primary_metric=fields_of(raw["settings"], "primary_metric")["primary_metric"],
        index_recall_metric=raw["metrics"].map(_recall_metric),
        index=index["name"],
        build=index["build"].map(_in_words, na_action="ignore"),
        query=index["query"].map(_in_words, na_action="ignore"),
        steps=raw["rungs"],
        climb=raw["climb"].where(raw["kind"] == "agreement"),
        search=raw["search"].where(raw["kind"] == "trial"),
        number=raw["number"].where(raw["kind"] == "trial", pd.NA),
        rungs=raw["rungs"].map(len).replace(0, pd.NA),
        rungs_held=raw["rungs"].map(lambda rungs: sum(rung["holds"] for rung in rungs) if rungs else pd.NA),
        bugs_injected=raw["bugs"].map(len).replace(0, pd.NA),
        bugs_caught=raw["bugs"].map(lambda bugs: sum(bug["caught"] for bug in bugs) if bugs else pd.NA),
        **_fates(raw["mutants"]),
        machine=raw["machine"].map(operator.itemgetter("id")),
        machine_facts=raw["machine"],
        command=raw["cell"].map(commands),
    )
    figures = _figures(raw)
    found = pd.concat([named, _timings(raw["timings"]), fields_of(raw["memory"])], axis=1)
    table = found.reindex(columns=[*_TYPES, *_NESTED, *_WINDOWS]).astype(_TYPES)
    table[_WINDOWS] = table[_WINDOWS].apply(or_empty)
    table = table.assign(**_primary(figures, table["primary_metric"], table["index_recall_metric"]))
    wide = (_wide(raw[name], kind, names).add_prefix(f"{name}/") for name, (kind, names) in _WIDE.items())
    table = pd.concat([table, figures, *wide], axis=1)
    return table.sort_values(
        [*NAMES, "index", "build", "query", "climb", "search", "number", "cell"], ignore_index=True
    ).copy()


def to_csv(cells: pd.DataFrame) -> bytes:
    """leaderboard.csv: UTF-8, a header, lines that end in a line feed; what is missing is an empty field."""
    return _flat(cells).to_csv(index=False, lineterminator="\n").encode()


def to_parquet(cells: pd.DataFrame) -> bytes:
    """leaderboard.parquet: the same table; columns have their types also where all values are missing."""
    content: bytes = _flat(cells).to_parquet(
        index=False, compression="zstd", write_statistics=False, store_schema=False
    )
    return content


def _flat(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[list(COLUMNS)].join(cells.filter(regex=f"^({'|'.join(FIGURES)})"))


def _wide(values: pd.Series, kind: Any, names: list[str]) -> pd.DataFrame:
    found = fields_of(values)
    return found.reindex(columns=found.columns.union(names)).astype(kind)


def _figures(raw: pd.DataFrame) -> pd.DataFrame:
    """The metrics with the ends of their intervals, metric by metric."""
    ends = fields_of(raw["intervals"])
    low, high = (ends.map(operator.itemgetter(end), na_action="ignore") for end in (0, 1))
    of_part = zip(FIGURES, (fields_of(raw["metrics"]), low, high), strict=True)
    made = pd.concat([values.add_prefix(part) for part, values in of_part], axis=1).astype(float)
    columns = sorted(map(str, made), key=lambda name: name.partition("/")[2])
    return made[columns]


def _primary(figures: pd.DataFrame, metric: pd.Series, recall: pd.Series) -> dict[str, npt.NDArray[np.float64]]:
    """What is known of each cell's own primary metric."""
    values = np.column_stack([figures, np.full(len(figures), np.nan)])  # the last, for cells without such a metric

    def of(part: str, of_metric: pd.Series) -> npt.NDArray[np.float64]:
        return values[np.arange(len(values)), figures.columns.get_indexer(pd.Index(part + of_metric))]

    return {
        "primary": of("metrics/", metric),
        "primary_low": of("low/", metric),
        "primary_high": of("high/", metric),
        "index_recall": of("metrics/", recall),
        "exact": of("metrics/exact/", metric),
        "lost": of("metrics/lost/", metric),
        "lost_low": of("low/lost/", metric),
        "lost_high": of("high/lost/", metric),
    }


def _timings(timings: pd.Series) -> pd.DataFrame:
    """Medians, smallest and largest of each timing's samples, and the samples themselves."""
    taken = fields_of(timings).rename(columns={"window_samples_per_s": "samples_per_s"})
    samples = taken.melt(ignore_index=False, var_name="timing").explode("value").dropna().astype({"value": float})
    samples = samples.rename_axis("row").reset_index()
    parts = [samples.pivot_table("value", "row", "timing", how).rename(columns=name) for how, name in _PARTS]
    return pd.concat([*parts, _windows(samples).rename(columns="windows/{}".format)], axis=1)


def _windows(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples of each row and timing, which follow each other, as one tuple."""
    first = ~samples.duplicated(["row", "timing"])
    starts, values = np.flatnonzero(first), samples["value"].tolist()
    taken = [tuple(values[start:end]) for start, end in itertools.pairwise([*starts, len(values)])]
    return pd.Series(taken, pd.MultiIndex.from_frame(samples.loc[first, ["row", "timing"]])).unstack()  # noqa: PD010


def _fates(mutants: pd.Series) -> dict[str, pd.Series]:
    """How many mutants were tried, and how many of them came to each end."""
    fates = mutants.map(lambda of_cell: Counter(mutant["fate"] for mutant in of_cell))
    counted = {f"mutants_{fate}": fates.map(operator.itemgetter(fate)) for fate in get_args(Fate)}
    counted["mutants_tried"] = mutants.map(len)
    return {name: of_fate.where(counted["mutants_tried"] > 0, pd.NA) for name, of_fate in counted.items()}


def _recall_metric(metrics: Mapping[str, float]) -> str | None:
    """The index recall at the smallest K."""
    names = [name for name in metrics if name.startswith("index_recall@")]
    return min(names, key=lambda name: (len(name), name), default=None)


def _in_words(settings: Mapping[str, object]) -> str | None:
    return ", ".join(f"{name}={value}" for name, value in sorted(settings.items())) or None
