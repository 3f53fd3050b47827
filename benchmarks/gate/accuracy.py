"""Two trainings from the same start: equal bits end the question, else the queries and the seeds have to answer it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gate.figures import ACCURACY, Measured
from benchmarks.harness import files
from benchmarks.resampling import interval, resampled

LEFT = ("parameters.npz", "users.npy", "items.npy")
"""What a training leaves of what it has learnt."""
N_RESAMPLES = 1_000


def compared(
    line: str,
    number: int,
    job: Mapping[str, Any],
    results: Mapping[str, Mapping[str, Any]],
    folders: Mapping[str, Path],
) -> Measured:
    """The primary metric of the two sides' trainings.

    Where both have learnt the same bits nothing is left to chance: a metric that is another one then is so because it
    is computed otherwise.

    Args:
        line: of the cell.
        number: of the pair.
        job: of base's process.
        results: of "base" and "head".
        folders: of their processes.
    """
    metric = job["protocol"]["primary_metric"]
    values = {side: float(result["metrics"][metric]) for side, result in results.items()}
    learnt = {side: _hashes(folder) for side, folder in folders.items()}
    is_same = bool(learnt["base"]) and learnt["base"] == learnt["head"]
    if is_same:
        note = "the same bits are learnt" + ("" if values["base"] == values["head"] else " and judged otherwise")
    else:
        note = f"seed {job['seed']}: {_over_queries(metric, results)}"
    return Measured(
        cell=line, figure=ACCURACY, base=values["base"], head=values["head"], is_settled=is_same,
        note=note if number == 0 or is_same else "",
    )  # fmt: skip


def _hashes(folder: Path) -> list[str]:
    return [files.hash_file(folder / name) for name in LEFT if (folder / name).is_file()]


def _over_queries(metric: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Head's metric less base's, with the 95 % interval of a paired bootstrap over the queries."""
    base, head = (results[side]["metrics"][metric] for side in ("base", "head"))
    said = f"{metric} {base:.4f} and then {head:.4f}"
    scores = [results[side].get("scores") or {"values": []} for side in ("base", "head")]
    if len({len(score["values"]) for score in scores}) > 1 or not scores[0]["values"]:
        return said
    values, weights = (np.column_stack([score[what] for score in scores]) for what in ("values", "weights"))
    ratios = resampled(values.astype(float), weights.astype(float), 0, N_RESAMPLES)
    low, high = interval(ratios[:, 1:] - ratios[:, :1])
    return f"{said}, over the queries {head - base:+.4f} ({low[0]:+.4f} to {high[0]:+.4f})"
