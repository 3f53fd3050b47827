"""Puts what was asked for on the command line in the place of what suites say, and says so."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from backends import ann
from benchmarks import protocols, specs
from benchmarks.settings import LONGEST_NAME, meant
from benchmarks.specs.base import digest
from benchmarks.specs.base import settings as settings_of
from benchmarks.suites.asked import JUDGED, Asked, Setting, and_, option_named, written
from benchmarks.suites.rows import SEEN, Block, IndexRow, ModelRow
from datasets.errors import InputError

BY_DATA = "what the data say"

Naming: TypeAlias = Callable[[Block], list[str]]
Published: TypeAlias = Callable[[], Mapping[str, Sequence[Block]]]


class Overridden(NamedTuple):
    """Blocks, and the sentences that say what of them the command line has changed."""

    blocks: tuple[Block, ...]
    said: tuple[str, ...]


def complete(blocks: Sequence[Block], asked: Asked, suites: Mapping[str, str], published: Published) -> Overridden:
    """Adds the models and indexes that are asked for by name and that a suite lacks, each with its defaults.

    Backends that it lacks need nothing added: those that are asked for train all models, which is said.

    Args:
        blocks: of any suites.
        asked: names of models, indexes and backends.
        suites: data set -> the suite that its blocks are of, where each data set is to have what is asked for; with ""
            for all, it is enough if one of them has it.
        published: gives all published suites, to say which of them have what one lacks.
    """
    said: dict[str, None] = {}
    added: dict[str, tuple[tuple[ModelRow, ...], tuple[IndexRow, ...]]] = {}
    for dataset, suite in suites.items():
        part = [block for block in blocks if dataset in ("", block.dataset)]
        trained = [block for block in part if block.vectors is None]
        models = tuple(ModelRow(name) for name in _lacking(asked.models, trained, _models))
        indexes = tuple(IndexRow(name) for name in _lacking(asked.indexes, part, _indexes))
        added[dataset] = (models, indexes)
        said |= {
            f"{suite}: trains with {and_(few)}; here it trains with {and_(asked.backends)}": None
            for few in dict.fromkeys(block.backends for block in trained if block.backends)
            if not set(asked.backends) <= {*few, "classic"}
        }
        by_data = {block.filter_seen for block in trained} == {"by data"}
        said |= {_lacks(suite, row.model, _models, published) + _defaults(row, by_data): None for row in models}
        said |= {_lacks(suite, row.name, _indexes, published) + _index_defaults(row): None for row in indexes}

    def completed(block: Block) -> Block:
        models, indexes = added[block.dataset if "" not in added else ""]
        models = models if block.vectors is None else ()
        if not (models or indexes):
            return block
        return dataclasses.replace(block, models=(*block.models, *models), indexes=(*block.indexes, *indexes))

    return Overridden(tuple(map(completed, blocks)), tuple(said))


def _models(block: Block) -> list[str]:
    return [row.model for row in block.models]


def _indexes(block: Block) -> list[str]:
    return [row.name for row in block.indexes]


def _lacking(names: Iterable[str], blocks: Sequence[Block], what: Naming) -> list[str]:
    there = {name for block in blocks for name in what(block)}
    return [name for name in dict.fromkeys(names) if blocks and name not in there]


def _lacks(of: str, name: str, what: Naming, published: Published) -> str:
    having = [suite for suite, blocks in published().items() if any(name in what(block) for block in blocks)]
    others = f" ({and_(having)} {'have' if len(having) > 1 else 'has'} it)" if having else ""
    return f"{name}: not in the suite {of}{others}, so it runs with its defaults"


def _defaults(row: ModelRow, by_data: bool) -> str:
    spec = {**settings_of(specs.make(row.model, {})), **({SEEN: BY_DATA} if by_data else {})}
    fields = (f"{field}={written(spec[field])}" for field in specs.settable(row.model) if field != "variant")
    return ": " + ", ".join(fields)


def _index_defaults(row: IndexRow) -> str:
    index = ann.INDEXES[row.name]
    fields = [f"{field}={value}" for field, value in {**index.build, **index.query}.items()]
    return ": " + ", ".join(fields) if fields else ""


def override(blocks: Sequence[Block], asked: Asked) -> Overridden:
    """The blocks with what was asked for; those of made-up vectors, in which nothing is trained, stay.

    A row whose settings have changed says so in its variant, and rows of a block that have become the same are one.

    Raises:
        InputError: an option changes nothing that is run, or what it leads to cannot be.
    """
    trained = [block for block in blocks if block.vectors is None]
    _refuse_idle(trained, asked)
    said: dict[str, None] = {}
    made = [block if block.vectors is not None else _overridden(block, asked, said) for block in blocks]
    if made != list(blocks):
        made = _told_apart(made)
        if n_more := _repeated(made) - _repeated(blocks):
            said[f"{n_more} of the rows now stand{'s' * (n_more == 1)} in another block too and run once"] = None
    return Overridden(tuple(made), tuple(said))


def difference(block: Block, row: ModelRow, protocol: Mapping[str, Any], settings: Mapping[str, Any]) -> Asked:
    """What has to be asked for so that a row of a block is one with these settings under this protocol.

    Args:
        block: where the row stands.
        row: the row.
        protocol: the name and all settings of the protocol that is wanted.
        settings: of the model that is wanted; its variant follows from them.
    """
    before, after = protocols.described(protocols.make(block.protocol)), protocols.described(protocols.make(protocol))
    (ks, metric), (new_ks, new_metric) = ([protocol.pop(name) for name in JUDGED] for protocol in (before, after))
    now, wanted = (
        settings_of(specs.make(row.model, {**row.settings, **given, "variant": row.variant}))
        for given in ({}, settings)
    )
    differing = [name for name in wanted if wanted[name] != now[name]]
    variant = str(settings.get("variant", ""))
    if block.is_by_data(row) and variant.startswith(row.variant):  # it says whether that was set
        differing = [name for name in differing if name != SEEN] + [SEEN] * (f"{SEEN}=" in variant)
    return Asked(
        protocol=after if after != before else {},
        ks=tuple(new_ks) if new_ks != ks else (),
        metric=new_metric if new_metric != metric or new_ks != ks else "",
        settings=tuple(Setting(row.model, name, wanted[name]) for name in differing),
        models=(row.model,),
    )


def _refuse_idle(trained: Sequence[Block], asked: Asked) -> None:
    """Refuses options that would change nothing, so that nobody believes that they did."""
    if not trained and (asked.protocol or asked.ks or asked.metric or asked.settings):
        raise InputError(
            "--protocol, --k, --metric and --set are of models that are trained, but only made-up vectors are searched "
            "here; leave them out."
        )
    rows = [row for block in trained for row in block.models if not asked.models or row.model in asked.models]
    models = list(dict.fromkeys(row.model for row in rows))
    for setting in asked.settings:
        if not any(_applies(setting, row) for row in rows):
            which = setting.model or f"a model with the setting {setting.field!r}"
            raise InputError(
                f"{setting.option}: {which} is not among the models of this run, which are "
                f"{', '.join(models) or 'none'}{meant(setting.model, models)}; name it in --models."
            )


def _applies(setting: Setting, row: ModelRow) -> bool:
    return setting.model in ("", row.model) and setting.field in specs.settable(row.model)


def _overridden(block: Block, asked: Asked, said: dict[str, None]) -> Block:
    protocol = _protocol(block, asked, said)
    models = tuple(_row(row, asked, said, [SEEN] if block.is_by_data(row) else ()) for row in block.models)
    if protocol == block.protocol and models == block.models:
        return block
    return dataclasses.replace(block, protocol=protocol, models=_merged(block.models, models, said))


def _protocol(block: Block, asked: Asked, said: dict[str, None]) -> Mapping[str, Any]:
    """The protocol that was asked for, its K and its primary metric the block's where they were not."""
    before = protocols.described(protocols.make(block.protocol))
    ks = sorted(set(asked.ks or before["ks"]))
    metric = asked.metric or str(before["primary_metric"])
    name, _, k = metric.partition("@")
    if asked.metric:
        ks = sorted({*ks, int(k)})
    elif int(k) not in ks:
        metric = f"{name}@{ks[-1]}"
    own = asked.protocol or {field: value for field, value in before.items() if field not in JUDGED}
    given = [option for option, is_given in (("--protocol", asked.protocol), ("--k", asked.ks)) if is_given]
    with option_named(" ".join([*given, *(["--metric"] if asked.metric else [])])):
        after = protocols.described(protocols.make({**own, "ks": ks, "primary_metric": metric}))
    if after == before:
        return block.protocol
    for what, old, new in _differences(before, after):
        said[f"{what}: {new}, in place of {old}"] = None
    return after


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What has changed, before and after, in words."""
    both = (before, after)
    cuts = [
        " ".join([protocol["name"], *(f"{f}={written(v)}" for f, v in protocol.items() if f not in (*JUDGED, "name"))])
        for protocol in both
    ]
    ks = [", ".join(map(str, protocol["ks"])) for protocol in both]
    metrics = [str(protocol["primary_metric"]) for protocol in both]
    parts = (("protocol", *cuts), ("K", *ks), ("primary metric", *metrics))
    return [(what, old, new) for what, old, new in parts if old != new]


def _row(row: ModelRow, asked: Asked, said: dict[str, None], undecided: Collection[str]) -> ModelRow:
    """The row with the settings that were asked for; what is said of its model goes before what is said of all.

    What is undecided, since the data decide, is set even if it is what the model has by default.
    """
    general_first = sorted((s for s in asked.settings if _applies(s, row)), key=lambda setting: setting.model != "")
    named = {setting.field: setting for setting in general_first}
    if not named or (asked.models and row.model not in asked.models):
        return row
    given = {field: setting.value for field, setting in named.items()}
    with option_named(" ".join(setting.option for setting in named.values())):
        before, after = (
            settings_of(specs.make(row.model, settings)) for settings in (row.settings, {**row.settings, **given})
        )
    changed = [field for field in sorted(named) if after[field] != before[field] or field in undecided]
    if not changed:
        return row
    for field in changed:
        new, old = written(after[field]), BY_DATA if field in undecided else written(before[field])
        said[f"{row.model} ({before['variant']}): {field}={new}, in place of {old}"] = None
    if "variant" not in changed:
        given["variant"] = _telling(before["variant"], after, changed)
    with option_named(" ".join(named[field].option for field in changed)):
        # What a search draws from was written for the settings as they were.
        return dataclasses.replace(row, settings={**row.settings, **given}, search={})


def _telling(variant: str, settings: Mapping[str, Any], fields: Iterable[str]) -> str:
    """A variant that says in which settings a row differs from the one that had its name."""
    return as_name(", ".join([variant, *(f"{field}={written(settings[field])}" for field in fields)]))


def as_name(whole: str) -> str:
    """The text, or, where a name has no room for it, as much as fits, told apart by eight digits of its hash."""
    if len(whole) <= LONGEST_NAME:
        return whole
    told_apart = f"… {digest(whole)[:8]}"
    return whole[: LONGEST_NAME - len(told_apart)] + told_apart


def _merged(before: Sequence[ModelRow], after: Sequence[ModelRow], said: dict[str, None]) -> tuple[ModelRow, ...]:
    """The rows without those that have become the same as another, of which the one that is as it was stays."""
    kept: list[tuple[ModelRow, ModelRow]] = []
    n_merged: dict[str, int] = {}
    for old, new in zip(before, after, strict=True):
        same = (i for i, (was, now) in enumerate(kept) if _same(now, new) and not _same(was, old))
        place = next(same, None)
        if place is None:
            kept.append((old, new))
            continue
        was, now = kept[place]
        stays = (old, new) if old == new and was != now else (was, now)
        kept[place] = (stays[0], dataclasses.replace(stays[1], timed=now.timed or new.timed))
        n_merged[new.model] = n_merged.get(new.model, 0) + 1
    said |= {
        f"{model}: {n + 1} rows have become the same, so {n} of them {'is' if n == 1 else 'are'} left out": None
        for model, n in n_merged.items()
    }
    rows = tuple(new for _, new in kept)
    for row in rows:
        if sum(other.model == row.model and other.variant == row.variant for other in rows) > 1:
            raise InputError(
                f"--set variant={written(row.variant)}: several rows of {row.model} would have it, expected one; leave "
                "it out, since a row that is changed says so in its variant."
            )
    return rows


def _same(row: ModelRow, other: ModelRow) -> bool:
    """Whether two rows differ in nothing but their variants."""
    return (row.model, row.modes, _but_variant(row)) == (other.model, other.modes, _but_variant(other))


def _but_variant(row: ModelRow) -> Mapping[str, Any]:
    return {**settings_of(specs.make(row.model, row.settings)), "variant": ""}


def _told_apart(blocks: Sequence[Block]) -> list[Block]:
    """Gives rows of one name and other settings names of their own, where their blocks have come to the same."""
    first: dict[tuple[str, str, str, str], Mapping[str, Any]] = {}
    made = []
    for block in blocks:
        rows = []
        protocol = _as_text(block.protocol) if block.models else ""
        for row in block.models:
            spec = settings_of(specs.make(row.model, row.settings))
            known = first.setdefault((block.dataset, protocol, row.model, row.variant), spec)
            differing = [field for field in spec if spec[field] != known[field]]
            variant = _telling(row.variant, spec, differing) if differing else row.variant
            rows.append(dataclasses.replace(row, settings={**row.settings, "variant": variant}) if differing else row)
        made.append(dataclasses.replace(block, models=tuple(rows)) if tuple(rows) != block.models else block)
    return made


def _repeated(blocks: Sequence[Block]) -> int:
    """How many rows stand in another block of the same data set and protocol before them."""
    rows = [
        (block.dataset, _as_text(block.protocol), row.model, _but_variant(row), row.variant)
        for block in blocks
        for row in block.models
    ]
    return sum(row in rows[:place] for place, row in enumerate(rows))


def _as_text(protocol: Mapping[str, Any]) -> str:
    return json.dumps(protocols.described(protocols.make(protocol)), sort_keys=True)
