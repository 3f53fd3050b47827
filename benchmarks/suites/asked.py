"""What options of the command line say that suites say too: the protocol, K, the primary metric, models' settings.

Values are written as in TOML; a plain word needs no quotes, and a date is one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from backends.registry import FAMILIES
from benchmarks import protocols, specs
from benchmarks.protocols.base import METRICS
from benchmarks.settings import IN_SUITE, SettingError, meant
from datasets.errors import InputError

STANDARD: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "time-split": {"train_until": 0.8, "validation_until": 0.9, "per": "user", "unknown_users": "drop"},
        "leave-k-out": {"k": 1},
        "next-item": {"train_until": 0.8, "validation_until": 0.9, "per": "user"},
    }
)
"""What `--protocol NAME` takes for settings that are not given and have no default; all report the test period."""

LEAVE_ONE_OUT = "leave-one-out"
"""The name by which leave-k-out with k = 1 is known."""

PROTOCOLS = (*protocols.PROTOCOLS, LEAVE_ONE_OUT)
JUDGED = {"ks": "--k", "primary_metric": "--metric"}
ANY_JUDGEMENT = {"ks": [1], "primary_metric": f"{METRICS[0]}@1"}
NEXT_SETTING = re.compile(r",(?=\s*\w+\s*=)")


class Setting(NamedTuple):
    """One `--set MODEL.FIELD=VALUE`; of all models that have the field, where no model is named."""

    model: str
    field: str
    value: Any

    @property
    def option(self) -> str:
        place = f"{self.model}.{self.field}" if self.model else self.field
        return f"--set {place}={written(self.value)}"


@dataclass(frozen=True)
class Asked:
    """What is asked for in place of what suites say; what is empty is left to them.

    Attributes:
        protocol: a protocol's name and all its settings but those of JUDGED.
        ks: the K of the metrics, in any order.
        metric: the primary metric, with its K.
        settings: of models, in any order.
        models, indexes, backends: those that are asked for by name, so that they are run where a suite lacks them.
    """

    protocol: Mapping[str, Any] = field(default_factory=dict)
    ks: tuple[int, ...] = ()
    metric: str = ""
    settings: tuple[Setting, ...] = ()
    models: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        places = [(setting.model, setting.field) for setting in self.settings]
        twice = next((setting for setting in self.settings if places.count(setting[:2]) > 1), None)
        if twice is not None:
            raise InputError(f"{twice.option}: it is set twice, expected one value; leave one of them out.")

    @property
    def words(self) -> list[str]:
        """The options that say so, each a word of the shell; names have options of their own."""
        return [
            *([f"--protocol {shlex.quote(_protocol_written(self.protocol))}"] if self.protocol else []),
            *([f"--k {' '.join(map(str, self.ks))}"] if self.ks else []),
            *([f"--metric {self.metric}"] if self.metric else []),
            *(f"--set {shlex.quote(setting.option.removeprefix('--set '))}" for setting in self.settings),
        ]


def _protocol_written(settings: Mapping[str, Any]) -> str:
    """A protocol as `protocol` reads it, without what it takes by itself."""
    name = str(settings["name"])
    by_itself = protocol(name)
    by_itself = protocols.described(protocols.make({**by_itself, **ANY_JUDGEMENT}))
    own = [f"{key}={written(value)}" for key, value in settings.items() if by_itself.get(key) != value]
    return f"{name}:{','.join(own)}" if own else name


def protocol(text: str) -> dict[str, Any]:
    """The protocol of `NAME` or `NAME:setting=value,setting=value`, without what JUDGED names.

    Raises:
        InputError: there is no such protocol or setting, or a value cannot be.
    """
    name, _, rest = text.partition(":")
    option = f"--protocol {text[:200]}"
    if name not in PROTOCOLS:
        raise InputError(
            f"{option}: unknown protocol, expected one of {', '.join(PROTOCOLS)}{meant(name, PROTOCOLS)}; correct it."
        )
    given: dict[str, Any] = {}
    for part in NEXT_SETTING.split(rest) if rest else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key or key in given:
            raise InputError(
                f"{option}: {part[:80]!r} is no setting, expected each once as setting=value, as in leave-k-out:k=2."
            )
        if key in JUDGED:
            raise InputError(f"{option}: {key} is not set here, expected it in {JUDGED[key]}; move it there.")
        given[key] = _value(value)
    if name == LEAVE_ONE_OUT:
        if given.setdefault("k", 1) != 1:
            raise InputError(f"{option}: k is 1 in {LEAVE_ONE_OUT}; give leave-k-out:k={written(given['k'])}.")
        name = "leave-k-out"
    made = {"name": name, **STANDARD.get(name, {}), "period": "test", **given}
    with option_named(option):
        protocols.make({**made, **ANY_JUDGEMENT})
    return made


def metric(text: str) -> str:
    """A metric and its K, such as "ndcg@10".

    Raises:
        InputError: it is none.
    """
    name, _, k = text.partition("@")
    if name not in METRICS:
        raise InputError(
            f"--metric {text[:80]}: unknown metric, expected one of {', '.join(METRICS)} and its K, as in "
            f"ndcg@10{meant(name, METRICS)}; correct it."
        )
    if not (k.isascii() and k.isdecimal() and len(k) < 7 and 1 <= int(k) <= 100_000):
        raise InputError(f"--metric {text[:80]}: expected a metric and its K from 1 to 100,000; write {name}@10.")
    return f"{name}@{int(k)}"


def setting(text: str) -> Setting:
    """The setting of `MODEL.FIELD=VALUE` or `FIELD=VALUE`; its value is checked with the others of its model.

    Raises:
        InputError: it is none, or there is no such model or field.
    """
    place, equals, value = (piece.strip() for piece in text.partition("="))
    model, _, name = place.rpartition(".")
    option = f"--set {text[:200]}"
    if not equals or not name:
        raise InputError(f"{option}: expected MODEL.FIELD=VALUE or FIELD=VALUE; write gru4rec.learning_rate=0.001.")
    if model and model not in FAMILIES:
        raise InputError(
            f"{option}: unknown model, expected one of {', '.join(FAMILIES)}{meant(model, FAMILIES)}; correct it."
        )
    known = sorted({one for each in ([model] if model else FAMILIES) for one in specs.settable(each)})
    if name not in known:
        whose = f"{model} has" if model else "no model has"
        missing = "no setting" if model else "the setting"
        raise InputError(
            f"{option}: {whose} {missing} {name[:80]!r}, expected one of {', '.join(known)}{meant(name, known)}; "
            "correct it."
        )
    return Setting(model, name, _value(value))


@contextlib.contextmanager
def option_named(option: str) -> Iterator[None]:
    """Says of what is refused within in which option, and not in which suite, it is to be corrected."""
    try:
        yield
    except SettingError as error:
        said = str(error)
        said = said.removesuffix(IN_SUITE) + "correct it." if said.endswith(IN_SUITE) else said
        raise InputError(f"{option[:200]}: {said}") from error


def _value(text: str) -> Any:
    """What TOML reads in a text, a date as text, as protocols have it; what it cannot read is a plain word."""
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = read.get("value") if len(read) == 1 else text
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


def written(value: Any) -> str:
    """A value as `_value` reads it, a text without quotes where it is read without them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(_quoted(each) if isinstance(each, str) else written(each) for each in value)}]"
    if isinstance(value, str):
        plain = value == value.strip() and _value(value) == value and not NEXT_SETTING.search(value)
        return value if plain else _quoted(value)
    return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace(
        "\x7f", "\\u007f"
    )  # which JSON leaves as it is, and TOML refuses


def and_(names: Sequence[str]) -> str:
    """Such as "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
