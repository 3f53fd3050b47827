"""The verdict at the end of a run: did the backends, from the same parameters and batches, reach the same model?

Seed by seed their figures have to lie within a tolerance of each other. Where a training magnifies rounding they do
not, though nothing is wrong: then the seeds have to show that the backends are the same on average.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from backends.registry import FRAMEWORKS
from benchmarks.agreement.equivalence import MOST_SEEDS, Equivalence, equivalence
from benchmarks.agreement.tolerances import MARGIN, METRIC
from benchmarks.records import Point, Record, Train

EXCUSED = ("unsupported", "skipped")
"""Statuses of what was not tried, and so did not fail."""
INCOMPLETE = "agrees, incomplete"
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
        n_whole, n_expected: backends that are in the comparison with every seed and mode that has a record, and all
            backends that have one.
        missing: what is not in it, and why: "paddle failed", "torch compiled timeout", "jax 2 of 5 seeds".
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
    n_whole: int = 0
    n_expected: int = 0
    missing: tuple[str, ...] = ()

    @property
    def badge(self) -> str:
        """The verdict in words, with who is missing from it."""
        n_more = self.n_more if self.n_more < MOST_SEEDS else "very many"
        needs = [f"needs {n_more} more seeds"] if self.verdict == "undecided" else []
        absent = [f"{self.n_whole} of {self.n_expected}", ", ".join(self.missing)] if self.missing else []
        return f"{self.verdict} ({'; '.join(needs + absent)})" if needs or absent else self.verdict

    @property
    def is_whole(self) -> bool:
        """Whether every backend that was to be compared was, in all seeds."""
        return self.n_whole == self.n_expected

    @property
    def counted_as(self) -> str:
        """The verdict as it is counted and coloured: an agreement from which somebody is missing is not a whole one."""
        return INCOMPLETE if self.verdict == "agrees" and not self.is_whole else self.verdict


def verdicts(records: Iterable[Record]) -> list[Verdict]:
    """One verdict a model, variant, data set, protocol and device that any trainable backend ran."""
    groups: dict[tuple[str, ...], dict[str, list[Train]]] = defaultdict(lambda: defaultdict(list))
    baselines: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        if isinstance(record, Train) and record.backend in FRAMEWORKS:
            place = tuple(getattr(record, name) for name in COMPARED)
            groups[place][json.dumps(record.settings, sort_keys=True)].append(record)
        elif record.model == "popularity" and _finished(record):
            baselines[record.dataset, record.hashes.get("split")].append(record)
    together = [of_one for place in sorted(groups) for of_one in _together(groups[place])]
    return [_verdict(of_one, baselines[of_one[0].dataset, of_one[0].hashes.get("split")]) for of_one in together]


def _together(by_settings: Mapping[str, list[Train]]) -> list[list[Train]]:
    """What is compared, a group for each settings; what never got far enough to tell its own stands in all of them."""
    in_order = [by_settings[settings] for settings in sorted(by_settings)]
    finished = [of_one for of_one in in_order if any(map(_finished, of_one))]
    lost = [record for of_one in in_order if of_one not in finished for record in of_one]
    return [of_one + lost for of_one in finished] or [lost]


def said(status: str) -> str:
    """A record's status in words."""
    return "out of memory" if status == "oom" else status


def ending(reached: Sequence[Verdict], records: Sequence[Record]) -> str:
    """What stands against a run, in one sentence; "" where nothing does."""
    against = [v for v in reached if v.missing or v.verdict in {"differs", "undecided"}]
    parts = [f"{v.model} ({v.variant}) {v.badge}" for v in against]
    counts = Counter(record.status for record in records if record.status not in {"ok", *EXCUSED})
    parts += [f"{n} cell{'s' * (n > 1)} {said(status)}" for status, n in sorted(counts.items())]
    return "; ".join(parts)


def _verdict(records: Sequence[Train], popularity: Sequence[Record]) -> Verdict:
    by_seed: dict[int, list[Train]] = defaultdict(list)
    for record in records:
        if _finished(record):
            by_seed[record.seed].append(record)
    of_seed = {seed: by_seed[seed] for seed in sorted(by_seed) if len({r.backend for r in by_seed[seed]}) > 1}
    missing = {backend: _missing(backend, records) for backend in sorted({r.backend for r in records})}

    def reached(verdict: str, reason: str, spread: float | None = None, n_more: int = 0) -> Verdict:
        named = {name: getattr(records[0], name) for name in COMPARED}
        absent = tuple(words for of_backend, _ in missing.values() for words in of_backend)
        return Verdict(**named, seeds=tuple(of_seed), verdict=verdict, n_more=n_more, reason=reason, spread=spread,
                       tolerance=METRIC.limit, n_whole=sum(is_whole for _, is_whole in missing.values()),
                       n_expected=len(missing), missing=absent)  # fmt: skip

    if not of_seed:
        n_finished = len({r.backend for seed in by_seed.values() for r in seed})
        if n_finished > 1:
            return reached("not compared", "no two backends finished in the same seed")
        return reached("not compared", f"{n_finished or 'no'} backend finished")
    for name in HASHES:
        apart = [seed for seed, same in of_seed.items() if len({r.hashes.get(name) for r in same}) > 1]
        if apart:
            return reached("differs", f"in seed {apart[0]} the backends were not given the same {name}")
    primary = _primary(records[0])
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


def _finished(record: Record) -> bool:
    """Whether it has the figure that is compared."""
    return record.status == "ok" and _primary(record) in record.metrics


def _primary(record: Record) -> str:
    return str(record.settings.get("primary_metric"))


def _missing(backend: str, records: Sequence[Record]) -> tuple[list[str], bool]:
    """What of a backend the comparison lacks, in words, and whether it is in it nevertheless, in all seeds.

    A mode that cannot run is said and does not count against a backend that has another one.
    """
    seeds = {record.seed for record in records}
    modes = sorted({record.mode for record in records if record.backend == backend})
    words, is_whole = {}, {}
    for mode in modes:
        own = [record for record in records if (record.backend, record.mode) == (backend, mode)]
        done = {record.seed for record in own if _finished(record)}
        words[mode] = "" if done == seeds else f"{len(done)} of {len(seeds)} seeds" if done else _why(own)
        is_whole[mode] = done == seeds
    excused = {mode for mode in modes if words[mode] in EXCUSED}
    whole = any(is_whole.values()) and all(is_whole[mode] for mode in modes if mode not in excused)
    if len(set(words.values())) == 1:
        return [f"{backend} {word}" for word in dict.fromkeys(words.values()) if word], whole
    return [f"{backend} {mode} {word}" for mode, word in words.items() if word], whole


def _why(records: Sequence[Record]) -> str:
    """Why none of these finished; that it could not be run only where nothing else is to be said."""
    statuses: list[str] = sorted({record.status for record in records if record.status != "ok"})
    statuses = statuses or ["without the figure"]
    tried = [status for status in statuses if status not in EXCUSED] or statuses
    return " and ".join(said(status) for status in tried)


def _spread(records: Sequence[Record], primary: str) -> tuple[float, str]:
    """The largest difference within a seed, and whose it is."""
    values = {_contestant(record): record.metrics[primary] for record in records}
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    between = f"{primary} of seed {records[0].seed} from {values[low]:.4f} ({low}) to {values[high]:.4f} ({high})"
    return values[high] - values[low], between


def _contestant(record: Record) -> str:
    return f"{record.backend} {record.mode}"


def _without_skill(done: Sequence[Train], popularity: Sequence[Record], primary: str, limit: float) -> str:
    """Why figures within the limit would mean nothing, or "": who has not trained at all would agree as well."""
    untold = [_contestant(record) for record in done if not _watched(record.curve, primary)]
    if untold:
        return f"the record of {untold[0]} has no curve of {primary}, so that nothing says that it learnt"
    learnt = min(_learnt(record.curve, primary) for record in done)
    if learnt <= limit:
        return f"{primary} moved by {learnt:.4f} in training, so that untrained vectors would agree as well"
    values = [record.metrics[primary] for record in done]
    for row in popularity:
        figure = row.metrics.get(primary)
        if figure is None:
            continue
        if min(values) - limit <= figure <= max(values) + limit:
            near = f"{figure:.4f}, within {limit} of the figures from {min(values):.4f} to {max(values):.4f}"
            return f"popularity ({row.variant}) is at {near}, and would agree as well"
    return ""


def _learnt(curve: Sequence[Point], primary: str) -> float:
    """How far training moved the metric that it was watched by, from the untrained parameters to the best epoch."""
    values = _watched(curve, primary)
    return float(max(abs(value - values[0]) for value in values))


def _watched(curve: Sequence[Point], primary: str) -> list[float]:
    return [point.metrics[primary] for point in curve if primary in point.metrics]


def _over_seeds(of_seed: Mapping[int, Sequence[Record]], primary: str) -> tuple[Equivalence, str]:
    """The pair of contestants that stands worst, a difference before a doubt, and what the seeds say of it."""
    values: dict[str, dict[int, float]] = defaultdict(dict)
    for seed, same in of_seed.items():
        for record in same:
            values[_contestant(record)][seed] = record.metrics[primary]
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
