"""Numbers with units as they are typed on the command line: counts, bytes and durations."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping

BYTES = {
    "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
    "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40,
}  # fmt: skip
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_QUANTITY = re.compile(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:e[0-9]+)?) ?([a-z]+)", re.IGNORECASE)


def n_items(text: str) -> int:
    """1000000, 1_000_000 or 1e6.

    Raises:
        argparse.ArgumentTypeError: it is no whole number from 1.
    """
    try:
        value = int(text) if "e" not in text.lower() else float(text)
        if value >= 1 and value == int(value):
            return int(value)
    except (ValueError, OverflowError):  # int() overflows on infinity
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1, such as 1e6 or 1_000_000")


def share(text: str) -> float:
    """A number above 0 and up to 1.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0 and up to 1, such as 0.95")
    return value


def n_bytes(text: str) -> float:
    """2GB (2e9 bytes), 500MB or 1.5GiB (1.5 × 2^30).

    Raises:
        argparse.ArgumentTypeError: it is no number of bytes above 0 with its unit.
    """
    return _quantity(text, BYTES, "a number of bytes above 0 with its unit, such as 2GB, 500MB or 1.5GiB")


def seconds(text: str) -> float:
    """5ms, 30s or 10min.

    Raises:
        argparse.ArgumentTypeError: it is no duration above 0 with its unit.
    """
    return _quantity(text, SECONDS, "a duration above 0 with its unit, such as 5ms, 30s or 10min")


def _quantity(text: str, units: Mapping[str, float], expected: str) -> float:
    parts = _QUANTITY.fullmatch(text.strip())
    if parts and parts[2].lower() in units:
        value = float(parts[1]) * units[parts[2].lower()]
        if 0 < value < float("inf"):
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
