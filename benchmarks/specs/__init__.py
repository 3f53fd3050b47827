"""One file a model family: a frozen dataclass, its parameter table and its float64 NumPy reference."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from backends.registry import FAMILIES
from benchmarks.settings import SettingError, free, meant, shown
from benchmarks.settings import make as with_settings


def make(model: str, settings: Mapping[str, Any]) -> Any:
    """The spec of a model family with these settings in place of its defaults.

    Raises:
        SettingError: for an unknown model, a setting that its spec does not have, or a value that cannot be.
    """
    if not isinstance(model, str) or model not in FAMILIES:
        raise SettingError(
            f"unknown model {shown(model)}, expected one of {', '.join(FAMILIES)}{meant(model, FAMILIES)}."
        )
    return with_settings(_kind(model), settings, model)


def settable(model: str) -> tuple[str, ...]:
    """The fields of a family's spec that may have another value than their default, in the spec's order."""
    return free(_kind(model))


def _kind(model: str) -> type[Any]:
    module, _, name = FAMILIES[model].spec.partition(":")
    kind: type[Any] = getattr(importlib.import_module(module), name)
    return kind
