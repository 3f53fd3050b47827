"""Every gate that was run, a line each, and where in the course of them a figure has changed.

Source of the search for changes: Olshen et al., Circular binary segmentation, Biostatistics 2004: of all parts of a
stretch the one whose mean is farthest from the rest's, which is judged by permutations of the stretch. So a figure that
has gone down and come back is found as well as one that has stayed where it went.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.gate.telling import Row
from benchmarks.harness import environment, files

Floats = npt.NDArray[np.float64]

FILE = "history.jsonl"
LEVEL = 0.01
"""The chance that a stretch in which nothing has changed is split."""
N_PERMUTATIONS = 999
SHORTEST = 3
"""Gates on each side of a change, so that one odd one is none."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What head came to in one figure of one cell: the median of its pairs."""

    cell: str
    figure: str
    value: float
    verdict: str


class Gated(msgspec.Struct, frozen=True, kw_only=True):
    """One gate.

    Attributes:
        at: when it ended, UTC, as ISO 8601 has it.
        base, head: what was compared, as the gate calls it.
        machine: its id.
        commit: on which the working tree stood.
        dirty: whether the working tree differed from it.
        seconds: that its processes took, those that were kept from an earlier start among them; 0 where nobody knows.
    """

    at: str
    suite: str
    base: str
    head: str
    machine: str
    commit: str | None = None
    dirty: bool | None = None
    figures: tuple[Figure, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Change:
    """A place from which a series is another one.

    Attributes:
        place: of the first gate that is of the new level.
        ratio: the geometric mean of the new stretch as a part of the one before it.
        p: of the permutation test.
    """

    place: int
    ratio: float
    p: float


@dataclass(frozen=True)
class Series:
    """One figure of one cell over the gates of one suite on one machine."""

    machine: str
    suite: str
    cell: str
    figure: str
    gates: tuple[Gated, ...]
    values: tuple[float, ...]
    changes: tuple[Change, ...]


def gated(told: Iterable[Row], suite: str, base: str, head: str, *, machine: str, seconds: float = 0.0) -> Gated:
    """A line of the history; see `Gated`."""
    commit, dirty = environment.commit()
    figures = tuple(
        Figure(
            cell=row.cell,
            figure=row.figure,
            value=float(np.median([one.head for one in row.seen])),
            verdict=row.verdict,
        )
        for row in told
        if row.seen
    )
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Gated(
        at=now, suite=suite, base=base, head=head, machine=machine, commit=commit, dirty=dirty, figures=figures,
        seconds=round(seconds, 1),
    )  # fmt: skip


def append(path: Path, line: Gated) -> None:
    """Adds a gate to a history."""
    files.append_line(path, msgspec.json.encode(line))


def read(path: Path) -> list[Gated]:
    """The gates of a history in their order; a line that is none is passed over."""
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        with contextlib.suppress(msgspec.DecodeError):
            found.append(msgspec.json.decode(line, type=Gated))
    return found


def series(history: Sequence[Gated]) -> list[Series]:
    """Each figure over the gates that have it."""
    points: dict[tuple[str, str, str, str], list[tuple[Gated, float]]] = {}
    for gate in history:
        for one in gate.figures:
            points.setdefault((gate.machine, gate.suite, one.cell, one.figure), []).append((gate, one.value))
    made = []
    for of, taken in points.items():
        gates, values = zip(*taken, strict=True)
        made.append(Series(*of, gates, values, tuple(changes(values))))
    return made


def changes(values: Sequence[float]) -> list[Change]:
    """Where a series of positive figures changes, in its order."""
    logs = np.log(np.maximum(np.asarray(values, np.float64), np.finfo(np.float64).tiny))
    splits = sorted(_split(logs, 0, len(logs)))
    bounds = [0, *(place for place, _ in splits), len(logs)]
    means = [float(logs[start:end].mean()) for start, end in itertools.pairwise(bounds)] if splits else []
    return [Change(place, float(np.exp(means[n + 1] - means[n])), p) for n, (place, p) in enumerate(splits)]


def _split(logs: Floats, start: int, end: int) -> Iterator[tuple[int, float]]:
    """The changes of a stretch, with the chance of each."""
    stretch = logs[start:end]
    first, last = _parts(len(stretch))
    if not len(first) or np.ptp(stretch) == 0:
        return
    rng = np.random.Generator(np.random.Philox([start, end]))
    apart = _apart(stretch[None], first, last)[0]
    n_as_far = 0
    for n in _portions(N_PERMUTATIONS, len(first)):
        shuffled = rng.permuted(np.tile(stretch, (n, 1)), axis=1)
        n_as_far += int((_apart(shuffled, first, last).max(axis=1) >= apart.max() - 1e-12).sum())
    p = (1 + n_as_far) / (1 + N_PERMUTATIONS)
    if p > LEVEL:
        return
    farthest = int(apart.argmax())
    inner = (start + int(place[farthest]) for place in (first, last))
    places = [place for place in inner if start < place < end]
    yield from ((place, p) for place in places)
    for one, other in itertools.pairwise([start, *places, end]):
        yield from _split(logs, one, other)


def _parts(n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First place and place after the last of all parts of n gates that leave neither themselves nor the rest short."""
    first, last = np.triu_indices(n + 1, SHORTEST)
    is_whole = last - first <= n - SHORTEST
    for rest in (first, n - last):
        is_whole &= (rest == 0) | (rest >= SHORTEST)
    return first[is_whole], last[is_whole]


def _portions(n: int, n_parts: int) -> Iterator[int]:
    """So many permutations at a time that they take some ten megabytes."""
    at_once = max(1, 1_000_000 // n_parts)
    yield from (min(at_once, n - done) for done in range(0, n, at_once))


def _apart(rows: Floats, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> Floats:
    """How far each part's mean is from the rest's, weighted by how many gates there are: float64[rows, parts]."""
    sums = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=1)], axis=1)
    inside, total = sums[:, last] - sums[:, first], sums[:, -1:]
    n, k = rows.shape[1], last - first
    return np.abs(inside / k - (total - inside) / (n - k)) * np.sqrt(k * (n - k) / n)
