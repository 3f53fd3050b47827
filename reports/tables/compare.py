"""Two sets of records against each other: what changed, by how much, and whether that is more than noise.

Cells are matched by what they are called, since their keys differ wherever sources or versions do. All figures that
are compared are the better the larger they are: the metric that a protocol is judged by, the recall of an index, and
rates.

| figure | change | noise |
|---|---|---|
| metric, query by query in both | B - A | paired bootstrap over the queries |
| metric, with an interval in both | B - A | both intervals, as if they were independent; they are of the same queries, so this is the wider one |
| any other metric | B - A | `tolerances.METRIC`, the largest difference that counts as none |
| rate, on one machine | median B / median A | Student's t on the logarithms of the windows, and how much all ratios of the kind scatter about theirs: windows of one run do not show how much one run differs from another |

Of many figures some are beyond their 95 % interval by chance. Those are called changed whose p-value stands after
Benjamini and Hochberg (1995), metrics and rates apart, so that 5 % of what is called changed is expected to be chance.
What is identical to the last bit is no test of anything, and does not count for the number of tests.
"""  # noqa: E501 -- a table's row is a line

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from scipy import stats

from benchmarks.agreement.tolerances import METRIC
from benchmarks.harness.mixture import same_machine
from benchmarks.records import Agreement, AnyRecord, Index, Mutation, Scores, Train
from benchmarks.resampling import interval, resampled
from reports.tables.paired import N_RESAMPLES
from reports.tables.records import climb_of, grouped, spec_settings

Pair: TypeAlias = tuple[AnyRecord, AnyRecord]
Noise: TypeAlias = Literal["queries", "intervals", "tolerance", "windows"]
Verdict: TypeAlias = Literal["better", "worse", "within noise", "identical"]

LEVEL = 0.05
Z = float(stats.norm.ppf(1 - LEVEL / 2))
RATES = {"throughput": ("window_samples_per_s",), "index": ("batch_qps", "batch_qps_all")}
FEWEST_RATIOS = 5
"""Ratios from which their scatter is taken for that of runs."""
FEWEST_TOGETHER = 3
"""Ratios that can be said to have moved together."""


@dataclass(frozen=True)
class Change:
    """One figure of a cell that both sides have.

    Attributes:
        cell: B's record, which says what it is of.
        measure: the metric, or the timing.
        a, b: the figure on both sides; of a rate its median.
        change, low, high: b - a, or of a rate b / a, with its 95 % interval; the tolerance where there is none.
        noise: what it was held against.
        distance: how far it is from no change, in standard errors of a normal distribution.
        verdict: whether it changed, and to the better or worse.
        settings: names of those in which the two cells differ.
    """

    cell: AnyRecord
    measure: str
    a: float
    b: float
    change: float
    low: float
    high: float
    noise: Noise
    distance: float
    verdict: Verdict = "within noise"
    settings: tuple[str, ...] = ()

    @property
    def is_rate(self) -> bool:
        return self.noise == "windows"


@dataclass(frozen=True)
class Comparison:
    """What there is to say of two sets of records.

    Attributes:
        changes: what is beyond its noise by most comes first.
        failures, mended: (B's record, why it fails or failed) of cells that fail in B alone, or in A alone.
        only_a, only_b: records without a counterpart.
        other_data: pairs whose data differ, so that no figure is compared.
        other_machine: pairs that were timed on different machines, so that no rate is compared.
        versions: library -> its version in A and in B, where these differ.
    """

    changes: tuple[Change, ...]
    failures: tuple[tuple[AnyRecord, str], ...]
    mended: tuple[tuple[AnyRecord, str], ...]
    only_a: tuple[AnyRecord, ...]
    only_b: tuple[AnyRecord, ...]
    other_data: tuple[Pair, ...]
    other_machine: tuple[Pair, ...]
    versions: Mapping[str, tuple[str, str]]

    @property
    def common_ratio(self) -> float | None:
        """The median of all ratios of rates; far from 1, the machine itself may have been busier on one side."""
        ratios = [change.change for change in self.changes if change.is_rate]
        return statistics.median(ratios) if len(ratios) >= FEWEST_TOGETHER else None


def compare(a: Sequence[AnyRecord], b: Sequence[AnyRecord]) -> Comparison:
    """The comparison of A, what was before, with B, what is now; of a cell that a side has twice the last counts."""
    pairs, only_a, only_b = _matched(a, b)
    sound = [pair for pair in pairs if not any(map(_fault, pair))]
    same_data = [pair for pair in sound if _same_data(pair)]
    timed = [pair for pair in same_data if pair[1].kind in RATES]
    same_place = [pair for pair in timed if _same_machine(pair)]
    changes = [*_judged(_metrics(same_data)), *_judged(_rates(same_place))]
    return Comparison(
        tuple(sorted(changes, key=lambda change: -change.distance)),
        tuple((after, _fault(after)) for before, after in pairs if _fault(after) and not _fault(before)),
        tuple((after, _fault(before)) for before, after in pairs if _fault(before) and not _fault(after)),
        tuple(only_a),
        tuple(only_b),
        tuple(pair for pair in sound if not _same_data(pair)),
        tuple(pair for pair in timed if not _same_machine(pair)),
        _versions(pairs),
    )


def _matched(a: Sequence[AnyRecord], b: Sequence[AnyRecord]) -> tuple[list[Pair], list[AnyRecord], list[AnyRecord]]:
    """Cells of one name and the same settings first, then of what is left those of one name, where there is one."""
    left, right = ({_whole_name(record): record for record in side} for side in (a, b))
    pairs = [(left.pop(name), right.pop(name)) for name in [name for name in left if name in right]]
    of_left, of_right = grouped(left.values(), _name), grouped(right.values(), _name)
    alone = [name for name, of_name in of_left.items() if len(of_name) == len(of_right.get(name, ())) == 1]
    pairs += [(of_left.pop(name)[0], of_right.pop(name)[0]) for name in alone]
    return pairs, list(itertools.chain(*of_left.values())), list(itertools.chain(*of_right.values()))


def _name(record: AnyRecord) -> str:
    place = (record.kind, record.model, record.variant, record.backend, record.mode, record.device, record.dataset)
    index = msgspec.to_builtins(record.index) if isinstance(record, Index) else None
    threads = None if isinstance(record, Train) else record.threads
    named = [*place, record.protocol, record.seed, index, threads, climb_of(record), record.hashes.get("repeat")]
    return json.dumps(named, sort_keys=True)


def _whole_name(record: AnyRecord) -> str:
    settings = [spec_settings(record.settings), record.settings.get("protocol")]
    return _name(record) + json.dumps(settings, sort_keys=True)


def _fault(record: AnyRecord) -> str:
    """Why a cell has no figures, an adapter departs, or what is wrong is not caught; "" where all is well."""
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    if isinstance(record, Mutation):
        n = sum(mutant.fate == "survived" for mutant in record.mutants)
        return f"{n} generated mutant{' survives' if n == 1 else 's survive'}" if n else ""
    if not isinstance(record, Agreement):
        return ""
    broken = [rung for rung in record.rungs if not rung.holds]
    survived = [bug.bug for bug in record.bugs if not bug.caught]
    if broken:
        way = f", on the climb {record.climb!r}" if record.climb != "whole" else ""
        return f"breaks at {broken[0].rung}, in {broken[0].where}{way}"
    return f"the bug {survived[0]!r} is not caught" if survived else ""


def _same_data(pair: Pair) -> bool:
    a, b = (record.hashes for record in pair)
    return all(a.get(name) == b.get(name) for name in ("dataset", "split"))


def _same_machine(pair: Pair) -> bool:
    return same_machine(pair[0].machine, pair[1].machine)


def _metrics(pairs: Sequence[Pair]) -> Iterator[Change]:
    judged = [pair for pair in pairs if isinstance(pair[1], Train | Index) and _measure(pair)]
    by_query = [pair for pair in judged if _has_same_queries(pair)]
    of_splits = grouped(by_query, lambda pair: (pair[1].hashes.get("split", ""), _measure(pair)))
    for _, of_split in sorted(of_splits.items()):
        yield from _by_query(of_split)
    for a, b in (pair for pair in judged if not _has_same_queries(pair)):
        name = _measure((a, b))
        ends = [r.intervals[name] for r in (a, b) if isinstance(r, Train | Index) and name in r.intervals]
        if len(ends) == 2:
            yield _change((a, b), name, math.hypot(*((high - low) / 2 for low, high in ends)), "intervals")
        else:
            yield _change((a, b), name, METRIC.limit, "tolerance")


def _measure(pair: Pair) -> str:
    """What a pair is judged by; "" where the two were not judged by the same."""
    a, b = pair
    recalls = [name for name in b.metrics if name.startswith("index_recall@")]
    names = recalls if isinstance(b, Index) else [b.primary_metric or ""]
    return next((name for name in names if name in a.metrics and name in b.metrics), "")


def _scores(pair: Pair) -> list[Scores]:
    return [record.scores for record in pair if isinstance(record, Train) and record.scores]


def _has_same_queries(pair: Pair) -> bool:
    scores, judged = _scores(pair), {record.primary_metric for record in pair}
    return len(scores) == 2 and len(judged) == 1 and scores[0].weights == scores[1].weights


def _by_query(pairs: Sequence[Pair]) -> Iterator[Change]:
    """Pairs with the same queries, on the same draws of them."""
    apart = np.stack([np.subtract(b.values, a.values) for a, b in map(_scores, pairs)], axis=1)
    weights = np.repeat(np.asarray(_scores(pairs[0])[0].weights, float)[:, None], len(pairs), axis=1)
    ends = np.stack(interval(resampled(apart, weights, 0, N_RESAMPLES)), axis=1)
    for pair, (low, high) in zip(pairs, ends.tolist(), strict=True):
        yield replace(_change(pair, _measure(pair), (high - low) / 2, "queries"), low=low, high=high)


def _change(pair: Pair, name: str, half: float, noise: Noise) -> Change:
    """A difference of two metrics and what it is allowed to be by chance on either side."""
    a, b = (float(record.metrics[name]) for record in pair)
    distance = Z * abs(b - a) / half if half else math.inf if b != a else 0.0
    ends = (b - a - half, b - a + half)
    return Change(pair[1], name, a, b, b - a, *ends, noise, distance, settings=_differing(pair))


def _rates(pairs: Sequence[Pair]) -> Iterator[Change]:
    of_kinds = grouped(_timed(pairs), lambda item: (item[0][1].kind, item[1]))
    for (_, name), of_kind in sorted(of_kinds.items()):
        logs = [tuple(np.log(record.samples(name)) for record in pair) for pair, _ in of_kind]
        ratios = np.array([statistics.median(b) - statistics.median(a) for a, b in logs])
        scatter = float(stats.median_abs_deviation(ratios, scale="normal")) if len(ratios) >= FEWEST_RATIOS else 0.0
        for (pair, _), (a, b), ratio in zip(of_kind, logs, ratios.tolist(), strict=True):
            error = math.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b) + scatter**2)
            student = stats.t(len(a) + len(b) - 2)
            half = float(student.ppf(1 - LEVEL / 2)) * error
            p = 2 * float(student.sf(abs(ratio) / error)) if error else float(ratio == 0)
            medians = (math.exp(statistics.median(a)), math.exp(statistics.median(b)))
            ends = (math.exp(ratio), math.exp(ratio - half), math.exp(ratio + half))
            distance = float(stats.norm.isf(p / 2))
            yield Change(pair[1], name, *medians, *ends, "windows", distance, settings=_differing(pair))


def _timed(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, str]]:
    for pair in pairs:
        for name in RATES[pair[1].kind]:
            if all(len(taken := record.samples(name)) > 1 and min(taken) > 0 for record in pair):
                yield pair, name


def _judged(changes: Iterable[Change]) -> Iterator[Change]:
    """What stands after the correction for their number; a tolerance is no test, and what is identical needs none."""
    changes = list(changes)
    tested = [change for change in changes if change.noise != "tolerance" and change.distance > 0]
    adjusted = stats.false_discovery_control([2 * stats.norm.sf(c.distance) for c in tested]) if tested else []
    p_values = {id(change): float(p) for change, p in zip(tested, adjusted, strict=True)}
    for change in changes:
        beyond = p_values[id(change)] < LEVEL if id(change) in p_values else change.distance > Z
        moved: Verdict = "better" if change.b > change.a else "worse"
        unmoved: Verdict = "identical" if change.a == change.b else "within noise"
        yield replace(change, verdict=moved if beyond else unmoved)


def _differing(pair: Pair) -> tuple[str, ...]:
    a, b = (spec_settings(record.settings) for record in pair)
    return tuple(sorted(name for name in {*a, *b} if a.get(name) != b.get(name)))


def _versions(pairs: Sequence[Pair]) -> dict[str, tuple[str, str]]:
    found = {
        name: (a.versions[name], b.versions[name])
        for a, b in pairs
        for name in sorted({*a.versions} & {*b.versions})
        if a.versions[name] != b.versions[name]
    }
    return dict(sorted(found.items()))
