"""One file a model family: a frozen dataclass, its parameter table and its float64 NumPy reference."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

from backends.registry import FAMILIES
from benchmarks.settings import with_tuples
from datasets.errors import InputError


def make(model: str, settings: Mapping[str, Any]) -> Any:
    """The spec of a model family with these settings in place of its defaults.

    Raises:
        InputError: for an unknown model or a setting that its spec does not have.
    """
    if model not in FAMILIES:
        raise InputError(f"unknown model {model!r}, expected one of {', '.join(FAMILIES)}.")
    module, _, name = FAMILIES[model].spec.partition(":")
    spec_class = getattr(importlib.import_module(module), name)
    fields = {field.name for field in dataclasses.fields(spec_class)}
    unknown = sorted(set(settings) - fields)
    if unknown:
        raise InputError(
            f"{model} has no setting {unknown[0]!r}, expected one of {', '.join(sorted(fields))}; "
            "correct it in the suite."
        )
    return spec_class(**with_tuples(settings))
