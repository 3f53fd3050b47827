"""The command that measures a record anew: the suite that describes it, and what of the suite it was."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from backends.registry import FAMILIES, FRAMEWORKS
from benchmarks import protocols, specs, suites
from benchmarks.records import Agreement, AnyRecord, Axis, Index, Mutation, Trial
from benchmarks.specs.base import settings
from benchmarks.suites import Asked, Block, ModelRow, spaces
from benchmarks.suites.overriding import difference
from benchmarks.suites.rows import SEEN
from datasets import vectors
from datasets.errors import InputError
from reports.tables.records import grouped, spec_settings

PROGRAM = "python -m benchmarks"
_CAP_S = 900.0  # for which a trial begins another epoch, where it is not told otherwise
_TRIALS = 20  # settings that `tune` tries where it is not told how many


@dataclass(frozen=True)
class Commands:
    """What measures records anew.

    Attributes:
        of_cell: cell -> the command that measures it; "" where it was a suite of somebody's own.
        whole: the commands that measure them all, each with the number of cells that it accounts for.
    """

    of_cell: Mapping[str, str]
    whole: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Fit:
    """A block of a suite that describes a record, and the words that ask for that suite."""

    asking: str
    narrowed: str  # to the record's data set
    block: Block


def commands(records: Sequence[AnyRecord]) -> Commands:
    """The commands of one results folder; of several suites that fit, the one that fits most of its records counts."""
    alike = grouped((r for r in records if not isinstance(r, Agreement | Mutation | Trial)), _likeness)
    fits = {record.cell: found for of_one in alike.values() for found in [_fits(of_one[0])] for record in of_one}
    n_trials = _n_trials(records)
    votes = Counter(asking for found in fits.values() for asking in {fit.asking for fit in found})
    of_cell, whole = {}, Counter[str]()
    for record in records:
        found = fits.get(record.cell, [])
        best = min(found, key=lambda fit: (-votes[fit.asking], fit.asking, _seeds(record, fit)), default=None)
        if isinstance(record, Agreement):
            of_cell[record.cell] = _agree(record)
            whole[_whole_agree(record)] += 1
        elif isinstance(record, Mutation):
            of_cell[record.cell] = _sample(record) or mutate(record.model)
            whole[_sample(record) or f"{PROGRAM} mutate"] += 1
        elif isinstance(record, Trial):
            of_cell[record.cell] = tune(record, n_trials[record.search])
            whole[of_cell[record.cell]] += 1
        else:
            of_cell[record.cell] = _run(record, best) if best else ""
            whole[f"{PROGRAM} run {best.asking}" if best else ""] += 1
    return Commands(of_cell, tuple(sorted(whole.items())))


def agree(model: str, backend: str, mode: str) -> str:
    """The command with which one adapter climbs the ladder in one mode."""
    place = f"--models {shlex.quote(model)} --backends {shlex.quote(backend)}"
    return f"{PROGRAM} agree {place} --mode {mode.partition(',')[0]}"


def mutate(path: str) -> str:
    """The command that generates and tries the mutants of a file."""
    return f"{PROGRAM} mutate {shlex.quote(path)}"


def bugs(model: str, backend: str = "") -> str:
    """The command that injects the known bugs into the adapters of a model."""
    of_backend = f" --backends {shlex.quote(backend)}" if backend else ""
    return f"{PROGRAM} agree --bugs --models {shlex.quote(model)}{of_backend}"


def tune(record: Trial, n_trials: int) -> str:
    """The command that makes a trial's search anew, as many trials long; "" where no published suite has it."""
    found = next(((words, block) for words, block in _asked(record.dataset) if _tunes(block, record)), None)
    if found is None:
        return ""
    asked, block = found
    words = [f"{PROGRAM} tune {asked} --models {shlex.quote(record.model)}"]
    words += [f"--trials {n_trials}"] if n_trials > _TRIALS else []
    words += [f"--cap {record.cap_s:g}"] if record.cap_s != _CAP_S else []
    words += [f"--backend {record.backend}"] if record.backend in set(FRAMEWORKS) - {"torch"} else []
    words += [f"--seed {record.seed}"] if record.seed else []
    return " ".join([*words, *_searched_mode(block, record), *_machine(record)])


def _asked(dataset: str) -> Iterator[tuple[str, Block]]:
    """The blocks of published suites that train on a data set, each with the words that ask for it."""
    for name in suites.names():
        blocks = _blocks(name)
        several = len({block.dataset for block in blocks}) > 1
        words = f"--suite {name}" + (f" --datasets {shlex.quote(dataset)}" if several else "")
        yield from ((words, block) for block in blocks if block.dataset == dataset and block.vectors is None)
    yield from ((f"--datasets {shlex.quote(dataset)}", block) for block in _of_data_set(dataset, None))


def _n_trials(records: Sequence[AnyRecord]) -> dict[str, int]:
    """How many settings each search has drawn."""
    found: dict[str, int] = {}
    for trial in (record for record in records if isinstance(record, Trial)):
        found[trial.search] = max(trial.number, found.get(trial.search, 0))
    return found


def _tunes(block: Block, record: Trial) -> bool:
    """Whether a block has the search that a trial is of, under the protocol that the trial has no test period of."""
    recorded = record.settings.get("protocol")
    rows = [row for row in block.models if (row.model, row.variant) == (record.model, record.variant) and row.search]
    if not isinstance(recorded, dict) or not any(_space(row) == record.space for row in rows):
        return False
    described, own = _protocol(json.dumps(dict(block.protocol))), _protocol(json.dumps(recorded))
    return described is not None and own is not None and {**described, "period": own["period"]} == own


def _space(row: ModelRow) -> dict[str, Axis]:
    """What a row is searched in, as records have it."""
    return msgspec.convert(spaces.described(spaces.axes(row.model, row.settings, row.search)), dict[str, Axis])


def _searched_mode(block: Block, record: Trial) -> list[str]:
    rows = (row for row in block.models if (row.model, row.variant) == (record.model, record.variant))
    modes = next((row.modes for row in rows if row.modes), block.modes)
    by_itself = "compiled" if "compiled" in modes and record.backend in FRAMEWORKS else "eager"
    return [f"--mode {record.mode}"] if record.mode != by_itself else []


def _run(record: AnyRecord, fit: _Fit) -> str:
    words = [f"{PROGRAM} run {fit.narrowed}" + f" --models {shlex.quote(record.model)}" * (fit.block.vectors is None)]
    # Rates are compared within one run, so that a throughput row is measured with all others of its table.
    if record.backend in FRAMEWORKS and record.kind != "throughput":
        words.append(f"--backends {record.backend} --mode {record.mode}")
    if isinstance(record, Index):
        words.append("--indexes " + " ".join(dict.fromkeys(("exact", shlex.quote(record.index.name)))))
    return " ".join([*words, *_seeds(record, fit), *_machine(record)])


def _agree(record: Agreement) -> str:
    place = (record.model, record.backend)
    words = [bugs(*place) if record.bugs else agree(*place, record.mode)]
    words += [f"--seeds {record.seed}"] if record.seed else []
    return " ".join([*words, *_repeats(record), *_machine(record)])


def _whole_agree(record: Agreement) -> str:
    return f"{PROGRAM} agree" + (" --bugs" if record.bugs else "")


def _sample(record: Mutation) -> str:
    """What draws the sample that a record is part of, "" where it has all mutants of its file."""
    n, key = (record.settings.get(name) for name in ("sample", "sample_seed"))
    return f"{PROGRAM} mutate --sample {shlex.quote(str(n))} --seed {shlex.quote(str(key))}" if n else ""


def _repeats(record: AnyRecord) -> list[str]:
    repeat = record.hashes.get("repeat")
    return [f"--repeats {int(repeat) + 1}"] if repeat and repeat.isdecimal() else []


def _seeds(record: AnyRecord, fit: _Fit) -> list[str]:
    return [] if record.seed in fit.block.seeds else [f"--seeds {record.seed}"]


def _machine(record: AnyRecord) -> list[str]:
    threads = [f"--threads {record.threads}"] if record.threads != 1 else []
    return threads + (["--device gpu"] if record.device == "gpu" else [])


def _likeness(record: AnyRecord) -> tuple[object, ...]:
    """What the suites that a record fits depend on: the same for all seeds, backends and machines."""
    index = msgspec.json.encode(record.index, order="sorted") if isinstance(record, Index) else b""
    return record.kind, record.model, record.mode, record.dataset, json.dumps(record.settings, sort_keys=True), index


def _fits(record: AnyRecord) -> list[_Fit]:
    dataset = shlex.quote(record.dataset)
    found = []
    for name in suites.names():
        blocks = _blocks(name)
        several = len({block.dataset for block in blocks}) > 1
        narrowed = f"--suite {name}" + (f" --datasets {dataset}" if several else "")
        own = (block for block in blocks if block.dataset == record.dataset and _describes(block, record))
        found += [_Fit(f"--suite {name}", narrowed, block) for block in own]
    # A run that names a data set and no suite takes the one that was made for others of its kind.
    general = _general(record.dataset) if not found else ()
    found += [
        _Fit(f"--datasets {dataset}", f"--datasets {dataset}", block) for block in general if _describes(block, record)
    ]
    return found or _fits_with_options(record)


def _fits_with_options(record: AnyRecord) -> list[_Fit]:
    """The same, where the record's protocol or settings were put in the place of what a suite says."""
    protocol, index = record.settings.get("protocol"), record.index.name if isinstance(record, Index) else ""
    if record.model not in FAMILIES or not isinstance(protocol, dict):
        return []
    wanted = [json.dumps(given, sort_keys=True) for given in (protocol, spec_settings(record.settings))]
    ways = _with_options(record.dataset, record.model, index, *wanted)
    return [way for way in ways if _describes(way.block, record)]


@functools.cache
def _with_options(dataset: str, model: str, index: str, protocol: str, settings: str) -> tuple[_Fit, ...]:
    """What becomes of suites that have a data set by the fewest options that can make a record's protocol and row."""
    starts: list[tuple[str | None, bool, Asked]] = []
    own = [name for name in suites.names() if any(block.dataset == dataset for block in _blocks(name))]
    for suite in (None, *own):
        for block in _of_data_set(dataset, suite):
            for row in [row for row in block.models if row.model == model] or [ModelRow(model)]:
                with contextlib.suppress(InputError):  # an older protocol, or a setting that there is no more
                    asked = difference(block, row, json.loads(protocol), json.loads(settings))
                    starts.append((suite, row in block.models, asked))
    fewest = min((len(asked.settings) for *_, asked in starts), default=0)
    ways: list[_Fit] = []
    for suite, is_there, asked in starts:
        if len(asked.settings) == fewest:
            words = [f"--suite {suite}"] * bool(suite) + [f"--datasets {shlex.quote(dataset)}", *asked.words]
            whole = words if is_there and not asked.settings else [*words, f"--models {shlex.quote(model)}"]
            complete = dataclasses.replace(asked, indexes=(index,) if index else ())
            with contextlib.suppress(InputError):
                made = suites.chosen((dataset,), suite, complete).blocks
                ways += [_Fit(" ".join(whole), " ".join(words), block) for block in made]
    return tuple(ways)


def _of_data_set(dataset: str, suite: str | None) -> Sequence[Block]:
    if suite is None:
        return [block for block in _general(dataset) if block.vectors is None]
    return [block for block in _blocks(suite) if block.dataset == dataset and block.vectors is None]


@functools.cache
def _general(dataset: str) -> tuple[Block, ...]:
    try:
        return tuple(suites.for_datasets((dataset,), None))
    except InputError:  # made-up vectors that no suite searches
        return ()


@functools.cache
def _blocks(name: str) -> tuple[Block, ...]:
    return suites.load(name).blocks


def _describes(block: Block, record: AnyRecord) -> bool:
    if block.vectors is not None:
        return isinstance(record, Index) and _searches(block, block.vectors, record)
    if not _same_protocol(block, record):
        return False
    rows = [row for row in block.models if row.model == record.model and _same_spec(block, row, record)]
    measured = {
        "train": True,
        "throughput": record.mode in block.throughput and any(row.timed for row in rows),
        "index": isinstance(record, Index) and _sweeps(block, record),
        "map": block.item_maps,
    }
    return bool(rows) and measured[record.kind]


def _same_protocol(block: Block, record: AnyRecord) -> bool:
    """Whether they say the same; what an older record does not know of a protocol was as it is by default."""
    recorded = record.settings.get("protocol")
    described = _protocol(json.dumps(dict(block.protocol)))
    return isinstance(recorded, dict) and described is not None and described == _protocol(json.dumps(recorded))


def _searches(block: Block, made_up: vectors.Settings, record: Index) -> bool:
    """Whether a block's made-up vectors are those that the record's index was asked about."""
    same = all(record.settings.get(name) == value for name, value in dataclasses.asdict(made_up).items())
    return same and dict(block.protocol) == record.settings.get("protocol") and _sweeps(block, record)


def _sweeps(block: Block, record: Index) -> bool:
    name, build, query = record.index.name, record.index.build, record.index.query
    rows = (row for row in block.indexes if row.name == name)
    return any(build in map(dict, row.build) and query in map(dict, row.query) for row in rows)


def _same_spec(block: Block, row: ModelRow, record: AnyRecord) -> bool:
    """Whether all that the record knows of its spec is so in the suite; newer versions of a spec have more fields.

    What the suite leaves to the data is as the data had it.
    """
    by_data = {SEEN} if block.is_by_data(row) else set[str]()
    described = _spec(row.model, json.dumps(dict(row.settings)))
    wanted = {name: value for name, value in spec_settings(record.settings).items() if name not in by_data}
    return all(name in described and described[name] == value for name, value in wanted.items())


@functools.cache
def _spec(model: str, given: str) -> dict[str, Any]:
    """The settings of a suite's row as they come back out of a record."""
    made: dict[str, Any] = json.loads(json.dumps(settings(specs.make(model, json.loads(given)))))
    return made


@functools.cache
def _protocol(given: str) -> dict[str, Any] | None:
    try:
        made: dict[str, Any] = json.loads(json.dumps(protocols.described(protocols.make(json.loads(given)))))
    except InputError:  # a suite of something that is no protocol of ours cannot be held against one
        return None
    return made
