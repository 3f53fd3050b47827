"""Values to text: numbers with their units, names for files and anchors, and text from outside made harmless."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable

from backends.registry import BACKENDS
from reports.tables.retrieval import IndexRow
from reports.tables.spread import Spread

MISSING = "–"
_LONGEST_DRAWN = 64
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_MARKDOWN_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKDOWN_SPECIAL = re.compile(r"[\\`*|\[\]~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_SLUG_PART = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")


def plain(value: object) -> str:
    """One line without control, format or surrogate characters: safe in XML, in UTF-8 and on a terminal."""
    line = " ".join(str(value).split())
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c).startswith("C") else c for c in line)


def drawn(value: object) -> str:
    """The same, short enough for a picture."""
    line = plain(value)
    return line if len(line) <= _LONGEST_DRAWN else line[: _LONGEST_DRAWN - 1] + "…"


def markdown(value: object) -> str:
    """Text that Markdown shows as it is, in a table cell too."""
    line = _MARKDOWN_SPECIAL.sub(lambda match: "\\" + match[0], plain(value))
    return "".join(_MARKDOWN_ENTITIES.get(c, c) for c in line)


def slug(*parts: str) -> str:
    """A name for a file or an anchor; parts that had to be changed are told apart by a hash of what they were."""
    name = "-".join(re.sub(r"[^a-z0-9._]+", "-", part.lower()).strip("-._") for part in parts)
    if len(name) <= 120 and all(_SLUG_PART.fullmatch(part) for part in parts):
        return name
    return f"{name[:120]}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:8]}"


def framework(backend: str) -> str:
    """A backend as its makers write it: PyTorch."""
    return (BACKENDS[backend].title or backend) if backend in BACKENDS else backend


def times(value: float) -> str:
    """A ratio in as many digits as a reader needs: 0.08×, 2.5×, 42×."""
    return f"{value:.2f}×" if value < 0.995 else f"{value:.1f}×" if value < 9.95 else f"{value:,.0f}×"


def metric(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"


def metrics(low: float, high: float) -> str:
    """From the smallest to the largest of a metric, as one figure where they read the same."""
    return metric(low) if metric(low) == metric(high) else f"{metric(low)} – {metric(high)}"


def interval(low: float | None, high: float | None) -> str:
    """The bounds of a metric, "" where there are none."""
    return "" if low is None or high is None else f"{metric(low)} – {metric(high)}"


def signed(value: float | None) -> str:
    return MISSING if value is None else f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def difference(value: float | None, low: float | None, high: float | None) -> str:
    """A signed value, with its interval where there is one."""
    if value is None or low is None or high is None:
        return signed(value)
    return f"{signed(value)} ({signed(low)} – {signed(high)})"


def p_value(value: float) -> str:
    """With as many digits as ten thousand draws have."""
    return f"{value:.2g}" if value >= 1e-4 else "0.0001 or less"


def percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f} %"


def significant(value: float) -> str:
    """Three significant digits, never in exponential notation."""
    if not math.isfinite(value):
        return MISSING
    rounded = float(f"{value:.3g}")
    if abs(rounded) < 1:
        return f"{rounded:#.3g}" if abs(rounded) >= 1e-4 else f"{rounded:.4f}"
    return f"{rounded:.{max(0, 3 - len(str(int(abs(rounded)))))}f}"


def rate(value: float) -> str:
    """A number a second: 870, 14.1k, 2.43M."""
    for scale, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * scale:
            return significant(value / scale) + suffix
    return significant(value)


def index(row: IndexRow) -> str:
    """An index with its settings."""
    return plain(" ".join(filter(None, (row.name, row.build, row.query))))


def vectors(source: str) -> str:
    """Where vectors come from; those that no model made are not called by what a record calls them."""
    made = source.removeprefix("made-up-vectors")
    return source if made == source else f"synthetic vectors{made.removesuffix(', classic eager')}"


def count(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}"


def tick(value: float) -> str:
    """A number on an axis, without noughts behind the point: 0.5, 200, 1k, 2.5k, 10M."""
    for scale, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.6g}{suffix}"
    return f"{value:.6g}"


def power(value: float) -> str:
    """A power of ten on an axis."""
    exponent = f"{math.log10(value):.0f}" if value > 0 else ""
    return "10" + exponent.translate(_RAISED) if exponent else ""


def ratio(value: float) -> str:
    return f"{value:.2f}×"


def mebibytes(n_bytes: float | None) -> str:
    return MISSING if n_bytes is None else significant(n_bytes / 2**20)


def gibibytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:,.1f}" if n_bytes < 2**60 else f"{n_bytes // 2**30:,}"


def milliseconds(seconds: float | None) -> str:
    return MISSING if seconds is None else significant(1000 * seconds)


def number(value: float | None) -> str:
    return MISSING if value is None else significant(value)


def median(spread: Spread | None, form: Callable[[float], str]) -> str:
    return MISSING if spread is None else form(spread.median)


def extent(spread: Spread | None, form: Callable[[float], str]) -> str:
    """Smallest to largest sample."""
    return MISSING if spread is None else f"{form(spread.low)} – {form(spread.high)}"


def both(spread: Spread | None, form: Callable[[float], str]) -> str:
    """Median with the smallest and the largest sample."""
    return MISSING if spread is None else f"{form(spread.median)} ({form(spread.low)} – {form(spread.high)})"


def small(value: float | None) -> str:
    """A difference or a tolerance, whose order of magnitude counts."""
    return MISSING if value is None else f"{value:.2g}"
