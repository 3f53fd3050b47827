"""The verdict at the end of a run: did the backends, from the same parameters and batches, reach the same model?"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backends.registry import FRAMEWORKS
from benchmarks.agreement.tolerances import METRIC

Record = Mapping[str, Any]

COMPARED = ("model", "variant", "dataset", "protocol", "device", "seed")


@dataclass(frozen=True)
class Verdict:
    """One model on one data set and seed, over all backends and modes that ran it.

    Attributes:
        verdict: "agrees", "differs", or "not compared" where fewer than two backends finished.
        reason: one sentence.
        spread: largest difference of the primary metric, None where nothing was compared.
        tolerance: the largest spread that agrees.
    """

    model: str
    variant: str
    dataset: str
    protocol: str
    device: str
    seed: int
    verdict: str
    reason: str
    spread: float | None
    tolerance: float


def verdicts(records: Iterable[Record]) -> list[Verdict]:
    """One verdict a model, variant, data set, protocol, device and seed that any trainable backend ran."""
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        if record["kind"] == "train" and record["backend"] in FRAMEWORKS:
            groups[*(record[name] for name in COMPARED), json.dumps(record["settings"], sort_keys=True)].append(record)
    return [_verdict(groups[key]) for key in sorted(groups)]


def _verdict(records: list[Record]) -> Verdict:
    def reached(verdict: str, reason: str, spread: float | None = None) -> Verdict:
        return Verdict(
            **{name: records[0][name] for name in COMPARED},
            verdict=verdict,
            reason=reason,
            spread=spread,
            tolerance=METRIC.limit,
        )

    done = [record for record in records if record["status"] == "ok"]
    n_backends = len({record["backend"] for record in done})
    if n_backends < 2:
        return reached("not compared", f"{n_backends} backend finished")
    for name in ("split", "parameters", "batches"):
        if len({record["hashes"].get(name) for record in done}) > 1:
            return reached("differs", f"the backends were not given the same {name}")
    primary = done[0]["settings"]["primary_metric"]
    values = {f"{record['backend']} {record['mode']}": record["metrics"][primary] for record in done}
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    spread = values[high] - values[low]
    between = f"{primary} from {values[low]:.4f} ({low}) to {values[high]:.4f} ({high})"
    if spread > METRIC.limit:
        return reached("differs", f"{between}, more than {METRIC.limit} apart", spread)
    learnt = min(_learnt(record["curve"], primary) for record in done)
    if learnt <= METRIC.limit:
        reason = f"{primary} moved by {learnt:.4f} in training, so that untrained vectors would agree as well"
        return reached("not compared", reason, spread)
    return reached("agrees", between, spread)


def _learnt(curve: list[Record], primary: str) -> float:
    """How far training moved the metric that it was watched by, from the untrained parameters to the best epoch."""
    values = [point["metrics"][primary] for point in curve]
    return float(max(abs(value - values[0]) for value in values))
