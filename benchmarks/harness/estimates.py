"""What cells will take, by the records of those that are most like them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.harness.plan import Cell
from benchmarks.records import Index, Record, Throughput, Train, Trial

UNTIMED = frozenset({"train", "map", "trial"})
"""Kinds of cells that may run side by side; of the others speed is what is measured."""
KINDS = (*UNTIMED, "throughput", "index")
TRAINED = ("train", "trial")
FREE = frozenset({
    "variant", "epochs", "patience", "learning_rate", "epsilon", "warmup_steps", "weight_decay", "clip_norm", "l2",
    "initial_scale", "bound", "embedding_bound", "regularization", "temperature", "margin", "norm_epsilon",
    "squash_epsilon", "filter_seen",
})  # fmt: skip
"""Settings that cost nothing, and epochs, which are reckoned with."""
NOISE = 1.3
"""By what factor the same cell takes longer or shorter at another time, on the machine that it was measured on."""
OTHER_MACHINE = 2.0
"""The same, on another machine."""
ROWS = re.compile(r": ([\d,]+) interactions, ")
"""How the notes of a record say how large its data are; see `prepare`."""


class Span(NamedTuple):
    """Seconds: the least and the most that is likely."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The geometric mean, since one is as likely to be wrong by a factor either way."""
        return float((self.low * self.high) ** 0.5)


class Total(NamedTuple):
    """What several cells take together.

    Attributes:
        span: of those of which anything is known.
        n_known, n_unknown: how many of them there are, and of the others.
    """

    span: Span
    n_known: int
    n_unknown: int


class _Taken(NamedTuple):
    """What a recorded cell has taken.

    Attributes:
        fixed_s: seconds that it takes whatever the data, such as importing a framework.
        work_s: seconds that grow with rows and epochs.
        n_rows: of its data; 0 where that is not known.
        n_epochs: that it trained, 1 where it has none.
        peak_bytes: its largest memory, 0 where that is not known.
        is_own: whether it is of this results folder, and not of another machine maybe.
        settings: of its model, as far as its record has them.
    """

    fixed_s: float
    work_s: float
    n_rows: int
    n_epochs: int
    peak_bytes: int
    is_own: bool
    settings: Mapping[str, Any]


class Estimate:
    """What cells take, by the records of those that are most like them.

    Args:
        records: of this results folder.
        published: what is known of others, of another machine maybe; asked where no record of one's own is as much
            like a cell.
    """

    def __init__(self, records: Iterable[Record], published: Iterable[Record] = ()) -> None:
        self._known: dict[tuple[str, ...], list[_Taken]] = defaultdict(list)
        self._rows: dict[str, int] = {}
        for own, known in ((True, records), (False, published)):
            together: dict[str, list[Record]] = defaultdict(list)
            for record in known:
                group = record.group if isinstance(record, Throughput | Index) else None
                together[group or record.cell].append(record)
            for of_one in together.values():
                self.learn(of_one, is_own=own)

    def learn(self, together: Sequence[Record], *, is_own: bool = True) -> None:
        """Takes in records of cells that ran by turns, or the record of one alone; each has its share of the time."""
        good = [record for record in together if record.status == "ok" and record.kind in KINDS]
        longest = max((_whole_s(record) for record in good), default=0.0)
        for record in good if longest else ():  # in the oldest records no time is said
            taken = _taken(record, longest / len(good), is_own=is_own)
            if taken.n_rows:
                self._rows[record.dataset] = taken.n_rows
            settings = {**record.settings, "variant": record.variant}
            for like in _likenesses(record.cell, record, settings):
                self._known[like].append(taken)

    def seconds(self, cell: Cell, n_rows: int = 0) -> Span | None:
        """The time that a cell is likely to take, None where nothing like it has been recorded.

        Args:
            cell: any.
            n_rows: of its data; 0 where that is known from records alone.
        """
        for like in _likenesses(cell.key, cell, cell.settings):
            taken = self._of(like)
            expected = [
                each.fixed_s + each.work_s * factor
                for each in taken
                if cell.kind not in TRAINED or _is_as_much(each.settings, cell.settings)
                for factor in self._factors(each, like, cell, n_rows or self._rows.get(cell.dataset, 0))
            ]
            if expected:
                factor = NOISE if taken[0].is_own else OTHER_MACHINE
                return Span(min(expected) / factor, max(expected) * factor)
        return None

    def total(self, cells: Iterable[Cell], at_once: int = 1, timed_at_once: int = 1) -> Total:
        """What cells take together, where so many run side by side of those that may, and of those that are timed."""
        low = high = 0.0
        n_known = n_unknown = 0
        for cell in cells:
            span = self.seconds(cell)
            if span is None:
                n_unknown += 1
                continue
            n_known += 1
            n_beside = at_once if cell.kind in UNTIMED else max(1, timed_at_once)
            low, high = low + span.low / n_beside, high + span.high / n_beside
        return Total(Span(low, high), n_known, n_unknown)

    def peak_bytes(self, cell: Cell) -> int | None:
        """The memory that a cell is likely to take at most, None where nothing like it has been recorded."""
        for like in _likenesses(cell.key, cell, cell.settings):
            known = [taken.peak_bytes for taken in self._of(like) if taken.peak_bytes]
            if known:
                return max(known)
        return None

    def _of(self, like: tuple[str, ...]) -> list[_Taken]:
        """What is known of a likeness: of one's own, or, where that is nothing, of others."""
        taken = self._known.get(like, [])
        return [each for each in taken if each.is_own] or taken

    def _factors(self, taken: _Taken, like: tuple[str, ...], cell: Cell, n_rows: int) -> tuple[float, ...]:
        """How much more a cell may have to do than a recorded one that is like it; none where nobody can tell."""
        if cell.kind not in TRAINED or len(like) == 1:
            return (1.0,)
        rows = 1.0
        if _ON not in like:
            if not (n_rows and taken.n_rows):
                return ()
            rows = n_rows / taken.n_rows
        epochs = int(cell.settings.get("epochs", 1)) / taken.n_epochs
        may_stop = cell.settings.get("patience", 0) > 0  # as early as the other has
        return (rows, rows * epochs) if may_stop else (rows * epochs,)


_ON = "on"


def _likenesses(key: str, of: Cell | Record, settings: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """What cells can have in common, the most first."""
    kind, variant = of.kind, str(settings["variant"])
    yield (key,)
    yield (kind, _ON, of.dataset, of.model, variant, of.backend, of.mode)
    yield (kind, _ON, of.dataset, of.model, variant)
    yield (kind, _ON, of.dataset, of.model, of.backend)
    yield (kind, _ON, of.dataset, of.model)
    yield (kind, of.model, variant, of.backend)
    yield (kind, of.model, of.backend)
    yield (kind, of.model)
    if kind not in TRAINED:  # whose windows and queries are as many whatever the model
        yield (kind, "of any model")


def _whole_s(record: Record) -> float:
    return record.single("wall_s") or record.single("worker_s") or 0.0


def _taken(record: Record, seconds: float, *, is_own: bool) -> _Taken:
    n_points = len(record.curve) if isinstance(record, Train | Trial) else 0
    trained = record.curve[-1].epoch if isinstance(record, Train | Trial) and record.curve else 1
    # The first step compiles, and what was learnt is evaluated before, after and, with intervals, at the end.
    grows = {"batches_s": 1.0, "hash_s": 1.0, "evaluate_s": trained / (n_points + 2)}
    learnt_s = max(0.0, (record.single("train_s") or 0.0) - (record.single("first_step_s") or 0.0))
    work_s = min(seconds, learnt_s + sum((record.single(name) or 0.0) * share for name, share in grows.items()))
    found = next((match for note in record.notes if (match := ROWS.search(note))), None)
    return _Taken(
        fixed_s=seconds - work_s,
        work_s=work_s,
        n_rows=int(found[1].replace(",", "")) if found else 0,
        n_epochs=max(trained, 1),
        peak_bytes=record.memory.get("peak_rss_bytes", 0),
        is_own=is_own,
        settings=record.settings,
    )


def _is_as_much(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether an epoch is as much work, by all settings that a record and a cell both have."""
    return all(
        json.dumps(recorded[name]) == json.dumps(wanted[name])
        for name in wanted
        if name in recorded and name not in FREE
    )
