"""The verdict at the end of a run: did the backends, from the same parameters and batches, reach the same model?

Seed by seed their figures have to lie within a tolerance of each other. Where a training magnifies rounding they do
not, though nothing is wrong: then the seeds have to show that the backends are the same on average.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from backends.registry import FRAMEWORKS
from benchmarks.agreement.equivalence import MOST_SEEDS, Equivalence, equivalence
from benchmarks.agreement.tolerances import MARGIN, METRIC

Record = Mapping[str, Any]

COMPARED = ("model", "variant", "dataset", "protocol", "device")
HASHES = ("split", "parameters", "batches")


@dataclass(frozen=True)
class Verdict:
    """One model on one data set, over all seeds, backends and modes that ran it.

    Attributes:
        seeds: those in which two or more backends finished.
        verdict: "agrees"; "differs"; "undecided", where the seeds are too few to say which; or "not compared", where
            nothing could be: fewer than two backends finished, or no model would have agreed as well.
        n_more: of an undecided one, how many more seeds it needs.
        reason: one sentence.
        spread: largest difference of the primary metric within a seed, None where nothing was compared.
        tolerance: the largest spread that agrees.
    """

    model: str
    variant: str
    dataset: str
    protocol: str
    device: str
    seeds: tuple[int, ...]
    verdict: str
    n_more: int
    reason: str
    spread: float | None
    tolerance: float

    @property
    def badge(self) -> str:
        """The verdict in words."""
        if self.verdict != "undecided":
            return self.verdict
        return f"undecided (needs {self.n_more if self.n_more < MOST_SEEDS else 'very many'} more seeds)"


def verdicts(records: Iterable[Record]) -> list[Verdict]:
    """One verdict a model, variant, data set, protocol and device that any trainable backend ran."""
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    baselines: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        if record["kind"] == "train" and record["backend"] in FRAMEWORKS:
            groups[*(record[name] for name in COMPARED), json.dumps(record["settings"], sort_keys=True)].append(record)
        elif record["kind"] == "train" and record["model"] == "popularity" and record["status"] == "ok":
            baselines[record["dataset"], record["hashes"].get("split")].append(record)
    return [
        _verdict(groups[key], baselines[groups[key][0]["dataset"], groups[key][0]["hashes"].get("split")])
        for key in sorted(groups)
    ]


def _verdict(records: Sequence[Record], popularity: Sequence[Record]) -> Verdict:
    by_seed: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        if record["status"] == "ok":
            by_seed[record["seed"]].append(record)
    of_seed = {seed: by_seed[seed] for seed in sorted(by_seed) if len({r["backend"] for r in by_seed[seed]}) > 1}

    def reached(verdict: str, reason: str, spread: float | None = None, n_more: int = 0) -> Verdict:
        named = {name: records[0][name] for name in COMPARED}
        return Verdict(**named, seeds=tuple(of_seed), verdict=verdict, n_more=n_more, reason=reason, spread=spread,
                       tolerance=METRIC.limit)  # fmt: skip

    if not of_seed:
        return reached(
            "not compared", f"{len({r['backend'] for seed in by_seed.values() for r in seed})} backend finished"
        )
    for name in HASHES:
        apart = [seed for seed, same in of_seed.items() if len({r["hashes"].get(name) for r in same}) > 1]
        if apart:
            return reached("differs", f"in seed {apart[0]} the backends were not given the same {name}")
    primary = records[0]["settings"]["primary_metric"]
    spreads = {seed: _spread(same, primary) for seed, same in of_seed.items()}
    spread, between = max(spreads.values())
    done = [record for same in of_seed.values() for record in same]
    if empty := _without_skill(done, popularity, primary, METRIC.limit if spread <= METRIC.limit else MARGIN.limit):
        return reached("not compared", empty, spread)
    if spread <= METRIC.limit:
        return reached("agrees", between, spread)
    worst, pair = _over_seeds(of_seed, primary)
    sentence = f"{between}; over {len(of_seed)} seed{'s' * (len(of_seed) > 1)} {pair}"
    words = {"same": "agrees", "different": "differs", "undecided": "undecided"}
    return reached(words[worst.verdict], f"{sentence}, the margin being {MARGIN.limit}", spread, worst.n_more)


def _spread(records: Sequence[Record], primary: str) -> tuple[float, str]:
    """The largest difference within a seed, and whose it is."""
    values = {_contestant(record): record["metrics"][primary] for record in records}
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    between = f"{primary} of seed {records[0]['seed']} from {values[low]:.4f} ({low}) to {values[high]:.4f} ({high})"
    return values[high] - values[low], between


def _contestant(record: Record) -> str:
    return f"{record['backend']} {record['mode']}"


def _without_skill(done: Sequence[Record], popularity: Sequence[Record], primary: str, limit: float) -> str:
    """Why figures within the limit would mean nothing, or "": who has not trained at all would agree as well."""
    learnt = min(_learnt(record["curve"], primary) for record in done)
    if learnt <= limit:
        return f"{primary} moved by {learnt:.4f} in training, so that untrained vectors would agree as well"
    values = [record["metrics"][primary] for record in done]
    for row in popularity:
        figure = row["metrics"][primary]
        if min(values) - limit <= figure <= max(values) + limit:
            near = f"{figure:.4f}, within {limit} of the figures from {min(values):.4f} to {max(values):.4f}"
            return f"popularity ({row['variant']}) is at {near}, and would agree as well"
    return ""


def _learnt(curve: list[Record], primary: str) -> float:
    """How far training moved the metric that it was watched by, from the untrained parameters to the best epoch."""
    values = [point["metrics"][primary] for point in curve]
    return float(max(abs(value - values[0]) for value in values))


def _over_seeds(of_seed: Mapping[int, Sequence[Record]], primary: str) -> tuple[Equivalence, str]:
    """The pair of contestants that stands worst, a difference before a doubt, and what the seeds say of it."""
    values: dict[str, dict[int, float]] = defaultdict(dict)
    for seed, same in of_seed.items():
        for record in same:
            values[_contestant(record)][seed] = record["metrics"][primary]
    pairs = list(combinations(sorted(values), 2))
    judged = []
    for one, other in pairs:
        differences = [values[one][seed] - values[other][seed] for seed in values[one] if seed in values[other]]
        if differences:
            judged.append((equivalence(differences, MARGIN.limit, len(pairs)), f"{one} less {other}"))
    order = ("different", "undecided", "same")
    worst, pair = min(judged, key=lambda found: (order.index(found[0].verdict), -found[0].n_more, -abs(found[0].mean)))
    interval = f", 90 % interval {worst.low:+.4f} to {worst.high:+.4f}" if worst.high < float("inf") else ""
    return worst, f"{pair} is {worst.mean:+.4f}{interval}"
