"""One file a protocol: how interactions become training rows and questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.protocols.base import Queries, Split
from benchmarks.protocols.time_split import TimeSplit
from datasets.errors import InputError

__all__ = ["PROTOCOLS", "Queries", "Split", "TimeSplit", "make"]

PROTOCOLS = {TimeSplit.name: TimeSplit}


def make(settings: Mapping[str, Any]) -> TimeSplit:
    """The protocol that a suite describes: its name and its settings.

    Raises:
        InputError: for an unknown protocol, or a setting that it does not have or lacks.
    """
    rest = dict(settings)
    name = rest.pop("name", None)
    if name not in PROTOCOLS:
        raise InputError(f"unknown protocol {name!r}, expected one of {', '.join(PROTOCOLS)}; correct it in the suite.")
    try:
        given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in rest.items()}
        return PROTOCOLS[name](**given)
    except TypeError as error:
        raise InputError(f"protocol {name}: {error}; correct its settings in the suite.") from error
