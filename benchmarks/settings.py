"""Settings as suites and jobs write them, made fit for frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_tuples(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings with a tuple for every list: TOML and JSON have lists, and what is frozen is to be hashable."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
