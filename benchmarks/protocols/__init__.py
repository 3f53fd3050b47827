"""One file a protocol: how interactions become training rows and questions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmarks.protocols.base import Protocol, Queries, Split
from benchmarks.protocols.leave_k_out import LeaveKOut
from benchmarks.protocols.next_item import NextItem
from benchmarks.protocols.sequence_split import SequenceSplit
from benchmarks.protocols.time_split import TimeSplit
from benchmarks.protocols.user_split import UserSplit
from benchmarks.settings import SettingError, meant, shown
from benchmarks.settings import make as with_settings

__all__ = [
    "PROTOCOLS",
    "LeaveKOut",
    "NextItem",
    "Protocol",
    "Queries",
    "SequenceSplit",
    "Split",
    "TimeSplit",
    "UserSplit",
    "described",
    "in_words",
    "make",
    "optional",
]

PROTOCOLS: dict[str, type[Protocol]] = {
    protocol.name: protocol for protocol in (TimeSplit, UserSplit, SequenceSplit, LeaveKOut, NextItem)
}


def make(settings: Mapping[str, Any]) -> Protocol:
    """The protocol that a suite describes: its name and its settings.

    Raises:
        SettingError: for an unknown protocol, a setting that it does not have or lacks, or a value that cannot be.
    """
    if not isinstance(settings, Mapping):
        raise SettingError(f"the protocol is {shown(settings)}, expected a table with a name; correct it in the suite.")
    rest = dict(settings)
    name = rest.pop("name", None)
    if not isinstance(name, str) or name not in PROTOCOLS:
        raise SettingError(
            f"unknown protocol {shown(name)}, expected one of {', '.join(PROTOCOLS)}{meant(name, PROTOCOLS)}; "
            "correct it in the suite.",
            ("name",),
        )
    return with_settings(PROTOCOLS[name], rest, f"protocol {name}")


def described(protocol: Protocol) -> dict[str, Any]:
    """A protocol as a suite writes it: its name and its fields, in JSON's types.

    What is not set is not named, so that a setting which is new leaves finished cells finished.
    """
    fields = {name: value for name, value in dataclasses.asdict(protocol).items() if value is not None}
    return {"name": protocol.name, **{k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}}


def optional(name: str) -> frozenset[str]:
    """The settings that a protocol has only where they are asked for; none of one that nobody knows."""
    fields = dataclasses.fields(PROTOCOLS[name]) if name in PROTOCOLS else ()
    return frozenset(field.name for field in fields if field.default is None)


def in_words(settings: Mapping[str, Any]) -> str:
    """A protocol in a line, for its settings as a suite has them; what differs in any of them reads differently.

    What is as the protocol has it by default is left out.
    """
    name = settings["name"]
    fields = dataclasses.fields(PROTOCOLS[name]) if name in PROTOCOLS else ()
    by_default = {field.name: _text(field.default) for field in fields}
    given = {field: _text(value) for field, value in settings.items() if field != "name" and value is not None}
    asked = [f"{given.pop('period', '')}@{given.pop('ks')}"] if "ks" in given else []
    ranked = [f"by {given.pop('primary_metric')}"] if "primary_metric" in given else []
    own = [f"{field}={text}" for field, text in given.items() if text != by_default.get(field)]
    return " ".join([name, *own, *asked, *ranked])


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
